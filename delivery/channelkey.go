package delivery

import (
	"strings"
	"time"
)

// DefaultTemplate is the object keys of a channel that names no other.
const DefaultTemplate = "kinesis-channel/!{channel-name}/!{channel-id}/!{yyyy}/!{MM}/!{dd}/!{HH}/" +
	"!{channel-name}-!{channel-id}-!{yyyy}-!{MM}-!{dd}-!{HH}-!{mm}!{extension}"

// templateMax is the most characters that a template may expand to: S3 allows 1,024, and a suffix follows.
const templateMax = 986

// templateDates are the variables of time, in UTC, as layouts of package time.
var templateDates = map[string]string{"yyyy": "2006", "yy": "06", "MM": "01", "dd": "02", "HH": "15", "mm": "04"}

// channelKey expands the template of a channel. What makes keys differ goes in before the extension:
// NAME-UUID.gz. Errors wrap ErrInvalid and come only from Channels.Create, which tries.
func (i *Info) channelKey(instant time.Time) (key objectName, err error) {
	template := i.Channel.Template
	if template == "" {
		template = DefaultTemplate
	}
	var stem strings.Builder
	variables, extended := 0, false
	for rest := template; rest != ""; {
		literal, after, found := strings.Cut(rest, "!{")
		if err := checkLiteral(literal); err != nil {
			return key, err
		}
		stem.WriteString(literal)
		if !found {
			break
		}
		variable, after, closed := strings.Cut(after, "}")
		if !closed {
			return key, failf(ErrInvalid, "OutputKeyTemplate: the variable '!{%s' lacks a closing brace.", variable)
		}
		variables++
		rest = after
		if name, literal, _ := strings.Cut(variable, ":"); name == "extension" {
			if key.extension, err = i.Channel.extension(variable, literal); err != nil {
				return key, err
			}
			if extended = true; rest != "" {
				return key, failf(ErrInvalid, "OutputKeyTemplate: '!{%s}' must be the end of the template.", variable)
			}
			continue
		}
		value, ok := i.templateValue(variable, instant)
		if !ok {
			return key, failf(ErrInvalid, "OutputKeyTemplate: '!{%s}' is not a supported variable.", variable)
		}
		stem.WriteString(value)
	}
	if key.stem = stem.String(); variables == 0 {
		return key, failf(ErrInvalid, "OutputKeyTemplate must contain at least one variable.")
	}
	if !extended && packers[i.Channel.Compression].extension != "" {
		return key, failf(ErrInvalid, "OutputKeyTemplate must end in an extension variable, as CompressionType is %s.", i.Channel.Compression)
	}
	return key, key.check()
}

// templateValue is what a variable stands for.
func (i *Info) templateValue(variable string, instant time.Time) (value string, ok bool) {
	switch variable {
	case "channel-name":
		return i.Name, true
	case "channel-id":
		return i.ID, true
	case "stream-name":
		return i.Source, true
	}
	layout, ok := templateDates[variable]
	return instant.UTC().Format(layout), ok
}

// extension is the value of !{extension}, or of !{extension:literal}.
func (c *Channel) extension(variable, literal string) (string, error) {
	if variable == "extension" {
		return packers[c.Compression].extension, nil
	}
	if len(literal) < 2 || literal[0] != '.' || strings.Trim(literal, "abcdefghijklmnopqrstuvwxyz.") != "" {
		return "", failf(ErrInvalid, "OutputKeyTemplate: the extension '%s' must begin with a period and contain only lowercase letters and periods.", literal)
	}
	return literal, nil
}

func checkLiteral(text string) error {
	for _, c := range text {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("!-_'.*()/=", c) {
			return failf(ErrInvalid, "OutputKeyTemplate: the character '%c' is not allowed outside a variable.", c)
		}
	}
	return nil
}

// objectName is the key of a channel's object without what makes it unique.
type objectName struct{ stem, extension string }

func (n objectName) with(id string) string { return n.stem + "-" + id + n.extension }

// check looks at the expanded key, as names of streams and channels may hold periods.
func (n objectName) check() error {
	whole := n.stem + n.extension
	switch {
	case len(whole) > templateMax:
		return failf(ErrInvalid, "OutputKeyTemplate expands to %d characters, more than %d.", len(whole), templateMax)
	case strings.HasPrefix(n.stem, "/") || strings.HasSuffix(n.stem, "/"):
		return failf(ErrInvalid, "OutputKeyTemplate must not start or end with a forward slash.")
	case strings.Contains(whole, "//"):
		return failf(ErrInvalid, "OutputKeyTemplate must not contain consecutive slashes.")
	case strings.Contains(whole, "..") || strings.HasPrefix(whole, "./") || strings.Contains(whole, "/./"):
		return failf(ErrInvalid, "OutputKeyTemplate must not contain path traversal.")
	}
	return nil
}
