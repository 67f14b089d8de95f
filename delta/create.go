package delta

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/weir-data/weir/columnar"
)

// CreateOptions describe a new table.
type CreateOptions struct {
	Name        string
	Schema      *columnar.Schema // partition columns included
	PartitionBy []string
	// Properties may hold delta.checkpointInterval, delta.deletedFileRetentionDuration, delta.appendOnly and
	// delta.dataSkippingNumIndexedCols, and any that do not start with delta.
	Properties map[string]string
	Now        func() time.Time
}

// Create writes version 0, or returns ErrConflict if a table is there already. The table asks for reader version 1
// and writer version 2 only, so that every engine reads it.
func Create(ctx context.Context, objects Objects, opts CreateOptions) (*Table, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	listing, err := listLog(ctx, objects, "")
	if err != nil {
		return nil, err
	}
	if listing.newest() >= 0 {
		return nil, fmt.Errorf("%w: the folder holds a table already", ErrConflict)
	}
	t := newTable(objects, Options{Now: opts.Now})
	txnID := uuid.NewString()
	body, err := EncodeActions(opts.actions(t.opts.now(), txnID))
	if err != nil {
		return nil, err
	}
	won, err := t.put(ctx, 0, body, txnID)
	if err != nil {
		return nil, err
	}
	if !won {
		return nil, fmt.Errorf("%w: another writer created the table", ErrConflict)
	}
	if _, err := t.Snapshot(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

func (o *CreateOptions) actions(now time.Time, txnID string) []Action {
	by := o.PartitionBy
	if by == nil {
		by = []string{}
	}
	properties := o.Properties
	if properties == nil {
		properties = map[string]string{}
	}
	yes := true
	byText, _ := json.Marshal(by)
	propertiesText, _ := json.Marshal(properties)
	return []Action{
		{CommitInfo: &CommitInfo{
			Timestamp: now.UnixMilli(), Operation: "CREATE TABLE", IsolationLevel: isolationLevel, IsBlindAppend: &yes,
			OperationParameters: map[string]any{
				"isManaged": "false", "description": nil, "partitionBy": string(byText), "properties": string(propertiesText),
			},
			EngineInfo: engineInfo, TxnID: txnID,
		}},
		{Protocol: &Protocol{MinReaderVersion: 1, MinWriterVersion: 2}},
		{Metadata: &Metadata{
			ID: uuid.NewString(), Name: o.Name, Format: Format{Provider: "parquet", Options: map[string]string{}},
			SchemaString: string(o.Schema.JSON()), PartitionColumns: by, Configuration: properties,
			CreatedTime: now.UnixMilli(),
		}},
	}
}

func (o *CreateOptions) check() error {
	if o.Schema == nil || len(o.Schema.Fields) == 0 {
		return fmt.Errorf("%w: a table needs at least one column", ErrInvalid)
	}
	if err := checkFields(o.Schema.Fields, ""); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, name := range o.PartitionBy {
		i := o.Schema.Index(name)
		if i < 0 {
			return fmt.Errorf("%w: partition column %q is not in the schema", ErrInvalid, name)
		}
		switch kind := o.Schema.Fields[i].Type.Kind; kind {
		case columnar.Struct, columnar.List, columnar.Map:
			return fmt.Errorf("%w: partition column %q is of type %s", ErrInvalid, name, o.Schema.Fields[i].Type)
		}
		if seen[name] {
			return fmt.Errorf("%w: partition column %q twice", ErrInvalid, name)
		}
		seen[name] = true
	}
	if len(o.PartitionBy) == len(o.Schema.Fields) {
		return fmt.Errorf("%w: every column is a partition column", ErrInvalid)
	}
	return checkProperties(o.Properties)
}

// checkFields refuses names and types that need table features which a new table does not have.
func checkFields(fields []columnar.Field, prefix string) error {
	seen := map[string]bool{}
	for i := range fields {
		f := &fields[i]
		name := prefix + f.Name
		lower := strings.ToLower(f.Name)
		switch {
		case f.Name == "":
			return fmt.Errorf("%w: a column without a name", ErrInvalid)
		case strings.ContainsAny(f.Name, " ,;{}()\n\t="):
			return fmt.Errorf("%w: column name %q: none of \" ,;{}()=\", tab and newline without columnMapping", ErrInvalid, name)
		case seen[lower]:
			return fmt.Errorf("%w: two columns called %q, apart from case", ErrInvalid, name)
		case f.Type.Kind == columnar.TimestampNTZ:
			return fmt.Errorf("%w: timestampNtz: column %q", ErrUnsupported, name)
		}
		seen[lower] = true
		for key := range f.Metadata {
			if strings.HasPrefix(key, "delta.") {
				return fmt.Errorf("%w: %s of column %q", ErrUnsupported, key, name)
			}
		}
		if err := checkFields(f.Type.Fields, name+"."); err != nil {
			return err
		}
	}
	return nil
}
