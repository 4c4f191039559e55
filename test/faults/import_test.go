package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A bundle is imported without a site that serves: the same command has to
// succeed when the disk is well again. Folders for blobs are there already;
// they are most of what a new folder needs.
func TestImport(t *testing.T) {
	t.Parallel()
	need(t)
	for _, c := range []struct {
		name string
		most int
		expect
		fault
	}{
		{"full", 36, full, fault{ops: grows, errno: syscall.ENOSPC, lose: true}},
		{"broken", 16, broken, fault{ops: opWrite | opFsync, errno: syscall.EIO, lose: true}},
		{"broken once", 24, broken, fault{ops: opWrite | opFsync, errno: syscall.EIO, lose: true, once: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			source := newImage("team/direct", "1", 7, 300<<10, 50, 60<<10)
			r := &imports{disk: newDisk(t), bundle: bundleOf(t, source), want: carried(t, source), said: tally{}, wrong: tally{}}
			r.furnish(t, "0")
			r.arm(fault{ops: c.ops})
			if err := r.run(t, "0"); err != nil {
				t.Fatal(err)
			}
			operations := r.lift()
			for _, k := range choose(operations, 6, c.most) {
				c.nth = k
				r.furnish(t, fmt.Sprint(k))
				r.round(t, c.expect, c.fault)
			}
			t.Logf("%d operations:%s", len(operations), r.said)
			if len(r.wrong) > 0 {
				t.Errorf("%s", r.wrong)
			}
		})
	}
}

// The very first command in a folder finds the disk full while it makes the
// folder's folders.
func TestNewFolder(t *testing.T) {
	t.Parallel()
	source := newImage("team/direct", "1", 7, 300<<10, 50, 60<<10)
	r := &imports{disk: newDisk(t), bundle: bundleOf(t, source), want: carried(t, source), said: tally{}, wrong: tally{}}
	for _, k := range []int{1, 2, 3, 4, 5, 6, 7, 200, 500} {
		r.round(t, full, fault{ops: opMkdir, nth: k, errno: syscall.ENOSPC})
	}
	t.Log(r.said)
	if len(r.wrong) > 0 {
		t.Errorf("%s", r.wrong)
	}
}

// imports are rounds of one command, each in a folder of its own.
type imports struct {
	*disk
	bundle      string
	want        image
	said, wrong tally
}

// furnish makes the folders for blobs, past the disk.
func (r *imports) furnish(t *testing.T, folder string) {
	t.Helper()
	for _, algorithm := range []string{"sha256", "sha512"} {
		for i := range 256 {
			if err := os.MkdirAll(filepath.Join(r.backing, folder, "blobs", algorithm, fmt.Sprintf("%02x", i)), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (r *imports) run(t *testing.T, folder string) error {
	t.Helper()
	return exitOf(landfall(t, "bundle", "import", r.bundle, "--data", filepath.Join(r.dir, folder)))
}

func (r *imports) round(t *testing.T, e expect, f fault) {
	t.Helper()
	folder := fmt.Sprint(f.nth)
	r.arm(f)
	began := time.Now()
	err := r.run(t, folder)
	operations := r.lift()
	where := "beyond the last"
	if f.nth <= len(operations) {
		where = fmt.Sprintf("%d %s", f.nth, anonymous(operations[f.nth-1]))
		e = e.at(operations[f.nth-1])
	}
	told := func(text string) string {
		return anonymous(strings.ReplaceAll(text, filepath.Join(r.dir, folder), "DATA"))
	}
	if took := time.Since(began); took > 5*time.Second {
		r.wrong.add(where, "it took %v", took.Round(time.Second))
	}
	if err == nil {
		r.said.add(where, "done all the same")
	} else {
		r.said.add(where, "%s", told(err.Error()))
		if problem := e.objection(err, ""); problem != "" {
			r.wrong.add(where, "%s: %s", problem, told(err.Error()))
		}
		if !strings.Contains(err.Error(), r.dir) {
			r.wrong.add(where, "names neither folder nor file: %s", told(err.Error()))
		}
		if err := r.run(t, folder); err != nil {
			r.wrong.add(where, "again, without faults: %s", told(err.Error()))
			return
		}
	}
	checkImported(t, r.disk, folder, r.want, func(text string) { r.wrong.add(where, "%s", told(text)) })
}

// checkImported looks at a folder that a command has written: the name and
// what is below it are there, and nothing else. The folder is removed.
func checkImported(t *testing.T, d *disk, folder string, want image, report func(string)) {
	t.Helper()
	listed := must(t, "content", "ls", "--data", filepath.Join(d.dir, folder))
	if n := strings.Count(listed.stdout, "team/direct:1"); n != 1 {
		report("content ls: " + listed.stdout)
	}
	s := &site{disk: d, ledger: map[string]image{}, stored: map[string]bool{}}
	s.acknowledge(want)
	root := filepath.Join(d.backing, folder)
	found := map[string]bool{}
	_ = filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			found["sha256:"+filepath.Base(path)] = true
			if what := s.judge(path, strings.TrimPrefix(path, root+"/")); what != "" {
				report(strings.TrimPrefix(path, root+"/") + what)
			}
		}
		return nil
	})
	for digest := range s.stored {
		if !found[digest] {
			report("there is no file of " + digest)
		}
	}
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
}
