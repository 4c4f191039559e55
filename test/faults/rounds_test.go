package faults

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Every operation that a full disk can refuse is refused once, with all after
// it, in everything that is done to a site that serves.
func TestDiskFull(t *testing.T) {
	everyOperation(t, full, fault{ops: grows, errno: syscall.ENOSPC, lose: true})
}

// A quota that is used up is a disk that is full.
func TestQuota(t *testing.T) {
	everyOperation(t, quota, fault{ops: opWrite | opCreate | opMkdir, errno: syscall.EDQUOT})
}

// A disk fails to write, for good until it is mended.
func TestDiskBroken(t *testing.T) {
	everyOperation(t, broken, fault{ops: opWrite | opFsync, errno: syscall.EIO, lose: true})
}

// A disk fails to write once and is well again at the next operation: what
// was lost must be noticed all the same.
func TestDiskBrokenOnce(t *testing.T) {
	everyOperation(t, broken, fault{ops: opWrite | opFsync, errno: syscall.EIO, lose: true, once: true})
}

func everyOperation(t *testing.T, e expect, f fault) {
	t.Parallel()
	need(t)
	for _, sc := range scenarios {
		if e.errno == syscall.EDQUOT && sc.name != "push" {
			continue
		}
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			r := &rounds{site: newSite(t), scenario: sc, expect: e, fault: f, most: sc.rounds(e), said: tally{}, wrong: tally{}, left: map[string]bool{}}
			r.all(t)
		})
	}
}

// rounds do a scenario again and again, with a fault at another operation
// each time.
type rounds struct {
	*site
	scenario
	expect
	fault fault
	most  int             // rounds
	said  tally           // how faults were answered
	wrong tally           // what must not be
	left  map[string]bool // what was found on the disk and told already
}

func (r *rounds) all(t *testing.T) {
	operations := r.dry(t, 0)
	ks := choose(operations, 40, r.most)
	for _, k := range ks {
		r.round(t, k)
	}
	t.Logf("%d operations, %d of them failed:%s", len(operations), len(ks), r.said)
	// What is acknowledged is on the disk: no memory of the site or of the
	// kernel has a part in it.
	r.powerCut(t)
	r.checkLedger(t)
	r.tidy(t, "the end")
	if len(r.wrong) > 0 {
		t.Errorf("%s", r.wrong)
	}
}

// choose takes at most so many of the operations, counted from 1: the first
// ones, then all that are not like the one before, and some of the others.
func choose(operations []string, always, most int) []int {
	var first, rare, rest []int
	for n, o := range operations {
		switch k := n + 1; {
		case k <= always:
			first = append(first, k)
		case o != operations[n-1] || n == len(operations)-1:
			rare = append(rare, k)
		default:
			rest = append(rest, k)
		}
	}
	ks := thin(first, most)
	ks = append(ks, thin(rare, most-len(ks))...)
	ks = append(ks, thin(rest, most-len(ks))...)
	slices.Sort(ks)
	return ks
}

// thin keeps at most n of a list, evenly spread.
func thin(list []int, n int) []int {
	var kept []int
	n = min(n, len(list))
	for i := range n {
		kept = append(kept, list[i*len(list)/n])
	}
	return kept
}

// dry does a round without a fault and returns its operations.
func (r *rounds) dry(t *testing.T, i int) []string {
	t.Helper()
	target := r.ready(t, i)
	r.disk.arm(fault{ops: r.fault.ops})
	err := r.do(t, r.site, i)
	operations := r.disk.lift()
	if err != nil {
		t.Fatalf("without faults: %v", err)
	}
	r.done(target)
	return operations
}

// ready prepares round i and returns what it is about.
func (r *rounds) ready(t *testing.T, i int) image {
	t.Helper()
	target := r.image(t, i)
	if r.prepare != nil {
		r.prepare(t, r.site, i)
	}
	for _, b := range target.blobs {
		r.stored[digestOf(b)] = true
	}
	return target
}

// done notes the outcome of a round that succeeded.
func (r *rounds) done(target image) {
	if r.gone {
		delete(r.ledger, target.name())
	} else {
		r.acknowledge(target)
	}
}

// round fails the k-th operation of a round.
func (r *rounds) round(t *testing.T, k int) {
	t.Helper()
	target := r.ready(t, k)
	before := len(r.daemon.read())
	f := r.fault
	f.nth = k
	r.disk.arm(f)
	err := r.do(t, r.site, k)
	operations := r.disk.lift()
	log := r.daemon.read()[before:]
	where, e := "beyond the last", r.expect
	if k <= len(operations) {
		where, e = fmt.Sprintf("%d %s", k, anonymous(operations[k-1])), e.at(operations[k-1])
	}
	if panics(log) {
		r.wrong.add(where, "panic: %s", lastLines(log, 20))
	}
	if err == nil {
		r.said.add(where, "done all the same")
		r.done(target)
	} else {
		r.refused(where, e, err, log)
		r.unchanged(where, target)
		r.again(t, where, k, target)
	}
	r.settled(t, where, target)
}

// refused judges what the client was told.
func (r *rounds) refused(where string, e expect, err error, log string) {
	text := anonymous(err.Error())
	if problem := e.objection(err, log); problem != "" {
		r.wrong.add(where, "%s: %s [log: %s]", problem, text, anonymous(strings.TrimSpace(log)))
	}
	r.said.add(where, "%s", text)
}

// unchanged: what was refused has not happened.
func (r *rounds) unchanged(where string, target image) {
	got, status := r.resolve(target.repository, target.tag)
	want, known := r.ledger[target.name()]
	switch {
	case known && got != digestOf(want.manifest):
		r.wrong.add(where, "after the refusal the name is %s (HTTP %d)", got, status)
	case !known && status != 404:
		r.wrong.add(where, "after the refusal the name is there: %s (HTTP %d)", got, status)
	}
}

// again does without faults what was refused. It has to succeed at once; that
// a restart helps is told apart from what nothing mends.
func (r *rounds) again(t *testing.T, where string, k int, target image) {
	t.Helper()
	err := r.do(t, r.site, k)
	if err != nil {
		r.wrong.add(where, "again, without faults: %s [log: %s]", anonymous(err.Error()), anonymous(lastLines(r.daemon.read(), 1)))
		r.restart(t, syscall.SIGTERM)
		if err = r.do(t, r.site, k); err == nil {
			r.wrong.add(where, "only a restart mends it")
		}
	}
	if err != nil {
		r.wrong.add(where, "not even a restart mends it: %s", anonymous(err.Error()))
		return
	}
	r.done(target)
}

// settled: the round's name is right, the first one too, and nothing is left.
func (r *rounds) settled(t *testing.T, where string, target image) {
	t.Helper()
	for _, i := range []image{r.ledger["team/first:1"], r.ledger[target.name()]} {
		if i.manifest == nil {
			continue
		}
		if err := r.pull(i); err != nil {
			r.wrong.add(where, "acknowledged, and then: %s", anonymous(err.Error()))
		}
	}
	if _, known := r.ledger[target.name()]; !known {
		if got, status := r.resolve(target.repository, target.tag); status != 404 {
			r.wrong.add(where, "deleted, and then there: %s (HTTP %d)", got, status)
		}
	}
	r.tidy(t, where)
}

// tidy: nothing is left on the disk but what belongs there.
func (r *rounds) tidy(t *testing.T, where string) {
	t.Helper()
	for _, s := range r.stray(t) {
		// A session whose client has gone may be resumed for a day; a full
		// disk must not wait so long for its space. An import that ends breaks
		// off what its other job was sending.
		resumable := strings.HasPrefix(s, "uploads/") && (r.errno != syscall.ENOSPC || r.name == "import through serve")
		if !r.left[s] && !resumable {
			r.wrong.add(where, "%s", anonymous(s))
		}
		r.left[s] = true
	}
}

var varying = regexp.MustCompile(`/tmp/lf-\d+(/\d+)?|\S+\.bundle|[0-9a-f]{32,}|127\.0\.0\.1:\d+|time=\S+|(team/[a-z]+[:/a-z]*)r\d+|blob-\d+|offset=\d+|blobs/sha256/[0-9a-f]{2}`)

// anonymous makes outcomes that differ in digests and addresses equal.
func anonymous(s string) string {
	return varying.ReplaceAllStringFunc(s, func(found string) string {
		if name, _, ok := strings.Cut(found, ":r"); ok {
			return name + ":…"
		}
		if strings.HasPrefix(found, "team/") {
			return found[:strings.LastIndex(found, "/r")+1] + "…"
		}
		return "…"
	})
}
