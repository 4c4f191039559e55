package media

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Where no events arrive, that is said.
func TestFindings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "self"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "self/uid_map"), []byte("         0       1000          1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, findings, err := listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	text := strings.Join(findings, "\n")
	if len(findings) != 2 || !strings.Contains(text, "user namespaces") && !strings.Contains(text, "cannot be received") || !strings.Contains(text, "mounts cannot be seen") {
		t.Errorf("%q", findings)
	}
}

// A medium is looked at when the one before in the same device is let go of by all
// who have read it: until then, the kernel would take the one for the other.
func TestNextMedium(t *testing.T) {
	t.Parallel()
	w := New(Options{})
	newDrive := func() *drive {
		return &drive{w: w, source: source{block: block{name: "sdb", disk: "sdb", number: "8:16"}}, stop: func() {},
			gone: make(chan struct{}), done: make(chan struct{}), free: make(chan struct{})}
	}
	d := newDrive()
	one, two := &File{w: w, d: d}, &File{w: w, d: d}
	d.readers = []*File{one, two}
	w.retire(d)
	free := w.leave["8:16"]
	d.leave()
	one.release()
	one.release()
	select {
	case <-free:
		t.Error("somebody still reads it")
	default:
	}
	two.release()
	<-free

	d = newDrive()
	w.retire(d)
	d.leave()
	<-w.leave["8:16"]
}

// A device that does not answer is told of, once.
func TestStuck(t *testing.T) {
	t.Parallel()
	w := New(Options{})
	now := time.Now()
	w.now = func() time.Time { return now }
	s := source{block: block{name: "sdb1"}}
	d := &drive{w: w, source: s, again: make(chan struct{}, 1), busy: now}
	for range 3 {
		w.renew(d, s, false)
	}
	if len(w.queue) != 0 {
		t.Errorf("%+v", w.queue)
	}
	now = now.Add(w.options.MaxTime + patience + 1)
	for range 3 {
		w.renew(d, s, false)
	}
	if len(w.queue) != 1 || w.queue[0].Kind != Finding || !strings.Contains(w.queue[0].Finding, "sdb1 does not answer") {
		t.Errorf("%+v", w.queue)
	}
}
