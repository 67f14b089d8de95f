package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/objstore"
)

// job is a plan that is under way.
type job struct {
	streams *Streams
	info    Info
	plan    *plan
	source  batch.Source
}

// flush carries out one plan of a delivery stream. Each of its objects is one pass over the range; a pass that is
// repeated writes the same bytes under the same name.
type flush struct {
	job
	meters *meters
}

func (f *flush) run(ctx context.Context) error {
	c := &f.plan.Config
	if c.Backup != nil {
		if err := f.deliverRaw(ctx, roleBackup, *c.Backup, "", nil); err != nil {
			return fmt.Errorf("deliver backup: %w", err)
		}
	}
	delivered := volume{f.plan.Records, f.plan.Bytes}
	var err error
	if c.Conversion == nil {
		err = f.deliverRaw(ctx, roleData, c.Target, c.FileExtension, c.AppendDelimiter)
	} else {
		delivered, err = f.deliverParquet(ctx)
	}
	if err != nil {
		return err
	}
	f.meters.delivered(delivered, f.streams.opts.Now().Sub(f.plan.Instant))
	return nil
}

// each calls fn with every record of the plan, in the order of the source.
func (j *job) each(ctx context.Context, fn func(batch.Record) error) error {
	return j.source.Read(ctx, j.plan.Start, j.plan.End, func(records []batch.Record) error {
		for _, r := range records {
			if err := fn(r); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// deliverRaw writes the records one behind the other.
func (f *flush) deliverRaw(ctx context.Context, role string, target Target, extension string, delimiter []byte) error {
	out, err := f.create(ctx, role, target, extension)
	if err != nil {
		return err
	}
	err = f.each(ctx, func(r batch.Record) error {
		if _, err := out.Write(r.Data); err != nil {
			return err
		}
		if delimiter != nil {
			_, err := out.Write(delimiter)
			return err
		}
		return nil
	})
	return out.close(err)
}

// deliverParquet writes the records that convert into one object and, in a second pass, the others into another.
func (f *flush) deliverParquet(ctx context.Context) (converted volume, err error) {
	dec, err := newDecoder(f.plan)
	if err != nil {
		return converted, err
	}
	failed, err := f.convert(ctx, dec)
	if err != nil {
		return converted, err
	}
	if failed.records > 0 {
		if err := f.deliverFailed(ctx, dec); err != nil {
			return converted, err
		}
	}
	converted = volume{f.plan.Records - failed.records, f.plan.Bytes - failed.bytes}
	f.meters.converted(converted, failed)
	return converted, nil
}

// volume is a number of records and their bytes.
type volume struct{ records, bytes int64 }

// decodedMax is how many bytes of records are decoded before they go to the Parquet writer.
const decodedMax = 4 << 20

// convert writes what converts; the object begins with the first such record, so that none is written for none.
func (f *flush) convert(ctx context.Context, dec *columnar.JSONDecoder) (failed volume, err error) {
	var out *object
	var file *columnar.ParquetWriter
	write := func() error {
		if dec.Len() == 0 {
			return nil
		}
		if out == nil {
			if out, err = f.create(ctx, roleData, f.plan.Config.Target, f.plan.extension()); err != nil {
				return err
			}
			if file, err = columnar.NewParquetWriter(out, dec.Batch().Schema, f.plan.Config.Conversion.parquetOptions()); err != nil {
				return err
			}
		}
		err := file.Write(dec.Batch())
		dec.Reset()
		return err
	}
	err = f.each(ctx, func(r batch.Record) error {
		if reason := decode(dec, r.Data); reason != nil {
			failed.records++
			failed.bytes += int64(len(r.Data))
			return nil
		}
		if dec.Size() < decodedMax {
			return nil
		}
		return write()
	})
	if err == nil {
		err = write()
	}
	if out == nil {
		return failed, err
	}
	if err == nil {
		_, err = file.Close()
	}
	return failed, out.close(err)
}

// extension is the end of the data object's name.
func (p *plan) extension() string {
	if p.Config.FileExtension != "" {
		return p.Config.FileExtension
	}
	if p.Config.Conversion != nil {
		return ".parquet"
	}
	return ""
}

// object is an object that is being put while it is written.
type object struct {
	io.Writer // the packer, or the pipe itself
	packer    io.WriteCloser
	pipe      *io.PipeWriter
	put       chan error
	size      int64 // bytes that are stored, when close has returned nil
}

// create begins an object of the plan. An empty extension is that of the compression.
func (f *flush) create(ctx context.Context, role string, target Target, extension string) (*object, error) {
	zone, err := f.plan.Config.location()
	if err != nil {
		return nil, err
	}
	id := objectID(f.info.ID, f.plan.Number, role)
	folder, err := f.folder(role, target, id, zone)
	if err != nil {
		return nil, err
	}
	pack := packers[target.Compression]
	if role == roleFailed {
		pack = packer{}
	} else if extension == "" {
		extension = pack.extension
	}
	key := objectKey(f.info, f.plan, folder, id, zone, extension)
	opts := objstore.PutOptions{ContentType: "application/octet-stream"}
	if pack.encoding != "" {
		opts.Headers = map[string]string{"Content-Encoding": pack.encoding}
	}
	return f.put(ctx, target.Bucket, key, pack, opts)
}

// put begins an object.
func (j *job) put(ctx context.Context, bucket, key string, pack packer, opts objstore.PutOptions) (*object, error) {
	r, w := io.Pipe()
	o := &object{Writer: w, pipe: w, put: make(chan error, 1)}
	if pack.open != nil {
		var err error
		if o.packer, err = pack.open(w, key, j.plan.Instant); err != nil {
			return nil, err
		}
		o.Writer = o.packer
	}
	go func() {
		info, err := j.streams.opts.Objects.Put(ctx, bucket, key, r, opts)
		o.size = info.Size
		if err != nil {
			err = fmt.Errorf("put s3://%s/%s: %w", bucket, key, err)
		}
		r.CloseWithError(errPut)
		o.put <- err
	}()
	return o, nil
}

// errPut is what a writer sees when the store has stopped to read.
var errPut = errors.New("object store does not take the object")

// folder evaluates the prefix that belongs to a role.
func (f *flush) folder(role string, target Target, id string, zone *time.Location) (string, error) {
	data, err := CompilePrefix(target.Prefix)
	if err != nil {
		return "", err
	}
	failed, err := CompilePrefix(target.ErrorPrefix)
	if err != nil {
		return "", err
	}
	values := prefixValues{instant: f.plan.Instant.In(zone), random: randomStrings(id), errorType: formatConversionFailed}
	if role == roleFailed {
		return errorPrefix(failed, data, values)
	}
	return dataPrefix(data, values)
}

// close ends the object: it is stored whole if err is nil, else not at all.
func (o *object) close(err error) error {
	if err == nil && o.packer != nil {
		err = o.packer.Close()
	}
	if err != nil {
		o.pipe.CloseWithError(err)
		if put := <-o.put; put != nil && errors.Is(err, errPut) {
			return put // the reason why writing failed
		}
		return err
	}
	o.pipe.Close()
	return <-o.put
}

// resolveSchema puts the columns of the table, as they are now, into a plan that converts.
func (s *Streams) resolveSchema(ctx context.Context, p *plan) error {
	c := p.Config.Conversion
	if c == nil {
		return nil
	}
	table, schema, err := s.tableSchema(ctx, c)
	if err != nil {
		return fmt.Errorf("schema of table %s.%s: %w", c.Database, c.Table, err)
	}
	p.Schema, p.TableVersion = json.RawMessage(schema.JSON()), table.Version
	return nil
}
