package crawler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/objstore"
)

// Bounds of one target. A target beyond them fails its crawl with a clear error.
const (
	objectsMax = 5_000_000
	foldersMax = 200_000
)

// sampledFiles is how many objects of a leaf folder are looked at when the target does not say.
const sampledFiles = 6

// folder is a folder below a target, with what lies directly in it.
type folder struct {
	name     string // last part of the path, without slash
	key      string // prefix of its objects: "" or ending with a slash
	parent   *folder
	children map[string]*folder
	sampled  []objstore.Info
	objects  int64
	bytes    int64
	isDelta  bool // has a _delta_log
}

// level counts the folder's depth as TableLevelConfiguration does: the bucket is 1.
func (f *folder) level() int { return 1 + strings.Count(f.key, "/") }

// inOrder returns the children by name.
func (f *folder) inOrder() []*folder {
	all := make([]*folder, 0, len(f.children))
	for _, name := range slices.Sorted(maps.Keys(f.children)) {
		all = append(all, f.children[name])
	}
	return all
}

// walker lists a target into folders.
type walker struct {
	store      objstore.Store
	bucket     string
	exclusions []*regexp.Regexp
	samples    int
	folders    int
	objects    int64
}

// walk lists what lies at an S3 target and counts the objects. The root is the target's folder; for a target that is one
// object, the folder that holds it.
func walk(ctx context.Context, store objstore.Store, target catalog.S3Target) (bucket string, root *folder, objects int64, err error) {
	bucket, prefix, err := objstore.ParseURL(target.Path)
	if err != nil {
		return "", nil, 0, err
	}
	w := &walker{store: store, bucket: bucket, samples: sampledFiles}
	if target.SampleSize > 0 {
		w.samples = target.SampleSize
	}
	for _, e := range target.Exclusions {
		re, err := compileGlob(e)
		if err != nil {
			return "", nil, 0, err
		}
		w.exclusions = append(w.exclusions, re)
	}
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		info, err := store.Head(ctx, bucket, prefix)
		if err == nil {
			root := newFolder(nil, prefix[:strings.LastIndexByte(prefix, '/')+1])
			root.add(info, 1)
			return bucket, root, 1, nil
		}
		if !errors.Is(err, objstore.ErrNoSuchKey) {
			return "", nil, 0, fmt.Errorf("look at %s: %w", target.Path, err)
		}
		prefix += "/"
	}
	root = newFolder(nil, prefix)
	if err := w.list(ctx, root); err != nil {
		return "", nil, 0, fmt.Errorf("list %s: %w", target.Path, err)
	}
	return bucket, root, w.objects, nil
}

func newFolder(parent *folder, key string) *folder {
	path := strings.TrimSuffix(key, "/")
	return &folder{name: path[strings.LastIndexByte(path, '/')+1:], key: key, parent: parent, children: map[string]*folder{}}
}

func (w *walker) list(ctx context.Context, root *folder) error {
	after := ""
	for {
		page, err := w.store.List(ctx, w.bucket, objstore.ListOptions{Prefix: root.key, After: after})
		if err != nil {
			return err
		}
		for _, o := range page.Objects {
			if err := w.place(root, o); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		after = page.Next
	}
}

// place puts an object into its folder, unless it is hidden, empty or excluded.
func (w *walker) place(root *folder, o objstore.Info) error {
	if w.objects++; w.objects > objectsMax {
		return fmt.Errorf("more than %d objects: crawl a narrower path", objectsMax)
	}
	rest := o.Key[len(root.key):]
	if slices.ContainsFunc(w.exclusions, func(re *regexp.Regexp) bool { return re.MatchString(rest) }) {
		return nil
	}
	f := root
	for {
		name, below, nested := strings.Cut(rest, "/")
		if nested && name == "_delta_log" {
			f.isDelta = true
			return nil
		}
		if strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".") {
			return nil
		}
		if !nested {
			break
		}
		child := f.children[name]
		if child == nil {
			if o.Size == 0 && below == "" {
				return nil // a folder's own mark
			}
			if w.folders++; w.folders > foldersMax {
				return fmt.Errorf("more than %d folders: crawl a narrower path", foldersMax)
			}
			child = newFolder(f, f.key+name+"/")
			f.children[name] = child
		}
		f, rest = child, below
	}
	if o.Size > 0 && rest != "" {
		f.add(o, w.samples)
	}
	return nil
}

func (f *folder) add(o objstore.Info, samples int) {
	f.objects++
	f.bytes += o.Size
	if len(f.sampled) < samples {
		f.sampled = append(f.sampled, o)
		return
	}
	// The first half of the samples are the first objects, the rest the last ones: new data mostly sorts last.
	copy(f.sampled[samples/2:], f.sampled[samples/2+1:])
	f.sampled[samples-1] = o
}
