package crawler

import (
	"fmt"
	"regexp"
	"strings"
)

const globMax = 1024 // bytes of a pattern

// compileGlob compiles an exclude pattern of AWS: * within a folder, ** across folders, ? one character, [a-z] and [!a]
// sets, {a,b} either, \ takes the next character as it is.
func compileGlob(pattern string) (*regexp.Regexp, error) {
	if len(pattern) > globMax {
		return nil, fmt.Errorf("exclude pattern is longer than %d bytes", globMax)
	}
	var b strings.Builder
	b.WriteString("^")
	braces := 0
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case strings.HasPrefix(pattern[i:], "**"):
			b.WriteString("(?s:.*)")
			i++
		case c == '*':
			b.WriteString("[^/]*")
		case c == '?':
			b.WriteString("[^/]")
		case c == '{':
			b.WriteString("(?:")
			braces++
		case c == '}' && braces > 0:
			b.WriteString(")")
			braces--
		case c == ',' && braces > 0:
			b.WriteString("|")
		case c == '[':
			set, n, ok := globSet(pattern[i:])
			if !ok {
				return nil, fmt.Errorf("exclude pattern %q: a [ is not closed", pattern)
			}
			b.WriteString(set)
			i += n - 1
		case c == '\\' && i+1 < len(pattern):
			i++
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		default:
			b.WriteString(regexp.QuoteMeta(string(pattern[i])))
		}
	}
	if braces > 0 {
		return nil, fmt.Errorf("exclude pattern %q: a { is not closed", pattern)
	}
	re, err := regexp.Compile(b.String() + "$")
	if err != nil {
		return nil, fmt.Errorf("exclude pattern %q: %w", pattern, err)
	}
	return re, nil
}

// globSet translates the set at the front of pattern and returns its length there.
func globSet(pattern string) (set string, n int, ok bool) {
	end := strings.IndexByte(pattern[1:], ']')
	if end <= 0 {
		return "", 0, false
	}
	inner := strings.NewReplacer(`\`, `\\`, `[`, `\[`, `^`, `\^`).Replace(pattern[1 : end+1])
	if rest, negated := strings.CutPrefix(inner, "!"); negated {
		return "[^" + rest + "]", end + 2, true
	}
	return "[" + inner + "]", end + 2, true
}
