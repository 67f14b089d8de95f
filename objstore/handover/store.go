package handover

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/weir-data/weir/objstore"
)

// Store is a store of another process. It is safe for concurrent use.
type Store struct {
	objstore.Store // for what is not said here
	client         *http.Client
	base           string
	dir            string
}

var _ Objects = (*Store)(nil)

// Dial returns the store that a Handler serves below path, where the client connects to its Unix socket whatever host is asked for. dir is an empty
// folder of the caller's below that store's TempDir; rest gives access to the same objects by other means. It connects with the first call.
func Dial(client *http.Client, path, dir string, rest objstore.Store) *Store {
	return &Store{Store: rest, client: client, base: "http://weir" + path + "/", dir: dir}
}

// TempDir implements objstore.Local.
func (s *Store) TempDir() string { return s.dir }

// Path implements objstore.Local.
func (s *Store) Path(ctx context.Context, bucket, key string) (string, error) {
	out, err := s.call(ctx, "path", &request{Bucket: bucket, Key: key})
	return out.Path, err
}

// Import implements objstore.Local.
func (s *Store) Import(ctx context.Context, bucket, key, path string, opts objstore.PutOptions) (objstore.Info, error) {
	infos, err := s.ImportAll(ctx, bucket, []objstore.LocalFile{{Key: key, Path: path, Opts: opts}})
	if err != nil {
		return objstore.Info{}, err
	}
	return infos[0], nil
}

// ImportAll implements objstore.Local.
func (s *Store) ImportAll(ctx context.Context, bucket string, files []objstore.LocalFile) ([]objstore.Info, error) {
	out, err := s.call(ctx, "import", &request{Bucket: bucket, Files: files})
	if err != nil {
		return nil, err
	}
	if len(out.Infos) != len(files) {
		return nil, fmt.Errorf("import of %d files: the answer tells of %d", len(files), len(out.Infos))
	}
	return out.Infos, nil
}

// Put implements objstore.Store.
func (s *Store) Put(ctx context.Context, bucket, key string, body io.Reader, opts objstore.PutOptions) (objstore.Info, error) {
	if err := objstore.CheckKey(key); err != nil {
		return objstore.Info{}, err
	}
	f, err := os.OpenFile(filepath.Join(s.dir, "put-"+rand.Text()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return objstore.Info{}, fmt.Errorf("write object %s/%s: %w", bucket, key, err)
	}
	_, err = io.Copy(f, body)
	if err := errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name()) // else it goes with the folder
		return objstore.Info{}, fmt.Errorf("write object %s/%s: %w", bucket, key, err)
	}
	info, err := s.Import(ctx, bucket, key, f.Name(), opts)
	if err != nil {
		os.Remove(f.Name())
	}
	return info, err
}

func (s *Store) call(ctx context.Context, name string, in *request) (out answer, err error) {
	raw, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+name, bytes.NewReader(raw))
	if err != nil {
		return out, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return out, fmt.Errorf("objects of the server: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return out, fmt.Errorf("objects of the server: %s: %s", resp.Status, bytes.TrimSpace(text))
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		if errors.Is(err, io.EOF) { // the server went, and may come back
			err = io.ErrUnexpectedEOF
		}
		return out, fmt.Errorf("objects of the server: %w", err)
	}
	return out, out.err()
}
