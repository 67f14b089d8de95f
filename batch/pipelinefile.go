package batch

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// ParsePipeline reads a pipeline file. The errors name file, line and column, and what to write instead; all
// that are found are returned, joined. file is only used in them. Nothing is ignored: a key that is unknown is an error.
func ParsePipeline(file string, text []byte) (*Pipeline, error) {
	r := &yamlReader{file: file}
	root := r.document(text)
	if root == nil {
		return nil, r.err()
	}
	p := &Pipeline{}
	var watermark, mode ast.Node
	for key, value := range r.entries(root, "", "name", "source", "sources", "query", "sink", "sinks", "output_mode", "trigger", "dead_letters",
		"watermark", "watermark_policy", "state") {
		switch key {
		case "name":
			p.Name = r.name(value)
		case "source":
			p.Sources = append(p.Sources, r.source(value, key, "source"))
		case "sources":
			p.Sources = append(p.Sources, r.sources(value)...)
		case "query":
			p.Query = strings.TrimSpace(r.text(value, key))
		case "sink", "sinks":
			p.Sinks = append(p.Sinks, r.sinks(value, key)...)
		case "output_mode":
			p.Mode, mode = r.outputMode(value, key), value
		case "trigger":
			p.Trigger = r.trigger(value)
		case "dead_letters":
			p.DeadLetters = r.location(value, key)
		case "watermark":
			watermark = value
		case "watermark_policy":
			p.MaxWatermark = r.oneOf(value, key, "min", "max") == 1
		case "state":
			p.State = r.state(value)
		}
	}
	r.require(root, "", "name")
	r.completeSources(root, p, watermark)
	r.completeMode(root, p, mode)
	if len(r.errs) == 0 {
		r.checkLetters(root, p)
	}
	return p, r.err()
}

// completeSources sets what depends on the number of sources.
func (r *yamlReader) completeSources(root *ast.MappingNode, p *Pipeline, watermark ast.Node) {
	switch {
	case len(p.Sources) == 0 && !has(root, "sources"):
		r.failf(root, "source", "is missing")
	case has(root, "source") && has(root, "sources"):
		r.failf(root, "sources", "and source stand side by side; write one of them")
	case watermark != nil && (len(p.Sources) != 1 || p.Sources[0].Watermark != nil):
		r.failf(watermark, "watermark", "is short for that of the only source; write it into each source")
	case watermark != nil:
		s := &p.Sources[0]
		s.Watermark = r.watermark(watermark, "watermark")
		r.checkColumns(watermark, "watermark", s)
	}
	if p.Query == "" && !has(root, "query") {
		if len(p.Sources) > 1 {
			r.failf(root, "query", "is missing: say what becomes of the sources")
		}
		p.Query = "SELECT * FROM source"
		if len(p.Sources) == 1 {
			p.Query = "SELECT * FROM " + p.Sources[0].Name
		}
	}
}

// completeMode sees to it that all sinks have one output mode.
func (r *yamlReader) completeMode(root *ast.MappingNode, p *Pipeline, mode ast.Node) {
	if has(root, "sink") && has(root, "sinks") {
		r.failf(root, "sinks", "and sink stand side by side; write one of them")
	}
	said := mode != nil
	for _, m := range r.modes {
		if said && m.mode != p.Mode {
			r.failf(m.node, m.path, "is %s, and the pipeline has %s already; all sinks of a pipeline have one output mode", m.mode, p.Mode)
		}
		p.Mode, said = m.mode, true
	}
}

// checkLetters wants a place for dead letters where there may be some.
func (r *yamlReader) checkLetters(root *ast.MappingNode, p *Pipeline) {
	for i := range p.Sources {
		if s := &p.Sources[i]; s.Mode != Fail && p.DeadLetters == "" {
			r.failf(root, "dead_letters", "is missing: in mode %s bad records are kept there; "+
				"add a location such as s3://lake/_dead/%s, or set mode: fail of %s", s.Mode, p.Name, s.Name)
			return
		}
	}
}

// state reads where state is kept.
func (r *yamlReader) state(n ast.Node) (location string) {
	for key, value := range r.entries(n, "state", "location") {
		if key == "location" {
			location = r.place(value, "state.location")
		}
	}
	r.require(n, "state", "location")
	return location
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)

func (r *yamlReader) name(n ast.Node) string {
	name := r.text(n, "name")
	if name != "" && !nameForm.MatchString(name) {
		r.failf(n, "name", "%q may only have letters, digits, '_', '-' and '.', at most 128, and begins with a letter or digit", name)
	}
	return name
}

func (r *yamlReader) location(n ast.Node, path string) string {
	text := strings.TrimRight(r.text(n, path), "/")
	bucket, ok := strings.CutPrefix(text, "s3://")
	if bucket, _, _ = strings.Cut(bucket, "/"); text != "" && (!ok || bucket == "") {
		r.failf(n, path, "%q is not a location of the form s3://bucket/folder", text)
	}
	return text
}

// place reads a location in a bucket or in a folder of this machine.
func (r *yamlReader) place(n ast.Node, path string) string {
	text := strings.TrimRight(r.text(n, path), "/")
	folder, ok := strings.CutPrefix(text, "file://")
	switch {
	case strings.HasPrefix(text, "s3://"):
		return r.location(n, path)
	case text == "":
	case ok && !strings.HasPrefix(folder, "/"), !ok && strings.Contains(text, "://"):
		r.failf(n, path, "%q is not a location of the form s3://bucket/folder, file:///folder or folder", text)
	case ok:
		return folder
	}
	return text
}

var units = map[string]time.Duration{
	"ms": time.Millisecond, "millisecond": time.Millisecond, "milliseconds": time.Millisecond,
	"s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
	"week": 7 * 24 * time.Hour, "weeks": 7 * 24 * time.Hour,
	"month": month, "months": month, "year": 12 * month, "years": 12 * month,
}

// month is as long as Spark takes it to be in a watermark's delay.
const month = 31 * 24 * time.Hour

var (
	quantities      = regexp.MustCompile(`([0-9]{1,9})(\.[0-9]{1,9})?\s*([a-z]+)`)
	wholeQuantities = regexp.MustCompile(`^([0-9]{1,9}(\.[0-9]{1,9})?\s*[a-z]+\s*){1,5}$`)
)

// trigger reads an interval such as "5 seconds", available-now, or once.
func (r *yamlReader) trigger(n ast.Node) Trigger {
	text := strings.ToLower(r.text(n, "trigger"))
	switch strings.NewReplacer("_", "-", " ", "-").Replace(text) {
	case "":
		return Trigger{}
	case "available-now", "availablenow":
		return Trigger{AvailableNow: true}
	case "once":
		return Trigger{Once: true}
	}
	d, ok := parseDuration(text)
	if !ok || d > 24*time.Hour {
		r.failf(n, "trigger", "%q is not a trigger: use an interval up to a day such as 5 seconds or 100 ms, or available-now, or once", text)
		return Trigger{}
	}
	return Trigger{Interval: d}
}

// duration reads a time such as 10 minutes, or 1 hour 30 minutes.
func (r *yamlReader) duration(n ast.Node, path string, high time.Duration) time.Duration {
	text := r.text(n, path)
	d, ok := parseDuration(strings.ToLower(text))
	if text != "" && (!ok || d > high) {
		r.failf(n, path, "%q is not a time such as 10 minutes or 1 hour 30 minutes, up to %d days", text, high/(24*time.Hour))
	}
	return d
}

// parseDuration reads numbers with their units, each unit once. As with Spark, seconds alone may have a fraction, of which milliseconds count.
func parseDuration(text string) (d time.Duration, ok bool) {
	last := time.Duration(math.MaxInt64)
	for _, m := range quantities.FindAllStringSubmatch(text, -1) {
		count, err := strconv.Atoi(m[1])
		unit := units[m[3]]
		if m[2] != "" && unit != time.Second {
			return 0, false
		}
		if err != nil || unit == 0 || unit >= last || time.Duration(count) > math.MaxInt64/2/unit {
			return 0, false
		}
		d, last = d+time.Duration(count)*unit, unit
		if m[2] != "" {
			ms, err := strconv.Atoi((m[2][1:] + "00")[:3])
			if err != nil {
				return 0, false
			}
			d += time.Duration(ms) * time.Millisecond
		}
	}
	return d, wholeQuantities.MatchString(text)
}

// size reads a number of bytes such as 64 MiB.
func (r *yamlReader) size(n ast.Node, path string, low, high int64) int64 {
	text := r.text(n, path)
	factors := map[string]int64{"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "kb": 1e3, "mb": 1e6, "gb": 1e9}
	digits := strings.TrimRight(text, "BKMGibkmgI ")
	count, err := strconv.ParseInt(digits, 10, 64)
	factor, ok := factors[strings.ToLower(strings.TrimSpace(text[len(digits):]))]
	if err != nil || !ok || count < 0 || count > high || count*factor < low || count*factor > high {
		r.failf(n, path, "%q is not a size between %s and %s; write it as 64 MiB", text, byteText(low), byteText(high))
		return low
	}
	return count * factor
}

func byteText(n int64) string {
	if n%(1<<30) == 0 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
