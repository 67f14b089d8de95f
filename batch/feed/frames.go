package feed

import (
	"encoding/json"
	"io"
	"sync"

	"github.com/weir-data/weir/batch"
)

const (
	// frameMin is the size, in bytes, from which a frame is sent.
	frameMin = 1 << 20
	// openMax bounds the frames that wait for more.
	openMax = 32
)

// frames sends records. Those of one shard come one call after the other, calls with others may overlap.
type frames struct {
	mu   sync.Mutex // guards the fields below
	w    io.Writer
	open map[string][]byte // that wait for more records of their shard
	free [][]byte
}

// add sends recs, or keeps them in the frame of their shard.
func (s *frames) add(recs []batch.Record) error {
	for len(recs) > 0 {
		n := 1
		for n < len(recs) && recs[n].Shard == recs[0].Shard {
			n++
		}
		if err := s.addOf(recs[0].Shard, recs[:n]); err != nil {
			return err
		}
		recs = recs[n:]
	}
	return nil
}

// addOf adds records of one shard. Its frame is nobody else's meanwhile.
func (s *frames) addOf(shard string, recs []batch.Record) error {
	frame := s.take(shard)
	for i := range recs {
		last := shard
		if len(frame) == 0 {
			last = ""
		}
		if frame = appendRecord(frame, &recs[i], last); len(frame) < frameMin {
			continue
		}
		if err := s.send(frame); err != nil {
			return err
		}
		frame = frame[:0]
	}
	return s.put(shard, frame)
}

// take returns the open frame of a shard, or an empty one.
func (s *frames) take(shard string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if frame, ok := s.open[shard]; ok {
		delete(s.open, shard)
		return frame
	}
	if n := len(s.free); n > 0 {
		frame := s.free[n-1]
		s.free = s.free[:n-1]
		return frame
	}
	return nil
}

// put keeps a frame open, or sends it if there are too many.
func (s *frames) put(shard string, frame []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(frame) > 0 && len(s.open) < openMax {
		if s.open == nil {
			s.open = map[string][]byte{}
		}
		s.open[shard] = frame
		return nil
	}
	var err error
	if len(frame) > 0 {
		err = writeFrame(s.w, frameRecords, frame)
	}
	if len(s.free) < openMax {
		s.free = append(s.free, frame[:0])
	}
	return err
}

func (s *frames) send(frame []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return writeFrame(s.w, frameRecords, frame)
}

// end sends what is left, and how it went with the source.
func (s *frames) end(of batch.Source, at batch.Offset, err error) {
	for _, frame := range s.open {
		if err == nil {
			err = writeFrame(s.w, frameRecords, frame)
		}
	}
	end, _ := json.Marshal(answerOf(of, at, err))
	writeFrame(s.w, frameEnd, end) // an error is the caller's who went
}
