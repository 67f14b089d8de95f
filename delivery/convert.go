package delivery

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/columnar"
)

// checkTable refuses a conversion whose table is not there, or has columns that Parquet cannot hold.
func (s *Streams) checkTable(ctx context.Context, c *Conversion) error {
	if c == nil {
		return nil
	}
	_, schema, err := s.tableSchema(ctx, c)
	if errors.Is(err, catalog.ErrNotFound) {
		return failf(ErrInvalid, "Schema is not found: table '%s' of database '%s', version %s: %v", c.Table, c.Database, c.Version, err)
	}
	if err == nil {
		_, err = columnar.NewJSONDecoder(schema, c.decoderOptions())
	}
	if err == nil {
		_, err = columnar.NewParquetWriter(discard{}, schema, c.parquetOptions())
	}
	if err != nil {
		return failf(ErrInvalid, "Schema of table '%s' of database '%s' cannot be used: %v", c.Table, c.Database, err)
	}
	return nil
}

// discard is a writer for a Parquet file that is never written.
type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// tableSchema finds the table of a conversion and the types of its columns; partition keys are not among them, as
// they are the folders' business.
func (s *Streams) tableSchema(ctx context.Context, c *Conversion) (catalog.Table, *columnar.Schema, error) {
	table, err := s.table(ctx, c)
	if err != nil {
		return table, nil, err
	}
	schema := &columnar.Schema{}
	for _, col := range table.Storage.Columns {
		t, err := columnar.ParseType(col.Type)
		if err != nil {
			return table, nil, fmt.Errorf("column %s: %w", col.Name, err)
		}
		schema.Fields = append(schema.Fields, columnar.Field{Name: strings.ToLower(col.Name), Type: t, Nullable: true})
	}
	return table, schema, nil
}

func (s *Streams) table(ctx context.Context, c *Conversion) (catalog.Table, error) {
	if c.Version == "LATEST" {
		return s.opts.Tables.Table(ctx, c.Database, c.Table)
	}
	versions, ok := s.opts.Tables.(TableVersions)
	if !ok {
		table, err := s.opts.Tables.Table(ctx, c.Database, c.Table)
		if err == nil && table.Version != c.Version {
			err = fmt.Errorf("version %s: %w", c.Version, catalog.ErrNotFound)
		}
		return table, err
	}
	return versions.TableVersion(ctx, c.Database, c.Table, c.Version)
}

// newDecoder compiles the schema of a plan.
func newDecoder(p *plan) (*columnar.JSONDecoder, error) {
	schema, err := columnar.ParseSchemaJSON(p.Schema)
	if err != nil {
		return nil, err
	}
	return columnar.NewJSONDecoder(schema, p.Config.Conversion.decoderOptions())
}

// reason is why a record does not convert, in Firehose's codes.
type reason struct{ code, message string }

// decode adds the rows of one record, or none and the reason. A record of which one value does not fit is refused
// whole.
func decode(d *columnar.JSONDecoder, data []byte) *reason {
	rows, bad, err := d.Append(data)
	switch {
	case errors.Is(err, columnar.ErrEmpty):
		return &reason{"DataFormatConversion.MalformedData", "Data does not match the schema. The record holds no JSON object."}
	case err != nil:
		return &reason{"DataFormatConversion.ParseError", "Encountered malformed JSON. " + err.Error()}
	case bad != nil:
		d.Undo(rows)
		return &reason{"DataFormatConversion.MalformedData", fmt.Sprintf("Data does not match the schema. Column %s: %s", bad[0].Field, bad[0].Reason)}
	}
	return nil
}

// deliverFailed writes the records that did not convert, with the reason of each.
func (f *flush) deliverFailed(ctx context.Context, dec *columnar.JSONDecoder) error {
	out, err := f.create(ctx, roleFailed, f.plan.Config.Target, "")
	if err != nil {
		return err
	}
	var line []byte
	err = f.each(ctx, func(r batch.Record) error {
		why := decode(dec, r.Data)
		dec.Reset()
		if why == nil {
			return nil
		}
		line = f.failedLine(line[:0], r, why)
		_, err := out.Write(line)
		return err
	})
	return out.close(err)
}
