// Package handover gives other processes of the same machine and user the objects of a store that keeps them as files: over HTTP on a Unix
// socket goes the name of a file, and not its bytes.
//
// Handler serves a store, Dial makes a Store of what it serves, with a folder of its own below that store's TempDir. Put writes a file
// there and has it imported; Import and ImportAll take files that lie there; Path says where an object lies. Everything else, of which
// little is asked, goes the way of another Store. A pipeline in a process of its own writes its table so: as objects put through S3 the
// same bytes are copied four times and hashed twice, and each file is synced by itself where here a batch of them is.
//
// The process that has the store does the import, so that objects become durable and visible in the same order as those of everybody
// else. What lies in the folder when a process dies is nobody's; who made the folder removes it.
package handover

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/weir-data/weir/objstore"
)

// Objects is what Handler serves.
type Objects interface {
	objstore.Store
	objstore.Local
}

// request is the body of every call; each uses some of its fields.
type request struct {
	Bucket string               `json:"bucket"`
	Key    string               `json:"key,omitempty"`
	Files  []objstore.LocalFile `json:"files,omitempty"`
}

// answer is what a call gives.
type answer struct {
	Path  string          `json:"path,omitempty"`
	Infos []objstore.Info `json:"infos,omitempty"`
	Error string          `json:"error,omitempty"`
	Kinds []string        `json:"kinds,omitempty"` // of the error
}

// requestMax bounds the body of a call in bytes: it has some 300 for each file.
const requestMax = 64 << 20

// kinds are the errors that callers test for, by their names on the wire.
var kinds = map[string]error{
	"no bucket": objstore.ErrNoSuchBucket, "no key": objstore.ErrNoSuchKey, "precondition": objstore.ErrPrecondition,
	"bucket name": objstore.ErrInvalidBucket, "key": objstore.ErrInvalidKey, "range": objstore.ErrRange, "space": objstore.ErrNoSpace,
	"no file": fs.ErrNotExist, "full disk": syscall.ENOSPC,
}

func failed(err error) answer {
	a := answer{Error: err.Error()}
	for kind, known := range kinds {
		if errors.Is(err, known) {
			a.Kinds = append(a.Kinds, kind)
		}
	}
	return a
}

// err is the error of an answer, to be tested for as the store's own.
func (a *answer) err() error {
	if a.Error == "" {
		return nil
	}
	e := &remoteError{text: a.Error}
	for _, kind := range a.Kinds {
		if known := kinds[kind]; known != nil {
			e.known = append(e.known, known)
		}
	}
	return e
}

// remoteError is an error of the other process.
type remoteError struct {
	text  string
	known []error
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Unwrap() []error { return e.known }
