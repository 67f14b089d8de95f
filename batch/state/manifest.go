package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/internal/vfs"
)

// manifest is a version as it is kept.
type manifest struct {
	Batch     int64      `json:"batchId"`
	Watermark *time.Time `json:"watermark,omitempty"` // of the batch; absent: there was none
	Tables    []table    `json:"states"`
	Runs      []runRef   `json:"runs"`
}

// runRef is a run with the checksum of its file.
type runRef struct {
	batch.StateRun
	Checksum uint32 `json:"crc32c"`
}

// table is a state as it was when the version was made.
type table struct {
	Name       string            `json:"name"`
	Operator   string            `json:"operator"`
	Keys       []string          `json:"keys,omitempty"`
	Until      string            `json:"until,omitempty"`
	Compact    string            `json:"compact,omitempty"` // for people who look
	Definition map[string]string `json:"definition,omitempty"`
	Columns    json.RawMessage   `json:"columns"` // Spark's schema JSON
}

func tablesOf(specs []batch.StateSpec, columns map[string]*columnar.Schema) ([]table, error) {
	tables := []table{}
	for _, spec := range specs {
		schema := columns[spec.Name]
		if schema == nil {
			return nil, fmt.Errorf("state %s has no columns", spec.Name)
		}
		tables = append(tables, table{spec.Name, spec.Operator, spec.Keys, spec.Until, spec.Compact, spec.Definition, schema.JSON()})
	}
	return tables, nil
}

const (
	manifestMax = 64 << 20 // bytes
	headForm    = "weir-state 1 %08x\n"
)

var headSize = len(fmt.Sprintf(headForm, 0))

// encode writes the head with the checksum of the JSON behind it.
func (m *manifest) encode() []byte {
	body, err := json.Marshal(m)
	if err != nil {
		panic(err) // plain data
	}
	return withHead(body)
}

func withHead(body []byte) []byte {
	return append(fmt.Appendf(nil, headForm, crc32.Checksum(body, castagnoli)), body...)
}

// decodeManifest reads what encode wrote. Errors wrap ErrCorrupt.
func decodeManifest(data []byte) (*manifest, error) {
	if len(data) < headSize {
		return nil, fmt.Errorf("%w: it ends after %d bytes", ErrCorrupt, len(data))
	}
	body := data[headSize:]
	if sum := crc32.Checksum(body, castagnoli); !bytes.Equal(data[:headSize], fmt.Appendf(nil, headForm, sum)) {
		return nil, fmt.Errorf("%w: it begins with %q, and its checksum is %08x", ErrCorrupt, data[:headSize], sum)
	}
	m := new(manifest)
	if err := json.Unmarshal(body, m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return m, m.check()
}

func (m *manifest) check() error {
	if m.Batch < 0 {
		return fmt.Errorf("%w: batch %d", ErrCorrupt, m.Batch)
	}
	names := map[string]bool{}
	for _, t := range m.Tables {
		if names[t.Name] {
			return fmt.Errorf("%w: two states %q", ErrCorrupt, t.Name)
		}
		names[t.Name] = true
		if _, err := columnar.ParseSchemaJSON(t.Columns); err != nil {
			return fmt.Errorf("%w: state %q: %w", ErrCorrupt, t.Name, err)
		}
	}
	files := map[string]bool{}
	for _, run := range m.Runs {
		if err := checkFileName(run.File); err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		if files[run.File] || !names[run.State] || run.Rows <= 0 || run.Bytes <= 0 {
			return fmt.Errorf("%w: run %q of state %q, %d rows, %d bytes", ErrCorrupt, run.File, run.State, run.Rows, run.Bytes)
		}
		files[run.File] = true
	}
	return nil
}

const fileNameMax = 200

// checkFileName refuses what is no plain name of a file.
func checkFileName(name string) error {
	if name == "" || len(name) > fileNameMax || strings.Trim(name, ".") == "" {
		return fmt.Errorf("%q is no name of a file", name)
	}
	for _, c := range []byte(name) {
		if c != '.' && c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return fmt.Errorf("%q is no name of a file", name)
		}
	}
	return nil
}

const (
	versionDigits   = 20
	temporarySuffix = ".tmp"
)

// versionName is the name of a manifest; names sort as numbers do.
func versionName(number int64) string { return fmt.Sprintf("%0*d", versionDigits, number) }

// parseVersionName is the number in a name; false: it is no version.
func parseVersionName(name string) (int64, bool) {
	n, err := strconv.ParseInt(name, 10, 64)
	return n, err == nil && n >= 0 && len(name) == versionDigits
}

// listVersions are the numbers of the versions in a store's folder, in order.
func listVersions(fs vfs.FS, dir string) ([]int64, error) {
	names, err := fs.List(fs.PathJoin(dir, versionsName))
	if err != nil {
		return nil, err
	}
	var all []int64
	for _, name := range names {
		if n, ok := parseVersionName(name); ok {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, nil
}

// readManifest reads a version in a store's folder.
func readManifest(fs vfs.FS, dir string, number int64) (*manifest, error) {
	path := fs.PathJoin(dir, versionsName, versionName(number))
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, manifestMax))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	m, err := decodeManifest(data)
	if err == nil && m.Batch != number {
		err = fmt.Errorf("%w: it is of batch %d", ErrCorrupt, m.Batch)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", batch.ErrState, path, err)
	}
	return m, nil
}
