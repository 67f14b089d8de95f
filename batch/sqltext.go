package batch

import "strings"

// skipQuoted returns the end of the comment or quoted text that begins at i, or i if none does.
func skipQuoted(sql string, i int) int {
	rest := sql[i:]
	until := func(skip int, end string) int {
		if n := strings.Index(rest[skip:], end); n >= 0 {
			return i + skip + n + len(end)
		}
		return len(sql)
	}
	switch {
	case strings.HasPrefix(rest, "--"):
		return until(2, "\n")
	case strings.HasPrefix(rest, "/*"):
		return until(2, "*/")
	case rest[0] == '\'' || rest[0] == '"':
		return until(1, rest[:1])
	}
	return i
}
