package faults

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A file system that turns read-only, as many do after an error: hosts go on
// pulling, also by connections to the database that are made only now; who
// pushes is told; nothing has to be restarted when it is writable again.
func TestReadOnlyWhileServing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for n := range 20 {
		s.mustPush(t, newImage("team/many", tagOf(n), uint64(n), 50<<10))
	}
	s.restart(t, syscall.SIGTERM) // with an empty cache and one connection
	s.disk.arm(fault{ops: modifies | opFsync, nth: 1, errno: syscall.EROFS})

	var pulling sync.WaitGroup
	for range 16 {
		pulling.Go(func() { s.checkLedger(t) })
	}
	pulling.Wait()
	for path, want := range map[string]string{"/v2/_catalog": "team/many", "/v2/team/many/tags/list": "r19"} {
		if a, err := s.want(http.StatusOK, "GET", path, nil); err != nil || !strings.Contains(string(a.body), want) {
			t.Errorf("GET %s: %s, %v", path, a.body, err)
		}
	}

	fresh := newImage("team/fresh", "1", 100, 1000)
	old := s.ledger["team/first:1"]
	attempts := map[string]func() error{
		"push":   func() error { return s.push(fresh) },
		"chunks": func() error { return s.pushChunks("team/fresh", fresh.blobs[1]) },
		"tag": func() error {
			return s.putManifest(image{repository: old.repository, tag: "2", manifest: old.manifest})
		},
		"delete": func() error { return s.remove(old, old.tag) },
		"import": func() error {
			i := newImage("team/ro", "1", 101, 1000)
			return exitOf(landfall(t, "bundle", "import", bundleOf(t, i), "--data", s.data))
		},
	}
	outcomes := tally{}
	for name, attempt := range attempts {
		before := len(s.daemon.read())
		err := attempt()
		log := s.daemon.read()[before:]
		if err == nil {
			t.Errorf("%s: done, on a read-only file system", name)
			continue
		}
		outcomes.add(name, "%s [log: %s]", anonymous(err.Error()), anonymous(lastLines(log, 1)))
		if text := strings.ToLower(err.Error() + log); !strings.Contains(text, "read-only") && !strings.Contains(text, "readonly") {
			t.Errorf("%s: nobody says that the file system is read-only: %v, log: %s", name, err, log)
		}
	}
	t.Log(outcomes)

	s.disk.lift()
	s.mustPush(t, fresh)
	s.checkLedger(t)
}

// A site that finds its folder read-only does not start, and says which folder
// and what to do. The folder is left as it is.
func TestReadOnlyStart(t *testing.T) {
	t.Parallel()
	for _, c := range []string{"whole", "after a crash", "new"} {
		t.Run(c, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			signal := syscall.SIGTERM
			if c == "after a crash" {
				signal = syscall.SIGKILL
			}
			s.daemon.end(t, signal)
			data := s.data
			if c == "new" {
				data = filepath.Join(s.disk.dir, "new")
			}
			// The real thing, not a fault: the kernel refuses by itself.
			err := error(syscall.EBUSY)
			for errors.Is(err, syscall.EBUSY) { // as long as the kernel closes what was killed
				err = syscall.Mount("", s.disk.dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, "")
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"serve", "--open", "--listen", "127.0.0.1:0"}, {"bundle", "import", bundleOf(t, newImage("team/ro", "1", 101, 1000))}, {"content", "ls"}} {
				r := landfall(t, append(args, "--data", data)...)
				t.Logf("%s: exit %d: %s", args[0], r.code, r.message())
				if r.code == exitDone && args[0] != "content" {
					t.Errorf("%v: done, in a read-only folder", args)
				}
				if r.code == exitDone {
					continue
				}
				if !strings.Contains(r.stderr, data) || !strings.Contains(strings.ToLower(r.stderr), "read-only") && c != "new" {
					t.Errorf("%v: the message names no folder or no reason: %s", args, r.stderr)
				}
			}
			if err := syscall.Mount("", s.disk.dir, "", syscall.MS_REMOUNT, ""); err != nil {
				t.Fatal(err)
			}
			s.start(t)
			s.checkLedger(t)
		})
	}
}

// What nobody can write to can be said, too: one process owns a folder, and
// another is told which, whatever it wants there.
func TestSecondProcess(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	pid := fmt.Sprint("process ", s.daemon.cmd.Process.Pid)
	r := landfall(t, "serve", "--open", "--data", s.data, "--listen", "127.0.0.1:0")
	t.Logf("serve beside serve: exit %d: %s", r.code, r.message())
	if r.code != exitConflict || !strings.Contains(r.stderr, pid) || !strings.Contains(r.stderr, s.data) {
		t.Errorf("want exit %d that names %s and %s", exitConflict, s.data, pid)
	}
	s.checkLedger(t)
	s.daemon.end(t, syscall.SIGTERM)

	// An import that is held at a write has the folder, and answers nobody.
	hold := make(chan struct{})
	s.disk.arm(fault{ops: opWrite, match: "blob-*", nth: 1, hold: hold})
	held := make(chan result)
	bundle := bundleOf(t, newImage("team/held", "1", 200, 1000))
	go func() { held <- landfall(t, "bundle", "import", bundle, "--data", s.data) }()
	s.disk.await(t)
	for _, args := range [][]string{{"serve", "--open", "--listen", "127.0.0.1:0"}, {"bundle", "import", bundle}, {"content", "ls"}} {
		r := landfall(t, append(args, "--data", s.data)...)
		t.Logf("%s beside import: exit %d: %s", args[0], r.code, r.message())
		if r.code != exitConflict || !strings.Contains(r.stderr, s.data) || !strings.Contains(r.stderr, "process ") {
			t.Errorf("%v: want exit %d that names %s and the process: exit %d: %s", args, exitConflict, s.data, r.code, r.stderr)
		}
	}
	close(hold)
	s.disk.lift()
	if r := <-held; r.code != exitDone {
		t.Errorf("the import that was first: exit %d: %s", r.code, r.stderr)
	}
	s.start(t)
	s.checkLedger(t)
}
