package objstore_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/file"
	"github.com/weir-data/weir/objstore/handover"
)

// openHandover returns a store whose files are handed to another one.
func openHandover(t *testing.T) objstore.Store {
	s, _ := handedOver(t)
	return s
}

func handedOver(t *testing.T) (*handover.Store, *file.Store) {
	t.Helper()
	store := openFile(t, nil, t.TempDir())
	socket := filepath.Join(t.TempDir(), "socket")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: ln, Config: &http.Server{Handler: http.StripPrefix("/at", handover.Handler(store))}}
	server.Start()
	t.Cleanup(server.Close)
	dir, err := os.MkdirTemp(store.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", socket) },
	}}
	t.Cleanup(client.CloseIdleConnections)
	s := handover.Dial(client, "/at", dir, store)
	if err := s.CreateBucket(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	return s, store
}

// Files of the folder become objects, all or none, and others do not.
func TestHandoverImports(t *testing.T) {
	s, store := handedOver(t)
	write := func(dir, name, text string) objstore.LocalFile {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return objstore.LocalFile{Key: name, Path: path}
	}
	if err := objstore.Upload(t.Context(), s, bucket, s.TempDir(), []objstore.LocalFile{write(s.TempDir(), "a", "1"), write(s.TempDir(), "b", "22")}); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"a": "1", "b": "22"} {
		path, err := s.Path(t.Context(), bucket, key)
		raw, readErr := os.ReadFile(path)
		if err := errors.Join(err, readErr); err != nil || string(raw) != want {
			t.Errorf("%s at %q: %q, %v", key, path, raw, err)
		}
	}
	if _, err := s.Path(t.Context(), bucket, "c"); !errors.Is(err, objstore.ErrNoSuchKey) {
		t.Errorf("path of an object that is not there: %v", err)
	}
	foreign := write(t.TempDir(), "c", "3")
	strays := []string{foreign.Path, s.TempDir() + "/../../../" + filepath.Base(foreign.Path), store.TempDir()}
	for _, path := range strays {
		_, err := s.ImportAll(t.Context(), bucket, []objstore.LocalFile{write(s.TempDir(), "d", "4"), {Key: "c", Path: path}})
		if err == nil || !strings.Contains(err.Error(), "does not lie in") {
			t.Errorf("import of %s: %v", path, err)
		}
		if _, err := s.Head(t.Context(), bucket, "d"); !errors.Is(err, objstore.ErrNoSuchKey) {
			t.Errorf("half of an import was done: %v", err)
		}
	}
}

// A put that fails leaves nothing, and an error says what the store's own would.
func TestHandoverFails(t *testing.T) {
	s, _ := handedOver(t)
	gone := errors.New("gone")
	if _, err := s.Put(t.Context(), bucket, "k", io.MultiReader(strings.NewReader("some"), iotest.ErrReader(gone)), objstore.PutOptions{}); !errors.Is(err, gone) {
		t.Errorf("put of a body that fails: %v", err)
	}
	put(t, s, "k", "first")
	if _, err := s.Put(t.Context(), bucket, "k", strings.NewReader("second"), objstore.PutOptions{IfAbsent: true}); !errors.Is(err, objstore.ErrPrecondition) {
		t.Errorf("put of what is there: %v", err)
	}
	if left, err := os.ReadDir(s.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
