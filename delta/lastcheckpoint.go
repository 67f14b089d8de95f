package delta

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/weir-data/weir/objstore"
)

// lastCheckpoint is the content of _last_checkpoint, a hint where to start.
type lastCheckpoint struct {
	Version       int64  `json:"version"`
	Size          int64  `json:"size"` // actions
	SizeInBytes   int64  `json:"sizeInBytes,omitempty"`
	NumOfAddFiles int64  `json:"numOfAddFiles,omitempty"`
	Checksum      string `json:"checksum,omitempty"`
}

// encode writes the hint with its checksum.
func (c lastCheckpoint) encode() ([]byte, error) {
	c.Checksum = ""
	body, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	if c.Checksum, err = jsonChecksum(body); err != nil {
		return nil, err
	}
	return json.Marshal(c)
}

// readHint returns the version that _last_checkpoint names, or -1. Being a hint, one that is damaged counts as absent.
func readHint(ctx context.Context, objects Objects) (int64, error) {
	body, err := readAll(ctx, objects, lastCheckpointKey, hintBytesMax)
	if errors.Is(err, objstore.ErrNoSuchKey) || errors.Is(err, ErrCorrupt) {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	hint, err := decodeHint(body)
	if err != nil {
		return -1, nil
	}
	return hint.Version, nil
}

// decodeHint reads a hint and checks it against its checksum, if it has one.
func decodeHint(body []byte) (lastCheckpoint, error) {
	var hint lastCheckpoint
	if err := json.Unmarshal(body, &hint); err != nil {
		return hint, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if hint.Version < 0 {
		return hint, fmt.Errorf("%w: checkpoint of version %d", ErrCorrupt, hint.Version)
	}
	if hint.Checksum == "" {
		return hint, nil
	}
	sum, err := jsonChecksum(body)
	if err == nil && sum != hint.Checksum {
		err = fmt.Errorf("%w: checksum %s, the content has %s", ErrCorrupt, hint.Checksum, sum)
	}
	return hint, err
}

// jsonChecksum is the MD5 of a JSON object in its canonical form, without its member checksum (section "JSON checksum").
func jsonChecksum(body []byte) (string, error) {
	text, err := canonicalJSON(body)
	if err != nil {
		return "", err
	}
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:]), nil
}

// canonicalJSON writes an object as its leaves with their paths: "a"+"b"+0="x", in byte order.
func canonicalJSON(body []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var pairs []string
	if err := canonicalValue(d, nil, &pairs); err != nil {
		return "", fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return "", fmt.Errorf("%w: text after the object", ErrCorrupt)
	}
	slices.SortFunc(pairs, func(a, b string) int { // by path: quoted names hold no =
		pathA, _, _ := strings.Cut(a, "=")
		pathB, _, _ := strings.Cut(b, "=")
		return strings.Compare(pathA, pathB)
	})
	for i := 1; i < len(pairs); i++ {
		a, _, _ := strings.Cut(pairs[i-1], "=")
		if b, _, _ := strings.Cut(pairs[i], "="); a == b {
			return "", fmt.Errorf("%w: member %s twice", ErrCorrupt, a)
		}
	}
	return strings.Join(pairs, ","), nil
}

// canonicalDepthMax bounds how deep the hint may be nested.
const canonicalDepthMax = 100

func canonicalValue(d *json.Decoder, path []string, pairs *[]string) error {
	if len(path) > canonicalDepthMax {
		return errors.New("nested too deep")
	}
	token, err := d.Token()
	if err != nil {
		return err
	}
	var text string
	switch v := token.(type) {
	case json.Delim:
		for i := 0; d.More(); i++ {
			name := fmt.Sprint(i)
			if v == '{' {
				if token, err = d.Token(); err != nil {
					return err
				}
				name = quoteCanonical(token.(string))
			}
			below := append(path[:len(path):len(path)], name)
			to := pairs
			if len(path) == 0 && name == `"checksum"` {
				to = new([]string)
			}
			if err := canonicalValue(d, below, to); err != nil {
				return err
			}
		}
		_, err = d.Token() // the closing delimiter
		return err
	case string:
		text = quoteCanonical(v)
	case nil:
		text = "null"
	default:
		text = fmt.Sprint(v)
	}
	*pairs = append(*pairs, strings.Join(path, "+")+"="+text)
	return nil
}

// quoteCanonical percent-encodes all but letters, digits and - . _ ~.
func quoteCanonical(s string) string {
	return `"` + escape(s, func(c byte) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0)
	}) + `"`
}
