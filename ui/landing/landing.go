// Package landing brings bundles from files of the appliance's machine into its
// store. Where that is wanted, and always for signed ones, a bundle is attached
// first: hosts can pull from it at once, while its content is brought in behind.
// Such a landing does not end with who asked for it. It is remembered, and goes
// on after a restart, or when its medium comes back.
package landing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry/attach"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/trust"
)

// Request says how a bundle lands.
type Request struct {
	Keys     []string `json:"keys,omitempty"`     // PEM; when there are any, only their signatures count
	Override string   `json:"override,omitempty"` // why to let in what is old or expired
	Verify   bool     `json:"verify,omitempty"`   // prove every byte before anything is brought in
	Attach   bool     `json:"attach,omitempty"`   // let hosts pull before all is in the store
}

// Options are those of bundle.Land.
func (r Request) Options() (o bundle.LandOptions, err error) {
	for _, text := range r.Keys {
		k, err := trust.ParseKey([]byte(text))
		if err != nil {
			return o, err
		}
		o.Keys = append(o.Keys, k)
	}
	o.Override, o.Verify = r.Override, r.Verify
	return o, nil
}

// Progress is how far a landing is.
type Progress struct {
	Attached bool           `json:"attached,omitempty"` // hosts can pull
	Total    int64          `json:"total"`              // bytes that the site misses
	Moved    int64          `json:"moved"`              // of these
	Present  int            `json:"present"`            // blobs and manifests that it has
	Verdict  *trust.Verdict `json:"verdict,omitempty"`  // at the end
}

// Landing lands bundles in one store.
type Landing struct {
	store *store.Store
	view  *attach.View
	log   *slog.Logger

	ctx     context.Context //nolint:containedctx // of what goes on after its request
	stop    context.CancelFunc
	running sync.WaitGroup

	mu   sync.Mutex      // protects runs
	runs map[string]*run // by runKey
}

// New makes a Landing. Close ends what is under way; the store stays open.
func New(s *store.Store, v *attach.View, log *slog.Logger) *Landing {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l := &Landing{store: s, view: v, log: log, runs: map[string]*run{}}
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l
}

// Close ends what is under way, and waits for it. It goes on at the next start.
func (l *Landing) Close() {
	l.stop()
	l.running.Wait()
}

// Land lands the bundle r, which it closes, from the file at path. tell is told
// now and then. An attached landing goes on when ctx ends.
func (l *Landing) Land(ctx context.Context, r *bundle.Reader, path string, request Request, tell func(Progress)) (*Progress, error) {
	opts, err := request.Options()
	if err != nil {
		r.Close()
		return nil, err
	}
	a, err := bundle.Admit(ctx, l.store, r, opts)
	if err != nil {
		r.Close()
		return nil, err
	}
	if !request.Attach && len(r.Signatures()) == 0 {
		defer r.Close()
		run := newRun(a, r)
		return run.land(ctx, l.store, tell)
	}
	run, err := l.begin(ctx, a, r, path, request)
	if err != nil {
		return nil, err
	}
	return run.wait(ctx, tell)
}

// begin attaches a bundle and lands it in the background, unless that is under
// way.
func (l *Landing) begin(ctx context.Context, a *bundle.Admission, r *bundle.Reader, path string, request Request) (*run, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := runKey(r.Header())
	if at := l.runs[key]; at != nil {
		r.Close()
		return at, nil
	}
	pending := store.Attachment{Bundle: r.Header().ID, Path: path, Keys: request.Keys, Override: request.Override}
	if err := l.store.AddAttachment(ctx, pending); err != nil {
		r.Close()
		return nil, err
	}
	run := newRun(a, r)
	l.runs[key] = run
	l.running.Go(func() { l.carryOut(run, path) })
	return run, nil
}

// runKey tells landings apart: the same content can come twice, with another
// place in its channel.
func runKey(h *bundle.Header) string { return fmt.Sprintf("%s %s %d", h.ID, h.Channel, h.Sequence) }

// underWay reports whether a bundle of an id is being landed.
func (l *Landing) underWay(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, run := range l.runs {
		if run.id() == id {
			return true
		}
	}
	return false
}

// carryOut lands an attached bundle to its end, or to that of its medium.
func (l *Landing) carryOut(run *run, path string) {
	ctx, cancel := context.WithCancelCause(l.ctx)
	defer cancel(nil)
	detach := l.view.Attach(run.admission, func(err error) { cancel(err) })
	run.update(func(p *Progress) { p.Attached = true })
	l.log.Info("a bundle is attached", "bundle", run.id(), "file", path)
	_, err := run.land(ctx, l.store, nil)
	if cause := context.Cause(ctx); err != nil && cause != nil && l.ctx.Err() == nil {
		err = cause
	}
	detach()
	err = l.conclude(run, path, err)
	run.reader.Close()
	l.mu.Lock()
	delete(l.runs, runKey(run.reader.Header()))
	l.mu.Unlock()
	run.end(err)
}

// conclude says how a landing has ended, and forgets it unless it goes on some
// day.
func (l *Landing) conclude(run *run, path string, err error) error {
	log := l.log.With("bundle", run.id(), "file", path)
	switch {
	case err == nil:
		log.Info("an attached bundle is in the store")
	case l.ctx.Err() != nil:
		log.Info("an attached bundle is not in the store yet; it goes on at the next start")
		return err
	case !readable(path, run.id()):
		log.Warn("an attached bundle cannot be read any more; it goes on when any copy is imported, or this one is back", "error", err)
		return errors.Join(errRemoved, err)
	default:
		log.Error("an attached bundle did not land", "error", err)
	}
	if dropErr := l.store.RemoveAttachment(context.WithoutCancel(l.ctx), run.id()); dropErr != nil {
		log.Error("an attachment is not forgotten", "error", dropErr)
	}
	return err
}

func (r *run) id() string { return r.reader.Header().ID }

// errRemoved says that a medium was taken out before all was in the store.
var errRemoved = errors.New("the medium was removed before all was in the store; what is there stays: import any copy of the bundle, and it goes on")

// readable reports whether the bundle of an id is at path.
func readable(path, id string) bool {
	r, err := bundle.Open(path)
	if err != nil {
		return false
	}
	defer r.Close()
	return r.Header().ID == id
}

// lookEvery is the time between two looks for media that come back.
const lookEvery = 3 * time.Second

// Keep goes on with what is pending: at once after a start, and when a medium
// comes back. It returns when ctx ends.
func (l *Landing) Keep(ctx context.Context) {
	for {
		l.resume(ctx)
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return
		}
	}
}

func (l *Landing) resume(ctx context.Context) {
	pending, err := l.store.Attachments(ctx)
	if err != nil {
		return
	}
	for _, p := range pending {
		if _, err := os.Stat(p.Path); err != nil || l.underWay(p.Bundle) {
			continue
		}
		r, err := bundle.Open(p.Path)
		if err != nil {
			continue
		}
		if r.Header().ID != p.Bundle {
			r.Close()
			continue
		}
		l.resumeOne(ctx, r, p)
	}
}

// resumeOne gives up what the site would not let in any more.
func (l *Landing) resumeOne(ctx context.Context, r *bundle.Reader, p store.Attachment) {
	request := Request{Keys: p.Keys, Override: p.Override, Attach: true}
	opts, err := request.Options()
	var a *bundle.Admission
	if err == nil {
		a, err = bundle.Admit(ctx, l.store, r, opts)
	}
	if err == nil {
		_, err = l.begin(ctx, a, r, p.Path, request)
	} else {
		r.Close()
	}
	if err == nil || ctx.Err() != nil {
		return
	}
	l.log.Error("an attached bundle cannot go on", "bundle", p.Bundle, "file", p.Path, "error", err)
	if err := l.store.RemoveAttachment(ctx, p.Bundle); err != nil {
		l.log.Error("an attachment is not forgotten", "bundle", p.Bundle, "error", err)
	}
}
