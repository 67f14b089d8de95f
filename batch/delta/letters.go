package delta

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/objstore"
)

// Letters keeps dead letters as objects of a folder.
type Letters struct {
	store          objstore.Store
	bucket, prefix string
}

var _ batch.Letters = (*Letters)(nil)

// NewLetters returns the dead letters at location, s3://bucket/folder.
func NewLetters(store objstore.Store, location string) (*Letters, error) {
	bucket, prefix, err := objstore.ParseURL(location)
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return &Letters{store, bucket, prefix}, nil
}

// Put implements batch.Letters.
func (l *Letters) Put(ctx context.Context, name string, body []byte) error {
	opts := objstore.PutOptions{ContentType: "application/x-ndjson"}
	_, err := l.store.Put(ctx, l.bucket, l.prefix+name, bytes.NewReader(body), opts)
	return err
}
