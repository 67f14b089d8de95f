package objstore

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Further errors of stores; test for them with errors.Is.
var (
	ErrInvalidBucket = errors.New("invalid bucket name")
	// ErrNoSpace says that the disk is full, or nearly; nothing was written, and writing works again when there is room.
	ErrNoSpace = errors.New("no space left for objects")
	// ErrRange says that a Range begins behind the end of the object.
	ErrRange = errors.New("range is not satisfiable")
)

// Resolve returns where in an object of size bytes the range begins and how many bytes it has, or ErrRange. A nil range is
// the whole object.
func (r *Range) Resolve(size int64) (offset, length int64, err error) {
	switch {
	case r == nil:
		return 0, size, nil
	case r.Offset < 0 && size > 0:
		n := min(-max(r.Offset, -size), size)
		return size - n, n, nil
	case r.Offset < 0 || r.Offset >= size:
		return 0, 0, fmt.Errorf("offset %d of %d bytes: %w", r.Offset, size, ErrRange)
	case r.Length < 0:
		return r.Offset, size - r.Offset, nil
	}
	return r.Offset, min(r.Length, size-r.Offset), nil
}

// KeyBytesMax is the length of the longest object key.
const KeyBytesMax = 1024

// CheckBucket returns ErrInvalidBucket with the reason if S3 would refuse name for a new general purpose bucket.
func CheckBucket(name string) error {
	if reason := bucketFault(name); reason != "" {
		return fmt.Errorf("bucket name %q %s: %w", name, reason, ErrInvalidBucket)
	}
	return nil
}

func bucketFault(name string) string {
	if len(name) < 3 || len(name) > 63 {
		return "must have 3 to 63 characters"
	}
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !letter && c != '-' && c != '.' {
			return "may hold lower-case letters, digits, dots and hyphens only"
		}
		if !letter && (i == 0 || i == len(name)-1) {
			return "must begin and end with a letter or digit"
		}
	}
	if strings.Contains(name, "..") {
		return "has two dots in a row"
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return "looks like an IP address"
	}
	for _, p := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(name, p) {
			return "begins with the reserved " + p
		}
	}
	for _, s := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(name, s) {
			return "ends with the reserved " + s
		}
	}
	return ""
}

// CheckKey returns ErrInvalidKey with the reason if key cannot name an object: 1 to KeyBytesMax bytes of UTF-8.
func CheckKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("empty key: %w", ErrInvalidKey)
	case len(key) > KeyBytesMax:
		return fmt.Errorf("key of %d bytes, more than %d: %w", len(key), KeyBytesMax, ErrInvalidKey)
	case !utf8.ValidString(key):
		return fmt.Errorf("key %q is not UTF-8: %w", key, ErrInvalidKey)
	}
	return nil
}
