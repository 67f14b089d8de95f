package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/internal/meta"
)

// Info is a saved delivery stream.
type Info struct {
	Name    string
	ID      string // unique among all that ever had this name
	Source  string // name of the Kinesis stream; empty for direct put
	Version int    // of the destination: 1, and one more with every Update
	Created time.Time
	Updated time.Time         `json:",omitzero"`
	Started time.Time         `json:",omitzero"` // records from a source that arrived before are not delivered
	Config  Config            `json:",omitzero"`
	Channel *Channel          `json:",omitempty"` // instead of a Config: it is a channel
	Tags    map[string]string `json:",omitempty"`
	// Attributes is what the API keeps beside the configuration, to describe the stream as it was sent.
	Attributes json.RawMessage `json:",omitempty"`
}

// Keys of the metadata space "delivery".
func streamKey(name string) string { return "stream/" + name }
func doneKey(name string) string   { return "done/" + name }
func planKey(name string) string   { return "plan/" + name }
func dropKey(log string) string    { return "drop/" + log }

// logName is the name of a stream's log of direct puts.
func (i Info) logName() string { return i.Name + "." + i.ID }

// ARN is the Amazon resource name of a delivery stream.
func (s *Streams) ARN(name string) string {
	return fmt.Sprintf("arn:aws:firehose:%s:%s:deliverystream/%s", s.opts.Region, s.opts.Account, name)
}

// Create adds a delivery stream and starts it. Of info the Name, Source, Config, Tags and Attributes count. Errors wrap
// ErrExists, ErrInvalid, ErrLimit or the source's own.
func (s *Streams) Create(ctx context.Context, info Info) error {
	if err := info.Config.Check(); err != nil {
		return err
	}
	if err := s.checkTable(ctx, info.Config.Conversion); err != nil {
		return err
	}
	_, err := s.add(ctx, info, func() error {
		if _, ok := s.workers[info.Name]; ok {
			return failf(ErrExists, "Firehose %s under accountId %s already exists", info.Name, s.opts.Account)
		}
		if len(s.workers) >= s.opts.StreamsMax {
			return failf(ErrLimit, "You have already consumed your firehose quota of %d hoses. Firehose names: [%s]", s.opts.StreamsMax, info.Name)
		}
		return nil
	})
	return err
}

// add saves a new stream and starts it, unless refuse, which is called with mu held, gives a reason not to.
func (s *Streams) add(ctx context.Context, info Info, refuse func() error) (Info, error) {
	info.ID = uuid.NewString()
	info.Version = 1
	info.Created = s.opts.Now().UTC()
	start := progress{}
	if info.Source != "" {
		var err error
		if start.Offset, err = s.startOffset(ctx, info.Source, info.Created); err != nil {
			return info, failf(ErrInvalid, "Kinesis stream %s cannot be read: %v", info.Source, err)
		}
		info.Started = info.Created
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return info, errClosed
	}
	if err := refuse(); err != nil {
		return info, err
	}
	var b meta.Batch
	if err := errors.Join(put(&b, s.state, streamKey(info.Name), info), put(&b, s.state, doneKey(info.Name), start)); err != nil {
		return info, err
	}
	if err := s.opts.Meta.Commit(&b); err != nil {
		return info, fmt.Errorf("create delivery %s: %w", info.Name, err)
	}
	s.start(info)
	return info, nil
}

// put adds the JSON form of v to a batch.
func put(b *meta.Batch, space meta.Space, key string, v any) error {
	raw, err := json.Marshal(v)
	if err == nil {
		b.Put(space, key, raw)
	}
	return err
}

// tipped is a batch.Source that knows the offset behind all that it holds.
type tipped interface {
	Latest(ctx context.Context) (batch.Offset, error)
}

// startOffset is the position of a source at the creation of a delivery stream.
func (s *Streams) startOffset(ctx context.Context, stream string, at time.Time) (batch.Offset, error) {
	source, err := s.opts.Stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	switch source := source.(type) {
	case tipped: // exact, whatever the clock did
		return source.Latest(ctx)
	case batch.Starter:
		return source.Position(ctx, batch.Start{Kind: batch.AtTime, Time: at})
	}
	return nil, nil
}

// Update replaces the configuration of a stream; version must be the present one, else ErrVersion. Records that were
// planned before are still delivered by the old configuration.
func (s *Streams) Update(ctx context.Context, name string, version int, config Config, attributes json.RawMessage) error {
	if err := config.Check(); err != nil {
		return err
	}
	if err := s.checkTable(ctx, config.Conversion); err != nil {
		return err
	}
	return s.change(name, func(info *Info) error {
		if info.Version != version {
			return failf(ErrVersion, "Cannot update firehose: %s since the current version id: %d and specified version id: %d do not match", name, info.Version, version)
		}
		info.Version++
		info.Config = config
		info.Attributes = attributes
		info.Updated = s.opts.Now().UTC()
		return nil
	})
}

// SetTags changes the tags of a stream by f, which gets a copy to change.
func (s *Streams) SetTags(name string, f func(map[string]string) error) error {
	return s.change(name, func(info *Info) error {
		tags := maps.Clone(info.Tags)
		if tags == nil {
			tags = map[string]string{}
		}
		if err := f(tags); err != nil {
			return err
		}
		info.Tags = tags
		return nil
	})
}

func (s *Streams) change(name string, f func(*Info) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	w, ok := s.workers[name]
	if !ok {
		return s.notFound(name)
	}
	info := w.current()
	if err := f(&info); err != nil {
		return err
	}
	if err := meta.Save(s.state, streamKey(name), info); err != nil {
		return fmt.Errorf("change delivery %s: %w", name, err)
	}
	w.update(info)
	return nil
}

func (s *Streams) notFound(name string) error {
	return failf(ErrNotFound, "Firehose %s under account %s not found.", name, s.opts.Account)
}

// Get returns a delivery stream, or ErrNotFound.
func (s *Streams) Get(name string) (Info, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.workers[name]
	if !ok {
		return Info{}, s.notFound(name)
	}
	return w.current(), nil
}

// Names lists all delivery streams by name.
func (s *Streams) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.workers))
}

// Delete stops a delivery stream and forgets it. Records that were not delivered are dropped.
func (s *Streams) Delete(ctx context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	w, ok := s.workers[name]
	if !ok {
		return s.notFound(name)
	}
	w.stop()
	<-w.done
	info := w.current()
	var b meta.Batch
	for _, key := range []string{streamKey(name), doneKey(name), planKey(name)} {
		b.Delete(s.state, key)
	}
	if info.Source == "" {
		b.Put(s.state, dropKey(info.logName()), nil)
	}
	if err := s.opts.Meta.Commit(&b); err != nil {
		s.start(info)
		return fmt.Errorf("delete delivery %s: %w", name, err)
	}
	delete(s.workers, name)
	if err := s.removeLogs(ctx); err != nil {
		s.opts.Logger.Warn("records of a deleted delivery stream are left until the next start", "stream", name, "error", err)
	}
	return nil
}

// removeLogs deletes the logs of streams that were deleted.
func (s *Streams) removeLogs(ctx context.Context) error {
	for entry, err := range s.state.Scan(dropKey(""), "") {
		if err != nil {
			return err
		}
		log := entry.Key[len(dropKey("")):]
		if err := s.opts.Log.Remove(ctx, log); err != nil {
			return fmt.Errorf("remove records of %s: %w", log, err)
		}
		if err := s.state.Delete(entry.Key); err != nil {
			return err
		}
	}
	return nil
}

// Put adds records to a delivery stream without source and returns when they are durable. Errors wrap ErrNotFound or
// ErrSource, or are the log's own.
func (s *Streams) Put(ctx context.Context, name string, records [][]byte) error {
	s.mu.Lock()
	w, ok := s.workers[name]
	s.mu.Unlock()
	if !ok {
		return s.notFound(name)
	}
	info := w.current()
	if info.Source != "" {
		return failf(ErrSource, "This operation is not permitted on KinesisStreamAsSource delivery stream type.")
	}
	if err := s.opts.Log.Append(ctx, info.logName(), records); err != nil {
		return fmt.Errorf("put records into delivery stream %s: %w", name, err)
	}
	var size int64
	for _, r := range records {
		size += int64(len(r))
	}
	w.meters.incoming(len(records), size)
	return nil
}

// VersionID is the text of a version.
func (i Info) VersionID() string { return strconv.Itoa(i.Version) }
