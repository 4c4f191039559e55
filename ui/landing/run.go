package landing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/jobs"
)

// errRemoved says that a medium was taken out before all was in the store.
var errRemoved = errors.New("the medium was removed before all was in the store; what is there stays: bring any copy of the file, and it goes on")

// run is one landing under way.
type run struct {
	job    *jobs.Run
	cursor cursor

	mu sync.Mutex // protects at
	at Progress
}

// cursor is how far a job is, across restarts.
type cursor struct {
	Source  Source    `json:"source"`            // where the cargo was last
	Uploads []string  `json:"uploads,omitempty"` // that it was read from, at the start or since
	Done    *Progress `json:"done,omitempty"`    // all is in the store
}

// land carries out a job.
func (l *Landing) land(ctx context.Context, j *jobs.Run) (any, error) {
	var a args
	if err := j.Args(&a); err != nil {
		return nil, err
	}
	r := &run{job: j, cursor: cursor{Uploads: a.Uploads}}
	if _, err := j.Cursor(&r.cursor); err != nil {
		return nil, err
	}
	err := error(nil)
	if r.cursor.Done == nil {
		err = l.landOnce(ctx, r, a)
	}
	if err == nil {
		l.consume(ctx, r.cursor.Uploads)
		return r.cursor.Done, nil
	}
	wait := (*jobs.Wait)(nil)
	goesOn := errors.As(err, &wait) && ctx.Err() == nil || errors.Is(context.Cause(ctx), jobs.ErrShutdown)
	if !goesOn {
		l.release(context.WithoutCancel(ctx), r.cursor.Uploads, j.ID())
	}
	return nil, err
}

// landOnce brings all into the store, and notes that.
func (l *Landing) landOnce(ctx context.Context, r *run, a args) error {
	c, err := l.find(ctx, r, a)
	if err != nil { // it could be read when the job was started
		return &jobs.Wait{For: waitKey(a.Bundle), Err: fmt.Errorf("%w (%w)", errRemoved, err)}
	}
	defer c.Close()
	if err := r.job.SetCursor(ctx, r.cursor); err != nil {
		return err
	}
	if err := l.bind(ctx, r.cursor.Uploads, r.job.ID()); err != nil {
		r.job.Log(slog.LevelWarn, "an upload is not kept for this job: "+err.Error(), nil)
	}
	source := r.cursor.Source
	from := source.String()
	if source.Drive != "" { // whose files have ids
		from = c.name + " on drive " + source.Drive
	}
	r.at = Progress{Bundle: a.Bundle, Kind: c.kind, Source: from}
	r.job.Log(slog.LevelInfo, "lands from "+from, nil)
	err = l.bring(ctx, r, c, a.Request)
	if err != nil && ctx.Err() == nil && c.explain != nil {
		err = c.explain(err) // a drive fails before it is told of that it is gone
	}
	if err != nil && ctx.Err() == nil && !l.readable(ctx, source, a) {
		return &jobs.Wait{For: waitKey(a.Bundle), Err: fmt.Errorf("%w (%w)", errRemoved, err)}
	}
	if err != nil {
		return err
	}
	for _, n := range c.graph.Names[:min(maxNames, len(c.graph.Names))] {
		r.at.Names = append(r.at.Names, n.Ref.String())
	}
	done := r.progress()
	r.cursor.Done = &done
	if err := r.job.SetCursor(ctx, r.cursor); err != nil { // the names are there: at worst it lands once more
		r.job.Log(slog.LevelWarn, "that it is done is not noted yet: "+err.Error(), nil)
	}
	if l.opts.Landed != nil {
		l.opts.Landed(ctx, r.job.Log)
	}
	return nil
}

// find opens the cargo where it is to be at first, where a copy was offered since, or
// where it was last, and remembers where that is.
func (l *Landing) find(ctx context.Context, r *run, a args) (*cargo, error) {
	l.mu.Lock()
	offered := l.copies[a.Bundle]
	delete(l.copies, a.Bundle)
	l.mu.Unlock()
	places := []Source{a.Source, offered}
	if last := r.cursor.Source; !last.isZero() {
		places = []Source{offered, last, a.Source}
	}
	var first error
	for _, s := range places {
		if s.isZero() {
			continue
		}
		c, err := l.reopen(ctx, s, a)
		if err == nil {
			r.cursor.Source = s
			for _, id := range c.uploads {
				if !slices.Contains(r.cursor.Uploads, id) {
					r.cursor.Uploads = append(r.cursor.Uploads, id)
				}
			}
			return c, nil
		}
		first = cmp.Or(first, err)
	}
	return nil, first
}

// readable reports whether a job's cargo is at a source.
func (l *Landing) readable(ctx context.Context, s Source, a args) bool {
	c, err := l.reopen(ctx, s, a)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// bring asks the policy and brings the content in, attached where that is wanted.
func (l *Landing) bring(ctx context.Context, r *run, c *cargo, request Request) error {
	opts, err := request.Options()
	if err != nil {
		return err
	}
	a, err := l.admit(ctx, c, opts)
	if err != nil {
		return err
	}
	signed := c.bundle != nil && len(c.bundle.Signatures()) > 0
	attached := a.medium != nil && (request.Attach || signed)
	if request.Attach && !attached {
		r.job.Log(slog.LevelWarn, "hosts cannot pull from this file; they can when all is in the store", nil)
	}
	landing, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if attached {
		defer l.view.Attach(a.medium, func(err error) { cancel(err) })()
		r.update(func(p *Progress) { p.Attached = true })
		r.job.Log(slog.LevelInfo, "attached: hosts can pull", nil)
	}
	// It leaves a processor to the site's clients.
	progress := func(e registry.Event) {
		if e.Kind == registry.Planned {
			r.begun(landing, e.Bytes)
		}
		r.event(e)
	}
	err = a.land(landing, l.store, registry.CopyOptions{Jobs: max(1, runtime.NumCPU()-1), Progress: progress})
	if lost := context.Cause(landing); err != nil && lost != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", lost, err)
	}
	r.update(func(p *Progress) { p.Verdict = a.verdict })
	return err
}

// begun notes how much this attempt finds missing. When it is less than before, the
// landing got further, and is begun again however often the appliance ended.
func (r *run) begun(ctx context.Context, missing int64) {
	name := fmt.Sprintf("compared: %d bytes missing", missing)
	if err := r.job.Step(ctx, name, func(context.Context) error { return nil }); err != nil {
		r.job.Log(slog.LevelWarn, "how much is missing is not noted: "+err.Error(), nil)
	}
}

func (r *run) event(e registry.Event) {
	r.update(func(p *Progress) {
		switch e.Kind {
		case registry.Planned:
			p.Total = e.Bytes
		case registry.Advanced:
			p.Moved += e.Bytes
		case registry.Skipped:
			p.Present++
		}
	})
}

func (r *run) update(change func(*Progress)) {
	r.mu.Lock()
	change(&r.at)
	at := r.at
	r.mu.Unlock()
	told := jobs.Progress{Phase: "importing", Bytes: at.Moved, TotalBytes: at.Total, Items: int64(at.Present)}
	if at.Attached {
		told.Phase = PhaseAttached
	}
	r.job.Report(told)
}

func (r *run) progress() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}
