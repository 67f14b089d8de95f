// Package pipelines keeps pipelines and has them run, each in a process of its own, as long as the server runs.
//
// A Manager holds the files of pipelines durably and what each is wanted to do: run, or rest. Open starts what is wanted to run;
// Create, Replace, Pause, Resume and Remove change it; Status and Reports tell how it goes; Close lets every pipeline finish its
// batch. What a process is, the Manager does not know: Options.Start starts one, which tells of itself by Events.
//
// A process that dies, as native code may, is started again, with growing pauses. A pipeline that says itself why it cannot go on
// stays Failed until somebody resumes it; one that came to its end, as with the trigger available-now, is Done.
//
// After a crash of the server the pipelines that were wanted to run are started again and go on where their progress says.
package pipelines

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weir-data/weir/batch"
)

// Errors that callers test for.
var (
	ErrNotFound = errors.New("no such pipeline")
	ErrExists   = errors.New("there is a pipeline of that name")
	ErrInvalid  = errors.New("not a pipeline")
	ErrFull     = fmt.Errorf("more than %d pipelines", pipelinesMax)
)

const (
	pipelinesMax = 100
	reportsKept  = 100
	textMax      = 256 << 10 // bytes of a pipeline file
)

// State says what a pipeline does.
type State string

// The states.
const (
	Starting State = "starting" // its process comes up, or comes up again after a crash
	Running  State = "running"
	Stopping State = "stopping" // finishes its batch
	Paused   State = "paused"
	Done     State = "done"   // its trigger has nothing more to do
	Failed   State = "failed" // cannot go on; Status.Error says why
)

// Status is a pipeline and how it goes.
type Status struct {
	Name     string        `json:"name"`
	File     string        `json:"file"` // text of the pipeline file
	State    State         `json:"state"`
	Error    string        `json:"error,omitempty"`
	Since    time.Time     `json:"since"` // when State began
	Created  time.Time     `json:"created"`
	Changed  time.Time     `json:"changed"`  // when File was last replaced
	Restarts int           `json:"restarts"` // of its process after crashes, since it was last started by somebody
	Last     *batch.Report `json:"last,omitempty"`
	// Waiting says that a running pipeline waits for something to go away, such as a full disk; nil: it does not.
	Waiting *batch.Waiting `json:"waiting,omitempty"`
	Totals  Totals         `json:"totals"`
}

// Totals are sums since the server started.
type Totals struct {
	Batches     int64 `json:"batches"`
	Records     int64 `json:"records"`
	DeadLetters int64 `json:"deadLetters"`
	RowsLate    int64 `json:"numRowsDroppedByWatermark"`
}

// Event is what a process tells of itself. One field is set.
type Event struct {
	Running bool          `json:"running,omitempty"` // it reads its source
	Report  *batch.Report `json:"report,omitempty"`
	Failure *Failure      `json:"failure,omitempty"` // why it ends
	// Waiting is a step that will be tried again; with no text in it, the pipeline no longer waits.
	Waiting *batch.Waiting `json:"waiting,omitempty"`
}

// Failure is why a pipeline ends. Temporary: starting it again may help.
type Failure struct {
	Reason    string `json:"reason"`
	Temporary bool   `json:"temporary,omitempty"`
}

// Process is a pipeline at work. Wait is called once.
type Process interface {
	// Wait returns when the process has ended: nil if it ended by itself, else how it ended.
	Wait() error
	// Stop has it finish the batch at hand and end.
	Stop()
	// Kill ends it at once.
	Kill()
}

// Start starts the process of a pipeline. It calls tell, one call after the other, until Wait returns.
type Start func(ctx context.Context, name, file string, tell func(Event)) (Process, error)
