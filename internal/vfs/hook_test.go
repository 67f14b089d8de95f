package vfs

import (
	"errors"
	"syscall"
	"testing"
)

func TestRecorderNotesOperations(t *testing.T) {
	var rec Recorder
	fs := Hooked(NewCrashable(), rec.Before)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(fs.MkdirAll("d", 0o755))
	f, err := fs.Create("d/a", Category)
	check(err)
	_, err = f.Write([]byte("ab"))
	check(err)
	_, err = f.Write([]byte("cde"))
	check(err)
	check(f.Sync())
	check(f.SyncData())
	check(f.Close())
	check(fs.Rename("d/a", "d/b"))
	dir, err := fs.OpenDir("d")
	check(err)
	check(dir.Sync())
	check(fs.Remove("d/b"))
	want := "mkdir d\ncreate a\nwrite a 0+2\nwrite a 2+3\nsync a\nsync-data a\nrename a b\nsync-dir d\nremove b\n"
	if got := rec.Take(); got != want {
		t.Fatalf("got\n%swant\n%s", got, want)
	}
	if got := rec.Take(); got != "" {
		t.Fatalf("taken twice: %q", got)
	}
}

func TestFaults(t *testing.T) {
	boom := errors.New("boom")
	var faults Faults
	fs := Hooked(NewCrashable(), faults.Before)
	f, err := fs.OpenReadWrite("a", Category)
	if err != nil {
		t.Fatal(err)
	}
	faults.Fail(OpSyncData, 1, 1, boom)
	for i, want := range []error{nil, boom, nil} {
		if err := f.SyncData(); !errors.Is(err, want) {
			t.Fatalf("sync %d: %v, want %v", i, err, want)
		}
	}
	faults.Full(10)
	if _, err := f.WriteAt(make([]byte, 10), 0); err != nil {
		t.Fatalf("write within the room: %v", err)
	}
	if _, err := f.WriteAt(make([]byte, 10), 0); err != nil {
		t.Fatalf("overwrite needs no room: %v", err)
	}
	if _, err := f.WriteAt(make([]byte, 2), 9); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("write past the room: %v", err)
	}
	if _, err := fs.Create("b", Category); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("create on a full disk: %v", err)
	}
	faults.Heal()
	if _, err := f.WriteAt(make([]byte, 2), 9); err != nil {
		t.Fatalf("write after healing: %v", err)
	}
}
