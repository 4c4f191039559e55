package faults

import (
	"fmt"
	"syscall"
	"testing"
)

// The disk loses what it was to sync, once, and says so once: what is
// acknowledged after that has to be there after a power cut, too. One round
// for each sync of a push of which the database's log is the file.
func TestLostLog(t *testing.T) {
	t.Parallel()
	for _, later := range []int{0, 1, 60} { // acknowledged pushes between the loss and the power cut
		t.Run(fmt.Sprint(later, " pushes later"), func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			i := newImage("team/lost", "1", 1, 3000, 2000, 1000)
			for n, b := range i.blobs {
				if err := s.pushBlob(i.repository, b, n%2 == 0); err != nil {
					t.Fatal(err)
				}
			}
			s.disk.arm(fault{ops: opFsync, match: "landfall.db-wal", nth: 1, once: true, errno: syscall.EIO, lose: true})
			err := s.putManifest(i)
			s.disk.lift()
			if err == nil {
				t.Fatal("the push succeeds though its commit could not be synced")
			}
			t.Log(err)
			s.mustPush(t, i)
			for n := range later {
				s.mustPush(t, newImage("team/later", fmt.Sprint(n), uint64(100+n), 1000))
			}
			s.powerCut(t)
			s.checkLedger(t)
		})
	}
}

// powerCut ends the site and takes away what was not synced; see volatile.
func (s *site) powerCut(t *testing.T) {
	t.Helper()
	s.daemon.end(t, syscall.SIGKILL)
	s.disk.powerCut(t)
	s.start(t)
}
