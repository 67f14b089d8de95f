// Package keyring keeps the keys of streams that are encrypted at rest: a folder with one small file for each key.
//
// A Ring belongs to a folder, of which nothing is read or written before it is asked for a key. Make gives the key of
// an id and makes it at first use; Key gives only one that exists. Ids are those of AWS KMS: a key's id or ARN, an
// alias or its ARN. docs/formats/keys.md describes the folder, and says what it protects against.
//
// A key that Make returned is durable: it survives kill -9 and power loss, and no other process that uses the folder
// can have made another one of that id.
package keyring

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Errors that callers may test for with errors.Is.
var (
	ErrNotFound = errors.New("encryption key not found")
	ErrDenied   = errors.New("access to the encryption key denied")
	ErrID       = errors.New("invalid key id")
)

// Options of New.
type Options struct {
	Dir     string // made at first use, for this user only
	Region  string // that ARNs of keys must name
	Account string // whose keys need no ARN
}

// Ring gives the keys of one folder. Safe for concurrent use, also by several processes.
type Ring struct{ opts Options }

// New returns the keyring of a folder, which need not exist yet.
func New(opts Options) *Ring { return &Ring{opts} }

// Key returns the key of an id. ErrNotFound means that its file is not there, ErrDenied that it cannot be read or could
// be read by others, ErrID that there never can be such a key.
func (r *Ring) Key(id string) ([32]byte, error) {
	name, err := parse(id)
	if err != nil {
		return [32]byte{}, err
	}
	return r.read(id, name)
}

// Make is Key that makes the key if it is not there. An ARN of another region gives ErrID.
func (r *Ring) Make(id string) ([32]byte, error) {
	name, err := parse(id)
	if err != nil {
		return [32]byte{}, err
	}
	if name.region != "" && name.region != r.opts.Region {
		return [32]byte{}, fmt.Errorf("%w: region %s", ErrID, name.region)
	}
	if key, err := r.read(id, name); !errors.Is(err, ErrNotFound) {
		return key, err
	}
	if err := r.write(name); err != nil {
		return [32]byte{}, fmt.Errorf("make encryption key %s: %w", id, denied(err))
	}
	return r.read(id, name)
}

func (r *Ring) path(n keyName) string { return filepath.Join(r.opts.Dir, n.file(r.opts.Account)) }

func (r *Ring) read(id string, name keyName) (key [32]byte, err error) {
	b, err := r.readFile(r.path(name))
	file := filepath.Base(r.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return key, fmt.Errorf("%w: %s, there is no file %s", ErrNotFound, id, file)
	}
	if err == nil {
		key, err = decode(b)
	}
	if err != nil {
		return key, fmt.Errorf("encryption key %s in file %s: %w", id, file, denied(err))
	}
	return key, nil
}

// readFile returns what is in a key's file, if the file is nobody else's business.
func (r *Ring) readFile(path string) ([]byte, error) {
	dir, err := os.Stat(r.opts.Dir)
	if err != nil {
		return nil, err
	}
	if mode := dir.Mode().Perm(); mode&0o022 != 0 {
		return nil, fmt.Errorf("%w: others may write to the folder, whose permissions are %#o; they should be 0700", ErrDenied, mode)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%w: others may use the file, whose permissions are %#o; they should be 0600", ErrDenied, mode)
	}
	return io.ReadAll(io.LimitReader(f, int64(fileBytes)+1))
}

// write puts a new key in place, unless there is one.
func (r *Ring) write(name keyName) error {
	if err := makeDir(r.opts.Dir); err != nil {
		return err
	}
	var key [32]byte
	rand.Read(key[:])                                   // never fails
	temp, err := os.CreateTemp(r.opts.Dir, "new-*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // a second name of the key, or worthless
	_, err = temp.Write(encode(key))
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	// A link, unlike a rename, never takes the place of a key that another process made meanwhile.
	if err := os.Link(temp.Name(), r.path(name)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(r.opts.Dir)
}

// makeDir makes a folder, and those above it, for this user only, durably.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := makeDir(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// denied marks an error of the file system that is about permissions. Where the folder lies is nobody's business who only
// may read records, so paths are left out.
func denied(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = fmt.Errorf("%s: %w", at.Op, at.Err)
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: %w", ErrDenied, err)
	}
	return err
}

// A key's file is one line: what it is, and the key in hexadecimal digits.
const (
	fileHead  = "weir-key-1 "
	fileBytes = len(fileHead) + 64 + 1
)

var errFile = errors.New("the file does not hold a key")

func encode(key [32]byte) []byte { return fmt.Appendf(nil, "%s%x\n", fileHead, key) }

func decode(b []byte) (key [32]byte, err error) {
	text, ok := strings.CutPrefix(string(b), fileHead)
	if !ok || len(b) != fileBytes || text[64] != '\n' {
		return key, errFile
	}
	if _, err := hex.Decode(key[:], []byte(text[:64])); err != nil {
		return [32]byte{}, errFile
	}
	return key, nil
}
