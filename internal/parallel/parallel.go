// Package parallel runs one function over a list, several at a time.
package parallel

import (
	"context"
	"sync"

	"github.com/landfall-dev/landfall/internal/priority"
)

// Do runs f over the list in order of start, jobs at a time, and waits for all
// that it started. Between two of them it gives way. The first failure keeps the rest from starting, cancels the
// context of those under way, and is returned.
func Do[T any](ctx context.Context, jobs int, list []T, f func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan T)
	var workers sync.WaitGroup
	for range min(jobs, len(list)) {
		workers.Go(func() {
			for v := range next {
				if err := f(ctx, v); err != nil {
					cancel(err)
				}
				priority.GiveWay()
			}
		})
	}
	for _, v := range list {
		if ctx.Err() != nil {
			break
		}
		select {
		case next <- v:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}
