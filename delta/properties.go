package delta

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// featurePrefix starts the properties by which other engines ask for a table feature; they are not stored.
const featurePrefix = "delta.feature."

// SetProperties sets and removes table properties by a new commit, and adds the table features that they need or that are
// named as "delta.feature.NAME" = "supported". It returns the version; that of before if nothing changes. ErrUnsupported: a
// delta. property that would not be honoured. Older engines no longer read, or write, a table with a feature that they lack.
func (t *Table) SetProperties(ctx context.Context, set map[string]string, unset []string) (version int64, err error) {
	s, err := t.Snapshot(ctx)
	if err != nil {
		return 0, err
	}
	alteration, err := s.altered(set, unset)
	if err != nil {
		return 0, err
	}
	if set[propRowTracking] == "true" && s.metadata.Configuration[propRowTracking] != "true" {
		if _, err := t.NumberRows(ctx); err != nil {
			return 0, err
		}
		if s, err = t.Snapshot(ctx); err != nil {
			return 0, err
		}
		if alteration, err = s.altered(set, unset); err != nil {
			return 0, err
		}
	}
	tx := t.Begin(s)
	tx.Alter(alteration)
	parameters := map[string]string{}
	if len(set) > 0 {
		text, err := marshalPlain(set)
		if err != nil {
			return 0, err
		}
		parameters["properties"] = string(text)
	}
	operation := "SET TBLPROPERTIES"
	if len(set) == 0 {
		operation, parameters["properties"] = "UNSET TBLPROPERTIES", strings.Join(unset, ",")
	}
	tx.SetInfo(operation, parameters, nil)
	if tx.err == nil && tx.protocol == nil && sameMetadata(tx.metadata, s.metadata) {
		return s.version, nil
	}
	return tx.Commit(ctx)
}

// altered is the alteration that properties ask for, refused where it cannot be honoured.
func (s *Snapshot) altered(set map[string]string, unset []string) (Alteration, error) {
	props := cloneMap(s.metadata.Configuration)
	a := Alteration{Properties: props}
	checked := map[string]string{}
	for key, value := range set {
		feature, isFeature := strings.CutPrefix(key, featurePrefix)
		switch {
		case isFeature && value == "supported":
			a.Features = append(a.Features, feature)
		case isFeature:
			return a, fmt.Errorf("%w: table property %s=%q: the value is supported", ErrInvalid, key, value)
		case featureProperties[key] != nil:
			if err := oneOf(value, featureProperties[key]...); err != nil {
				return a, fmt.Errorf("%w: table property %s=%q: %w", ErrInvalid, key, value, err)
			}
			props[key] = value
		default:
			props[key], checked[key] = value, value
		}
	}
	if set[propCheckpointPolicy] == "v2" {
		a.Features = append(a.Features, "v2Checkpoint")
	}
	slices.Sort(a.Features)
	if err := checkProperties(checked); err != nil {
		return a, err
	}
	for _, key := range unset {
		if _, ok := props[key]; !ok {
			return a, fmt.Errorf("%w: the table has no property %s", ErrInvalid, key)
		}
		if slices.Contains(lasting, key) {
			return a, fmt.Errorf("%w: property %s stays once it is set", ErrInvalid, key)
		}
		delete(props, key)
	}
	return a, nil
}

// featureProperties are the properties that come with table features, and their values.
var featureProperties = map[string][]string{
	propChangeDataFeed:            {"true", "false"},
	propInCommit:                  {"true", "false"},
	propRowTracking:               {"true", "false"},
	propMappingMode:               {"none", "name"},
	"delta.enableDeletionVectors": {"true", "false"},
	"delta.enableTypeWidening":    {"true", "false"},
}

// lasting are properties without which rows that are there can no longer be read.
var lasting = []string{
	propMappingMode, propMaxColumnID, propInCommitVersion, propInCommitTime, propInCommitVersion + previewSuffix, propInCommitTime + previewSuffix,
}
