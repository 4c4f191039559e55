package mirror

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// State is what became of an image.
type State string

// What can have become of an image.
const (
	Copied   State = "copied"
	Present  State = "present" // it was there
	Refused  State = "refused" // it is not signed by those who have to
	Failed   State = "failed"
	Deferred State = "deferred" // its link closed
	Unbegun  State = "unbegun"  // the run was broken off before
)

// Report is what a run did.
type Report struct {
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	Mirrors []Chosen  `json:"mirrors"`
	Images  []Result  `json:"images"`
	Deleted []Deleted `json:"deleted"`
	Planned int64     `json:"planned"` // bytes that were to move
}

// Result is what became of one image.
type Result struct {
	Mirror      string        `json:"mirror"`
	Source      string        `json:"source"`
	Destination string        `json:"destination"`
	Digest      digest.Digest `json:"digest,omitempty"`
	Was         digest.Digest `json:"was,omitempty"`
	State       State         `json:"state"`
	Error       string        `json:"error,omitempty"`
	Moved       digest.Digest `json:"moved,omitempty"` // what the source's tag stands for since
	Until       *time.Time    `json:"until,omitempty"` // when a closed link opens
	Bytes       int64         `json:"bytes,omitempty"`

	err error
	ran bool // it was to be copied
}

// Deleted is what became of a tag that had to go.
type Deleted struct {
	Mirror string        `json:"mirror"`
	Name   string        `json:"name"`
	Digest digest.Digest `json:"digest,omitempty"`
	Reason string        `json:"reason"`
	Error  string        `json:"error,omitempty"` // why it is there still
}

// newReport has a result for each image of the plan, in its order.
func newReport(p *Plan, now time.Time) *Report {
	r := &Report{Started: now.UTC(), Mirrors: p.Mirrors, Images: []Result{}, Deleted: []Deleted{}, Planned: p.Bytes}
	states := map[Action]State{Copy: Unbegun, Skip: Present, Refuse: Refused, Fail: Failed, Defer: Deferred}
	for _, i := range p.Images {
		res := Result{Mirror: i.Mirror, Source: i.Source, Destination: i.Destination, Digest: i.Digest, Was: i.Was, State: states[i.Action], Bytes: i.Bytes, err: i.err}
		if i.Action == Fail || i.Action == Refuse {
			res.Error = i.Reason
		}
		r.Images = append(r.Images, res)
	}
	return r
}

// Nothing is the report of a plan of which nothing can be carried out.
func Nothing(p *Plan) *Report { return newReport(p, p.Made) }

func (r *Report) end(now time.Time) { r.Seconds = elapsed(r.Started, now).Seconds() }

// failedMirrors are those of which something could not be had.
func (r *Report) failedMirrors() (list []string) {
	for _, res := range r.Images {
		if res.State != Copied && res.State != Present {
			list = append(list, res.Mirror)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Count is how many images are in a state.
func (r *Report) Count(s State) (n int) {
	for _, res := range r.Images {
		if res.State == s {
			n++
		}
	}
	return n
}

// BrokenOff are the destinations of images that were to be copied and did not
// come whole.
func (r *Report) BrokenOff() (names []string) {
	for _, res := range r.Images {
		if res.ran && res.State != Copied {
			names = append(names, res.Destination)
		}
	}
	return names
}

// ErrPartial says that a run did what it could, and that was not all.
var ErrPartial = errors.New("not everything could be mirrored")

func isAny(err error, list ...error) bool {
	return slices.ContainsFunc(list, func(target error) bool { return errors.Is(err, target) })
}

// Err says what of the plan could not be found out; nil when all could.
func (p *Plan) Err() error {
	var first error
	failed := p.Count(Fail)
	for _, i := range p.Images {
		if i.Action == Fail && first == nil {
			first = i.err
		}
	}
	for _, m := range p.Mirrors {
		if m.err != nil {
			failed++
			first = cmp.Or(first, m.err)
		}
	}
	switch {
	case failed == 0:
		return nil
	case p.Count(Copy)+p.Count(Skip) == 0 && isAny(first, registry.ErrUnreachable, registry.ErrDenied):
		return fmt.Errorf("nothing could be planned: %w", first)
	}
	return fmt.Errorf("%w: %d could not be planned", ErrPartial, failed)
}

// Err is what a run failed with: nil when all is level, what refused or broke it
// when nothing could be done, else ErrPartial. Tags that moved on are no failure.
func (r *Report) Err() error {
	var first error
	failed, done := 0, 0
	for _, res := range r.Images {
		switch res.State {
		case Copied, Present:
			done++
		case Failed, Refused:
			failed++
			if first == nil {
				first = res.err
			}
		case Deferred, Unbegun:
			failed++
		}
	}
	waiting := 0
	for _, m := range r.Mirrors {
		if m.err != nil {
			failed++
			if first == nil {
				first = m.err
			}
		}
		if m.Deferred != nil || m.Problem != "" && m.err == nil {
			waiting++
		}
	}
	for _, d := range r.Deleted {
		if d.Error != "" {
			failed++
		}
	}
	switch {
	case failed == 0 && waiting == 0:
		return nil
	case done == 0 && isAny(first, registry.ErrUnreachable, registry.ErrDenied, registry.ErrNoSpace):
		return fmt.Errorf("nothing could be mirrored: %w", first)
	case failed == r.Count(Refused) && failed > 0 && waiting == 0:
		return fmt.Errorf("%d of %d images were refused: %w", failed, len(r.Images), first)
	}
	return fmt.Errorf("%w: %d failed, %d mirrors wait for their link", ErrPartial, failed, waiting)
}
