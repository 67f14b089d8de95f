package file

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/weir-data/weir/objstore"
)

// Object is one version of one object, or a delete marker.
type Object struct {
	objstore.Info
	Attributes
	// Version is empty for what S3 calls the null version: written while versioning was not enabled.
	Version string
	Marker  bool // a delete marker: it has a key, a version and a time only
	Latest  bool // set by ListVersions
}

// Attributes are what S3 keeps beside an object and a file system does not.
type Attributes struct {
	Tags []Tag `json:"tags,omitempty"`
	// Checksums by S3's name of the algorithm (CRC32, CRC32C, CRC64NVME, SHA1, SHA256), in base64; those of a composite
	// type end in -N.
	Checksums    map[string]string `json:"checksums,omitempty"`
	ChecksumType string            `json:"checksum_type,omitempty"` // FULL_OBJECT or COMPOSITE
	Parts        []PartInfo        `json:"parts,omitempty"`         // of an object uploaded in parts
	StorageClass string            `json:"storage_class,omitempty"` // empty is STANDARD
}

// Tag is one tag of an object.
type Tag struct {
	Key   string `json:"k"`
	Value string `json:"v"`
}

// PartInfo is one part that an object was uploaded in.
type PartInfo struct {
	Number    int               `json:"n"`
	Size      int64             `json:"size"`
	Checksums map[string]string `json:"checksums,omitempty"`
}

// record is how the index keeps a version.
type record struct {
	Seq         uint64            `json:"seq"` // number of the write; greater is newer
	Version     string            `json:"version,omitempty"`
	Marker      bool              `json:"marker,omitempty"`
	Size        int64             `json:"size"`
	ETag        string            `json:"etag,omitempty"`
	ModTime     int64             `json:"mtime"`                // ms since 1970
	FileTime    int64             `json:"file_mtime,omitempty"` // ns since 1970: the file's own, tells whether somebody changed it
	Sum         string            `json:"sum,omitempty"`        // CRC64NVME of the bytes, hex; empty for other programs' files
	Place       string            `json:"place,omitempty"`      // empty: the plain one
	Upload      string            `json:"upload,omitempty"`     // multipart upload that made it
	ContentType string            `json:"type,omitempty"`
	Metadata    map[string]string `json:"meta,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Attributes
}

func (r *record) place(bucket, key string) string {
	if r.Place != "" {
		return r.Place
	}
	return bucket + "/" + key
}

func (r *record) setPlace(bucket, key, place string) {
	r.Place = place
	if place == bucket+"/"+key {
		r.Place = ""
	}
}

func (r *record) object(key string) Object {
	return Object{
		Info: objstore.Info{
			Key: key, Size: r.Size, ETag: r.ETag, ModTime: timeOf(r.ModTime),
			ContentType: r.ContentType, Metadata: r.Metadata, Headers: r.Headers,
		},
		Attributes: r.Attributes,
		Version:    r.Version,
		Marker:     r.Marker,
	}
}

// unchanged says that fi is the file that the record describes, as far as size and time tell.
func (r *record) unchanged(fi fs.FileInfo) bool {
	return fi.Mode().IsRegular() && fi.Size() == r.Size && fi.ModTime().UnixNano() == r.FileTime
}

func decodeRecord(raw []byte) (*record, error) {
	r := new(record)
	if err := json.Unmarshal(raw, r); err != nil {
		return nil, fmt.Errorf("object record: %w", err)
	}
	return r, nil
}

// encode cannot fail: a record holds nothing that JSON refuses.
func encode(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

func indexKey(bucket, key string) string { return bucket + "\x00" + key }

// orderedKey writes key so that byte order is kept and no key is a prefix of another, whatever follows.
func orderedKey(bucket, key string) string {
	return bucket + "\x00" + strings.ReplaceAll(key, "\x00", "\x00\xff") + "\x00\x01"
}

// versionKey sorts by key, then newest first.
func versionKey(bucket, key string, seq uint64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], ^seq)
	return orderedKey(bucket, key) + string(b[:])
}

// cutOrdered is the inverse of orderedKey with rest appended.
func cutOrdered(bucket, s string) (key, rest string, ok bool) {
	s, ok = strings.CutPrefix(s, bucket+"\x00")
	if !ok {
		return "", "", false
	}
	var b strings.Builder
	for {
		plain, after, found := strings.Cut(s, "\x00")
		if !found || after == "" {
			return "", "", false
		}
		b.WriteString(plain)
		s = after[1:]
		if after[0] == 0x01 {
			return b.String(), s, true
		}
		b.WriteByte(0)
	}
}

func timeOf(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
