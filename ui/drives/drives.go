// Package drives joins the drives that are plugged in with what lands from them.
// It tells clients what arrives and leaves, lets what waits for a bundle go on when
// any drive brings it back, and, where the policy says so, lands what a trusted key
// has signed. Noticing and reading drives is package media's, landing package
// landing's.
package drives

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"reflect"
	"sync"

	"github.com/landfall-dev/landfall/bundle/media"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/events"
	"github.com/landfall-dev/landfall/ui/jobs"
	"github.com/landfall-dev/landfall/ui/landing"
)

// Options of Drives. The zero value is the default.
type Options struct {
	// Watch says what counts as a drive; its Tell and Log are set here.
	Watch media.Options
	// Automatic says whether what a trusted key has signed lands by itself; nil:
	// never.
	Automatic func() bool
	Events    *events.Bus // nil: nobody is told
	Log       *slog.Logger
}

// Drives are those of one appliance.
type Drives struct {
	opts    Options
	watcher *media.Watcher
	landing *landing.Landing
	jobs    *jobs.Pool
	arrived chan media.Drive // what is to be looked at, in order

	mu     sync.Mutex                   // protects looked
	looked map[string][]media.Candidate // what was looked at last, by drive
}

// New makes Drives, which do nothing before Keep. SetLanding has to be called before that.
func New(p *jobs.Pool, opts Options) *Drives {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	d := &Drives{opts: opts, jobs: p, arrived: make(chan media.Drive, 64), looked: map[string][]media.Candidate{}}
	opts.Watch.Tell, opts.Watch.Log = d.tell, opts.Log
	d.watcher = media.New(opts.Watch)
	return d
}

// SetLanding says what lands bundles; it opens files on drives with Open.
func (d *Drives) SetLanding(l *landing.Landing) { d.landing = l }

// Keep watches until ctx ends.
func (d *Drives) Keep(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { d.watcher.Keep(ctx) })
	for {
		select {
		case at := <-d.arrived:
			d.look(ctx, at)
		case <-ctx.Done():
			all.Wait()
			return
		}
	}
}

// List are the drives that are there.
func (d *Drives) List() []media.Drive { return d.watcher.Drives() }

// Rescan looks through all drives again, and decides anew about what is on them.
func (d *Drives) Rescan() {
	d.watcher.Rescan()
	for _, at := range d.watcher.Drives() {
		d.queue(at)
	}
}

// Eject lets go of a drive; see media.Watcher.
func (d *Drives) Eject(ctx context.Context, id string) error { return d.watcher.Eject(ctx, id) }

// tell passes on what happens, and notes what is to be looked at. It never waits.
func (d *Drives) tell(e media.Event) {
	d.opts.Events.Publish("drive", e)
	switch {
	case e.Kind == media.Finding:
		d.opts.Log.Warn(e.Finding)
	case e.Drive == nil:
	case e.Kind == media.Arrived || e.Kind == media.Changed:
		if d.news(e) {
			d.opts.Log.Info("drive", "event", e.Kind, "drive", e.Drive.ID, "state", e.Drive.State, "candidates", len(e.Drive.Candidates))
			d.queue(*e.Drive)
		}
	case e.Kind == media.Removed:
		d.forget(e.Drive.ID)
		fallthrough
	default:
		d.opts.Log.Info("drive", "event", e.Kind, "drive", e.Drive.ID)
	}
}

// news reports whether an event is about other candidates than those that were
// looked at. Most are about who reads them, and looking is reading.
func (d *Drives) news(e media.Event) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	before, ok := d.looked[e.Drive.ID]
	d.looked[e.Drive.ID] = e.Drive.Candidates
	return !ok || e.Kind == media.Arrived || !reflect.DeepEqual(before, e.Drive.Candidates)
}

func (d *Drives) forget(drive string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.looked, drive)
}

func (d *Drives) queue(at media.Drive) {
	select {
	case d.arrived <- at:
	default:
		d.opts.Log.Warn("more drives arrive than can be looked at; ask for a rescan", "drive", at.ID)
	}
}

// look decides what happens to the bundles of a drive.
func (d *Drives) look(ctx context.Context, at media.Drive) {
	for _, c := range at.Candidates {
		if c.Form != media.Bundle || c.Header == nil {
			continue
		}
		source := landing.Source{Drive: at.ID, File: c.ID}
		if err := d.landing.Returned(ctx, c.Header.Bundle, source); err != nil {
			d.opts.Log.Error("what waits for a bundle does not go on", "bundle", c.Header.Bundle, "error", err)
		}
		if d.opts.Automatic == nil || !d.opts.Automatic() {
			continue
		}
		if err := d.land(ctx, source, c); err != nil && ctx.Err() == nil {
			d.opts.Log.Warn("a bundle on a drive does not land by itself", "drive", at.ID, "file", c.Name, "error", err)
		}
	}
}

// land lets a bundle land by itself, once, and only when a trusted key has signed it.
func (d *Drives) land(ctx context.Context, source landing.Source, c media.Candidate) error {
	last, err := d.jobs.List(ctx, jobs.Filter{Kind: landing.Kind, Subject: c.Header.Bundle, Limit: 1})
	if err != nil || len(last) > 0 { // it landed, or somebody has to say what now
		return err
	}
	seen, err := d.landing.Inspect(ctx, source)
	if err != nil {
		return err
	}
	if seen.Verdict == nil || len(seen.Verdict.Signers) == 0 {
		return fmt.Errorf("%w: no trusted key has signed it: %s", registry.ErrUntrusted, seen.Refused)
	}
	_, err = d.landing.Start(ctx, source, landing.Request{}, "")
	return err
}

// Open opens a file on a drive or, when that is not there, the bundle of an id on
// any other. Implements landing.Opener for drives.
func (d *Drives) Open(ctx context.Context, s landing.Source, id string) (*media.File, error) {
	f, err := d.open(ctx, s.Drive, s.File)
	if err == nil || id == "" {
		return f, err
	}
	for _, at := range d.watcher.Drives() {
		for _, c := range at.Candidates {
			if c.Header == nil || c.Header.Bundle != id {
				continue
			}
			if f, otherErr := d.open(ctx, at.ID, c.ID); otherErr == nil {
				return f, nil
			}
		}
	}
	return nil, err
}

func (d *Drives) open(ctx context.Context, drive, file string) (*media.File, error) {
	f, err := d.watcher.Open(ctx, drive, file, "import")
	if errors.Is(err, media.ErrRemoved) || errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", registry.ErrNotFound, err)
	}
	return f, err
}
