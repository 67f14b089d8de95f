package delta

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-data/weir/columnar"
)

// readable are the reader features that are implemented.
var readable = map[string]bool{
	"columnMapping":        true,
	"deletionVectors":      true,
	"timestampNtz":         true,
	"typeWidening":         true, // see checkTypeChanges
	"typeWidening-preview": true,
	"v2Checkpoint":         true,
	"vacuumProtocolCheck":  true,
}

// reads says whether readers must honour a feature: it is listed, or comes with a legacy reader version (0: none).
func (p *Protocol) reads(feature string, legacy int) bool {
	if p.MinReaderVersion >= 3 {
		return slices.Contains(p.ReaderFeatures, feature)
	}
	return legacy > 0 && p.MinReaderVersion >= legacy
}

// writable are the writer features that ask nothing of an append, or whose demands checkWrite looks after.
var writable = map[string]bool{
	"appendOnly":           true,
	"invariants":           true,
	"checkConstraints":     true,
	"changeDataFeed":       true,
	"generatedColumns":     true,
	"columnMapping":        true,
	"clustering":           true,
	"identityColumns":      true,
	"deletionVectors":      true,
	"timestampNtz":         true,
	"domainMetadata":       true,
	"v2Checkpoint":         true,
	"vacuumProtocolCheck":  true,
	"rowTracking":          true,
	"inCommitTimestamp":    true,
	featureInCommitPreview: true,
	"allowColumnDefaults":  true,
	"typeWidening":         true,
	"typeWidening-preview": true,
}

// checkRead says by name what a table asks of its readers and is not implemented (section "Table Features").
func checkRead(p *Protocol, m *Metadata) error {
	if p.MinReaderVersion > 3 {
		return fmt.Errorf("%w: reader version %d", ErrUnsupported, p.MinReaderVersion)
	}
	if p.MinReaderVersion < 3 && len(p.ReaderFeatures) > 0 {
		return fmt.Errorf("%w: protocol with reader version %d and the reader feature %s", ErrCorrupt, p.MinReaderVersion, p.ReaderFeatures[0])
	}
	if p.MinReaderVersion == 3 {
		if p.MinWriterVersion < 7 {
			return fmt.Errorf("%w: protocol with reader version 3 and writer version %d", ErrCorrupt, p.MinWriterVersion)
		}
		for _, name := range p.ReaderFeatures {
			if !readable[name] {
				return fmt.Errorf("%w: reader feature %s", ErrUnsupported, name)
			}
			if !slices.Contains(p.WriterFeatures, name) {
				return fmt.Errorf("%w: protocol with the reader feature %s that is no writer feature", ErrCorrupt, name)
			}
		}
	}
	if provider := m.Format.Provider; provider != "" && provider != "parquet" {
		return fmt.Errorf("%w: data files of format %q", ErrUnsupported, provider)
	}
	return nil
}

// checkWrite says by name what a table asks of its writers and is not implemented. rowsChecked says that no rows are added whose
// writer does not look after what the table asks of them.
func checkWrite(p *Protocol, m *Metadata, s *columnar.Schema, rowsChecked bool) error {
	if p.MinWriterVersion > 7 {
		return fmt.Errorf("%w: writer version %d", ErrUnsupported, p.MinWriterVersion)
	}
	if p.MinWriterVersion == 7 {
		for _, name := range p.WriterFeatures {
			if !writable[name] {
				return fmt.Errorf("%w: writer feature %s", ErrUnsupported, name)
			}
		}
	}
	if rowsChecked {
		return nil
	}
	if mapping, err := mappingOf(p, m); err != nil || mapping != MapNone {
		return fmt.Errorf("%w: writing to a table whose columnMapping has mode %s", ErrUnsupported, mapping)
	}
	for _, key := range slices.Sorted(maps.Keys(m.Configuration)) {
		if strings.HasPrefix(key, "delta.constraints.") {
			return fmt.Errorf("%w: writing to a table with the check constraint %s", ErrUnsupported, key)
		}
	}
	return eachField(s.Fields, "", func(name string, f *columnar.Field) error {
		for _, key := range []string{"delta.invariants", "delta.generationExpression", "delta.identity.start", "__CHAR_VARCHAR_TYPE_STRING"} {
			if _, ok := f.Metadata[key]; ok {
				return fmt.Errorf("%w: writing to a table whose column %s has %s", ErrUnsupported, name, key)
			}
		}
		return nil
	})
}

// eachField calls do for every field of a schema, nested ones too, with its dotted name.
func eachField(fields []columnar.Field, prefix string, do func(name string, f *columnar.Field) error) error {
	for i := range fields {
		f := &fields[i]
		if err := do(prefix+f.Name, f); err != nil {
			return err
		}
		if err := eachField(f.Type.Fields, prefix+f.Name+".", do); err != nil {
			return err
		}
	}
	return nil
}

// Table properties that are acted upon, with Spark's defaults.
const (
	propCheckpointInterval = "delta.checkpointInterval"
	propFileRetention      = "delta.deletedFileRetentionDuration"
	propCheckpointPolicy   = "delta.checkpointPolicy"
	propIndexedCols        = "delta.dataSkippingNumIndexedCols"
	propAppendOnly         = "delta.appendOnly"
	propChangeDataFeed     = "delta.enableChangeDataFeed"
	propIsolationLevel     = "delta.isolationLevel"

	checkpointIntervalDefault = 10
	fileRetentionDefault      = 7 * 24 * time.Hour
	indexedColsDefault        = 32
)

// checkProperties refuses a delta. property that would be stored and not honoured.
func checkProperties(props map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(props)) {
		value := props[key]
		var err error
		switch key {
		case propCheckpointInterval:
			_, err = parseCount(value, 1)
		case propIndexedCols:
			_, err = parseCount(value, -1)
		case propFileRetention, propLogRetention:
			_, err = parseInterval(value)
		case propCompactionInterval:
			_, err = parseCount(value, 2)
		case propAppendOnly, propLogCleanup:
			_, err = strconv.ParseBool(value)
		case propCheckpointPolicy:
			err = oneOf(value, "classic", "v2")
		case propIsolationLevel:
			err = oneOf(value, "Serializable", "WriteSerializable")
		default:
			if strings.HasPrefix(key, "delta.") {
				return fmt.Errorf("%w: table property %s", ErrUnsupported, key)
			}
		}
		if err != nil {
			return fmt.Errorf("%w: table property %s=%q: %w", ErrInvalid, key, value, err)
		}
	}
	return nil
}

func oneOf(value string, words ...string) error {
	if !slices.Contains(words, value) {
		return fmt.Errorf("not one of %s", strings.Join(words, ", "))
	}
	return nil
}

func parseCount(s string, least int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < least {
		return 0, fmt.Errorf("not a number from %d", least)
	}
	return n, nil
}

// parseInterval reads Spark's calendar intervals up to weeks: "interval 1 week", "7 days", "interval 30 minutes".
func parseInterval(s string) (time.Duration, error) {
	words := strings.Fields(strings.ToLower(s))
	if len(words) > 0 && words[0] == "interval" {
		words = words[1:]
	}
	if len(words) == 0 || len(words)%2 != 0 || len(words) > 20 {
		return 0, fmt.Errorf("not of the form \"interval 7 days\"")
	}
	var total time.Duration
	for i := 0; i < len(words); i += 2 {
		n, err := strconv.ParseInt(words[i], 10, 32)
		unit, ok := intervalUnits[strings.TrimSuffix(words[i+1], "s")]
		if err != nil || !ok || n < 0 || n > int64((1<<62)/unit) {
			return 0, fmt.Errorf("not of the form \"interval 7 days\"")
		}
		total += time.Duration(n) * unit
	}
	if total < 0 {
		return 0, fmt.Errorf("too long")
	}
	return total, nil
}

var intervalUnits = map[string]time.Duration{
	"microsecond": time.Microsecond, "millisecond": time.Millisecond, "second": time.Second, "minute": time.Minute,
	"hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour,
}

// checkpointInterval, fileRetention and indexedCols read a property that anybody may have written: one that cannot be
// understood counts as its default.
func checkpointInterval(props map[string]string) int64 {
	if n, err := parseCount(props[propCheckpointInterval], 1); err == nil {
		return int64(n)
	}
	return checkpointIntervalDefault
}

func fileRetention(props map[string]string) time.Duration {
	if d, err := parseInterval(props[propFileRetention]); err == nil {
		return d
	}
	return fileRetentionDefault
}

func indexedCols(props map[string]string) int {
	if n, err := parseCount(props[propIndexedCols], -1); err == nil {
		return n
	}
	return indexedColsDefault
}
