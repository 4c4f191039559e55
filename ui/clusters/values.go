package clusters

import (
	"context"
	"strings"
)

// lock keeps the immutable variables of the definition that a cluster is made of as they
// are, as long as there is a cluster that has them.
func (c *Clusters) lock(ctx context.Context, r *row) error {
	return c.opts.Values.Lock(ctx, definitionName(r.spec.Definition))
}

// unlock lets them change again when the last cluster of a definition is gone.
func (c *Clusters) unlock(ctx context.Context, r *row) error {
	rows, err := c.rows(ctx)
	if err != nil {
		return err
	}
	for _, other := range rows {
		if other.name != r.name && other.keys != nil && definitionName(other.spec.Definition) == definitionName(r.spec.Definition) {
			return nil
		}
	}
	return c.opts.Values.Unlock(ctx, definitionName(r.spec.Definition))
}

// definitionName is that of NAME:VERSION, which values are kept by.
func definitionName(text string) string {
	name, _, _ := strings.Cut(text, ":")
	return name
}
