package stream

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Consumer is a registered reader of a stream.
type Consumer struct {
	Name    string
	ARN     string // ends in the second of registration
	Created time.Time
	Tags    map[string]string `json:",omitempty"`
	Policy  string            `json:",omitempty"` // JSON
}

// RegisterConsumer adds a consumer to a stream; it is ACTIVE at once. A name that is taken gives ErrConsumerExists, more
// than limit consumers give ErrLimit.
func (s *Store) RegisterConsumer(ctx context.Context, stream, name string, tags map[string]string, limit int) (Consumer, error) {
	var c Consumer
	err := s.update(stream, func(doc *streamDoc) error {
		if consumerAt(doc.Consumers, name) >= 0 {
			return fmt.Errorf("consumer %q: %w", name, ErrConsumerExists)
		}
		if len(doc.Consumers) >= limit {
			return fmt.Errorf("%d consumers: %w", len(doc.Consumers), ErrLimit)
		}
		now := s.opts.Now()
		c = Consumer{
			Name:    name,
			ARN:     fmt.Sprintf("%s/consumer/%s:%d", s.StreamARN(stream), name, now.Unix()),
			Created: now.Truncate(time.Millisecond),
			Tags:    maps.Clone(tags),
		}
		doc.Consumers = append(slices.Clone(doc.Consumers), c)
		slices.SortFunc(doc.Consumers, func(a, b Consumer) int { return cmp.Compare(a.Name, b.Name) })
		return nil
	})
	return c, err
}

// DeregisterConsumer removes a consumer.
func (s *Store) DeregisterConsumer(ctx context.Context, stream, name string) error {
	return s.update(stream, func(doc *streamDoc) error {
		i := consumerAt(doc.Consumers, name)
		if i < 0 {
			return fmt.Errorf("consumer %q: %w", name, ErrConsumerNotFound)
		}
		doc.Consumers = slices.Delete(slices.Clone(doc.Consumers), i, i+1)
		return nil
	})
}

// TagConsumer changes the tags of a consumer, as SetTags does of a stream.
func (s *Store) TagConsumer(ctx context.Context, stream, name string, set map[string]string, remove []string, limit int) error {
	return s.update(stream, func(doc *streamDoc) (err error) {
		i := consumerAt(doc.Consumers, name)
		if i < 0 {
			return fmt.Errorf("consumer %q: %w", name, ErrConsumerNotFound)
		}
		doc.Consumers = slices.Clone(doc.Consumers)
		c := &doc.Consumers[i]
		c.Tags, err = changeTags(c.Tags, set, remove, limit)
		return err
	})
}

func consumerAt(list []Consumer, name string) int {
	return slices.IndexFunc(list, func(c Consumer) bool { return c.Name == name })
}
