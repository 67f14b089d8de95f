package soak

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// pipelineColumns of a sample.
var pipelineColumns = []column{
	{"put_per_s", 0, 0},
	{"committed_per_s", 0, 0},
	{"put_p50_ms", 0, 0},
	{"put_p99_ms", 0, 0},
	{"lag_records", 1.5, 500_000},
	{"batch_ms", 0, 0},
	{"server_rss_mib", 1.3, 96},
	{"server_heap_mib", 1.3, 48},
	{"pipeline_rss_mib", 1.3, 96},
	{"versions", 0, 0},
	{"log_files", 0, 0},
	{"log_mib", 0, 0},
	{"partitions", 0, 0},
	{"files", 0, 0},
	{"table_mib", 0, 0},
	{"median_file_mib", 0, 0},
	{"small_files", 1.5, 40},
	{"disk_mib", 1.5, 1024},
}

const (
	targetBytes = 128 << 20 // of a data file
	memoryMost  = 1024      // MiB of a process
)

// sample looks at the run again and again until ctx is done.
func (p *pipelineSoak) sample(ctx context.Context) error {
	interval := min(10*time.Second, max(time.Second, *pipelineFor/60))
	last, sent, done := time.Now(), p.putter.Sent(), p.done.Load()
	for pause(ctx, interval); ctx.Err() == nil; pause(ctx, interval) {
		status, err := p.server.pipeline(ctx)
		if err != nil {
			return err
		}
		heap, err := p.server.metric(ctx, "go_memstats_heap_inuse_bytes")
		if err != nil {
			return err
		}
		version, all, err := p.table(ctx)
		if err != nil {
			return err
		}
		took, nowSent, nowDone := time.Since(last).Seconds(), p.putter.Sent(), p.done.Load()
		last = time.Now()
		batch := 0.0
		if status.Last != nil {
			batch = float64(status.Last.BatchDuration)
		}
		q := p.calls.percentiles(0.5, 0.99)
		logFiles, logBytes := logOf(filepath.Join(p.server.data, tablePath, "_delta_log"))
		var sizes []float64
		bytes, small := 0.0, 0
		for _, part := range all {
			for _, s := range part.sizes {
				sizes = append(sizes, float64(s)/mib)
				bytes += float64(s)
				if s < targetBytes/2 {
					small++
				}
			}
		}
		err = p.course.add(time.Since(p.began),
			float64(nowSent-sent)/took, float64(nowDone-done)/took, q[0], q[1], float64(max(0, nowSent-nowDone)), batch,
			rssMiB(p.server.pid), heap/mib, rssMiB(p.server.worker()), float64(version), float64(logFiles), float64(logBytes)/mib,
			float64(len(all)), float64(len(sizes)), bytes/mib, medianOf(sizes), float64(small), diskMiB(p.server.data))
		if err != nil {
			return err
		}
		sent, done = nowSent, nowDone
	}
	return nil
}

func logOf(dir string) (files int, bytes int64) {
	all, _ := os.ReadDir(dir)
	for _, e := range all {
		if info, err := e.Info(); err == nil {
			files, bytes = files+1, bytes+info.Size()
		}
	}
	return files, bytes
}

// judge fails the test where something grew or is missing.
func (p *pipelineSoak) judge() {
	p.judgeRecords()
	p.judgeFiles()
	p.judgeSamples()
	if n := p.holds.Load(); n > 0 && *rate > 0 {
		p.t.Errorf("at %.0f records/s the pipeline was %d records behind, and the producer had to wait", *rate, holdLag)
	}
}

// judgeRecords holds what is in the table, and was in partitions that are deleted, against what was put.
func (p *pipelineSoak) judgeRecords() {
	got, err := p.digest(p.t.Context(), "")
	if err != nil {
		p.t.Fatal(err)
	}
	got.add(p.dropped)
	want := digestOf(p.putter.Sent())
	if got != want {
		p.t.Errorf("the table has, or had, %+v; put were %+v", got, want)
	}
	p.t.Logf("%d records, %.0f MiB, were put; each is in the table once", want.Rows, float64(p.putter.Bytes())/mib)
}

// judgeFiles looks at the hours that are over: most of their bytes shall be in large files.
func (p *pipelineSoak) judgeFiles() {
	_, all, err := p.table(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	for _, part := range all {
		if p.over(part.hour) {
			p.closed = append(p.closed, *part)
		}
	}
	for _, part := range p.closed {
		large := int64(0)
		for _, s := range part.sizes {
			if s >= targetBytes/2 {
				large += s
			}
		}
		bytes := part.bytes()
		most := int(bytes/(targetBytes/2)) + 8
		p.t.Logf("%s: %d files, %.0f MiB, %.0f %% of them in files of %d MiB and more", part.hour.Format("01-02 15h"), len(part.sizes), float64(bytes)/mib,
			100*float64(large)/float64(bytes), targetBytes/2/mib)
		if len(part.sizes) > most {
			p.t.Errorf("the hour has %d files; at most %d would do", len(part.sizes), most)
		}
		if bytes > 2*targetBytes && float64(large) < 0.75*float64(bytes) {
			p.t.Errorf("the hour has most of its bytes in small files: %v", part.sizes)
		}
	}
	if len(p.closed) == 0 {
		p.t.Error("no hour was over long enough to be judged")
	}
}

// judgeSamples fails the test where something grew.
func (p *pipelineSoak) judgeSamples() {
	if len(p.course.seconds) < 9 {
		p.t.Fatalf("%d samples are too few", len(p.course.seconds))
	}
	table, grown := p.course.table()
	if grown != nil {
		p.t.Error(grown)
	}
	for _, name := range []string{"server_rss_mib", "pipeline_rss_mib"} {
		if most := slices.Max(p.course.of(name)); most > memoryMost {
			p.t.Errorf("%s was %.0f", name, most)
		}
	}
	p.t.Logf("medians of the first and the last third, bound, course over %v:\n%s", *pipelineFor, table)
}
