// Package run carries out plans of clusters: wave after wave, each step noted before and
// after it is done, so that what was interrupted goes on at its step. It decides nothing
// about what is to be done, which the plan says; it speaks to hosts, to the cluster and
// to the appliance through interfaces.
//
// Nouns. A journal keeps how the steps of one run are. An attempt is one time that a step
// is tried; the appliance's end in the middle of it does not begin another one: the same
// operations, with the same ids, are asked for again, and hosts answer for those that are
// done already.
package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/parallel"
	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/kube"
	"github.com/landfall-dev/landfall/lifecycle/cluster/pki"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// ErrPaused means that somebody wants the run to wait: what was begun has ended, and
// nothing else is begun.
var ErrPaused = errors.New("paused")

// State is how a step is.
type State string

// The states. A step that is in none was not begun.
const (
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
)

// Entry is what a journal has of a step.
type Entry struct {
	State   State
	Attempt int
	Output  json.RawMessage
}

// Journal keeps the steps of one run, durably.
type Journal interface {
	// Entries are the steps that were begun, by their ids.
	Entries(ctx context.Context) (map[string]Entry, error)
	// Begin notes that a step is begun, and says which attempt it is: another one only
	// when the last one has failed.
	Begin(ctx context.Context, step string) (attempt int, err error)
	// End notes how it ended; with an error, it failed.
	End(ctx context.Context, step string, output json.RawMessage, failure error) error
	// Tell says what a step is at, for people; it need not be kept.
	Tell(step, text string)
}

// Hosts are those of the site.
type Hosts interface {
	// Do has an operation done, and waits for its end.
	Do(ctx context.Context, name string, op host.Op, progress func(host.Result)) (host.Result, error)
}

// Site is the appliance itself.
type Site interface {
	// Site does an act of the appliance. Outputs are those of the run's steps so far; tell
	// hears what it is at.
	Site(ctx context.Context, act cluster.SiteAct, outputs map[string]json.RawMessage, tell func(string)) error
	// Keys are the cluster's; ErrNotFound before they were made.
	Keys(ctx context.Context) (*pki.Keys, error)
	// Login is that of the account of the cluster's source; empty when it has none.
	Login(ctx context.Context) (user, password string, err error)
	// Kube speaks to the cluster.
	Kube(ctx context.Context) (Kube, error)
	// Layer renders a layer of a definition for the cluster.
	Layer(ctx context.Context, definition, layer string) (*kube.Layer, error)
	// Allowed are the images that a definition's pods may run, with their digests.
	Allowed(ctx context.Context, definition string) (map[string][]digest.Digest, error)
}

// Options of a run. What is not said otherwise is required.
type Options struct {
	ID      string // of the run; safe in a host.Op's id
	Journal Journal
	Hosts   Hosts
	Site    Site
	// Paused is asked before each step; nil: it never is.
	Paused func(ctx context.Context) (bool, error)
	// Open is for how long the maintenance window is still closed, 0 when it is open;
	// nil: it is always open.
	Open func(now time.Time) time.Duration
	// AtOnce is how many steps of a wave are done at the same time; 64 when 0.
	AtOnce int
	Log    *slog.Logger // nil for silence
}

const (
	atOnce       = 64
	defaultLimit = time.Hour
	lookAgain    = time.Minute // at a closed window: the clock may be set
)

type runner struct {
	Options
	plan    *cluster.Plan
	entries map[string]Entry
}

// Run does what of a plan is not done yet. It returns nil when all is; ErrPaused; or
// what failed, with its step: then what of the wave had begun has ended too, and nothing
// after it was begun. Run again, it tries that step again. A context that ends leaves
// steps as they are, to go on.
func Run(ctx context.Context, p *cluster.Plan, opts Options) error {
	r := &runner{Options: opts, plan: p}
	if r.AtOnce == 0 {
		r.AtOnce = atOnce
	}
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	var err error
	if r.entries, err = opts.Journal.Entries(ctx); err != nil {
		return err
	}
	for _, w := range p.Waves {
		if err := r.wave(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// outcome is what a step came to.
type outcome struct {
	step   *cluster.Step
	output json.RawMessage
	err    error
}

// wave does the steps of a wave that are not done. All that can be done is, also when
// one of them fails: who mends things sees all that is wrong at once.
func (r *runner) wave(ctx context.Context, w cluster.Wave) error {
	open, atOnce := r.open(w), r.AtOnce
	if w.Together {
		atOnce = len(open)
	}
	err := parallel.Do(ctx, atOnce, open, func(ctx context.Context, o *outcome) error {
		o.output, o.err = r.step(ctx, o.step)
		return nil // the others go on
	})
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	failures, more := []error{err}, 0
	for _, o := range open {
		switch {
		case o.err == nil:
			r.entries[o.step.ID] = Entry{State: Done, Output: o.output}
		case len(failures) <= told:
			failures = append(failures, o.err)
		default:
			more++
		}
	}
	if more > 0 {
		failures = append(failures, fmt.Errorf("and %d more steps failed", more))
	}
	return errors.Join(failures...)
}

// open are the steps of a wave that are to be done.
func (r *runner) open(w cluster.Wave) (open []*outcome) {
	all := w.Together && slices.ContainsFunc(w.Steps, func(s cluster.Step) bool { return r.entries[s.ID].State != Done })
	for i := range w.Steps {
		if all || r.entries[w.Steps[i].ID].State != Done {
			open = append(open, &outcome{step: withPeers(&w.Steps[i], w.Peers)})
		}
	}
	return open
}

// withPeers is a step whose checks look for the other hosts of its wave, too.
func withPeers(s *cluster.Step, peers []host.Peer) *cluster.Step {
	if len(peers) == 0 {
		return s
	}
	full := *s
	full.Acts = slices.Clone(s.Acts)
	for i, act := range full.Acts {
		if act.Host == nil || act.Host.Op.Check == nil {
			continue
		}
		own, check := *act.Host, *act.Host.Op.Check
		others := slices.DeleteFunc(slices.Clone(peers), func(p host.Peer) bool { return p.Name == own.Host })
		check.Peers = append(slices.Clone(check.Peers), others...)
		own.Op.Check = &check
		full.Acts[i].Host = &own
	}
	return &full
}

// step does one step, journaled.
func (r *runner) step(ctx context.Context, s *cluster.Step) (json.RawMessage, error) {
	if err := r.mayBegin(ctx, s); err != nil {
		return nil, err
	}
	attempt, err := r.Journal.Begin(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	limit := s.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	within, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w: it was not done within %s", registry.ErrUnreachable, limit))
	defer cancel()
	output, failure := r.acts(within, s, attempt)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx) // not the step's end: it goes on
	}
	if failure != nil && within.Err() != nil {
		failure = errors.Join(context.Cause(within), failure)
	}
	if failure != nil {
		failure = &StepError{Step: s.ID, Title: s.Title, Err: failure}
	}
	return output, errors.Join(failure, r.Journal.End(ctx, s.ID, output, failure))
}

// StepError says which step failed.
type StepError struct {
	Step, Title string
	Err         error
}

// Error implements error.
func (e *StepError) Error() string { return e.Title + ": " + e.Err.Error() }

// Unwrap is why.
func (e *StepError) Unwrap() error { return e.Err }

// mayBegin waits for the window of a step that has one; ErrPaused when it shall not
// begin at all. A step that was interrupted goes on whatever the time is.
func (r *runner) mayBegin(ctx context.Context, s *cluster.Step) error {
	for {
		if r.Paused != nil {
			if paused, err := r.Paused(ctx); err != nil || paused {
				return errors.Join(err, pausedIf(paused))
			}
		}
		if !s.Windowed || r.Open == nil || r.entries[s.ID].State == Running {
			return nil
		}
		wait := r.Open(time.Now())
		if wait <= 0 {
			return nil
		}
		r.Journal.Tell(s.ID, fmt.Sprintf("waits for the maintenance window, which opens in %s", wait.Round(time.Second)))
		select {
		case <-time.After(min(wait, lookAgain)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func pausedIf(paused bool) error {
	if paused {
		return ErrPaused
	}
	return nil
}

// acts does the acts of a step, one after another. Its output is that of the last one
// that has some.
func (r *runner) acts(ctx context.Context, s *cluster.Step, attempt int) (output json.RawMessage, err error) {
	for i := range s.Acts {
		act := &s.Acts[i]
		var said json.RawMessage
		switch {
		case act.Site != nil:
			err = r.Site.Site(ctx, *act.Site, r.outputs(), func(text string) { r.Journal.Tell(s.ID, text) })
		case act.Host != nil:
			said, err = r.host(ctx, s, act.Host, fmt.Sprintf("%s.%s.%d.%d", r.ID, s.ID, attempt, i))
		case act.Kube != nil:
			err = r.kube(ctx, s, act.Kube)
		default:
			err = fmt.Errorf("%w: act %d of the plan is of a kind that this version does not know", registry.ErrInvalid, i)
		}
		if said != nil {
			output = said
		}
		if err != nil {
			return output, err
		}
	}
	return output, nil
}

func (r *runner) outputs() map[string]json.RawMessage {
	list := map[string]json.RawMessage{}
	for id, e := range r.entries {
		if e.State == Done && e.Output != nil {
			list[id] = e.Output
		}
	}
	return list
}
