package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/internal/kpl"
	"github.com/weir-data/weir/stream"
)

// tailView writes the records that pass its filter, and counts.
type tailView struct {
	filter  tailFilter
	part    jsonPath // of the data that is shown; nil: all
	append  func(b []byte, r *tailRecord) []byte
	w       *bufio.Writer
	line    []byte
	counted bool // stop when left is 0
	left    int

	seen, shown, bytes int64
}

// tailRecord is a record as it is shown.
type tailRecord struct {
	shard  string
	seqNum string
	sub    int // place in an aggregated record of the KPL; -1: the record is not of one
	time   time.Time
	key    string
	data   []byte
}

// show writes those of a shard's records that are wanted, aggregated ones as the records that were put; more is false when
// there were enough. An error of the writer shows at its Flush.
func (v *tailView) show(shard string, recs []types.Record) (more bool) {
	for i := range recs {
		r := &recs[i]
		line := tailRecord{shard, aws.ToString(r.SequenceNumber), -1, aws.ToTime(r.ApproximateArrivalTimestamp), aws.ToString(r.PartitionKey), r.Data}
		aggregate, ok := kpl.Open(r.Data)
		if !ok {
			if !v.showOne(line) {
				return false
			}
			continue
		}
		for user := range aggregate.All() {
			line.sub++
			line.key, line.data = string(user.PartitionKey), user.Data
			if !v.showOne(line) {
				return false
			}
		}
	}
	return true
}

func (v *tailView) showOne(r tailRecord) (more bool) {
	v.seen++
	if !v.filter.passes(r.key, r.data) {
		return true
	}
	if v.part != nil {
		doc, err := decodeJSON(r.data)
		part, ok := v.part.in(doc)
		if err != nil || !ok {
			return true
		}
		r.data = partText(part)
	}
	v.shown++
	v.bytes += int64(len(r.data))
	v.line = v.append(v.line[:0], &r)
	v.w.Write(v.line)
	v.left--
	return !v.counted || v.left > 0
}

// partText is a part of a document as a line of text: a string without its quotes, all else as JSON.
func partText(part any) []byte {
	if s, ok := part.(string); ok {
		return []byte(s)
	}
	return encodeJSON(part)
}

// encodeJSON is the JSON of a value that was decoded from JSON, or of text.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // it always has a JSON form
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func (v *tailView) summary() string {
	of := ""
	if v.seen != v.shown {
		of = fmt.Sprintf(" of %s read", count(v.seen))
	}
	return fmt.Sprintf("%s %s%s, %sB", count(v.shown), plural(int(v.shown), "record"), of, human(float64(v.bytes)))
}

// appendRawLine appends the data and a line feed.
func appendRawLine(b []byte, r *tailRecord) []byte { return append(append(b, r.data...), '\n') }

// appendTabLine is the form for pipes: time, shard, key and data between tabs. What is no printable text is quoted.
func appendTabLine(b []byte, r *tailRecord) []byte {
	b = r.time.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, '\t')
	b = append(b, r.shard...)
	b = append(b, '\t')
	b = appendPrintable(b, []byte(r.key))
	b = append(b, '\t')
	b = appendPrintable(b, r.data)
	return append(b, '\n')
}

// appendPrintable appends text as it is if it has no control characters, which could drive a terminal; else quoted.
func appendPrintable(b, text []byte) []byte {
	for i := 0; i < len(text); {
		c, n := utf8.DecodeRune(text[i:])
		if c == utf8.RuneError && n == 1 || !strconv.IsPrint(c) {
			return strconv.AppendQuote(b, string(text))
		}
		i += n
	}
	return append(b, text...)
}

// appendJSONLine is a record as a JSON object. Data that is an object or an array stands as such, other text as a string,
// and what is not UTF-8 in base64 under another name.
func appendJSONLine(b []byte, r *tailRecord) []byte {
	b = fmt.Appendf(b, `{"shard":%q,"sequenceNumber":%q,"time":%q,"key":`, r.shard, r.seqNum, r.time.UTC().Format("2006-01-02T15:04:05.000Z"))
	b = append(b, encodeJSON(r.key)...)
	if r.sub >= 0 {
		b = fmt.Appendf(b, `,"subSequenceNumber":%d`, r.sub)
	}
	switch {
	case !utf8.Valid(r.data):
		b = append(b, `,"dataBase64":"`...)
		b = base64.StdEncoding.AppendEncode(b, r.data)
		b = append(b, '"')
	case isDocument(r.data):
		var line bytes.Buffer
		json.Compact(&line, r.data) // it is valid
		b = append(append(b, `,"data":`...), line.Bytes()...)
	default:
		b = append(append(b, `,"data":`...), encodeJSON(string(r.data))...)
	}
	return append(b, '}', '\n')
}

// isDocument says whether data is a JSON object or array.
func isDocument(data []byte) bool {
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	return len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') && json.Valid(data)
}

// linePrinter writes for a person: short times and shards, JSON in colours.
type linePrinter struct {
	screen *screen
	pretty bool // JSON over several lines
}

func (p linePrinter) appendLine(b []byte, r *tailRecord) []byte {
	shard := r.shard
	if i, ok := stream.ParseShardID(shard); ok {
		shard = fmt.Sprint(i)
	}
	b = append(b, p.screen.dim(r.time.Local().Format("15:04:05.000"))...)
	b = fmt.Appendf(b, " %s %s ", p.screen.dim(fmt.Sprintf("%3s", shard)), p.screen.bold(string(appendPrintable(nil, []byte(r.key)))))
	if !isDocument(r.data) || !utf8.Valid(r.data) {
		return append(appendPrintable(b, r.data), '\n')
	}
	var text bytes.Buffer
	if p.pretty {
		json.Indent(&text, r.data, "", "  ") // it is valid
	} else {
		json.Compact(&text, r.data)
	}
	if p.pretty {
		b = append(b, '\n')
	}
	return append(p.appendJSON(b, text.Bytes()), '\n')
}

// Colours of JSON on a terminal.
const (
	colourName   = "36"
	colourString = "32"
	colourNumber = "33"
	colourWord   = "35" // true, false, null
)

// appendJSON appends valid JSON in colours. Strings may hold characters that drive a terminal only as escapes, those
// of C1 excepted, which are made visible.
func (p linePrinter) appendJSON(b, text []byte) []byte {
	for i := 0; i < len(text); {
		end, colour := jsonToken(text, i)
		token := string(text[i:end])
		if colour != "" {
			token = p.screen.colour(colour, visible(token))
		}
		b = append(b, token...)
		i = end
	}
	return b
}

// jsonToken is the end and the colour of the token of valid JSON that begins at i.
func jsonToken(text []byte, i int) (end int, colour string) {
	switch c := text[i]; {
	case c == '"':
		end = i + 1
		for text[end] != '"' {
			if text[end] == '\\' {
				end++
			}
			end++
		}
		end++
		if rest := bytes.TrimLeft(text[end:], " "); len(rest) > 0 && rest[0] == ':' {
			return end, colourName
		}
		return end, colourString
	case c == '-' || c >= '0' && c <= '9':
		colour = colourNumber
	case c >= 'a' && c <= 'z':
		colour = colourWord
	default:
		return i + 1, ""
	}
	for end = i; end < len(text) && !strings.ContainsRune(",]} \n", rune(text[end])); {
		end++
	}
	return end, colour
}

// visible writes characters that are not printable as escapes.
func visible(token string) string {
	if !strings.ContainsFunc(token, func(c rune) bool { return !strconv.IsPrint(c) }) {
		return token
	}
	var b strings.Builder
	for _, c := range token {
		if strconv.IsPrint(c) {
			b.WriteRune(c)
		} else {
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	return b.String()
}
