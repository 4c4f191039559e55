package landing

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/jobs"
	"github.com/landfall-dev/landfall/ui/upload"
)

// bind keeps uploads for a job. Those that a job had which has ended are free.
func (l *Landing) bind(ctx context.Context, uploads []string, job string) error {
	for again := false; ; again = true {
		err := l.bindAll(ctx, uploads, job)
		if !errors.Is(err, registry.ErrConflict) || again {
			return err
		}
		l.releaseEnded(ctx)
	}
}

func (l *Landing) bindAll(ctx context.Context, uploads []string, job string) error {
	var errs []error
	for _, id := range uploads {
		_, err := l.opts.Uploads.Bind(ctx, id, job)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// release lets go of the uploads that a job has: they may be deleted, or land again.
func (l *Landing) release(ctx context.Context, uploads []string, job string) {
	for _, id := range uploads {
		if _, err := l.opts.Uploads.Bind(ctx, id, job); err != nil {
			continue // another job's, or gone
		}
		if err := l.opts.Uploads.Release(ctx, id); err != nil {
			l.opts.Log.Error("an upload stays with its job", "upload", id, "job", job, "error", err)
		}
	}
}

// consume removes the bytes of uploads whose content is in the store now.
func (l *Landing) consume(ctx context.Context, uploads []string) {
	for _, id := range uploads {
		if err := l.opts.Uploads.Consume(ctx, id); err != nil && !errors.Is(err, registry.ErrNotFound) {
			l.opts.Log.Error("the bytes of an upload stay", "upload", id, "error", err)
		}
	}
}

// releaseEvery is the time between two looks for uploads of jobs that have ended.
const releaseEvery = time.Minute

// keepReleasing releases now and then, until ctx ends.
func (l *Landing) keepReleasing(ctx context.Context) {
	tick := time.NewTicker(releaseEvery)
	defer tick.Stop()
	for {
		l.releaseEnded(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// releaseEnded releases the uploads of landings that were cancelled while they did
// not run.
func (l *Landing) releaseEnded(ctx context.Context) {
	if l.opts.Uploads == nil {
		return
	}
	for after := ""; ; {
		page, err := l.opts.Uploads.List(ctx, "", after)
		if err != nil {
			if ctx.Err() == nil {
				l.opts.Log.Error("uploads cannot be listed", "error", err)
			}
			return
		}
		for _, u := range page.Uploads {
			if u.Job != "" && u.State == upload.Whole && l.ended(ctx, u.Job) {
				l.release(ctx, []string{u.ID}, u.Job)
			}
		}
		if after = page.Next; after == "" {
			return
		}
	}
}

// ended reports whether a job is a landing that has ended, or is not known any more.
func (l *Landing) ended(ctx context.Context, job string) bool {
	j, err := l.pool.Get(ctx, job)
	return errors.Is(err, registry.ErrNotFound) || err == nil && j.Kind == Kind && j.State.Ended()
}

// replayed is the job that a request with this idempotency key has led to, whose
// source may be gone since.
func (l *Landing) replayed(ctx context.Context, s Source, request Request, idempotencyKey string) (j jobs.Job, there bool) {
	if idempotencyKey == "" {
		return j, false
	}
	last, err := l.pool.List(ctx, jobs.Filter{Kind: Kind, Limit: 100})
	if err != nil {
		return j, false
	}
	for _, j := range last {
		var a args
		if jobs.Decode(j.Args, &a) != nil || !a.Source.equal(s) {
			continue
		}
		a.Source, a.Request = s, request
		if at, there, err := l.pool.Keyed(ctx, Kind, a, jobs.StartOptions{IdempotencyKey: idempotencyKey, Subject: a.Bundle}); there && err == nil {
			return at, true
		}
	}
	return j, false
}

// equal reports whether two sources are the same.
func (s Source) equal(other Source) bool {
	return s.Path == other.Path && s.Upload == other.Upload && s.Drive == other.Drive && s.File == other.File &&
		slices.Equal(s.Signatures, other.Signatures)
}

func (s Source) isZero() bool { return s.equal(Source{}) }
