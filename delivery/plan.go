package delivery

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/internal/meta"
)

// progress is how far a delivery stream has come.
type progress struct {
	Offset batch.Offset // all up to here is delivered
	Plan   uint64       // number of the plan that brought it here; 0 before the first
}

// plan is a flush that is decided on: all that its objects' names and bytes depend on, apart from the records.
type plan struct {
	Number  uint64
	Start   batch.Offset
	End     batch.Offset
	Records int64
	Bytes   int64
	Instant time.Time // arrival of the oldest record: prefixes and names are evaluated at it
	Made    time.Time
	Version int      // of the destination
	Config  Config   `json:",omitzero"`
	Channel *Channel `json:",omitempty"` // instead of a Config
	// Schema (Spark's JSON form) and TableVersion are the table's as of the making, if there is a conversion.
	Schema       json.RawMessage `json:",omitempty"`
	TableVersion string          `json:",omitempty"`
}

// pending returns the plan that is not carried out yet, or nil.
func (s *Streams) pending(name string) (*plan, error) {
	p, err := meta.Load[plan](s.state, planKey(name))
	if err == meta.ErrNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read plan of delivery %s: %w", name, err)
	}
	return &p, nil
}

// finish moves the position behind a plan and removes the plan, in one step.
func (s *Streams) finish(name string, p *plan) error {
	var b meta.Batch
	if err := put(&b, s.state, doneKey(name), progress{Offset: p.End, Plan: p.Number}); err != nil {
		return err
	}
	b.Delete(s.state, planKey(name))
	if err := s.opts.Meta.Commit(&b); err != nil {
		return fmt.Errorf("finish plan %d of delivery %s: %w", p.Number, name, err)
	}
	return nil
}

// The roles of a plan's objects.
const (
	roleData   = "data"
	roleBackup = "backup"
	roleFailed = "failed"
)

// objectID is the UUID in an object's name: the same for the same stream, plan and role, different for all others.
func objectID(stream string, number uint64, role string) string {
	space, err := uuid.Parse(stream)
	if err != nil {
		panic(fmt.Sprintf("delivery stream id %q is no UUID", stream))
	}
	return uuid.NewSHA1(space, fmt.Appendf(nil, "%d/%s", number, role)).String()
}

// randomStrings returns a function whose n-th result depends on the object only.
func randomStrings(objectID string) func() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	n := 0
	return func() string {
		n++
		seed := uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%s/%d", objectID, n))
		hi, lo := binary.BigEndian.Uint64(seed[:8]), binary.BigEndian.Uint64(seed[8:])
		var s [11]byte
		for i := range s {
			s[i] = letters[hi%uint64(len(letters))]
			if hi /= uint64(len(letters)); i == 5 {
				hi = lo
			}
		}
		return string(s[:])
	}
}

// objectKey is the key of one of a plan's objects: folder, stream, version, date and id.
func objectKey(info Info, p *plan, folder, id string, zone *time.Location, extension string) string {
	return fmt.Sprintf("%s%s-%d-%s-%s%s", folder, info.Name, p.Version, p.Instant.In(zone).Format("2006-01-02-15-04-05"), id, extension)
}
