// Package lab is a site without a network to the outside: hosts that are namespaces of
// this machine, with systemd as their process 1 and file systems of their own, on a
// switch that has no uplink and counts what is sent outside. It knows nothing of
// Kubernetes or of Landfall.
//
// Nouns. A host is a machine that can be powered on and off, cut off and joined again. A
// space is a network namespace for programs that need no host around them. The switch is
// the network namespace of this process. The outside is every address that is neither on
// the switch nor in a range of pods or services.
//
// A lab lives in namespaces that end with its process: see Furnish. What no namespace owns
// are control groups and files; Open removes those that a killed lab has left.
package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Options say where a lab is.
type Options struct {
	Dir    string // that it writes to, on ext4; emptied by Open
	Rootfs string // of hosts
	Log    *Transcript
}

// Lab is a running laboratory.
type Lab struct {
	dir, rootfs string
	log         *Transcript
	Network     *Network

	mu     sync.Mutex // protects hosts and spaces
	hosts  []*Host
	spaces []*Space
}

// Open makes the switch. The process has to be in namespaces of its own: Furnish.
func Open(ctx context.Context, o Options) (*Lab, error) {
	l := &Lab{dir: o.Dir, rootfs: o.Rootfs, log: o.Log}
	if err := errors.Join(Clean(o.Dir), os.MkdirAll(o.Dir, 0o755)); err != nil {
		return nil, fmt.Errorf("what an earlier lab has left: %w", err)
	}
	var err error
	l.Network, err = newNetwork(ctx, l)
	return l, err
}

// Say writes a remark into the transcript.
func (l *Lab) Say(format string, args ...any) { l.log.Say(format, args...) }

// Close powers all off and removes what the lab has made.
func (l *Lab) Close() error {
	l.mu.Lock()
	hosts, spaces := l.hosts, l.spaces
	l.hosts, l.spaces = nil, nil
	l.mu.Unlock()
	var err error
	for _, h := range hosts {
		err = errors.Join(err, h.remove())
	}
	for _, s := range spaces {
		err = errors.Join(err, s.remove())
	}
	return errors.Join(err, l.Network.close(), Clean(l.dir))
}

// Clean removes what a lab that is gone has left: control groups and its folder.
func Clean(dir string) error { return errors.Join(removeGroups(""), removeAll(dir)) }

// removeAll is os.RemoveAll for a folder whose last mounts the kernel is still letting go of.
func removeAll(dir string) (err error) {
	for range 50 {
		if err = os.RemoveAll(dir); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

// Furnish gives a process that is process 1 of new pid, mount and network namespaces a
// /proc of its own, a /run, and an /etc that forgets what is written to it.
func Furnish() error {
	var err error
	mount := func(source, target, kind, data string) {
		if e := unix.Mount(source, target, kind, 0, data); e != nil {
			err = errors.Join(err, fmt.Errorf("mount %s: %w", target, e))
		}
	}
	mount("proc", "/proc", "proc", "")
	mount("tmpfs", "/run", "tmpfs", "mode=755")
	err = errors.Join(err, os.MkdirAll("/run/forget/upper", 0o755), os.MkdirAll("/run/forget/work", 0o755))
	mount("overlay", "/etc", "overlay", "lowerdir=/etc,upperdir=/run/forget/upper,workdir=/run/forget/work")
	if err != nil {
		return err
	}
	return run(context.Background(), "ip", "link", "set", "lo", "up")
}

// Left lists processes that live beside this one and its kin; nil when there are none.
func Left() (list []string) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		args, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if len(args) > 0 { // empty for the dead that nobody waited for
			list = append(list, e.Name()+" "+strings.ReplaceAll(string(args), "\x00", " "))
		}
	}
	return list
}
