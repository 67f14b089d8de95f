package delta

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weir-data/weir/objstore"
)

func listKeys(t *testing.T, o Objects, prefix, after string) []string {
	t.Helper()
	var keys []string
	for info, err := range o.List(t.Context(), prefix, after) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

func TestDir(t *testing.T) {
	root := filepath.Join(t.TempDir(), "not", "yet", "there")
	objects := Dir(root)
	if keys := listKeys(t, objects, "", ""); len(keys) > 0 {
		t.Errorf("a folder that is not there lists %q", keys)
	}
	all := []string{"_delta_log/0", "_delta_log/_sidecars/x", "a-b/x", "a.x", "a/b/c", "a/d", "a0"}
	for _, key := range all {
		if err := objects.Put(t.Context(), key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("..", filepath.Join(root, "a", "loop")); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"", "a", "a/", "_delta_log/", "a/b/c", "none"} {
		for _, after := range append(all, "", "a/", "b") {
			var want []string
			for _, key := range all {
				if strings.HasPrefix(key, prefix) && key > after {
					want = append(want, key)
				}
			}
			if got := listKeys(t, objects, prefix, after); !slices.Equal(got, want) {
				t.Errorf("list %q after %q: %q, want %q", prefix, after, got, want)
			}
		}
	}
	for _, key := range []string{"../x", "/etc/passwd", "a/../../x"} {
		if err := objects.Put(t.Context(), key, nil); !errors.Is(err, ErrInvalid) {
			t.Errorf("put %q: %v", key, err)
		}
	}
	if _, err := objects.Get(t.Context(), "zz"); !errors.Is(err, objstore.ErrNoSuchKey) {
		t.Error(err)
	}
	part, err := objects.(rangeGetter).GetRange(t.Context(), "a/b/c", 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(part)
	if err != nil || string(body) != "b/" || part.Close() != nil {
		t.Errorf("range %q, %v", body, err)
	}
	for range 2 {
		if err := objects.Delete(t.Context(), "a/d"); err != nil {
			t.Error(err)
		}
	}
	if info, err := objects.(header).Head(t.Context(), "a0"); err != nil || info.Size != 2 || info.ModTime.IsZero() {
		t.Errorf("head %+v, %v", info, err)
	}
}

// TestDirPutIfAbsent lets many write the same names: each has one winner, whose bytes stay.
func TestDirPutIfAbsent(t *testing.T) {
	objects := Dir(t.TempDir())
	var won [20]atomic.Int64
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range won {
				err := objects.PutIfAbsent(t.Context(), fmt.Sprint("k/", i), fmt.Append(nil, w))
				if err == nil {
					won[i].Add(1)
				} else if !errors.Is(err, objstore.ErrPrecondition) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i := range won {
		if n := won[i].Load(); n != 1 {
			t.Errorf("%d winners of name %d", n, i)
		}
	}
	if keys := listKeys(t, objects, "", ""); len(keys) != len(won) {
		t.Errorf("%q", keys)
	}
}
