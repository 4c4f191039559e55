package faults

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// site is a data folder on a disk, served, with the ledger of what it has
// acknowledged.
type site struct {
	client
	disk    *disk
	data    string
	args    []string // of serve
	daemon  *daemon
	ledger  map[string]image // by name
	stored  map[string]bool  // digests of blobs that may be in files
	uploads map[string]string
}

// newSite serves a new data folder, with one image in it.
func newSite(t *testing.T) *site {
	t.Helper()
	d := newDisk(t)
	s := &site{disk: d, data: filepath.Join(d.dir, "d"), ledger: map[string]image{}, stored: map[string]bool{}}
	s.start(t)
	s.mustPush(t, newImage("team/first", "1", 1, 100<<10, 10))
	return s
}

func (s *site) start(t *testing.T) {
	t.Helper()
	s.daemon = serve(t, s.data, s.args...)
	s.client = client{address: s.daemon.address}
}

// restart ends the site cleanly or as a crash does, and serves it again.
func (s *site) restart(t *testing.T, signal syscall.Signal) {
	t.Helper()
	s.daemon.end(t, signal)
	s.start(t)
}

func (s *site) mustPush(t *testing.T, images ...image) {
	t.Helper()
	for _, i := range images {
		if err := s.push(i); err != nil {
			t.Fatalf("a push without faults: %v", err)
		}
		s.acknowledge(i)
	}
}

// acknowledge notes what the site has said to hold.
func (s *site) acknowledge(i image) {
	s.ledger[i.name()] = i
	for _, b := range i.blobs {
		s.stored[digestOf(b)] = true
	}
}

// checkLedger pulls every name and reports what is not whole.
func (s *site) checkLedger(t *testing.T) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(s.ledger)) {
		if err := s.pull(s.ledger[name]); err != nil {
			t.Errorf("%s was acknowledged: %v", name, err)
		}
	}
}

// stray is what is on the disk and should not be: temporary files, and blobs
// that are damaged or that nobody has asked for.
func (s *site) stray(t *testing.T) []string {
	t.Helper()
	var stray []string
	root := filepath.Join(s.disk.backing, "d")
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name := strings.TrimPrefix(path, root+"/")
		if what := s.judge(path, name); what != "" {
			stray = append(stray, name+what)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return stray
}

// judge says what is wrong with a file, empty for nothing.
func (s *site) judge(path, name string) string {
	top, _, _ := strings.Cut(name, "/")
	switch {
	case slices.Contains([]string{"lock", "running", "closed", "ballast", "landfall.db", "landfall.db-wal", "landfall.db-shm", "landfall.sock", "tls/ca.key", "tls/ca.pem"}, name):
		return ""
	case top != "blobs":
		return " is left"
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return ": " + err.Error()
	}
	sum := sha256.Sum256(content)
	if hex.EncodeToString(sum[:]) != filepath.Base(name) {
		return " is damaged"
	}
	if !s.stored["sha256:"+filepath.Base(name)] {
		return " is nobody's"
	}
	return ""
}

// tally counts outcomes, to be told once each.
type tally map[string][]string

func (c tally) add(where, format string, args ...any) {
	outcome := fmt.Sprintf(format, args...)
	c[outcome] = append(c[outcome], where)
}

func (c tally) String() string {
	var b strings.Builder
	for _, outcome := range slices.Sorted(maps.Keys(c)) {
		where := c[outcome]
		fmt.Fprintf(&b, "\n%4d × %s\n       at %s", len(where), outcome, strings.Join(where[:min(3, len(where))], "; "))
		if len(where) > 3 {
			fmt.Fprintf(&b, "; … %s", where[len(where)-1])
		}
	}
	return b.String()
}
