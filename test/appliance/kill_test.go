package appliance

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A landing that is killed again and again goes on each time, as the same job; what
// is in the store is not moved again, names appear when all is there, and the audit
// log is whole.
func TestKilledImport(t *testing.T) {
	t.Parallel()
	const images, layers, size = 4, 512, 32 << 10
	c := newContent(t, 1, images, layers, size)
	const group = 2*128*size + 1<<20 // what a kill may cost: blobs are settled by 128, while the next come
	random := newRandom(t)
	s := newSite(t)
	g := newGate(t, t.TempDir())
	path := g.place(t, c.bundle)
	device, inode := identify(t, path)
	held := g.hold(group + random.Int64N(group/4))
	id := s.local.startJob("bundles/import", object{"path": path, "device": device, "inode": inode}).ID

	const kills = 5
	for k := range kills {
		await(t, "the landing is held up", held)
		at := s.local.await(id, "runs", func(j job) bool { return j.State == "running" })
		t.Logf("kill %d after %.1f MiB of %d: %s", k+1, float64(g.count())/(1<<20), c.bytes>>20, at)
		if at.Attempt != k+1 {
			t.Errorf("attempt %d: %s", k+1, at)
		}
		if names := s.local.names(); len(names) > 0 {
			t.Errorf("names are there before all is: %v", names)
		}
		s.kill()
		held = g.hold(group + random.Int64N(group/4))
		if k == kills-1 {
			g.open()
		}
		s.start()
	}
	j := s.local.done(id)
	did := decode[struct{ Total, Moved, Present int64 }](t, string(j.Result))
	t.Logf("%s; of %d bytes, %d were read\n%s\n%s", j, c.bytes, g.count(), j.Result, s.local.lines(id))
	if j.Attempt != kills+1 {
		t.Errorf("it was begun %d times", j.Attempt)
	}
	if got := s.local.names(); !slices.Equal(got, c.names) {
		t.Errorf("names %v, want %v", got, c.names)
	}
	if left := c.bytes - did.Moved; left < c.bytes/5 || did.Present == 0 {
		t.Errorf("the last attempt moved %d bytes of %d again", did.Moved, c.bytes)
	}
	if again := g.count() - c.bytes; again > kills*group {
		t.Errorf("%d bytes were read twice", again)
	}
	s.expectOnce(id)
}

// newRandom makes a run's choices known.
func newRandom(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("random seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// expectOnce proves that a job was started once and ended once, by an audit log
// that is whole.
func (s *site) expectOnce(id string) {
	s.t.Helper()
	for action, want := range map[string]string{"job.start": id + " ok", "job.end": id + " ok"} {
		if got := s.audited(action); !slices.Contains(got, want) || len(got) != len(slices.Compact(slices.Sorted(slices.Values(got)))) {
			s.t.Errorf("audited %s: %v", action, got)
		}
	}
	fmt.Fprintln(s.t.Output(), s.auditVerify())
}
