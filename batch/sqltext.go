package batch

import "strings"

// windowCall says whether the SQL text calls a function named window, outside of comments and quotes.
func windowCall(sql string) bool {
	word := ""
	for i := 0; i < len(sql); {
		c := sql[i]
		if end := skipQuoted(sql, i); end > i {
			i, word = end, ""
			continue
		}
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= '0' && c <= '9' || c >= 0x80:
			start := i
			for i < len(sql) && (sql[i] >= 'a' && sql[i] <= 'z' || sql[i] >= 'A' && sql[i] <= 'Z' || sql[i] == '_' ||
				sql[i] >= '0' && sql[i] <= '9' || sql[i] >= 0x80) {
				i++
			}
			word = sql[start:i]
			continue
		case c == '(':
			if strings.EqualFold(word, "window") {
				return true
			}
			word = ""
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		default:
			word = ""
		}
		i++
	}
	return false
}

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
