package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"
)

// shell reads statements from a terminal, with line editing and a history, and prints their results.
type shell struct {
	s       statements
	format  string
	history *history
}

func newShell(s statements, format string) *shell {
	return &shell{s: s, format: format, history: openHistory()}
}

const shellHelp = `Statements end with ; and may take several lines.
  \d          tables of the database        \d TABLE    columns of a table
  \l          databases                     USE name;   choose a database
  \o FORMAT   table, csv or json            \q          leave
`

// run reads until the end of input. Ctrl-C stops the statement that runs, not the shell.
func (sh *shell) run(ctx context.Context) error {
	fd := int(os.Stdin.Fd())
	fmt.Print("weir sql. \\? for help, \\q to leave.\n")
	var pending strings.Builder
	for {
		prompt := "weir> "
		if pending.Len() > 0 {
			prompt = "   -> "
		}
		line, err := sh.readLine(fd, prompt)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read from the terminal: %w", err)
		}
		if pending.Len() == 0 && strings.HasPrefix(strings.TrimSpace(line), `\`) {
			if sh.command(ctx, strings.Fields(line)) {
				return nil
			}
			continue
		}
		pending.WriteString(line + "\n")
		text := strings.TrimSpace(pending.String())
		switch {
		case text == "":
			pending.Reset()
		case text == "exit" || text == "quit":
			return nil
		case complete(text):
			pending.Reset()
			for _, stmt := range splitStatements(text) {
				sh.statement(ctx, stmt)
			}
		}
	}
}

// complete says whether a text ends with a semicolon that is not in quotes or a comment.
func complete(text string) bool {
	last := byte(0)
	for i := 0; i < len(text); {
		n := skipToken(text[i:])
		if c := text[i]; n == 1 && c != ' ' && c != '\n' && c != '\t' {
			last = c
		} else if n > 1 && !strings.HasPrefix(text[i:], "--") && !strings.HasPrefix(text[i:], "/*") {
			last = c
		}
		i += n
	}
	return last == ';'
}

// readLine edits one line. The terminal is raw meanwhile only.
func (sh *shell) readLine(fd int, prompt string) (string, error) {
	state, err := term.MakeRaw(fd)
	if err != nil {
		return "", err
	}
	defer term.Restore(fd, state)
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{os.Stdin, os.Stdout}, prompt)
	t.History = sh.history
	if width, height, err := term.GetSize(fd); err == nil && width > 0 {
		t.SetSize(width, height)
	}
	return t.ReadLine()
}

// command runs a backslash command; true leaves the shell.
func (sh *shell) command(ctx context.Context, words []string) (leave bool) {
	switch words[0] {
	case `\q`:
		return true
	case `\l`:
		sh.statement(ctx, "SHOW DATABASES")
	case `\d`:
		if len(words) > 1 {
			sh.statement(ctx, "DESCRIBE "+words[1])
		} else {
			sh.statement(ctx, "SHOW TABLES")
		}
	case `\o`:
		if len(words) != 2 || printers[words[1]] == nil {
			fmt.Println("formats are table, csv and json")
			break
		}
		sh.format = words[1]
	default:
		fmt.Print(shellHelp)
	}
	return false
}

// statement runs one statement and prints its result or its error.
func (sh *shell) statement(ctx context.Context, sql string) {
	ctx, stop := signal.NotifyContext(context.WithoutCancel(ctx), os.Interrupt)
	defer stop()
	began := time.Now()
	a, err := sh.s.run(ctx, sql)
	if err != nil {
		fmt.Println(err)
		return
	}
	if len(a.Columns) > 0 {
		if err := printers[sh.format](os.Stdout, a); err != nil {
			fmt.Println(err)
		}
	}
	if a.Note != "" {
		fmt.Println(a.Note)
	}
	fmt.Printf("%d rows in %.3f s, %s bytes scanned\n\n", len(a.Rows), time.Since(began).Seconds(), count(a.Scanned))
}

// history keeps the lines of earlier shells in a file of the user's, where that is possible.
type history struct {
	lines []string // newest last
	path  string
}

// historyMax is the number of lines that are kept.
const historyMax = 1000

func openHistory() *history {
	h := &history{}
	dir, err := os.UserCacheDir()
	if err != nil {
		return h
	}
	h.path = filepath.Join(dir, "weir", "sql_history")
	f, err := os.Open(h.path)
	if err != nil {
		return h
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		h.lines = append(h.lines, s.Text())
	}
	h.lines = h.lines[max(0, len(h.lines)-historyMax):]
	return h
}

// Add implements term.History. A history that cannot be written is no reason to stop.
func (h *history) Add(line string) {
	if strings.TrimSpace(line) == "" || len(h.lines) > 0 && h.lines[len(h.lines)-1] == line {
		return
	}
	h.lines = append(h.lines, line)
	h.lines = h.lines[max(0, len(h.lines)-historyMax):]
	if h.path == "" || os.MkdirAll(filepath.Dir(h.path), 0o700) != nil {
		return
	}
	_ = os.WriteFile(h.path, []byte(strings.Join(h.lines, "\n")+"\n"), 0o600)
}

// Len and At implement term.History; 0 is the newest.
func (h *history) Len() int { return len(h.lines) }

func (h *history) At(i int) string { return h.lines[len(h.lines)-1-i] }
