package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/weir-data/weir/objstore"
)

// Format is what the records of a channel have to be.
type Format string

// The formats, in the API's words.
const (
	FormatJSON   Format = "JSON"       // one JSON value in UTF-8; an object holds a line for each
	FormatString Format = "STRING"     // UTF-8; an object holds a line for each
	FormatBytes  Format = "BYTE_ARRAY" // anything; an object holds one behind the other, with nothing between
)

// Bounds of a channel.
const (
	FreshnessMin     = 300 * time.Second
	FreshnessMax     = 900 * time.Second
	FreshnessDefault = 300 * time.Second
	// channelBytesMax is when records are delivered although they are fresh.
	channelBytesMax = 128 << 20
	// ChannelsMax is how many channels there may be: AWS's quotas of streams and of channels of a stream allow as many.
	ChannelsMax = 100
)

// Channel is the behaviour of a channel: Kinesis' own delivery of a stream's records, as they are, into a bucket.
type Channel struct {
	Freshness    time.Duration // greatest age of records that are not delivered
	Format       Format
	Bucket       string
	Template     string      // of object keys; empty is DefaultTemplate
	Compression  Compression // Uncompressed, Gzip or Zstd
	StorageClass string      // S3's name; empty is STANDARD
	// DeadBucket and DeadPrefix are where records go that do not fit the format. Empty ones are Bucket and a folder of the
	// channel's own.
	DeadBucket string
	DeadPrefix string
}

// check refuses what cannot be delivered. Errors wrap ErrInvalid.
func (c *Channel) check(stream, name string) error {
	if c.Freshness < FreshnessMin || c.Freshness > FreshnessMax {
		return failf(ErrInvalid, "DataFreshnessInSeconds must be between %.0f and %.0f.", FreshnessMin.Seconds(), FreshnessMax.Seconds())
	}
	if !slices.Contains([]Format{FormatJSON, FormatString, FormatBytes}, c.Format) {
		return failf(ErrInvalid, "RecordFormatType %s is not supported for general purpose Amazon S3 destinations.", c.Format)
	}
	if !slices.Contains([]Compression{"", Uncompressed, Gzip, Zstd}, c.Compression) {
		return failf(ErrInvalid, "CompressionType %s is not supported.", c.Compression)
	}
	// Any id and any time do: they are of the same length and kind.
	sample := Info{Name: name, ID: uuid.Nil.String(), Source: stream, Channel: c}
	_, err := sample.channelKey(time.Unix(0, 0))
	return err
}

// Channels is all channels of a data directory. Safe for concurrent use. They are made of the same parts as delivery
// streams, and kept in the same form, in a space of their own.
type Channels struct {
	all *Streams
}

// OpenChannels starts all channels that are saved in opts.Meta; unfinished plans are carried out again. Log and Tables are
// not used. The sources that opts.Stream opens should hand aggregated records on as they are: channels do not change records.
func OpenChannels(opts Options) (*Channels, error) {
	all, err := open(opts, "channels")
	if err != nil {
		return nil, err
	}
	return &Channels{all}, nil
}

// Close stops all channels; a delivery under way is given up and carried out again by the next OpenChannels.
func (c *Channels) Close() error { return c.all.Close() }

// Create adds a channel, which delivers what comes into its stream from now on. Of info the Name, Source, Channel, Tags and
// Attributes count; the answer is what was saved. Errors wrap ErrExists (the name), ErrTaken (the stream has a channel),
// ErrLimit, ErrInvalid or the source's own.
func (c *Channels) Create(ctx context.Context, info Info) (Info, error) {
	if err := info.Channel.check(info.Source, info.Name); err != nil {
		return info, err
	}
	for _, bucket := range []string{info.Channel.Bucket, info.Channel.deadBucket()} {
		if err := c.checkBucket(ctx, bucket); err != nil {
			return info, err
		}
	}
	return c.all.add(ctx, info, func() error {
		if _, ok := c.all.workers[info.Name]; ok {
			return failf(ErrExists, "channel %s exists", info.Name)
		}
		for _, w := range c.all.workers {
			if other := w.current(); other.Source == info.Source {
				return failf(ErrTaken, "stream %s has channel %s", info.Source, other.Name)
			}
		}
		if len(c.all.workers) >= ChannelsMax {
			return failf(ErrLimit, "%d channels", len(c.all.workers))
		}
		return nil
	})
}

// ErrTaken says that a stream has a channel already.
var ErrTaken = errors.New("stream has a channel")

func (c *Channels) checkBucket(ctx context.Context, bucket string) error {
	_, err := c.all.opts.Objects.List(ctx, bucket, objstore.ListOptions{Limit: 1})
	if errors.Is(err, objstore.ErrNoSuchBucket) {
		return failf(ErrInvalid, "Bucket %s does not exist.", bucket)
	}
	if err != nil {
		return fmt.Errorf("look into bucket %s: %w", bucket, err)
	}
	return nil
}

// Update changes what can be changed of a channel: its freshness (0: as it was) and the attributes (nil: as they were).
func (c *Channels) Update(name string, freshness time.Duration, attributes json.RawMessage) (Info, error) {
	var changed Info
	err := c.all.change(name, func(info *Info) error {
		channel := *info.Channel // plans refer to the old one
		if freshness != 0 {
			channel.Freshness = freshness
		}
		if err := channel.check(info.Source, info.Name); err != nil {
			return err
		}
		if attributes != nil {
			info.Attributes = attributes
		}
		info.Channel, info.Updated = &channel, c.all.opts.Now().UTC()
		changed = *info
		return nil
	})
	return changed, err
}

// SetTags changes the tags of a channel by f, which gets a copy to change.
func (c *Channels) SetTags(name string, f func(map[string]string) error) error {
	return c.all.SetTags(name, f)
}

// Delete stops a channel and forgets it. What it has not delivered stays in the stream only.
func (c *Channels) Delete(ctx context.Context, name string) error { return c.all.Delete(ctx, name) }

// ByID returns the channel with an id and, if its newest attempt to deliver has failed, why. Without such a channel the
// error wraps ErrNotFound.
func (c *Channels) ByID(id string) (info Info, failure, err error) {
	for _, info := range c.List() {
		if info.ID == id {
			failure, err = c.Failure(info.Name)
			return info, failure, err
		}
	}
	return Info{}, nil, failf(ErrNotFound, "channel %s does not exist", id)
}

// Failure is why the newest attempt of a channel has failed; it is tried again.
func (c *Channels) Failure(name string) (failure, err error) {
	c.all.mu.Lock()
	w, ok := c.all.workers[name]
	c.all.mu.Unlock()
	if !ok {
		return nil, failf(ErrNotFound, "channel %s does not exist", name)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failure, nil
}

// List returns all channels by name.
func (c *Channels) List() []Info {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	var list []Info
	for _, w := range c.all.workers {
		list = append(list, w.current())
	}
	slices.SortFunc(list, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return list
}
