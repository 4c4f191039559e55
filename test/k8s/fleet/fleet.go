// Package fleet is many hosts in one process. Each has the agent of the product, its link
// to an appliance, its journal and its files in a folder of its own; what is a machine is
// stood in for. What is measured against it is the appliance.
//
// Nouns. A host's root is the folder below which its agent puts files. The stand-in of the
// container runtime fetches all that a real one would, proves it, and keeps only that it
// is there. Programs of a host succeed, and change what the host says of itself. The
// control plane is real: etcd and Kubernetes' API server, controllers and scheduler, begun
// when kubeadm would begin them, with the keys that the appliance has put onto the first
// host. Kubelets are stood in for: nodes and pods become what kubelets would make of them,
// and only where the image was brought to the host before.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
)

// Options of a fleet. All are required.
type Options struct {
	Dir    string // for the hosts' folders
	Count  int    // of hosts, at most 60000
	Server string // the appliance's address for hosts, https://HOST:PORT
	// Token makes a token with which a host can be linked.
	Token func(ctx context.Context) (string, error)
	// Etcd is the folder with etcd (called server); Kubernetes those of versions.
	Etcd       string
	Kubernetes map[string]string
	Log        *slog.Logger
}

// Fleet is many hosts. The first one has the control plane.
type Fleet struct {
	Calls Calls

	opts    Options
	hosts   []*Host
	byName  map[string]*Host
	control *control
	ctx     context.Context //nolint:containedctx // of all that runs until Close
	end     context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex // protects problems
	problems []error
}

// New makes hosts; nothing of them runs.
func New(o Options) *Fleet {
	f := &Fleet{opts: o, byName: map[string]*Host{}}
	f.ctx, f.end = context.WithCancel(context.Background())
	f.control = &control{dir: filepath.Join(o.Dir, "control"), opts: &f.opts, fleet: f}
	for i := range o.Count {
		h := newHost(f, i)
		f.hosts = append(f.hosts, h)
		f.byName[h.Name] = h
	}
	return f
}

// Network is the range that has all hosts' addresses. They have to be this machine's.
const Network = "10.78.0.0/16"

// address is that of a host.
func address(i int) string {
	const first, width = 256, 256
	return fmt.Sprintf("10.78.%d.%d", (first+i)/width, (first+i)%width)
}

// Names are those of all hosts, the first one first.
func (f *Fleet) Names() (list []string) {
	for _, h := range f.hosts {
		list = append(list, h.Name)
	}
	return list
}

// Link links all hosts, some at a time, and has their agents run until Close.
func (f *Fleet) Link(ctx context.Context, atOnce int) error {
	turns := make(chan struct{}, atOnce)
	errs := make([]error, len(f.hosts))
	var wait sync.WaitGroup
	for i, h := range f.hosts {
		wait.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			if errs[i] = h.link(ctx); errs[i] == nil {
				f.running.Go(h.run)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// Moved is how many bytes the hosts' runtimes have fetched.
func (f *Fleet) Moved() (bytes int64) {
	for _, h := range f.hosts {
		bytes += h.runtime.moved.Load()
	}
	return bytes
}

// Problems are what went wrong where nobody was told.
func (f *Fleet) Problems() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(f.problems...)
}

func (f *Fleet) problem(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	const most = 20 // more of them say the same
	if len(f.problems) < most {
		f.problems = append(f.problems, fmt.Errorf(format, args...))
	}
}

// Close ends all agents and the control plane.
func (f *Fleet) Close() error {
	f.end()
	f.running.Wait()
	err := f.control.stop()
	for _, h := range f.hosts {
		err = errors.Join(err, h.close())
	}
	return err
}
