package faults

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A bundle is attached from a medium that is taken out at any moment of it: at
// no time is anything wrong pulled; what was in the store is there; and when the
// medium is back, the site goes on by itself until all is whole.
func TestMediumTakenOut(t *testing.T) {
	t.Parallel()
	source := newImage("team/medium", "1", 11, 3<<20, 50, 600<<10, 200<<10)
	want := carried(t, source)
	content, err := os.ReadFile(bundleOf(t, source))
	if err != nil {
		t.Fatal(err)
	}
	medium := newDisk(t)
	file := filepath.Join(medium.dir, "carry.bundle")
	if err := os.WriteFile(filepath.Join(medium.backing, "carry.bundle"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	medium.arm(fault{ops: opRead | opOpen})
	whole := newTemporarySite(t)
	must(t, "bundle", "import", file, "--data", whole.data, "--attach")
	operations := medium.lift()
	said, wrong := tally{}, tally{}
	for _, k := range choose(operations, 3, 14) {
		s := newTemporarySite(t)
		medium.arm(fault{ops: opRead | opOpen, nth: k, errno: syscall.EIO})
		r := landfall(t, "bundle", "import", file, "--data", s.data, "--attach")
		where := operations[k-1]
		if r.code == exitDone {
			said.add(where, "done all the same") // another order of reads
		} else {
			said.add(where, "%s", anonymous(r.message()))
		}
		s.checkHalf(t, want, func(text string) { wrong.add(where, "%s", text) })
		medium.lift()
		if r.code != exitDone && !s.pending() {
			must(t, "bundle", "import", file, "--data", s.data, "--attach") // it had not begun
		}
		s.awaitWhole(t, want)
		s.daemon.end(t, syscall.SIGTERM)
	}
	t.Logf("%d operations:%s", len(operations), said)
	if len(wrong) > 0 {
		t.Errorf("%s", wrong)
	}
}

// temporarySite is a site on an ordinary disk.
type temporarySite struct {
	client
	data   string
	daemon *daemon
}

func newTemporarySite(t *testing.T) *temporarySite {
	t.Helper()
	s := &temporarySite{data: filepath.Join(tempDir(t), "d")}
	s.daemon = serve(t, s.data)
	s.client = client{address: s.daemon.address}
	return s
}

// checkHalf pulls what is there. A name that is not yet, or no longer, there is
// a 404; a blob is whole, missing, or an answer that ends early.
func (s *temporarySite) checkHalf(t *testing.T, i image, report func(string)) {
	t.Helper()
	if digest, status := s.resolve(i.repository, i.tag); status != http.StatusNotFound && digest != digestOf(i.manifest) {
		report("the name stands for something else: " + digest)
	}
	for _, b := range i.blobs {
		a, err := s.do("GET", "/v2/"+i.repository+"/blobs/"+digestOf(b), nil)
		switch {
		case err != nil || a.err != nil || a.status == http.StatusNotFound:
		case a.status != http.StatusOK:
			report("a blob is neither there nor missing: " + string(a.body))
		case digestOf(a.body) != digestOf(b):
			report("wrong bytes in a whole answer")
		}
	}
}

// pending reports whether the site remembers the bundle: it goes on by itself.
func (s *temporarySite) pending() bool {
	return strings.Contains(s.daemon.read(), "a bundle is attached")
}

// awaitWhole returns when the image can be pulled whole from the store.
func (s *temporarySite) awaitWhole(t *testing.T, i image) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = s.pull(i); err == nil {
			return
		}
	}
	t.Errorf("the medium is back, and the image is not whole: %v\n%s", err, lastLines(s.daemon.read(), 5))
}
