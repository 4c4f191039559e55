package mirroring

import (
	"errors"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/sync/mirror"
)

// Outcome is what a run came to.
type Outcome struct {
	Error   string  `json:"error,omitempty"`
	Kind    string  `json:"kind,omitempty"` // of the error
	Planned int64   `json:"planned"`        // bytes that were to move
	Moved   int64   `json:"moved"`          // bytes that did
	Mirrors []Tally `json:"mirrors"`
}

// Tally counts what a run did for one mirror, by images and tags.
type Tally struct {
	Name     string     `json:"name,omitempty"`
	Copied   int        `json:"copied"`
	Present  int        `json:"present"`
	Refused  int        `json:"refused"`
	Failed   int        `json:"failed"`
	Deferred int        `json:"deferred"`
	Unbegun  int        `json:"unbegun"`
	Deleted  int        `json:"deleted"`
	Kept     int        `json:"kept"` // that had to be deleted
	Problem  string     `json:"problem,omitempty"`
	Until    *time.Time `json:"until,omitempty"` // when a link opens that was closed
}

func newOutcome(r *mirror.Report) *Outcome {
	o := &Outcome{Mirrors: []Tally{}}
	if r == nil {
		return o
	}
	o.Planned = r.Planned
	at := map[string]int{}
	for _, m := range r.Mirrors {
		at[m.Name] = len(o.Mirrors)
		o.Mirrors = append(o.Mirrors, Tally{Name: m.Name, Problem: m.Problem, Until: m.Deferred})
	}
	for _, i := range r.Images {
		o.Mirrors[at[i.Mirror]].image(i)
	}
	for _, d := range r.Deleted {
		t := &o.Mirrors[at[d.Mirror]]
		if d.Error == "" {
			t.Deleted++
		} else {
			t.Kept++
		}
	}
	return o
}

func (t *Tally) image(i mirror.Result) {
	switch i.State {
	case mirror.Copied:
		t.Copied++
	case mirror.Present:
		t.Present++
	case mirror.Refused:
		t.Refused++
	case mirror.Failed:
		t.Failed++
	case mirror.Unbegun:
		t.Unbegun++
	case mirror.Deferred:
		t.Deferred++
	}
	if i.Until != nil && (t.Until == nil || i.Until.Before(*t.Until)) {
		t.Until = i.Until
	}
}

// Total is the sum over all mirrors.
func (o *Outcome) Total() (sum Tally) {
	for _, t := range o.Mirrors {
		sum.Copied += t.Copied
		sum.Present += t.Present
		sum.Refused += t.Refused
		sum.Failed += t.Failed
		sum.Deferred += t.Deferred
		sum.Unbegun += t.Unbegun
		sum.Deleted += t.Deleted
		sum.Kept += t.Kept
	}
	return sum
}

// state is how a run ended whose report says err.
func (o *Outcome) state(err error) State {
	switch {
	case err == nil:
		return Done
	case !errors.Is(err, mirror.ErrPartial):
		return Failed
	}
	sum := o.Total()
	if sum.Refused+sum.Failed+sum.Unbegun+sum.Kept > 0 {
		return Partial
	}
	for _, t := range o.Mirrors {
		if t.Problem != "" {
			return Partial
		}
	}
	return Deferred
}

// kinds are the errors that a run can end with, as its outcome calls them; the
// first that it is counts.
var kinds = []struct {
	name string
	err  error
}{
	{"partial", mirror.ErrPartial},
	{"no_space", registry.ErrNoSpace},
	{"unreachable", registry.ErrUnreachable},
	{"untrusted", registry.ErrUntrusted},
	{"denied", registry.ErrDenied},
	{"conflict", registry.ErrConflict},
	{"invalid", registry.ErrInvalid},
}

func kindOf(err error) string {
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.name
		}
	}
	return ""
}

// failure is an error in one line.
type failure struct {
	kind    error
	message string
}

func (f *failure) Error() string { return f.message }

func (f *failure) Unwrap() error { return f.kind }

// Err is what a run that has ended failed with, as mirror.Report.Err says it; nil
// while it goes.
func (r *Run) Err() error {
	if r.State == Done || r.Outcome == nil {
		return nil
	}
	f := &failure{message: r.Outcome.Error}
	for _, k := range kinds {
		if k.name == r.Outcome.Kind {
			f.kind = k.err
		}
	}
	return f
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
