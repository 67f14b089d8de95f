package codec

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"math"
	"strconv"
	"time"
)

// AppendXML appends the struct v to b as one XML element called name, in the manner of the Query protocol: list
// elements are called member, map entries have key and value.
func AppendXML(b []byte, name string, v any) ([]byte, error) {
	s := &xmlSink{name: name}
	s.b.Write(b)
	err := encode(s, v)
	return s.b.Bytes(), err
}

type xmlSink struct {
	b    bytes.Buffer
	name string   // of the element to write next
	open []string // names of the elements that are open
}

func (s *xmlSink) start() {
	s.b.WriteString("<" + s.name + ">")
	s.open = append(s.open, s.name)
}

func (s *xmlSink) end() {
	last := len(s.open) - 1
	s.b.WriteString("</" + s.open[last] + ">")
	s.open = s.open[:last]
}

func (s *xmlSink) element(text string) {
	s.start()
	s.b.WriteString(text)
	s.end()
}

func (s *xmlSink) beginStructure()    { s.start() }
func (s *xmlSink) member(name string) { s.name = name }
func (s *xmlSink) endStructure()      { s.end() }
func (s *xmlSink) beginList(int)      { s.start() }
func (s *xmlSink) item()              { s.name = "member" }
func (s *xmlSink) endList()           { s.end() }
func (s *xmlSink) beginMap(int)       { s.start() }
func (s *xmlSink) endMap()            { s.end() }

func (s *xmlSink) entry(key string) {
	s.name = "entry"
	s.start()
	s.name = "key"
	s.text(key)
	s.name = "value"
}

func (s *xmlSink) endEntry() { s.end() }
func (s *xmlSink) null()     { s.element("") }

func (s *xmlSink) text(v string) {
	s.start()
	s.b.Write(EscapeXML(v))
	s.end()
}

// EscapeXML is the text as the content of an XML element. Characters that XML cannot hold become U+FFFD.
func EscapeXML(text string) []byte {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(text)) // a bytes.Buffer takes every write
	return b.Bytes()
}

func (s *xmlSink) integer(v int64) { s.element(strconv.FormatInt(v, 10)) }
func (s *xmlSink) boolean(v bool)  { s.element(strconv.FormatBool(v)) }
func (s *xmlSink) blob(v []byte)   { s.element(base64.StdEncoding.EncodeToString(v)) }

func (s *xmlSink) float(v float64) {
	switch {
	case math.IsNaN(v):
		s.element("NaN")
	case math.IsInf(v, 1):
		s.element("Infinity")
	case math.IsInf(v, -1):
		s.element("-Infinity")
	default:
		s.element(string(appendFloat(nil, v)))
	}
}

func (s *xmlSink) time(t time.Time, _ bool) { s.element(isoText(t)) }

func (s *xmlSink) json([]byte) error { return errors.New("encode document: not possible in XML") }
