package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Collection on a full or broken disk takes nothing that is needed, says that
// it failed, and the next one does what was left.
func TestCollect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		expect
		fault
	}{
		{"full", full, fault{ops: grows | opUnlink, errno: syscall.ENOSPC}},
		{"broken", broken, fault{ops: opWrite | opFsync | opRename | opUnlink, errno: syscall.EIO, lose: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			need(t)
			s := newSite(t)
			s.args = []string{"--lease", "1ms"}
			s.restart(t, syscall.SIGTERM)
			said, wrong := tally{}, tally{}
			operations := s.collectRound(t, 0, c.fault, c.expect, said, wrong)
			for _, k := range choose(operations, 10, 30) {
				c.nth = k
				s.collectRound(t, k, c.fault, c.expect, said, wrong)
			}
			t.Logf("%d operations:%s", len(operations), said)
			s.powerCut(t)
			s.checkLedger(t)
			if len(wrong) > 0 {
				t.Errorf("%s", wrong)
			}
		})
	}
}

// collectRound makes garbage of an image and has it collected, with a fault
// unless k is 0. It returns the operations.
func (s *site) collectRound(t *testing.T, k int, f fault, e expect, said, wrong tally) []string {
	t.Helper()
	i := newImage("team/garbage", tagOf(k), uint64(60_000+k), 20<<10)
	s.mustPush(t, i)
	if err := s.remove(i, digestOf(i.manifest)); err != nil {
		t.Fatal(err)
	}
	delete(s.ledger, i.name())
	collect := func() error {
		return exitOf(landfall(t, "content", "collect", "--now", "--data", s.data))
	}
	before := len(s.daemon.read())
	s.disk.arm(f)
	err := collect()
	operations := s.disk.lift()
	where := "beyond the last"
	if k > 0 && k <= len(operations) {
		where = fmt.Sprintf("%d %s", k, anonymous(operations[k-1]))
		e = e.at(operations[k-1])
	}
	if err != nil {
		said.add(where, "%s", anonymous(err.Error()))
		if problem := e.objection(err, s.daemon.read()[before:]); problem != "" {
			wrong.add(where, "%s: %s [log: %s]", problem, anonymous(err.Error()), anonymous(lastLines(s.daemon.read()[before:], 2)))
		}
	} else {
		said.add(where, "done")
	}
	if err := collect(); err != nil {
		wrong.add(where, "again, without faults: %s", anonymous(err.Error()))
	}
	for _, b := range i.blobs {
		d := digestOf(b)[7:]
		if left, _ := filepath.Glob(filepath.Join(s.disk.backing, "d", "*", "*", d[:2], d+"*")); len(left) > 0 {
			wrong.add(where, "the bytes of what was collected are left: %s", anonymous(strings.Join(left, " ")))
		}
	}
	s.checkLedger(t)
	return operations
}

// A scrub finds rotten bytes also when it cannot put them aside at first, or
// cannot read them at all; a push heals.
func TestScrub(t *testing.T) {
	t.Parallel()
	need(t)
	s := newSite(t)
	i := newImage("team/rotten", "1", 1, 40<<10)
	s.mustPush(t, i)
	d := digestOf(i.blobs[1])[7:]
	path := filepath.Join(s.disk.backing, "d", "blobs", "sha256", d[:2], d)
	scrub := func() result { return landfall(t, "content", "scrub", "--fresh", "--data", s.data) }
	for name, f := range map[string]fault{
		"no fault":        {},
		"full":            {ops: grows, nth: 1, errno: syscall.ENOSPC},
		"cannot be moved": {ops: opRename, nth: 1, errno: syscall.EIO},
		"read-only":       {ops: modifies, nth: 1, errno: syscall.EROFS},
		"unreadable":      {ops: opRead, match: d, nth: 1, errno: syscall.EIO},
	} {
		if name != "unreadable" {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			content[100] ^= 1
			if err := os.WriteFile(path, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		s.disk.arm(f)
		r := scrub()
		s.disk.lift()
		t.Logf("%s: exit %d: %s", name, r.code, anonymous(r.message()))
		if r.code == exitDone || r.code == exitRefused && !strings.Contains(r.stdout+r.stderr, d) {
			t.Errorf("%s: exit %d does not tell the damage: %s%s", name, r.code, r.stdout, r.stderr)
		}
		if r := scrub(); r.code != exitRefused || !strings.Contains(r.stdout+r.stderr, d) {
			t.Errorf("%s, again, without faults: exit %d, want %d with the digest: %s%s", name, r.code, exitRefused, r.stdout, r.stderr)
		}
		if err := s.pull(i); err == nil {
			t.Errorf("%s: a damaged blob is served", name)
		}
		if err := s.push(i); err != nil {
			t.Errorf("%s: it cannot be pushed again: %v", name, err)
		}
		s.checkLedger(t)
	}
}
