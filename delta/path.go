package delta

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// NullPartition is the folder name of a null partition value, by Hive's convention.
const NullPartition = "__HIVE_DEFAULT_PARTITION__"

const hexDigits = "0123456789ABCDEF"

// encodePath writes a data file's key as add.path has it: a relative URI. Everything but letters, digits and the
// bytes that a path segment may hold unescaped is written as %XX; a colon too, lest it look like a scheme. Beyond ASCII only spaces and
// control characters are escaped, as java.net.URI does: Spark's VACUUM compares paths of the log with the URIs of the files that it finds, as
// texts, and deletes a file whose path is written in another way.
func encodePath(key string) string {
	n := 0
	for i := 0; i < len(key); i++ {
		if !isPathByte(key[i]) {
			n++
		}
	}
	if n == 0 {
		return key
	}
	b := make([]byte, 0, len(key)+2*n)
	for len(key) > 0 {
		c, size := utf8.DecodeRuneInString(key)
		if c < utf8.RuneSelf && isPathByte(byte(c)) || size > 1 && !unicode.Is(unicode.Z, c) && !unicode.IsControl(c) {
			b = append(b, key[:size]...)
		} else {
			for _, c := range []byte(key[:size]) {
				b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
			}
		}
		key = key[size:]
	}
	return string(b)
}

func isPathByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("-._~!$&'()*+,;=@/", c) >= 0
}

func escape(s string, must func(byte) bool) string {
	n := 0
	for i := 0; i < len(s); i++ {
		if must(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+2*n)
	for i := 0; i < len(s); i++ {
		if c := s[i]; must(c) {
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

// decodePath is the reverse of encodePath for any engine's way of escaping. Outside says that the file does not lie in
// the table's folder (a shallow clone's files, paths with ".."); then key is only a name to tell files apart.
func decodePath(path string) (key string, outside bool, err error) {
	key = path
	if strings.IndexByte(path, '%') >= 0 {
		if key, err = url.PathUnescape(path); err != nil {
			return "", false, fmt.Errorf("%w: path %.200q: %w", ErrCorrupt, path, err)
		}
	}
	if hasScheme(path) || key == "" || key[0] == '/' {
		return canonicalPath(key), true, nil
	}
	return key, !cleanKey(key), nil
}

// cleanKey says whether key names an object of the table's folder that may be a data file.
func cleanKey(key string) bool {
	if key == "" || key[0] == '/' || strings.HasPrefix(key, logFolder) || strings.IndexByte(key, 0) >= 0 {
		return false
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == ".." || segment == "." {
			return false
		}
	}
	return true
}

// hasScheme says whether path starts with a URI scheme (RFC 3986 section 3.1). It looks at the encoded form: there
// a colon that belongs to the first folder's name is escaped.
func hasScheme(path string) bool {
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch {
		case c == ':':
			return i > 0
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case i > 0 && ('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return false
}

// canonicalPath is one spelling for the paths under which a file may be added and removed: a local file's path can
// be written with or without its scheme and empty authority, and S3's scheme has three names.
func canonicalPath(path string) string {
	if rest, ok := strings.CutPrefix(path, "file:"); ok {
		return "/" + strings.TrimLeft(rest, "/")
	}
	for _, scheme := range []string{"s3a://", "s3n://"} {
		if rest, ok := strings.CutPrefix(path, scheme); ok {
			return "s3://" + rest
		}
	}
	return path
}

// EscapePartition writes a partition value or column name as a folder name, as Hive and Spark do: control
// characters and those that mean something in a path become %XX.
func EscapePartition(s string) string {
	return escape(s, func(c byte) bool {
		return c < 0x20 || c == 0x7f || strings.IndexByte("\"#%'*/:=?\\{[]^", c) >= 0
	})
}

// UnescapePartition is the reverse of EscapePartition. A percent sign that starts no escape stands for itself.
func UnescapePartition(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// PartitionPath is the folder of a partition where folders give the values, with a trailing slash: year=2019/month=1/. Values are as in
// File.Partition; a null or empty one becomes NullPartition. It is empty for a table without partitions.
func PartitionPath(by []string, values map[string]*string) string {
	var b strings.Builder
	for _, name := range by {
		b.WriteString(EscapePartition(name))
		b.WriteByte('=')
		if v := values[name]; v == nil || *v == "" {
			b.WriteString(NullPartition)
		} else {
			b.WriteString(EscapePartition(*v))
		}
		b.WriteByte('/')
	}
	return b.String()
}

// folderMax is how long a folder's name may be in bytes: file systems end at 255.
const folderMax = 200

// DataFolder is the folder in which data files of a partition are put, with a trailing slash. It tells people where they are; what counts is
// the log's partitionValues. Everything but ASCII letters, digits, - _ and . is escaped, as delta-rs does: of other names engines write
// different URIs and compare them as texts, so that one does not see that another removed a file, or takes it for one that nobody needs.
// Long names are cut and end in a part of their hash.
func DataFolder(by []string, values map[string]*string) string {
	var b strings.Builder
	for _, name := range by {
		segment := escape(name, isFolderEscape) + "="
		if v := values[name]; v == nil || *v == "" {
			segment += NullPartition
		} else {
			segment += escape(*v, isFolderEscape)
		}
		if len(segment) > folderMax {
			sum := sha256.Sum256([]byte(segment))
			segment = segment[:folderMax-13]
			if i := strings.LastIndexByte(segment, '%'); i > len(segment)-3 {
				segment = segment[:i]
			}
			segment += "-" + hex.EncodeToString(sum[:6])
		}
		b.WriteString(segment + "/")
	}
	return b.String()
}

func isFolderEscape(c byte) bool {
	return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.')
}

// ParsePartitionPath reads the name=value folders at the start of a data file's key. The first segment that is not of
// that form ends them; the file name itself never counts.
func ParsePartitionPath(key string) map[string]*string {
	values := map[string]*string{}
	for {
		segment, rest, ok := strings.Cut(key, "/")
		if !ok {
			return values
		}
		name, text, ok := strings.Cut(segment, "=")
		if !ok || name == "" {
			return values
		}
		values[UnescapePartition(name)] = nil
		if text != NullPartition {
			value := UnescapePartition(text)
			values[UnescapePartition(name)] = &value
		}
		key = rest
	}
}
