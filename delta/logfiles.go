package delta

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	lastCheckpointKey = logFolder + "_last_checkpoint"
	// hintChecksumKey is where Hadoop's local file system keeps a checksum of a hint that Spark wrote. Spark takes a hint that does
	// not fit it for damaged, and waits for seconds each time it opens the table.
	hintChecksumKey = logFolder + "._last_checkpoint.crc"
	sidecarFolder   = logFolder + "_sidecars/"
	versionDigits   = 20
	hintBytesMax    = 1 << 20
)

// logFile is an object of the log.
type logFile struct {
	version int64
	to      int64 // last version of a log compaction; else version
	key     string
	size    int64 // bytes
	modTime time.Time
}

// checkpointFiles are the objects that make one complete checkpoint, in the order of its parts.
type checkpointFiles struct {
	version int64
	files   []logFile
}

// logListing is what lies in a log from some version on, in the order of versions.
type logListing struct {
	commits     []logFile
	checkpoints []checkpointFiles
	compacted   []logFile
	sums        []int64 // versions with a .crc file
}

func compactedKey(from, to int64) string {
	return fmt.Sprintf("%s%0*d.%0*d.compacted.json", logFolder, versionDigits, from, versionDigits, to)
}

func commitKey(version int64) string {
	return fmt.Sprintf("%s%0*d.json", logFolder, versionDigits, version)
}

func checkpointKey(version int64) string {
	return fmt.Sprintf("%s%0*d.checkpoint.parquet", logFolder, versionDigits, version)
}

// logName is what the name of an object in the log says.
type logName struct {
	version     int64
	to          int64 // of a log compaction, else version
	checkpoint  bool
	part, parts int    // of a multi-part checkpoint
	unique      string // of a V2 checkpoint
}

// parseLogName reads a name relative to the log's folder: a commit, a log compaction, or one of the three kinds
// of checkpoint. It is false for everything else, as version checksums.
func parseLogName(name string) (logName, bool) {
	if len(name) < versionDigits {
		return logName{}, false
	}
	version, err := strconv.ParseUint(name[:versionDigits], 10, 63)
	if err != nil {
		return logName{}, false
	}
	n := logName{version: int64(version), to: int64(version), part: 1, parts: 1}
	rest := name[versionDigits:]
	if rest == ".json" {
		return n, true
	}
	if to, ok := strings.CutSuffix(rest, ".compacted.json"); ok {
		last, err := strconv.ParseUint(strings.TrimPrefix(to, "."), 10, 63)
		n.to = int64(last)
		return n, err == nil && len(to) == versionDigits+1 && to[0] == '.' && n.to > n.version
	}
	rest, ok := strings.CutPrefix(rest, ".checkpoint.")
	if !ok {
		return logName{}, false
	}
	n.checkpoint = true
	words := strings.Split(rest, ".")
	format := words[len(words)-1]
	switch {
	case len(words) == 1 && format == "parquet":
		return n, true
	case len(words) == 2 && words[0] != "" && (format == "parquet" || format == "json"):
		n.unique = words[0]
		return n, true
	case len(words) == 3 && format == "parquet":
		part, err1 := strconv.ParseUint(words[0], 10, 31)
		parts, err2 := strconv.ParseUint(words[1], 10, 31)
		n.part, n.parts = int(part), int(parts)
		return n, err1 == nil && err2 == nil && 1 <= part && part <= parts
	}
	return logName{}, false
}

// listLog lists the log's commits and complete checkpoints whose key is greater than after.
func listLog(ctx context.Context, objects Objects, after string) (*logListing, error) {
	l := &logListing{}
	type parts struct{ n logName }
	partial := map[parts][]logFile{}
	for info, err := range objects.List(ctx, logFolder, after) {
		if err != nil {
			return nil, fmt.Errorf("list the log: %w", err)
		}
		name := strings.TrimPrefix(info.Key, logFolder)
		if name > ":" {
			break // past the digits: _last_checkpoint, _sidecars
		}
		if base, ok := strings.CutSuffix(name, ".crc"); ok {
			if n, ok := parseLogName(base + ".json"); ok && n.to == n.version {
				l.sums = append(l.sums, n.version)
			}
			continue
		}
		n, ok := parseLogName(name)
		if !ok {
			continue
		}
		file := logFile{version: n.version, to: n.to, key: info.Key, size: info.Size, modTime: info.ModTime}
		switch {
		case n.to > n.version:
			l.compacted = append(l.compacted, file)
		case !n.checkpoint:
			l.commits = append(l.commits, file)
		case n.parts == 1:
			l.checkpoints = append(l.checkpoints, checkpointFiles{n.version, []logFile{file}})
		default:
			part := n.part
			n.part = 0
			k := parts{n}
			if len(partial[k]) == part-1 { // names come in order: a gap means an incomplete checkpoint
				partial[k] = append(partial[k], file)
			}
			if part == n.parts && len(partial[k]) == n.parts {
				l.checkpoints = append(l.checkpoints, checkpointFiles{n.version, partial[k]})
			}
		}
	}
	slices.SortStableFunc(l.checkpoints, func(a, b checkpointFiles) int { return int(a.version - b.version) })
	return l, nil
}

// newest is the highest version that the listing can tell, -1 if none.
func (l *logListing) newest() int64 {
	version := int64(-1)
	if n := len(l.commits); n > 0 {
		version = l.commits[n-1].version
	}
	if n := len(l.checkpoints); n > 0 {
		version = max(version, l.checkpoints[n-1].version)
	}
	return version
}

// segment returns what rebuilds a version: the newest checkpoint that is not newer, if any, and the commits since, log
// compactions in place of those that they cover. The version's own commit is always read itself: compactions have no
// commitInfo.
func (l *logListing) segment(version int64) (*checkpointFiles, []logFile, error) {
	var base *checkpointFiles
	next := int64(0)
	for i := range l.checkpoints {
		if c := &l.checkpoints[i]; c.version <= version {
			base, next = c, c.version+1
		}
	}
	var commits []logFile
	add := func(f logFile) { commits, next = append(commits, f), f.to+1 }
	for _, c := range l.commits {
		if c.version > version {
			break
		}
		if c.version < next {
			continue
		}
		for f, ok := l.compaction(next, version); ok; f, ok = l.compaction(next, version) {
			add(f)
		}
		if c.version > next {
			return nil, nil, &missingCommit{next}
		}
		if c.version == next {
			add(c)
		}
	}
	if next <= version {
		return nil, nil, &missingCommit{next}
	}
	return base, commits, nil
}

// missingCommit says that a listing has a gap. It is an ErrCorrupt.
type missingCommit struct{ version int64 }

func (m *missingCommit) Error() string {
	return fmt.Sprintf("%v: commit %d is missing", ErrCorrupt, m.version)
}

func (m *missingCommit) Unwrap() error { return ErrCorrupt }

// insert adds a commit that the listing lacks.
func (l *logListing) insert(f logFile) {
	i, _ := slices.BinarySearchFunc(l.commits, f.version, func(f logFile, v int64) int { return cmp.Compare(f.version, v) })
	l.commits = slices.Insert(l.commits, i, f)
}

// compaction returns the longest log compaction that starts at a version and ends before another.
func (l *logListing) compaction(from, before int64) (longest logFile, ok bool) {
	i, _ := slices.BinarySearchFunc(l.compacted, from, func(f logFile, v int64) int { return cmp.Compare(f.version, v) })
	for ; i < len(l.compacted) && l.compacted[i].version == from; i++ {
		if f := l.compacted[i]; f.to < before && f.to > longest.to {
			longest, ok = f, true
		}
	}
	return longest, ok
}

// modTime is the time of a commit's object, zero if the listing lacks it.
func (l *logListing) modTime(version int64) time.Time {
	i, ok := slices.BinarySearchFunc(l.commits, version, func(f logFile, v int64) int { return int(f.version - v) })
	if !ok {
		return time.Time{}
	}
	return l.commits[i].modTime
}

// readAll reads an object of at most limit bytes; a larger one is ErrCorrupt.
func readAll(ctx context.Context, objects Objects, key string, limit int64) ([]byte, error) {
	r, err := objects.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	defer r.Close()
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("%w: %s has more than %d bytes", ErrCorrupt, key, limit)
	}
	return body, nil
}

// readCommit calls do for each action of a commit.
func readCommit(ctx context.Context, objects Objects, version int64, do func(Action) error) error {
	return readLogFile(ctx, objects, commitKey(version), do)
}

func readLogFile(ctx context.Context, objects Objects, key string, do func(Action) error) error {
	r, err := objects.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("get %s: %w", key, err)
	}
	defer r.Close()
	if err := readActions(r, do); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}
