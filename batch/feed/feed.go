// Package feed carries a batch.Source from the process that has it to another one of the same machine, over HTTP on a Unix
// socket, so that a pipeline that runs in a process of its own reads a stream at memory speed.
//
// Handler serves sources by name, Dial makes a Source of what it serves. A batch, planned before or not, is one answer that goes on: chunks of
// records in a framing of their own (see chunk.go), then a last frame that says that all is there and where it ends, or what went wrong. An
// answer without a last frame was cut off; it is a temporary error, and the batch reads its range again. Neither side keeps
// anything.
//
// A caller that is behind does not have the bytes sent, which copies each four times: it asks where they lie (see Placer) and reads the files
// itself, and has only the rest of its batch through the socket. Whatever goes wrong there, the batch is planned and read the other way.
package feed

import (
	"time"

	"github.com/weir-data/weir/batch"
)

// request is the body of every call; each uses some of its fields.
type request struct {
	Stream string       `json:"stream"`
	Start  batch.Offset `json:"start,omitempty"`
	End    batch.Offset `json:"end,omitempty"`
	Limit  batch.Limit  `json:"limit,omitzero"`
	At     batch.Start  `json:"at,omitzero"`
}

// answer is what calls give that have no chunks.
type answer struct {
	Offset    batch.Offset `json:"offset,omitempty"`
	Error     string       `json:"error,omitempty"`
	Temporary bool         `json:"temporary,omitempty"`
	Missing   bool         `json:"missing,omitempty"` // the error is a batch.MissingError
	Places    []byte       `json:"places,omitempty"`
	// Metrics are those of a source that is batch.Metered, after the call.
	Metrics map[string]string `json:"metrics,omitempty"`
}

const (
	requestMax = 16 << 20 // bytes; an offset has a line for each shard
	chunkMax   = 64 << 20 // bytes of a frame: it is sent when a record made it frameMin or more
	waitMax    = time.Minute
)
