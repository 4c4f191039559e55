package faults

import (
	"bytes"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A blob that cannot be read is never a whole answer, wherever in it the disk
// fails; the rest of the site goes on, and a push on a disk that is well again
// mends it.
func TestUnreadableBlob(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	i := newImage("team/read", "1", 1, 2<<20)
	s.mustPush(t, i)
	big := i.blobs[1]
	path := "/v2/" + i.repository + "/blobs/" + digestOf(big)
	outcomes := tally{}
	for nth := 1; ; nth++ {
		s.disk.arm(fault{ops: opRead, match: digestOf(big)[7:], nth: nth, errno: syscall.EIO})
		a, err := s.do("GET", path, nil)
		reads := s.disk.lift()
		if len(reads) < nth {
			break // it takes fewer reads
		}
		switch {
		case err != nil:
			outcomes.add(reads[nth-1], "no answer")
		case a.status != http.StatusOK:
			outcomes.add(reads[nth-1], "HTTP %d: %s", a.status, a.body)
		case a.err != nil:
			outcomes.add(reads[nth-1], "HTTP 200 that ends early: %v", a.err)
			if !bytes.HasPrefix(big, a.body) {
				t.Errorf("read %d fails: wrong bytes before the end", nth)
			}
		default:
			t.Errorf("read %d of %s fails, and the answer is whole: %d bytes", nth, path, len(a.body))
		}
		// It counts as damaged now, until somebody brings it again.
		if err := s.push(i); err != nil {
			t.Errorf("again, after read %d has failed: %v", nth, err)
		}
		s.checkLedger(t)
	}
	t.Logf("%s\nlog: %s", outcomes, lastLines(s.daemon.read(), 1))
	if len(outcomes) == 0 {
		t.Error("no read was counted")
	}
}

// A blob's file that cannot even be opened is told like one that is missing,
// or as a failure, with the reason in the log or the message.
func TestBlobThatDoesNotOpen(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	i := newImage("team/read", "1", 1, 1000)
	s.mustPush(t, i)
	d := digestOf(i.blobs[1])
	before := len(s.daemon.read())
	s.disk.arm(fault{ops: opOpen, match: d[7:], nth: 1, errno: syscall.EIO})
	a, err := s.do("GET", "/v2/"+i.repository+"/blobs/"+d, nil)
	s.disk.lift()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("HTTP %d: %s", a.status, a.body)
	if a.status < 400 {
		t.Errorf("HTTP %d", a.status)
	}
	if said := string(a.body) + s.daemon.read()[before:]; !strings.Contains(said, "input/output error") {
		t.Errorf("the reason is nowhere: %s", said)
	}
	if err := s.push(i); err != nil {
		t.Error(err)
	}
	s.checkLedger(t)
}

// The database cannot be read: at a start, and later, by a site that serves.
// SQLite calls some failures to read a malformed image.
func TestUnreadableDatabase(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.mustPush(t, newImage("team/other", "1", 2, 1000))
	s.daemon.end(t, syscall.SIGTERM)

	t.Run("start", func(t *testing.T) {
		outcomes := tally{}
		for nth := 1; nth <= 30; nth++ {
			s.disk.powerCut(t) // nothing is cached
			s.disk.arm(fault{ops: opRead, match: "landfall.db*", nth: nth, errno: syscall.EIO})
			d, said := tryServe(t, s.data)
			reads := s.disk.lift()
			code := d.end(t, syscall.SIGTERM)
			if len(reads) < nth {
				break
			}
			outcomes.add(reads[nth-1], "exit %d: %s", code, anonymous(strings.TrimSpace(said)))
			if said != "" && (code != exitFailed || !strings.Contains(said, filepath.Join(s.data, "landfall.db"))) {
				t.Errorf("read %d fails: exit %d, the file is not named: %s", nth, code, said)
			}
		}
		t.Log(outcomes)
	})

	s.disk.powerCut(t)
	s.start(t)
	t.Run("serving", func(t *testing.T) {
		s.disk.arm(fault{ops: opRead, match: "landfall.db*", nth: 1, errno: syscall.EIO})
		defer s.disk.lift()
		outcomes := tally{}
		for _, path := range []string{"/v2/_catalog", "/v2/team/other/tags/list", "/v2/team/other/manifests/1", "/v2/team/first/manifests/1"} {
			before := len(s.daemon.read())
			a, err := s.do("GET", path, nil)
			log := s.daemon.read()[before:]
			if err != nil {
				t.Errorf("GET %s: %v", path, err)
				continue
			}
			outcomes.add("GET "+path, "HTTP %d: %s [log: %s]", a.status, strings.TrimSpace(string(a.body)), anonymous(strings.TrimSpace(log)))
			if a.status == http.StatusNotFound || a.status >= 500 && !strings.Contains(log, "I/O error") && !strings.Contains(log, "malformed") {
				t.Errorf("GET %s: HTTP %d, log: %s", path, a.status, log)
			}
		}
		t.Log(outcomes)
	})
	s.checkLedger(t)
}
