package chartrepo

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/landfall-dev/landfall/registry"
)

// Repositories lists the charts that have a version with a name, whether that can
// be had or not.
func (r *Repository) Repositories(_ context.Context, after string) iter.Seq2[string, error] {
	return registry.Names(slices.Collect(maps.Keys(r.charts)), after)
}

// Tags lists a chart's versions, in byte order and not in that of their numbers.
// It includes those that cannot be had, so that who asks for one learns why.
func (r *Repository) Tags(_ context.Context, repository, after string) iter.Seq2[string, error] {
	c := r.charts[repository]
	if c == nil {
		return registry.NoNames(fmt.Errorf("repository %s: %w", repository, registry.ErrNotFound))
	}
	return registry.Names(slices.Collect(maps.Keys(c.tags)), after)
}
