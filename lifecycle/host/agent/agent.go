// Package agent is what runs on a host: it does the operations that the appliance asks
// for, and keeps in a journal what it did, so that each is done once however often it
// is asked for, and an interrupted one is done again. It is no remote shell: what it
// can do is the closed set of package host. It does not know the protocol either; its
// side of that is a Client.
//
// Nouns. The root is the folder below which the host's files are: "/" but in tests.
// The data folder is the agent's own:
//
//	lock                     held by the agent that runs
//	ops/ID.json              the journal: an entry for each operation
//	owned.json               what was put on the host: files, folders, units, pins
//	kept/HEX                 a file as it was before an operation replaced it
//	blobs/HEX.part           a blob on its way
//	ca/HEX.pem               authorities of sources
//	unpacked/HEX             a folder's archive on its way to its place
//	providers/NAME/HEX/      a version of a provider: list.json, tree/
//	providers/NAME/state.json
//	snapshots/NAME.db        states of etcd; NAME.tgz of k3s without etcd
//	snapshots/NAME.json      static pods and the kubelet's configuration beside NAME.db
//	kubeadm.json             the steps of kubeadm that came to their end
//	reset.json               files that a reset must not cost, while it is under way
//	before.json              what the kubelet was told before its last upgrade
//
// An operation that takes things away is told apart from what others have put on the
// host by owned.json: nothing else is removed when a host is cleaned.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// Client is the way to the appliance.
type Client interface {
	// Work waits until there is some, for host.PollFor at most.
	Work(ctx context.Context) (host.Work, error)
	// Report hands a result over; without an error it was taken.
	Report(ctx context.Context, r host.Result) error
	SendInventory(ctx context.Context, i host.Inventory) error
	// Renew gets the next certificate, and does nothing when it is not yet time.
	Renew(ctx context.Context) error
	// SendFile sends bytes that the appliance expects, ReceiveFile gets some.
	SendFile(ctx context.Context, id string, content io.ReadSeeker, size int64) error
	ReceiveFile(ctx context.Context, id string, take func(io.Reader) error) error
	// Forget removes the certificate and its key, after the host was unlinked.
	Forget() error
}

// Runtime is the host's container runtime.
type Runtime interface {
	Pull(ctx context.Context, p host.Pull, progress func(done, total int64)) (host.Pulled, error)
	Unpin(ctx context.Context, owner string) error
	// Canary pulls an image from a source by its name, and keeps nothing of it.
	Canary(ctx context.Context, s host.Source, i host.Image) error
	// Lacking are those of some images that are not there or not pinned.
	Lacking(ctx context.Context, list []host.Image) ([]host.Image, error)
	Status(ctx context.Context) host.Runtime
}

// Options say what an agent works with.
type Options struct {
	Data      string // the agent's own folder; it is made
	Root      string // below which files, programs and units are; empty: "/"
	Runtime   Runtime
	Inventory func(ctx context.Context) host.Inventory // nil: an empty one
	Etcd      string                                   // HOST:PORT of a control plane's own etcd; empty: where kubeadm has it
	Log       *slog.Logger                             // nil: nothing is logged

	// Address is where the agent listens for its peers' checks; empty: at all addresses.
	Address string
	// Program runs a program of the host by its name and returns what it said; nil runs
	// the one that is below the root.
	Program func(ctx context.Context, name string, args ...string) (string, error)
}

// Agent does operations. It is safe for concurrent use.
type Agent struct {
	data    string
	tree    *tree
	opts    Options
	log     *slog.Logger
	journal *journal
	lock    *os.File

	// turns lets operations run at the same time, all but Clean: that takes all turns.
	turns   *semaphore.Weighted
	kubeadm sync.Mutex // one step of kubeadm, snapshot or restore at a time
	holding holding

	files     sync.Mutex // protects owned.json and what it says of the disk
	providers sync.Mutex // one is put in place at a time

	mu      sync.Mutex // protects the rest
	client  Client     // of the site, while the agent runs; else nil
	running map[string]*running
}

// allTurns is more than operations ever run at the same time.
const allTurns = 1 << 20

// Open takes the data folder: ErrConflict when another agent has it. What an
// interrupted agent has left on its way is removed.
func Open(ctx context.Context, o Options) (*Agent, error) {
	o.complete()
	if !filepath.IsAbs(o.Data) || o.Runtime == nil {
		return nil, fmt.Errorf("data folder %q: %w: an agent needs an absolute one, and a runtime", o.Data, registry.ErrInvalid)
	}
	for _, name := range []string{"ops", "kept", "blobs", "ca", "unpacked", "providers", "snapshots"} {
		if err := durable.MkdirAll(filepath.Join(o.Data, name), 0o700); err != nil {
			return nil, registry.DiskError(err)
		}
	}
	lock, err := lockData(o.Data)
	if err != nil {
		return nil, err
	}
	a := &Agent{data: o.Data, opts: o, log: o.Log, lock: lock, turns: semaphore.NewWeighted(allTurns), running: map[string]*running{}}
	if err := a.start(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (o *Options) complete() {
	if o.Root == "" {
		o.Root = "/"
	}
	if o.Etcd == "" {
		o.Etcd = etcdAddress
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Inventory == nil {
		o.Inventory = func(context.Context) host.Inventory { return host.Inventory{} }
	}
}

func lockData(data string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(data, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, registry.DiskError(err)
	}
	ok, err := durable.Lock(f)
	if err == nil && !ok {
		err = fmt.Errorf("%s: %w: another agent works with this folder; stop it first", data, registry.ErrConflict)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (a *Agent) start(ctx context.Context) (err error) {
	if a.tree, err = openTree(a.opts.Root, a.data); err != nil {
		return err
	}
	if a.journal, err = openJournal(filepath.Join(a.data, "ops"), a.log); err != nil {
		return err
	}
	return errors.Join(a.journal.prune(time.Now()), a.sweep(time.Now()), ctx.Err())
}

// abandoned is for how long a blob that nobody asks for any more is kept on its way.
const abandoned = 7 * 24 * time.Hour

// sweep removes what nobody will go on with.
func (a *Agent) sweep(now time.Time) error {
	entries, err := os.ReadDir(filepath.Join(a.data, "blobs"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > abandoned {
			os.Remove(filepath.Join(a.data, "blobs", e.Name()))
		}
	}
	for _, folder := range []string{"unpacked", "snapshots", "kept", "ca", "."} {
		left, err := os.ReadDir(filepath.Join(a.data, folder))
		if err != nil {
			return err
		}
		for _, e := range left {
			if folder == "unpacked" || strings.HasPrefix(e.Name(), ".") {
				if err := os.RemoveAll(filepath.Join(a.data, folder, e.Name())); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Close lets go of the data folder. Nothing may be under way any more.
func (a *Agent) Close() error {
	a.holding.release()
	var err error
	if a.tree != nil {
		err = a.tree.close()
	}
	err = errors.Join(err, durable.Unlock(a.lock))
	a.lock.Close()
	return err
}

// running is an operation under way.
type running struct {
	op     *host.Op
	done   chan struct{} // closed when result is there
	result host.Result

	mu        sync.Mutex // protects the fields below
	progress  host.Progress
	listeners []func(host.Progress)
}

func (r *running) listen(f func(host.Progress)) {
	if f == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listeners = append(r.listeners, f)
}

func (r *running) tell(p host.Progress) {
	r.mu.Lock()
	r.progress = p
	listeners := r.listeners
	r.mu.Unlock()
	for _, f := range listeners {
		f(p)
	}
}

// Do does an operation, or says what became of it when it was done before. One that is
// under way is waited for. When ctx ends first the result says that it is running: it
// is done again when it is asked for again. progress, which may be nil, is called from
// several goroutines.
func (a *Agent) Do(ctx context.Context, op host.Op, progress func(host.Progress)) host.Result {
	if err := op.Valid(); err != nil {
		return failed(host.Result{ID: op.ID}, err)
	}
	r, mine := a.join(&op, progress)
	if mine {
		r.result = a.once(ctx, r)
		a.leave(r)
		return r.result
	}
	if asked, here := identity(&op), identity(r.op); asked != here {
		return failed(host.Result{ID: op.ID}, differs(op.ID))
	}
	select {
	case <-r.done:
		return r.result
	case <-ctx.Done():
		return host.Result{ID: op.ID, State: host.Running}
	}
}

// join finds the operation under way, or makes it the caller's.
func (a *Agent) join(op *host.Op, progress func(host.Progress)) (r *running, mine bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r = a.running[op.ID]; r == nil {
		r, mine = &running{op: op, done: make(chan struct{})}, true
		a.running[op.ID] = r
	}
	r.listen(progress)
	return r, mine
}

func (a *Agent) leave(r *running) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.running, r.op.ID)
	close(r.done)
}

// once does an operation that nobody else is at, unless the journal knows its end.
func (a *Agent) once(ctx context.Context, r *running) host.Result {
	e, err := a.journal.begin(r.op, time.Now())
	switch {
	case err != nil:
		return failed(host.Result{ID: r.op.ID}, err)
	case e.Result.State != host.Running:
		return e.Result
	}
	a.log.Info("operation begins", "op", r.op.ID, "kind", e.Kind, "attempt", e.Result.Attempt)
	output, err := a.perform(ctx, r, e.Result.Attempt)
	if err != nil && ctx.Err() != nil {
		a.log.Info("operation interrupted; it begins again when it is asked for", "op", r.op.ID, "kind", e.Kind)
		return e.Result
	}
	if err != nil {
		e.Result = failed(e.Result, err)
		a.log.Error("operation failed", "op", r.op.ID, "kind", e.Kind, "error", err)
	} else {
		e.Result.State, e.Result.Output = host.Done, output
		a.log.Info("operation done", "op", r.op.ID, "kind", e.Kind)
	}
	e.Result.Ended = time.Now().UTC()
	if err := a.journal.save(e); err != nil {
		a.log.Error("the end of an operation could not be noted", "op", r.op.ID, "error", err)
	}
	return e.Result
}

func differs(id string) error {
	return fmt.Errorf("operation %s: %w: another operation has this id; ask under a new one", id, registry.ErrConflict)
}
