package file

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"
)

// Folders of the store that are not buckets: a bucket's name never begins with a dot.
const (
	ownDir      = ".weir"
	tempDir     = ".weir/tmp"      // bodies being written, and files to Import
	oddDir      = ".weir/odd"      // objects whose key is no file name
	versionsDir = ".weir/versions" // versions that are not the current one
	uploadsDir  = ".weir/uploads"  // parts of multipart uploads
)

const segmentBytesMax = 255 // longest file name of the usual file systems

// plainPlace is where other programs look for the object: bucket/key. ok is false if the key cannot be a file name there,
// whatever else the bucket holds.
func plainPlace(bucket, key string) (place string, ok bool) {
	for seg := range strings.SplitSeq(key, "/") {
		if seg == "" || seg == "." || seg == ".." || len(seg) > segmentBytesMax || strings.IndexByte(seg, 0) >= 0 {
			return "", false
		}
	}
	return bucket + "/" + key, true
}

// oddPlace is where the object goes if it cannot have its plain place. The name is a hash of the key, so any key has one
// and no two keys share one.
func oddPlace(bucket, key string) string {
	sum := sha256.Sum256([]byte(key))
	name := hex.EncodeToString(sum[:])
	return path.Join(oddDir, bucket, name[:2], name)
}

// plainKey is the key whose plain place is place.
func plainKey(bucket, place string) (key string, ok bool) {
	key, ok = strings.CutPrefix(place, bucket+"/")
	if !ok {
		return "", false
	}
	p, ok := plainPlace(bucket, key)
	return key, ok && p == place
}

// choosePlace makes the folder for an object and returns its place: the plain one, unless the key is no file name or a
// file or folder is in the way (foo beside foo/bar).
func (s *Store) choosePlace(bucket, key string) (string, error) {
	place, ok := plainPlace(bucket, key)
	if ok {
		if fi, err := s.disk.Stat(path.Dir(place)); err != nil || !fi.IsDir() {
			err = s.disk.MkdirAll(path.Dir(place))
			if err != nil && !s.blocked(place) {
				return "", diskErr(err)
			}
			ok = err == nil
		} else if fi, err := s.disk.Stat(place); err == nil {
			ok = fi.Mode().IsRegular()
		}
	}
	if ok {
		return place, nil
	}
	place = oddPlace(bucket, key)
	return place, diskErr(s.disk.MkdirAll(path.Dir(place)))
}

// blocked says that place is a folder, or that one of the folders above it is something else.
func (s *Store) blocked(place string) bool {
	if fi, err := s.disk.Stat(place); err == nil {
		return !fi.Mode().IsRegular()
	}
	for dir := path.Dir(place); dir != "."; dir = path.Dir(dir) {
		if fi, err := s.disk.Stat(dir); err == nil {
			return !fi.IsDir()
		}
	}
	return false
}

// parents yields the folders from the one that holds place up to the store's own.
func parents(place string) []string {
	var dirs []string
	for dir := path.Dir(place); ; dir = path.Dir(dir) {
		dirs = append(dirs, dir)
		if dir == "." {
			return dirs
		}
	}
}
