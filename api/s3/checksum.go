package s3

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/minio/crc64nvme"

	"github.com/weir-data/weir/wire"
)

// algorithm is one of S3's additional checksums.
type algorithm struct {
	name string // as in x-amz-checksum-algorithm
	size int    // bytes
	make func() hash.Hash
	poly uint64 // reflected, of a CRC; 0: it is none
}

var algorithms = []algorithm{
	{"CRC32", 4, func() hash.Hash { return crc32.NewIEEE() }, crc32.IEEE},
	{"CRC32C", 4, func() hash.Hash { return crc32.New(castagnoli) }, crc32.Castagnoli},
	{"CRC64NVME", 8, func() hash.Hash { return crc64nvme.New() }, 0x9a6c9329ac4bc9b5},
	{"SHA1", sha1.Size, sha1.New, 0},
	{"SHA256", sha256.Size, sha256.New, 0},
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	fullObject = "FULL_OBJECT"
	composite  = "COMPOSITE"
)

// algorithmOf finds an algorithm by name, whatever its case.
func algorithmOf(name string) *algorithm {
	for i := range algorithms {
		if strings.EqualFold(algorithms[i].name, name) {
			return &algorithms[i]
		}
	}
	return nil
}

func (a *algorithm) header() string { return "x-amz-checksum-" + strings.ToLower(a.name) }

// valid says that value is a checksum in base64.
func (a *algorithm) valid(value string) bool {
	raw, err := base64.StdEncoding.DecodeString(value)
	return err == nil && len(raw) == a.size
}

// checksums checks what a request says of its body, and finds the checksum to keep.
type checksums struct {
	c      *call
	alg    *algorithm
	want   string    // of the header; empty: a trailer will say, or nobody
	trail  bool      // a trailer must say
	hash   hash.Hash // nil: not needed
	md5    []byte    // of Content-MD5; nil: not sent
	needed []*algorithm
	more   []hash.Hash
}

// newChecksums reads the headers of a request with a body. keep names an algorithm that is to be computed in any case.
func newChecksums(c *call, keep string) (*checksums, error) {
	s := &checksums{c: c}
	if err := s.readMD5(); err != nil {
		return nil, err
	}
	for i := range algorithms {
		a := &algorithms[i]
		trailer := slices.ContainsFunc(strings.Split(c.Header.Get("X-Amz-Trailer"), ","), func(t string) bool {
			return strings.EqualFold(strings.TrimSpace(t), a.header())
		})
		value := c.Header.Get(a.header())
		if value == "" && !trailer {
			continue
		}
		if s.alg != nil || value != "" && trailer {
			return nil, invalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		if value != "" && !a.valid(value) {
			return nil, invalidRequest("Value for %s header is invalid.", a.header())
		}
		s.alg, s.want, s.trail = a, value, trailer
	}
	if name := c.Header.Get("X-Amz-Sdk-Checksum-Algorithm"); name != "" {
		if algorithmOf(name) == nil {
			return nil, invalidRequest("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
		}
		if s.alg == nil && (c.Method == http.MethodPut || c.Method == http.MethodPost) {
			return nil, invalidRequest("x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
		}
	}
	if s.alg != nil && s.alg.name != "CRC64NVME" {
		s.hash = s.alg.make()
	}
	if a := algorithmOf(keep); a != nil && a != s.alg && a.name != "CRC64NVME" {
		s.needed, s.more = append(s.needed, a), append(s.more, a.make())
	}
	return s, nil
}

func (s *checksums) readMD5() error {
	text, sent := s.c.Header["Content-Md5"]
	if !sent {
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Join(text, ","))
	if err != nil || len(raw) != md5.Size {
		return &wire.Error{Name: "InvalidDigest", Status: http.StatusBadRequest, Message: "The Content-MD5 you specified was invalid.", Fields: map[string]any{"Content-MD5": strings.Join(text, ",")}}
	}
	s.md5 = raw
	return nil
}

// reader passes body on through the hashes.
func (s *checksums) reader(body io.Reader) io.Reader {
	var ws []io.Writer
	if s.hash != nil {
		ws = append(ws, s.hash)
	}
	for _, h := range s.more {
		ws = append(ws, h)
	}
	if len(ws) == 0 {
		return body
	}
	return &teeReader{body, ws}
}

type teeReader struct {
	in io.Reader
	ws []io.Writer
}

func (t *teeReader) Read(p []byte) (int, error) {
	n, err := t.in.Read(p)
	for _, w := range t.ws {
		w.Write(p[:n])
	}
	return n, err
}

// checkMD5 compares Content-MD5 with the body's; sum is nil if it has to be computed from raw.
func (s *checksums) checkMD5(sum, raw []byte) error {
	if s.md5 == nil {
		return nil
	}
	if sum == nil {
		digest := md5.Sum(raw)
		sum = digest[:]
	}
	if !bytes.Equal(sum, s.md5) {
		return wire.Errorf("BadDigest", http.StatusBadRequest, "The Content-MD5 you specified did not match what we received.")
	}
	return nil
}

// finish compares the checksum after the whole body was read, whose CRC64NVME is crc, and returns all that are known.
func (s *checksums) finish(crc uint64) (map[string]string, error) {
	known := map[string]string{"CRC64NVME": encodeSum(binary.BigEndian.AppendUint64(nil, crc))}
	for i, a := range s.needed {
		known[a.name] = encodeSum(s.more[i].Sum(nil))
	}
	if s.alg == nil {
		return known, nil
	}
	if s.hash != nil {
		known[s.alg.name] = encodeSum(s.hash.Sum(nil))
	}
	if s.trail {
		s.want = s.c.Trailer.Get(s.alg.header())
		if !s.alg.valid(s.want) {
			return nil, invalidRequest("Value for %s trailing header is invalid.", s.alg.header())
		}
	}
	if known[s.alg.name] != s.want {
		return nil, wire.Errorf("BadDigest", http.StatusBadRequest, "The %s you specified did not match the calculated checksum.", s.alg.name)
	}
	return known, nil
}

// kept is the checksum that the object keeps: the one that was sent, else CRC64NVME as on S3.
func (s *checksums) kept(known map[string]string, keep string) map[string]string {
	name := "CRC64NVME"
	if a := algorithmOf(keep); a != nil {
		name = a.name
	}
	if s.alg != nil {
		name = s.alg.name
	}
	return map[string]string{name: known[name]}
}

func encodeSum(raw []byte) string { return base64.StdEncoding.EncodeToString(raw) }

// compositeSum is the checksum of a multipart object whose parts have the given ones.
func (a *algorithm) compositeSum(parts []string) (string, error) {
	h := a.make()
	for _, p := range parts {
		raw, err := base64.StdEncoding.DecodeString(p)
		if err != nil {
			return "", fmt.Errorf("checksum of a part: %w", err)
		}
		h.Write(raw)
	}
	return fmt.Sprintf("%s-%d", encodeSum(h.Sum(nil)), len(parts)), nil
}

// joinedSum is the CRC of bytes that were hashed in parts of the given sizes.
func (a *algorithm) joinedSum(parts []string, sizes []int64) (string, error) {
	var total uint64
	for i, p := range parts {
		raw, err := base64.StdEncoding.DecodeString(p)
		if err != nil || len(raw) != a.size {
			return "", fmt.Errorf("checksum %q of a part is not in base64", p)
		}
		total = joinCRC(a.poly, 8*a.size, total, bigEndian(raw), sizes[i])
	}
	return encodeSum(binary.BigEndian.AppendUint64(nil, total)[8-a.size:]), nil
}

func bigEndian(raw []byte) (v uint64) {
	for _, b := range raw {
		v = v<<8 | uint64(b)
	}
	return v
}

// matrix is a linear map over GF(2): column i is the image of bit i.
type matrix [64]uint64

func (m *matrix) times(v uint64) (sum uint64) {
	for i := 0; v != 0; i, v = i+1, v>>1 {
		if v&1 != 0 {
			sum ^= m[i]
		}
	}
	return sum
}

// joinCRC returns the CRC of A followed by B, which has sizeB bytes, given theirs: A's register is moved on over sizeB
// zero bytes by repeated squaring of the map that does one zero bit.
func joinCRC(poly uint64, width int, crcA, crcB uint64, sizeB int64) uint64 {
	var step matrix
	step[0] = poly
	for i := 1; i < width; i++ {
		step[i] = 1 << (i - 1)
	}
	for range 3 { // a byte is eight bits
		step = step.squared(width)
	}
	for ; sizeB > 0; sizeB >>= 1 {
		if sizeB&1 != 0 {
			crcA = step.times(crcA)
		}
		step = step.squared(width)
	}
	return crcA ^ crcB
}

func (m *matrix) squared(width int) (s matrix) {
	for i := range width {
		s[i] = m.times(m[i])
	}
	return s
}
