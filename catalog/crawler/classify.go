package crawler

import (
	"bytes"
	"context"
	"errors"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/objstore"
)

// shape is what an object, or all objects of a table, look like.
type shape struct {
	classification string // parquet, json, csv, delta
	compression    string
	fields         []columnar.Field
	records        int64 // in the part that was read
	stored         int64 // bytes of objects that this part stands for
	raw            int64 // bytes of this part after decompression
	partial        bool  // not all of the objects was read

	delimiter byte // csv
	header    bool // csv
	quoted    bool // csv
	array     bool // json: one array of records
	delta     *deltaTable
}

// classify reads the beginning of an object, or a Parquet footer, and tells what it is. It returns nil for what no
// classifier knows. No more than limit records of text are looked at.
func classify(ctx context.Context, s objstore.Store, bucket string, o objstore.Info, limit int64) (*shape, error) {
	sm, err := readSample(ctx, s, bucket, o)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(sm.data, []byte("PAR1")) && sm.compression == "none" {
		return classifyParquet(ctx, s, bucket, o)
	}
	return classifyText(sm, limit), nil
}

func classifyParquet(ctx context.Context, s objstore.Store, bucket string, o objstore.Info) (*shape, error) {
	f, err := columnar.OpenParquet(&object{ctx, s, bucket, o.Key}, o.Size)
	if errors.Is(err, columnar.ErrCorrupt) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &shape{classification: "parquet", compression: "none", fields: f.Schema().Fields, records: f.Rows(), stored: o.Size, raw: o.Size}, nil
}

// classifyText tells JSON and delimited text apart; nil if it is neither.
func classifyText(sm sample, limit int64) *shape {
	out := &shape{compression: sm.compression}
	text := bytes.TrimPrefix(sm.data, []byte("\xef\xbb\xbf"))
	if r, ok := inferJSON(text, sm.whole, limit); ok {
		out.classification, out.fields, out.records, out.array, out.raw = "json", r.fields, r.records, r.array, r.read
	} else if t, ok := inferCSV(text, sm.whole, limit); ok {
		out.classification, out.fields, out.records, out.raw = "csv", t.fields, t.records, t.read
		out.delimiter, out.header, out.quoted = t.delimiter, t.header, t.quoted
	} else {
		return nil
	}
	out.partial = !sm.whole || out.raw < int64(len(text))
	out.stored = int64(float64(sm.stored) * float64(out.raw) / float64(len(sm.data)))
	return out
}

// alike says whether both can be one table's; combine says that the schemas need not be similar.
func (a *shape) alike(b *shape, combine bool) bool {
	return a.delta == nil && b.delta == nil && a.classification == b.classification && a.delimiter == b.delimiter &&
		a.array == b.array && a.header == b.header && (combine || similar(a.fields, b.fields))
}

// join is the shape of both together.
func (a *shape) join(b *shape) *shape {
	out := *a
	out.fields = mergeFields(a.fields, b.fields)
	out.records, out.stored, out.raw = a.records+b.records, a.stored+b.stored, a.raw+b.raw
	out.partial = a.partial || b.partial
	if out.quoted = a.quoted || b.quoted; out.quoted {
		for i := range out.fields {
			out.fields[i].Type = columnar.Type{Kind: columnar.String}
		}
	}
	if a.compression != b.compression {
		out.compression = "none"
	}
	return &out
}

const (
	lazySimpleSerDe = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
	openCSVSerDe    = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
	openXSerDe      = "org.openx.data.jsonserde.JsonSerDe"
	parquetSerDe    = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
	textInput       = "org.apache.hadoop.mapred.TextInputFormat"
	textOutput      = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
	parquetInput    = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
	parquetOutput   = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
)

// storage says how a reader reads the shape, without columns and place.
func (a *shape) storage() catalog.Storage {
	out := catalog.Storage{InputFormat: textInput, OutputFormat: textOutput, Compressed: a.compression != "none"}
	switch a.classification {
	case "parquet", "delta":
		out.InputFormat, out.OutputFormat = parquetInput, parquetOutput
		out.SerDe = catalog.SerDe{Library: parquetSerDe, Parameters: map[string]string{"serialization.format": "1"}}
	case "json":
		out.SerDe = catalog.SerDe{Library: openXSerDe, Parameters: map[string]string{"paths": paths(a.fields)}}
	case "csv":
		out.SerDe = catalog.SerDe{Library: lazySimpleSerDe, Parameters: map[string]string{"field.delim": string(a.delimiter)}}
		if a.quoted {
			out.SerDe = catalog.SerDe{Library: openCSVSerDe, Parameters: map[string]string{
				"separatorChar": string(a.delimiter), "quoteChar": `"`, "escapeChar": `\`}}
		}
	}
	return out
}
