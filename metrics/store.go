package metrics

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/weir-data/weir/internal/meta"
)

// Keys of the metadata space "metrics":
//
//	series/ID        identity, as JSON
//	hour/ID/HHHHHHHH the minutes of one hour, see encodeHour
const (
	seriesPrefix = "series/"
	hourPrefix   = "hour/"
)

// errCorrupt is a stored value that breaks its format.
var errCorrupt = errors.New("corrupt metrics")

// id is 16 bytes of the identity's hash, in hex.
func (id identity) id() string {
	sum := sha256.Sum256([]byte(id.key()))
	return hex.EncodeToString(sum[:16])
}

func parseIdentity(key string, value []byte) (identity, error) {
	var id identity
	if err := json.Unmarshal(value, &id); err != nil || seriesPrefix+id.id() != key {
		return id, fmt.Errorf("%w: series %q", errCorrupt, key)
	}
	return id, nil
}

// hourKey names an hour since 1970 of a series, so that byte order is the order of time.
func hourKey(id string, hour int64) string { return fmt.Sprintf("%s%s/%08x", hourPrefix, id, hour) }

const (
	hourVersion = 1
	minuteBytes = 1 + 4*8
)

// encodeHour writes the minutes of one hour: a version byte, then for each minute its number within the hour, and
// count, sum, min and max as little-endian doubles, ordered by minute.
func encodeHour(minutes map[int64]Stat) []byte {
	b := make([]byte, 1, 1+len(minutes)*minuteBytes)
	b[0] = hourVersion
	for _, minute := range slices.Sorted(maps.Keys(minutes)) {
		st := minutes[minute]
		b = append(b, byte(minute%60))
		for _, f := range []float64{st.Count, st.Sum, st.Min, st.Max} {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
		}
	}
	return b
}

// decodeHour adds the minutes of an hour to into.
func decodeHour(b []byte, hour int64, into map[int64]Stat) error {
	if len(b) == 0 || b[0] != hourVersion || (len(b)-1)%minuteBytes != 0 {
		return fmt.Errorf("%w: hour of %d bytes", errCorrupt, len(b))
	}
	last := -1
	for b = b[1:]; len(b) > 0; b = b[minuteBytes:] {
		if int(b[0]) <= last || b[0] >= 60 {
			return fmt.Errorf("%w: minute %d after %d", errCorrupt, b[0], last)
		}
		last = int(b[0])
		var f [4]float64
		for i := range f {
			f[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[1+8*i:]))
		}
		mergeInto(into, hour*60+int64(last), Stat{f[0], f[1], f[2], f[3]})
	}
	return nil
}

// hours is the hours of all series in the metadata store.
type hours struct {
	store *meta.Store
	space meta.Space
}

// write merges minutes of many series into what is there, all or nothing, durably.
func (st hours) write(changes map[*Series]map[int64]Stat) error {
	var b meta.Batch
	for s, minutes := range changes {
		id := s.id()
		if !s.known {
			raw, err := json.Marshal(s.identity)
			if err != nil {
				return fmt.Errorf("store metric %s: %w", s.Name, err)
			}
			b.Put(st.space, seriesPrefix+id, raw)
		}
		for hour, group := range byHour(minutes) {
			key := hourKey(id, hour)
			old, err := st.space.Get(key)
			if err == nil {
				err = decodeHour(old, hour, group)
			} else if errors.Is(err, meta.ErrNotFound) {
				err = nil
			}
			if err != nil {
				return fmt.Errorf("store metric %s: %w", s.Name, err)
			}
			b.Put(st.space, key, encodeHour(group))
		}
	}
	if b.Len() == 0 {
		return nil
	}
	if err := st.store.Commit(&b); err != nil {
		return fmt.Errorf("store metrics: %w", err)
	}
	for s := range changes {
		s.known = true
	}
	return nil
}

func byHour(minutes map[int64]Stat) map[int64]map[int64]Stat {
	out := map[int64]map[int64]Stat{}
	for minute, st := range minutes {
		hour := minute / 60
		if out[hour] == nil {
			out[hour] = map[int64]Stat{}
		}
		out[hour][minute] = st
	}
	return out
}

// read adds the minutes from until before to to into.
func (st hours) read(id string, from, to int64, into map[int64]Stat) error {
	first := hourKey(id, from/60-1) + "\xff" // after every key of the hour before
	for e, err := range st.space.Scan(hourPrefix+id+"/", first) {
		if err != nil {
			return fmt.Errorf("read metrics: %w", err)
		}
		hour, err := hourOf(e.Key)
		if err != nil {
			return err
		}
		if hour*60 >= to {
			return nil
		}
		minutes := map[int64]Stat{}
		if err := decodeHour(e.Value, hour, minutes); err != nil {
			return fmt.Errorf("read metrics: %w", err)
		}
		for minute, stat := range minutes {
			if minute >= from && minute < to {
				mergeInto(into, minute, stat)
			}
		}
	}
	return nil
}

func hourOf(key string) (int64, error) {
	raw, err := hex.DecodeString(key[strings.LastIndexByte(key, '/')+1:])
	if err != nil || len(raw) != 4 {
		return 0, fmt.Errorf("%w: key %q", errCorrupt, key)
	}
	return int64(binary.BigEndian.Uint32(raw)), nil
}

// drop removes the hours before one, and says whether any is left.
func (st hours) drop(id string, before int64) (left bool, err error) {
	var b meta.Batch
	for e, err := range st.space.Scan(hourPrefix+id+"/", "") {
		if err != nil {
			return false, fmt.Errorf("prune metrics: %w", err)
		}
		hour, err := hourOf(e.Key)
		if err != nil {
			return false, err
		}
		if hour >= before {
			left = true
			break
		}
		b.Delete(st.space, e.Key)
	}
	if b.Len() == 0 {
		return left, nil
	}
	if err := st.store.Commit(&b); err != nil {
		return false, fmt.Errorf("prune metrics: %w", err)
	}
	return left, nil
}

// forget removes the identity of a series.
func (st hours) forget(id string) error { return st.space.Delete(seriesPrefix + id) }

// any reports whether there is anything from a minute's hour on.
func (st hours) any(id string, from int64) (bool, error) {
	for _, err := range st.space.Scan(hourPrefix+id+"/", hourKey(id, from/60-1)+"\xff") {
		if err != nil {
			return false, fmt.Errorf("read metrics: %w", err)
		}
		return true, nil
	}
	return false, nil
}
