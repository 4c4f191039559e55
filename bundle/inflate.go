package bundle

import (
	"context"

	"github.com/landfall-dev/landfall/registry"
)

// Inflate makes a plain bundle of a thin one and of what it stands on. It is not
// signed: what was signed is the thin one. ErrInvalid when the content is loose:
// no name reaches it.
func Inflate(ctx context.Context, path string, thin *Reader, base Base, opts registry.CopyOptions) (*Header, error) {
	if thin.header.Loose != nil {
		return nil, errLoose
	}
	c, err := thin.Complete(ctx, base)
	if err != nil {
		return nil, err
	}
	created, err := parseTime(thin.header.Created)
	if err != nil {
		return nil, err
	}
	return Export(ctx, path, c, c.Graph(), CreateOptions{Created: created}, opts)
}
