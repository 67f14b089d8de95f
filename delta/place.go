package delta

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/weir-data/weir/objstore"
)

// placed is implemented by Objects that know where their folder lies: its canonical URL or path, with a slash at its end.
// Absolute paths in the log that lie below it are then the same as relative ones.
type placed interface{ place() string }

// reacher is implemented by Objects that may reach objects outside their folder, such as those that a shallow clone
// shares with its source. The url is a canonical one; ok is false if the store does not hold it.
type reacher interface {
	reach(ctx context.Context, url string) (objects Objects, key string, ok bool)
}

func (f *folder) place() string { return "s3://" + f.bucket + "/" + f.prefix }

func (f *folder) reach(ctx context.Context, url string) (Objects, string, bool) {
	bucket, key, ok := Locate(ctx, f.store, f.bucket, f.prefix, url)
	return InBucket(f.store, bucket, ""), key, ok
}

func (d dir) place() string {
	path, err := filepath.Abs(string(d))
	if err != nil {
		return ""
	}
	return filepath.ToSlash(path) + "/"
}

func (d dir) reach(_ context.Context, url string) (Objects, string, bool) {
	return Dir("/"), strings.TrimPrefix(url, "/"), strings.HasPrefix(url, "/")
}

// placeOf is where a folder lies, empty if that is not known.
func placeOf(objects Objects) string {
	if p, ok := objects.(placed); ok {
		return p.place()
	}
	return ""
}

// decodePathAt is decodePath for a folder whose place is known.
func decodePathAt(place, path string) (key string, outside bool, err error) {
	key, outside, err = decodePath(path)
	if err != nil || !outside || place == "" {
		return key, outside, err
	}
	if below, ok := strings.CutPrefix(key, place); ok && cleanKey(below) {
		return below, false, nil
	}
	return key, true, nil
}

// Locate finds the object of a store to which File.Path points in a table's folder of a bucket, for a file that is Outside:
// s3://bucket/key, or a path of this machine if the store keeps its objects as files there. ok is false if the store cannot
// hold it.
func Locate(ctx context.Context, store objstore.Store, bucket, prefix, url string) (inBucket, key string, ok bool) {
	if inBucket, key, err := objstore.ParseURL(url); err == nil {
		return inBucket, key, key != ""
	}
	local, isLocal := store.(objstore.Local)
	if !isLocal || !strings.HasPrefix(url, "/") {
		return "", "", false
	}
	// The store's own root shows in the path of any object whose name is kept as it is.
	page, err := store.List(ctx, bucket, objstore.ListOptions{Prefix: prefix, Limit: 1})
	if err != nil || len(page.Objects) == 0 {
		return "", "", false
	}
	path, err := local.Path(ctx, bucket, page.Objects[0].Key)
	root, plain := strings.CutSuffix(path, bucket+"/"+page.Objects[0].Key)
	below, inside := strings.CutPrefix(url, root)
	if err != nil || !plain || !inside {
		return "", "", false
	}
	inBucket, key, ok = strings.Cut(below, "/")
	if !ok || inBucket == "" || !cleanKey(key) {
		return "", "", false
	}
	at, err := local.Path(ctx, inBucket, key)
	return inBucket, key, err == nil && at == url
}
