package faults

import (
	"fmt"
	"path"
	"sync"
	"syscall"
	"testing"
	"time"
)

// op is a kind of operation on a disk; kinds can be added up to a set.
type op uint

const (
	opRead op = 1 << iota
	opOpen
	opOpenWrite // opening an existing file to write to it
	opWrite
	opFsync // of files and of folders
	opCreate
	opMkdir
	opRename
	opTruncate // fallocate too
	opUnlink   // rmdir too
	opChange   // owner, mode, times
)

// grows are the operations that a full disk may refuse. Syncs are among them:
// file systems that allocate late find out then.
const grows = opWrite | opFsync | opCreate | opMkdir | opRename | opTruncate

// modifies are the operations that a read-only file system refuses.
const modifies = grows&^opFsync | opOpenWrite | opUnlink | opChange

// fault is what goes wrong.
type fault struct {
	ops   op
	match string // path.Match pattern on the path below the disk or on its last element; empty: all
	nth   int    // the how manieth operation fails, from 1 on; those after it too
	once  bool   // only it
	errno syscall.Errno
	// lose makes a failed sync lose what it was to write; see volatile.
	lose bool
	// hold makes operations wait until the channel is closed instead of
	// failing.
	hold chan struct{}
}

func (f *fault) concerns(o op, name string) bool {
	if f.ops&o == 0 {
		return false
	}
	if f.match == "" {
		return true
	}
	whole, _ := path.Match(f.match, name)
	last, _ := path.Match(f.match, path.Base(name))
	return whole || last
}

// faults counts the operations that a fault concerns and lets some of them
// fail. The zero value lets everything pass.
type faults struct {
	mu    sync.Mutex // protects the fields below
	fault *fault
	seen  int      // operations that the fault concerns
	log   []string // what was seen
}

// arm begins to count, and to fail unless nth is 0.
func (fs *faults) arm(f fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.fault, fs.seen, fs.log = &f, 0, nil
}

// lift ends all faults. It returns what was counted.
func (fs *faults) lift() []string {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.fault = nil
	return fs.log
}

// await returns when an operation is about to fail or is held.
func (fs *faults) await(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		fs.mu.Lock()
		reached := fs.fault != nil && fs.seen >= fs.fault.nth
		fs.mu.Unlock()
		if reached {
			return
		}
	}
	t.Fatal("the operation that shall fail does not come")
}

// check decides about an operation before it is done. It returns the fault
// when the operation has to fail.
func (fs *faults) check(o op, name string) *fault {
	fs.mu.Lock()
	f := fs.fault
	if f == nil || !f.concerns(o, name) {
		fs.mu.Unlock()
		return nil
	}
	fs.seen++
	fs.log = append(fs.log, fmt.Sprintf("%s %s", o, name))
	fails := f.nth > 0 && (fs.seen == f.nth || fs.seen > f.nth && !f.once)
	fs.mu.Unlock()
	if !fails {
		return nil
	}
	if f.hold != nil {
		<-f.hold
		return nil
	}
	return f
}

// fails is check for operations of which nothing but the error matters.
func (fs *faults) fails(o op, name string) syscall.Errno {
	if f := fs.check(o, name); f != nil {
		return f.errno
	}
	return 0
}

func (o op) String() string {
	names := []string{"read", "open", "open to write", "write", "fsync", "create", "mkdir", "rename", "truncate", "unlink", "change"}
	for i, name := range names {
		if o == 1<<i {
			return name
		}
	}
	return fmt.Sprintf("op(%#x)", uint(o))
}
