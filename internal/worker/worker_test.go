package worker

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	Main("echo", func(in io.Reader, out io.Writer) error {
		for {
			kind, payload, err := ReadFrame(in, nil)
			if err != nil {
				return err
			}
			if kind == 'X' {
				panic("asked to")
			}
			if err := WriteFrame(out, kind+1, append(payload, os.Getenv("AWS_SECRET_ACCESS_KEY")...)); err != nil {
				return err
			}
		}
	})
	os.Exit(m.Run())
}

func TestProcess(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	p, err := Start("echo")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	if err := WriteFrame(p.In, 'a', []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if kind, payload, err := ReadFrame(p.Out, nil); err != nil || kind != 'b' || string(payload) != "hello" {
		t.Errorf("answer %c %q %v", kind, payload, err)
	}
	if err := WriteFrame(p.In, 'X', nil); err != nil {
		t.Fatal(err)
	}
	_, _, err = ReadFrame(p.Out, nil)
	if !errors.Is(err, io.EOF) {
		t.Errorf("after a crash: %v", err)
	}
	if why := p.Death(err); !strings.Contains(why, "exit status 2: panic: asked to") {
		t.Errorf("it died of %q", why)
	}
}

func FuzzReadFrame(f *testing.F) {
	var buf bytes.Buffer
	if err := WriteFrame(&buf, 'a', []byte("hello")); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	f.Add([]byte{'a', 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 4 && raw[4] > 0 && raw[4] < 16 { // what is allowed, but too much for a test
			return
		}
		kind, payload, err := ReadFrame(bytes.NewReader(raw), nil)
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := WriteFrame(&again, kind, payload); err != nil || !bytes.HasPrefix(raw, again.Bytes()) {
			t.Fatalf("written again: %v", err)
		}
	})
}
