package durable_test

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/landfall-dev/landfall/internal/durable"
)

// A file is replaced as a whole, or stays as it was with nothing beside it.
func TestWriteFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, content := range []string{"old", "new and longer"} {
		if err := durable.WriteFile(path, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != content {
			t.Errorf("%q, %v; want %q", got, err, content)
		}
	}
	taken := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(taken, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(taken, []byte("x"), 0o644); err == nil {
		t.Error("a folder was replaced by a file")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v: want the file and the folder only", entries, err)
	}
}

func TestWriterAndWritten(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const at, size = 1 << 20, 20 << 20
	if err := durable.Allocate(f, 64<<20); err != nil {
		t.Fatal(err)
	}
	w := durable.NewWriter(f, at)
	piece := bytes.Repeat([]byte{7}, 3<<20)
	for w.Offset() < at+size {
		if _, err := w.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	if err := durable.Sync(f); err != nil {
		t.Fatal(err)
	}
	if !durable.Written(f, at, size) || durable.Written(f, at+32<<20, size) {
		t.Error("Written does not tell the written region from the reserved one")
	}
	if info, err := f.Stat(); err != nil || info.Size() != 64<<20 {
		t.Errorf("%d bytes, %v; want all that was reserved", info.Size(), err)
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	first, second := open(), open()
	defer second.Close()
	if ok, err := durable.Lock(first); !ok || err != nil {
		t.Fatalf("first: %v, %v", ok, err)
	}
	if ok, err := durable.Lock(second); ok || err != nil {
		t.Fatalf("second: %v, %v; want a plain no", ok, err)
	}
	// A process that is being started has all files open for a moment.
	child, err := syscall.Dup(int(first.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(child)
	if err := durable.Unlock(first); err != nil {
		t.Fatal(err)
	}
	first.Close()
	if ok, err := durable.Lock(second); !ok || err != nil {
		t.Fatalf("after the first let go: %v, %v", ok, err)
	}
}
