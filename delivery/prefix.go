package delivery

import (
	"fmt"
	"strings"
	"time"
)

const (
	prefixMax    = 1024 // bytes of an expression
	evaluatedMax = 512  // bytes of its value
)

// Prefix is a compiled S3 prefix expression: text with !{timestamp:pattern}, !{firehose:random-string} and
// !{firehose:error-output-type}.
type Prefix struct {
	parts []prefixPart
}

// prefixPart is an expression, or literal text when namespace is empty.
type prefixPart struct {
	namespace string
	value     string // literal text, random-string, or error-output-type
	date      datePattern
}

// The namespaces of expressions.
const (
	spaceTimestamp = "timestamp"
	spaceFirehose  = "firehose"
)

// CompilePrefix reads an expression. Errors wrap ErrInvalid.
func CompilePrefix(text string) (Prefix, error) {
	var p Prefix
	if len(text) > prefixMax {
		return p, failf(ErrInvalid, "Prefix is longer than %d characters", prefixMax)
	}
	for text != "" {
		literal, rest, found := strings.Cut(text, "!{")
		if literal != "" {
			p.parts = append(p.parts, prefixPart{value: literal})
		}
		if !found {
			break
		}
		inner, rest, closed := strings.Cut(rest, "}")
		if !closed {
			return p, failf(ErrInvalid, "The expression '!{%s' lacks a closing brace", inner)
		}
		part, err := compileExpression(inner)
		if err != nil {
			return p, err
		}
		p.parts = append(p.parts, part)
		text = rest
	}
	return p, nil
}

func compileExpression(inner string) (prefixPart, error) {
	namespace, value, _ := strings.Cut(inner, ":")
	part := prefixPart{namespace: namespace, value: value}
	switch namespace {
	case spaceTimestamp:
		if value == "" {
			return part, failf(ErrInvalid, "The expression '!{%s}' has no date pattern", inner)
		}
		var err error
		if part.date, err = compileDatePattern(value); err != nil {
			return part, failf(ErrInvalid, "The expression '!{%s}' is not a valid Java DateTimeFormatter pattern: %v", inner, err)
		}
		return part, nil
	case spaceFirehose:
		if value == "random-string" || value == "error-output-type" {
			return part, nil
		}
	case "partitionKeyFromQuery", "partitionKeyFromLambda":
		return part, failf(ErrInvalid, "The expression '!{%s}' needs dynamic partitioning, which is not supported", inner)
	}
	return part, failf(ErrInvalid, "The expression '!{%s}' is not supported in a prefix", inner)
}

// uses says whether an expression of the namespace occurs; value narrows it down unless empty.
func (p Prefix) uses(namespace, value string) bool {
	for _, part := range p.parts {
		if part.namespace == namespace && (value == "" || part.value == value) {
			return true
		}
	}
	return false
}

// dynamic says whether the prefix has any expression.
func (p Prefix) dynamic() bool {
	for _, part := range p.parts {
		if part.namespace != "" {
			return true
		}
	}
	return false
}

// prefixValues are what expressions evaluate to.
type prefixValues struct {
	instant   time.Time     // in the zone of the delivery stream
	random    func() string // a new string of 11 characters at each call
	errorType string        // format-conversion-failed, processing-failed
}

func (p Prefix) evaluate(v prefixValues) (string, error) {
	var b strings.Builder
	for _, part := range p.parts {
		switch part.namespace {
		case "":
			b.WriteString(part.value)
		case spaceTimestamp:
			b.WriteString(part.date.format(v.instant))
		case spaceFirehose:
			if part.value == "random-string" {
				b.WriteString(v.random())
			} else {
				b.WriteString(v.errorType)
			}
		}
	}
	if b.Len() > evaluatedMax {
		return "", fmt.Errorf("%w: the prefix evaluates to %d bytes, more than %d", ErrInvalid, b.Len(), evaluatedMax)
	}
	return b.String(), nil
}

// Default parts that are appended to a prefix which says nothing about time: no slash is put between.
var (
	hourFolders, _      = compileDatePattern("yyyy/MM/dd/HH/")
	dayOfYearFolders, _ = compileDatePattern("yyyy/MM/DDD/HH/")
)

// dataPrefix is the folder of delivered objects.
func dataPrefix(p Prefix, v prefixValues) (string, error) {
	s, err := p.evaluate(v)
	if err != nil || p.uses(spaceTimestamp, "") {
		return s, err
	}
	return s + hourFolders.format(v.instant), nil
}

// errorPrefix is the folder of failed records: the error prefix if it has expressions, else it (or, if empty, the data
// prefix, which then has none) with the type and a date appended.
func errorPrefix(errors, data Prefix, v prefixValues) (string, error) {
	if errors.dynamic() {
		return errors.evaluate(v)
	}
	base := errors
	if len(errors.parts) == 0 {
		base = data
	}
	s, err := base.evaluate(v)
	return s + v.errorType + "/" + dayOfYearFolders.format(v.instant), err
}

// checkPrefixes applies the rules that hold between the two prefixes of a destination.
func checkPrefixes(data, errors Prefix) error {
	switch {
	case data.dynamic() && len(errors.parts) == 0:
		return failf(ErrInvalid, "ErrorOutputPrefix cannot be null or empty when Prefix contains expressions")
	case errors.dynamic() && !errors.uses(spaceFirehose, "error-output-type"):
		return failf(ErrInvalid, "ErrorOutputPrefix must contain the expression '!{firehose:error-output-type}' when it contains expressions")
	case data.uses(spaceFirehose, "error-output-type"):
		return failf(ErrInvalid, "Prefix must not contain the expression '!{firehose:error-output-type}'")
	}
	return nil
}
