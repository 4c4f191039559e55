package powerloss

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// copies is how many disks are checked at the same time.
const copies = 2

// copied is a disk in memory that holds what a cut left.
type copied struct {
	file    string
	content []byte // the file's, mapped
	dir     string // where it is mounted
}

// newCopies makes the disks, in a file system in memory of their own.
func newCopies(t *testing.T) chan *copied {
	t.Helper()
	memory := memoryFolder(t)
	free := make(chan *copied, copies)
	for i := range copies {
		c, err := newCopy(filepath.Join(memory, fmt.Sprint(i)), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := unix.Munmap(c.content); err != nil {
				t.Error(err)
			}
		})
		free <- c
	}
	return free
}

// memoryFolder is a folder in memory.
func memoryFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unmount(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func newCopy(path, dir string) (*copied, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(diskSize); err != nil {
		return nil, err
	}
	content, err := unix.Mmap(int(f.Fd()), 0, diskSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return &copied{path, content, dir}, err
}

// totals sums up what checks found.
type totals struct {
	mu                  sync.Mutex // protects the fields below
	lost, broken, other int
	failures            []string
}

func (s *totals) add(where string, v verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost += len(v.lost)
	s.broken += len(v.broken)
	s.other += len(v.other)
	if err := v.err(); err != nil {
		s.failures = append(s.failures, where+": "+err.Error())
	}
}

func (s *totals) String() string {
	return fmt.Sprintf("lost acknowledged: %d, broken names: %d, other failures: %d", s.lost, s.broken, s.other)
}

// checkCuts rebuilds what every cut leaves and starts a site on it. The power
// decides what that is; damage, when there is some, is done to each disk.
func checkCuts(free chan *copied, p *power, l *ledger, cuts []cut, damage func(disk []byte)) *totals {
	sum := &totals{}
	var checks sync.WaitGroup
	for _, c := range cuts {
		on := <-free
		p.off(c, on.content)
		if damage != nil {
			damage(on.content)
		}
		checks.Go(func() {
			sum.add(fmt.Sprintf("cut at %d of %d (%s)", c.position, len(p.log), c.kind), on.check(l, c))
			free <- on
		})
	}
	checks.Wait()
	return sum
}

// check brings the disk back: its file system, then a site, which nobody helps.
func (on *copied) check(l *ledger, c cut) (v verdict) {
	keep(on.content, c)
	if err := mount(on.file, on.dir); err != nil {
		v.other = append(v.other, err)
		return v
	}
	defer func() {
		if err := unmount(on.dir); err != nil {
			v.other = append(v.other, err)
		}
	}()
	s, err := startSite(filepath.Join(on.dir, "data"))
	if err != nil {
		v.other = append(v.other, err)
		return v
	}
	_, v = check(s.client, l, c.position, rand.New(rand.NewPCG(c.seed, 2)))
	s.kill()
	v.log = s.printed()
	return v
}

// keep writes the disk to where a cut can be looked at.
func keep(content []byte, c cut) {
	dir := os.Getenv(keepEnv)
	if dir == "" {
		return
	}
	err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, fmt.Sprintf("cut-%d.ext4", c.position)), content, 0o600))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
