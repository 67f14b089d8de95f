package delta

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
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
	// Properties are those that SetProperties takes, which includes "delta.feature.NAME" = "supported" for the table features that
	// schema and properties need.
	Properties map[string]string
	Now        func() time.Time
}

// Create writes version 0, or returns ErrConflict if a table is there already. The table asks for reader version 1
// and writer version 2 only, so that every engine reads it, unless a property needs more. ErrUnsupported: a property that would not
// be honoured, or a column that needs a table feature which the properties do not name.
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
	tx, err := opts.transaction(t)
	if err != nil {
		return nil, err
	}
	txnID := uuid.NewString()
	body, err := EncodeActions(opts.actions(tx, t.opts.now(), txnID))
	if err != nil {
		return nil, err
	}
	won, err := t.put(ctx, 0, t.putWhole(body), txnID)
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

// transaction alters a table of the least protocol to what the options ask for.
func (o *CreateOptions) transaction(t *Table) (*Transaction, error) {
	by := o.PartitionBy
	if by == nil {
		by = []string{}
	}
	bare := &Snapshot{
		version: -1, schema: o.Schema, physical: o.Schema, mapping: MapNone,
		protocol: &Protocol{MinReaderVersion: 1, MinWriterVersion: 2},
		metadata: &Metadata{
			ID: uuid.NewString(), Name: o.Name, Format: Format{Provider: "parquet", Options: map[string]string{}},
			PartitionColumns: by, Configuration: map[string]string{}, CreatedTime: t.opts.now().UnixMilli(),
		},
	}
	a, err := bare.altered(o.Properties, nil)
	if err != nil {
		return nil, err
	}
	if a.Schema = o.Schema; a.Properties[propMappingMode] == string(MapName) {
		a.Schema = withIDs(o.Schema, a.Properties, false)
	}
	tx := t.Begin(bare)
	if err := tx.alter(a); err != nil {
		return nil, err
	}
	for _, f := range featuresOf(o.Schema, nil) {
		if _, byName := o.Properties[featurePrefix+f]; !byName && !bare.protocol.has(f) {
			return nil, fmt.Errorf("%w: %s: a column needs this table feature, which no property %s%s asks for", ErrUnsupported, f, featurePrefix, f)
		}
	}
	p, m := tx.after()
	return tx, checkWrite(p, m, tx.schema, true)
}

func (o *CreateOptions) actions(tx *Transaction, now time.Time, txnID string) []Action {
	properties := o.Properties
	if properties == nil {
		properties = map[string]string{}
	}
	yes := true
	protocol, metadata := tx.after()
	byText, _ := json.Marshal(metadata.PartitionColumns)
	propertiesText, _ := json.Marshal(properties)
	info := &CommitInfo{
		Timestamp: now.UnixMilli(), Operation: "CREATE TABLE", IsolationLevel: isolationLevel, IsBlindAppend: &yes,
		OperationParameters: map[string]any{
			"isManaged": "false", "description": nil, "partitionBy": string(byText), "properties": string(propertiesText),
		},
		EngineInfo: engineInfo, TxnID: txnID,
	}
	if inCommitTimes(protocol, metadata) {
		info.InCommitTimestamp = &info.Timestamp
	}
	return []Action{{CommitInfo: info}, {Protocol: protocol}, {Metadata: metadata}}
}

func (o *CreateOptions) check() error {
	if o.Schema == nil || len(o.Schema.Fields) == 0 {
		return fmt.Errorf("%w: a table needs at least one column", ErrInvalid)
	}
	if err := checkMembers(o.Schema.Fields); err != nil {
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
	return nil
}

// columnMembers are the members of a column's metadata that mean something, and are honoured.
var columnMembers = []string{
	metaFieldID, metaPhysicalName, "delta.invariants", "delta.generationExpression", "delta.identity.start", "delta.identity.step",
	"delta.identity.highWaterMark", "delta.identity.allowExplicitInsert",
}

// checkMembers refuses metadata of columns that would not be honoured.
func checkMembers(fields []columnar.Field) error {
	return eachField(fields, "", func(name string, f *columnar.Field) error {
		for key := range f.Metadata {
			if strings.HasPrefix(key, "delta.") && !slices.Contains(columnMembers, key) {
				return fmt.Errorf("%w: %s of column %q", ErrUnsupported, key, name)
			}
		}
		return nil
	})
}
