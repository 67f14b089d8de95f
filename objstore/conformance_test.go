package objstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/file"
	"github.com/weir-data/weir/objstore/mem"
)

// Every store passes the same suite.
func TestStores(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) objstore.Store{
		"mem":       func(t *testing.T) objstore.Store { return mem.New(nil) },
		"file":      func(t *testing.T) objstore.Store { return openFile(t, nil, t.TempDir()) },
		"file, vfs": func(t *testing.T) objstore.Store { return openFile(t, vfs.NewCrashable(), "objects") },
		"awss3":     openS3,
		"handover":  openHandover,
	} {
		t.Run(name, func(t *testing.T) {
			for name, test := range suite {
				t.Run(name, func(t *testing.T) {
					s := open(t)
					if err := s.CreateBucket(t.Context(), bucket); err != nil {
						t.Fatal(err)
					}
					test(t, s)
				})
			}
		})
	}
}

const bucket = "lake"

func openFile(t *testing.T, fs vfs.FS, dir string) *file.Store {
	db := meta.NewMem()
	s, err := file.Open(dir, db, file.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

var suite = map[string]func(t *testing.T, s objstore.Store){
	"round trip":   testRoundTrip,
	"ranges":       testRanges,
	"replace":      testReplace,
	"missing":      testMissing,
	"odd keys":     testOddKeys,
	"conditions":   testConditions,
	"one creator":  testOneCreator,
	"failing body": testFailingBody,
	"big body":     testBig,
	"listing":      testListing,
	"random":       testRandom,
}

func put(t *testing.T, s objstore.Store, key, body string) objstore.Info {
	t.Helper()
	info, err := s.Put(t.Context(), bucket, key, strings.NewReader(body), objstore.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func get(s objstore.Store, key string, r *objstore.Range) (string, error) {
	body, _, err := s.Get(context.Background(), bucket, key, r)
	if err != nil {
		return "", err
	}
	raw, err := io.ReadAll(body)
	return string(raw), errors.Join(err, body.Close())
}

func testRoundTrip(t *testing.T, s objstore.Store) {
	opts := objstore.PutOptions{
		ContentType: "text/plain",
		Metadata:    map[string]string{"who": "me", "why-not": "a, b"},
		Headers:     map[string]string{"Content-Encoding": "x-none", "Cache-Control": "no-cache"},
	}
	for _, size := range []int{0, 1, 300 << 10} {
		body := bytes.Repeat([]byte("weir"), size/4+1)[:size]
		key := fmt.Sprint("a/b/", size)
		made, err := s.Put(t.Context(), bucket, key, bytes.NewReader(body), opts)
		if err != nil {
			t.Fatal(err)
		}
		r, info, err := s.Get(t.Context(), bucket, key, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		r.Close()
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("%d bytes came back as %d, %v", size, len(got), err)
		}
		head, err := s.Head(t.Context(), bucket, key)
		if err != nil {
			t.Fatal(err)
		}
		for name, info := range map[string]objstore.Info{"get": info, "head": head} {
			if info.Key != key || info.Size != int64(size) || info.ETag != made.ETag || info.ContentType != opts.ContentType ||
				fmt.Sprint(info.Metadata, info.Headers) != fmt.Sprint(opts.Metadata, opts.Headers) || info.ModTime.IsZero() {
				t.Errorf("%s says %+v after %+v", name, info, made)
			}
		}
	}
}

func testRanges(t *testing.T, s objstore.Store) {
	put(t, s, "digits", "0123456789")
	put(t, s, "empty", "")
	for _, c := range []struct {
		key  string
		r    objstore.Range
		want string
	}{
		{"digits", objstore.Range{Offset: 0, Length: -1}, "0123456789"},
		{"digits", objstore.Range{Offset: 3, Length: 2}, "34"},
		{"digits", objstore.Range{Offset: 3, Length: -1}, "3456789"},
		{"digits", objstore.Range{Offset: 8, Length: 100}, "89"},
		{"digits", objstore.Range{Offset: -4}, "6789"},
		{"digits", objstore.Range{Offset: -40}, "0123456789"},
		{"digits", objstore.Range{Offset: 10, Length: 1}, "!"},
		{"empty", objstore.Range{Offset: 0, Length: 1}, "!"},
		{"empty", objstore.Range{Offset: -1}, "!"},
	} {
		got, err := get(s, c.key, &c.r)
		if c.want == "!" {
			if !errors.Is(err, objstore.ErrRange) {
				t.Errorf("%s %+v: %q, %v, want ErrRange", c.key, c.r, got, err)
			}
		} else if err != nil || got != c.want {
			t.Errorf("%s %+v: %q, %v, want %q", c.key, c.r, got, err, c.want)
		}
	}
}

func testReplace(t *testing.T, s objstore.Store) {
	put(t, s, "k", strings.Repeat("old", 100_000))
	r, _, err := s.Get(t.Context(), bucket, "k", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	first := make([]byte, 3)
	if _, err := io.ReadFull(r, first); err != nil {
		t.Fatal(err)
	}
	put(t, s, "k", "new")
	rest, err := io.ReadAll(r)
	if err != nil || string(first)+string(rest) != strings.Repeat("old", 100_000) {
		t.Errorf("an open reader saw %d bytes of the old object, %v", len(rest)+3, err)
	}
	if got, err := get(s, "k", nil); err != nil || got != "new" {
		t.Errorf("got %q, %v", got, err)
	}
}

func testMissing(t *testing.T, s objstore.Store) {
	ctx := t.Context()
	if _, err := get(s, "none", nil); !errors.Is(err, objstore.ErrNoSuchKey) {
		t.Errorf("get: %v", err)
	}
	if _, err := s.Head(ctx, bucket, "none"); !errors.Is(err, objstore.ErrNoSuchKey) {
		t.Errorf("head: %v", err)
	}
	if err := s.Delete(ctx, bucket, "none"); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err := s.Put(ctx, "nowhere", "k", strings.NewReader(""), objstore.PutOptions{}); !errors.Is(err, objstore.ErrNoSuchBucket) {
		t.Errorf("put: %v", err)
	}
	if _, err := s.List(ctx, "nowhere", objstore.ListOptions{}); !errors.Is(err, objstore.ErrNoSuchBucket) {
		t.Errorf("list: %v", err)
	}
	if err := s.CreateBucket(ctx, bucket); err != nil {
		t.Errorf("bucket again: %v", err)
	}
	if err := s.CreateBucket(ctx, "No"); !errors.Is(err, objstore.ErrInvalidBucket) {
		t.Errorf("bucket with a bad name: %v", err)
	}
	if _, err := s.Put(ctx, bucket, strings.Repeat("k", 1025), strings.NewReader(""), objstore.PutOptions{}); !errors.Is(err, objstore.ErrInvalidKey) {
		t.Errorf("long key: %v", err)
	}
}

// oddKeys do not make good file names.
var oddKeys = []string{
	"a", "a-b", "a/b", "a/b/c", "a//b", "a/", "a/./b", "a/../b", "..", ".", "../../etc/passwd", "/", "/abs", "//", "x/..",
	"ü + % space/é=1/\"q\"", "line\nbreak", "tab\t", ".weir/tmp/x", ".hidden", "\u2028", "日本/語",
	strings.Repeat("s", 300), "p/" + strings.Repeat("d/", 500), "a b?c=d&e#f;g:h@i", "back\\slash", "con", "~", "*",
}

func testOddKeys(t *testing.T, s objstore.Store) {
	for _, k := range oddKeys {
		put(t, s, k, "body of "+k)
	}
	for _, k := range oddKeys {
		if got, err := get(s, k, nil); err != nil || got != "body of "+k {
			t.Errorf("%q: %q, %v", k, got, err)
		}
	}
	want := slices.Sorted(slices.Values(oddKeys))
	if got := keysOf(t, s, objstore.ListOptions{Limit: 7}); !slices.Equal(got, want) {
		t.Errorf("listing\n%q\nwant\n%q", got, want)
	}
	for _, k := range oddKeys {
		if err := s.Delete(t.Context(), bucket, k); err != nil {
			t.Errorf("delete %q: %v", k, err)
		}
	}
	if got := keysOf(t, s, objstore.ListOptions{}); len(got) > 0 {
		t.Errorf("left after deletes: %q", got)
	}
}

// keysOf lists all pages; prefixes come as they are.
func keysOf(t *testing.T, s objstore.Store, opts objstore.ListOptions) []string {
	t.Helper()
	var keys []string
	for {
		page, err := s.List(t.Context(), bucket, opts)
		if err != nil {
			t.Fatal(err)
		}
		here := slices.Clone(page.Prefixes)
		for _, o := range page.Objects {
			here = append(here, o.Key)
		}
		sort.Strings(here)
		keys = append(keys, here...)
		if opts.After = page.Next; page.Next == "" {
			return keys
		}
		if opts.Limit > 0 && len(here) != opts.Limit {
			t.Fatalf("page of %d, limit %d", len(here), opts.Limit)
		}
	}
}

func testConditions(t *testing.T, s objstore.Store) {
	try := func(opts objstore.PutOptions) error {
		_, err := s.Put(t.Context(), bucket, "k", strings.NewReader("x"), opts)
		return err
	}
	if err := try(objstore.PutOptions{IfMatch: "feed"}); !errors.Is(err, objstore.ErrNoSuchKey) {
		t.Errorf("if-match without object: %v", err)
	}
	if err := try(objstore.PutOptions{IfAbsent: true}); err != nil {
		t.Errorf("if-absent without object: %v", err)
	}
	if err := try(objstore.PutOptions{IfAbsent: true}); !errors.Is(err, objstore.ErrPrecondition) {
		t.Errorf("if-absent with object: %v", err)
	}
	if err := try(objstore.PutOptions{IfMatch: "feed"}); !errors.Is(err, objstore.ErrPrecondition) {
		t.Errorf("if-match of another: %v", err)
	}
	info, err := s.Head(t.Context(), bucket, "k")
	if err != nil {
		t.Fatal(err)
	}
	if err := try(objstore.PutOptions{IfMatch: info.ETag}); err != nil {
		t.Errorf("if-match: %v", err)
	}
	if err := s.Delete(t.Context(), bucket, "k"); err != nil {
		t.Fatal(err)
	}
	if err := try(objstore.PutOptions{IfAbsent: true}); err != nil {
		t.Errorf("if-absent after delete: %v", err)
	}
}

func testOneCreator(t *testing.T, s objstore.Store) {
	for round := range 10 {
		key := fmt.Sprintf("_delta_log/%020d.json", round)
		var wg sync.WaitGroup
		var mu sync.Mutex
		var winners []string
		for w := range 8 {
			body := fmt.Sprint("writer ", w)
			wg.Go(func() {
				_, err := s.Put(context.Background(), bucket, key, strings.NewReader(body), objstore.PutOptions{IfAbsent: true})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					winners = append(winners, body)
				} else if !errors.Is(err, objstore.ErrPrecondition) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got, err := get(s, key, nil)
		if err != nil || len(winners) != 1 || got != winners[0] {
			t.Fatalf("winners %q, object %q, %v", winners, got, err)
		}
	}
}

var errBody = errors.New("body fails")

// A body that fails leaves the old object, also when it fails like a connection that was cut off.
func testFailingBody(t *testing.T, s objstore.Store) {
	put(t, s, "k", "old")
	for _, fault := range []error{errBody, io.ErrUnexpectedEOF} {
		for _, size := range []int{0, 100, 1 << 20, 17 << 20} {
			body := io.MultiReader(io.LimitReader(zeros{}, int64(size)), failing{fault})
			if _, err := s.Put(t.Context(), bucket, "k", body, objstore.PutOptions{}); !errors.Is(err, fault) {
				t.Errorf("put of %d bytes: %v", size, err)
			}
			if got, err := get(s, "k", nil); err != nil || got != "old" {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func testBig(t *testing.T, s objstore.Store) {
	const size = 33<<20 + 5
	info, err := s.Put(t.Context(), bucket, "big", io.LimitReader(zeros{}, size), objstore.PutOptions{IfAbsent: true})
	if err != nil || info.Size != size {
		t.Fatalf("%+v, %v", info, err)
	}
	got, err := get(s, "big", &objstore.Range{Offset: size - 3, Length: 10})
	if err != nil || got != "\x00\x00\x00" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := s.Put(t.Context(), bucket, "big", io.LimitReader(zeros{}, size), objstore.PutOptions{IfAbsent: true}); !errors.Is(err, objstore.ErrPrecondition) {
		t.Errorf("second: %v", err)
	}
}

func testListing(t *testing.T, s objstore.Store) {
	for _, k := range []string{"a-b", "a/1", "a/2", "a/b/3", "a/b/4", "a0", "b", "c/d/e/f"} {
		put(t, s, k, k)
	}
	for _, c := range []struct {
		opts objstore.ListOptions
		want string
	}{
		{objstore.ListOptions{}, "a-b a/1 a/2 a/b/3 a/b/4 a0 b c/d/e/f"},
		{objstore.ListOptions{Prefix: "a/"}, "a/1 a/2 a/b/3 a/b/4"},
		{objstore.ListOptions{Prefix: "a/b"}, "a/b/3 a/b/4"},
		{objstore.ListOptions{After: "a/1"}, "a/2 a/b/3 a/b/4 a0 b c/d/e/f"},
		{objstore.ListOptions{After: "a/1x"}, "a/2 a/b/3 a/b/4 a0 b c/d/e/f"},
		{objstore.ListOptions{Prefix: "a/", After: "a0"}, ""},
		{objstore.ListOptions{Prefix: "a/", After: "Z"}, "a/1 a/2 a/b/3 a/b/4"},
		{objstore.ListOptions{Delimiter: "/"}, "a-b a/ a0 b c/"},
		{objstore.ListOptions{Delimiter: "/", After: "a/"}, "a0 b c/"},
		{objstore.ListOptions{Delimiter: "/", Prefix: "a/"}, "a/1 a/2 a/b/"},
		{objstore.ListOptions{Delimiter: "b"}, "a-b a/1 a/2 a/b a0 b c/d/e/f"},
		{objstore.ListOptions{Prefix: "none"}, ""},
	} {
		for _, limit := range []int{0, 1, 2, 3} {
			c.opts.Limit = limit
			if got := strings.Join(keysOf(t, s, c.opts), " "); got != c.want {
				t.Errorf("%+v: %s, want %s", c.opts, got, c.want)
			}
		}
	}
}

// testRandom compares the store with a map.
func testRandom(t *testing.T, s objstore.Store) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	model := map[string]string{}
	segments := []string{"a", "b", "", "..", "x=1", "-"}
	for step := range 150 {
		n := 1 + rng.IntN(3)
		var parts []string
		for range n {
			parts = append(parts, segments[rng.IntN(len(segments))])
		}
		key := strings.Join(parts, "/")
		if key == "" {
			continue
		}
		switch rng.IntN(4) {
		case 0:
			if err := s.Delete(t.Context(), bucket, key); err != nil {
				t.Fatal(err)
			}
			delete(model, key)
		case 1:
			got, err := get(s, key, nil)
			if want, ok := model[key]; ok && (err != nil || got != want) || !ok && !errors.Is(err, objstore.ErrNoSuchKey) {
				t.Fatalf("step %d: %q is %q, %v; want %q, %t", step, key, got, err, want, ok)
			}
		default:
			model[key] = fmt.Sprint(key, step)
			put(t, s, key, model[key])
		}
	}
	var want []string
	for k := range model {
		want = append(want, k)
	}
	sort.Strings(want)
	if got := keysOf(t, s, objstore.ListOptions{Limit: 3}); !slices.Equal(got, want) {
		t.Fatalf("listing %q, want %q", got, want)
	}
}
