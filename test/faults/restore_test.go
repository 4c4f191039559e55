package faults

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// yesterday is a stopped site of which two days are known: what it held and
// its folder as it was.
type yesterday struct {
	*site
	copy      string   // the folder, of yesterday
	both      image    // there on both days
	moved     [2]image // one name, yesterday and today
	gone, new image    // only there yesterday, only today
}

// newYesterday makes a site with a past. The two days share a layer.
func newYesterday(t *testing.T) *yesterday {
	t.Helper()
	y := &yesterday{site: newSite(t)}
	y.both = newImage("team/both", "1", 10, 3000, 100)
	y.moved = [2]image{newImage("team/moved", "1", 11, 2000), newImage("team/moved", "1", 12, 2000)}
	y.gone, y.new = newImage("team/gone", "1", 13, 4000), newImage("team/new", "1", 14, 5000)
	y.mustPush(t, y.both, y.moved[0], y.gone)
	y.daemon.end(t, syscall.SIGTERM)
	y.copy = filepath.Join(tempDir(t), "copy")
	copyFolder(t, filepath.Join(y.disk.backing, "d"), y.copy)
	y.start(t)
	y.mustPush(t, y.moved[1], y.new)
	if err := y.remove(y.gone, y.gone.tag); err != nil {
		t.Fatal(err)
	}
	delete(y.ledger, y.gone.name())
	y.daemon.end(t, syscall.SIGTERM)
	return y
}

// restore replaces one part of the folder by yesterday's.
func (y *yesterday) restore(t *testing.T, pattern string) {
	t.Helper()
	data := filepath.Join(y.disk.backing, "d")
	now, _ := filepath.Glob(filepath.Join(data, pattern))
	then, _ := filepath.Glob(filepath.Join(y.copy, pattern))
	for _, path := range now {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range then {
		copyFolder(t, path, filepath.Join(data, filepath.Base(path)))
	}
	y.disk.powerCut(t) // nothing of today is cached
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// The database is yesterday's, the blobs are today's: yesterday's names are
// whole, today's are unknown and can be pushed again.
func TestDatabaseOfYesterday(t *testing.T) {
	t.Parallel()
	y := newYesterday(t)
	y.restore(t, "landfall.db*")
	y.doctor(t, false)
	y.start(t)
	y.ledger = map[string]image{}
	for _, i := range []image{y.both, y.moved[0], y.gone} {
		y.ledger[i.name()] = i
	}
	y.checkLedger(t)
	if _, status := y.resolve(y.new.repository, y.new.tag); status != http.StatusNotFound {
		t.Errorf("%s: HTTP %d", y.new.name(), status)
	}
	y.mend(t)
}

// The blobs are yesterday's, the database is today's: names that have all are
// served, the others are told as such, never as other bytes.
func TestBlobsOfYesterday(t *testing.T) {
	t.Parallel()
	y := newYesterday(t)
	y.restore(t, "blobs")
	y.doctor(t, true)
	y.start(t)
	if err := y.pull(y.both); err != nil {
		t.Errorf("a name that is whole: %v", err)
	}
	for _, i := range []image{y.moved[1], y.new} {
		err := y.pull(i)
		var status *refusal
		if !errors.As(err, &status) || status.status != http.StatusNotFound || !strings.Contains(status.body, "damaged") {
			t.Errorf("%s has lost its blobs: %v", i.name(), err)
		}
		t.Logf("%s: %v", i.name(), err)
	}
	r := landfall(t, "content", "export", "--data", y.data, "-o", filepath.Join(tempDir(t), "x.bundle"), y.new.name())
	t.Logf("content export of a name without blobs: exit %d: %s", r.code, r.message())
	if r.code == exitDone {
		t.Errorf("a name without blobs is exported: %s", r.stdout)
	}
	y.mend(t)
}

// A blob's file has lost its end, or is empty, as after a file system's repair.
func TestBlobCutShort(t *testing.T) {
	t.Parallel()
	y := newYesterday(t)
	for n, i := range []image{y.both, y.new} {
		d := digestOf(i.blobs[1])[7:]
		if err := os.Truncate(filepath.Join(y.disk.backing, "d", "blobs", "sha256", d[:2], d), int64(n*100)); err != nil {
			t.Fatal(err)
		}
	}
	y.doctor(t, true)
	y.start(t)
	for _, i := range []image{y.both, y.new} {
		var status *refusal
		if err := y.pull(i); !errors.As(err, &status) || status.status != http.StatusNotFound {
			t.Errorf("%s: %v", i.name(), err)
		}
	}
	if err := y.pull(y.moved[1]); err != nil {
		t.Errorf("a name that is whole: %v", err)
	}
	y.mend(t)
}

// mend brings today's content again; after that it is whole, and nothing that
// was there is lost.
func (y *yesterday) mend(t *testing.T) {
	t.Helper()
	y.mustPush(t, y.both, y.moved[1], y.new)
	y.checkLedger(t)
	for _, s := range y.stray(t) {
		t.Errorf("%s", s)
	}
	y.powerCut(t)
	y.checkLedger(t)
}

// doctor asks what the binary says of the stopped site: whether blobs are lost,
// and then which, and what mends it.
func (y *yesterday) doctor(t *testing.T, lost bool) {
	t.Helper()
	r := landfall(t, "doctor", "--data", y.data)
	t.Logf("doctor: exit %d: %s%s", r.code, r.stdout, r.stderr)
	if told := strings.Contains(r.stdout, "sha256:") && strings.Contains(r.stdout, "import the bundle again"); told != lost || (r.code != exitDone) != lost {
		t.Errorf("blobs are lost: %v; doctor says (exit %d):\n%s", lost, r.code, r.stdout)
	}
}
