package columnar

import "time"

// CSVOptions of a CSV decoder. Zero fields are defaults.
type CSVOptions struct {
	Delimiter byte   // default ','
	Quote     byte   // default '"'; inside a quoted value a doubled one is one
	NoQuote   bool   // quotes are text
	Escape    byte   // default '\\'; inside a quoted value it makes a quote behind it text
	Comment   byte   // lines that begin with it are skipped; 0: none are
	Null      string // another text of null; what is empty is always null
	Empty     string // what a quoted value that holds nothing stands for; default null
	// Header says that the first line names the columns: fields are found by name, without regard to case, and
	// columns that no field wants are skipped. Without it the columns are the fields in order.
	Header bool
	// TrimStart and TrimEnd cut spaces around values that are not quoted.
	TrimStart, TrimEnd bool
	// NaN, PositiveInf and NegativeInf are texts of these numbers; default NaN, Inf and -Inf.
	NaN, PositiveInf, NegativeInf string
	// TimestampFormat, DateFormat and TimestampNTZFormat read times in place of the usual forms.
	TimestampFormat, DateFormat, TimestampNTZFormat *TimePattern
	// TimestampUnit reads numbers as times, those that a pattern does not take; without it there are none.
	TimestampUnit TimestampUnit
	Location      *time.Location // zone of timestamps written without one; nil is UTC
}

// parseCSVOptions reads options under the names of Spark's CSV reader, and timestampUnit.
func parseCSVOptions(options map[string]string) (CSVOptions, error) {
	var o CSVOptions
	r := newOptionReader("csv", options)
	r.oneByte(&o.Delimiter, "sep", "delimiter")
	if text, ok := r.left["quote"]; ok && text == "" {
		o.NoQuote = true
		delete(r.left, "quote")
	}
	r.oneByte(&o.Quote, "quote")
	r.oneByte(&o.Escape, "escape")
	r.oneByte(&o.Comment, "comment")
	r.boolean("header", &o.Header)
	r.boolean("ignoreLeadingWhiteSpace", &o.TrimStart)
	r.boolean("ignoreTrailingWhiteSpace", &o.TrimEnd)
	r.text("nullValue", &o.Null)
	r.text("emptyValue", &o.Empty)
	r.text("nanValue", &o.NaN)
	r.text("positiveInf", &o.PositiveInf)
	r.text("negativeInf", &o.NegativeInf)
	r.pattern("timestampFormat", &o.TimestampFormat)
	r.pattern("dateFormat", &o.DateFormat)
	r.pattern("timestampNTZFormat", &o.TimestampNTZFormat)
	r.unit(&o.TimestampUnit)
	r.zone(&o.Location)
	return o, r.done("sep", "delimiter", "quote", "escape", "comment", "header", "ignoreLeadingWhiteSpace", "ignoreTrailingWhiteSpace",
		"nullValue", "emptyValue", "nanValue", "positiveInf", "negativeInf", "timestampFormat", "dateFormat", "timestampNTZFormat", "timestampUnit", "timeZone")
}

func (o *CSVOptions) setDefaults() {
	setDefault(&o.Delimiter, ',')
	setDefault(&o.Quote, '"')
	setDefault(&o.Escape, '\\')
	setDefault(&o.NaN, "NaN")
	setDefault(&o.PositiveInf, "Inf")
	setDefault(&o.NegativeInf, "-Inf")
}

// setDefault sets what is zero.
func setDefault[T comparable](to *T, value T) {
	var zero T
	if *to == zero {
		*to = value
	}
}
