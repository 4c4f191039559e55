package runtime

import (
	"context"
	"slices"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// Lacking are those of some images that the runtime does not have by their name, or that
// the kubelet might collect. ErrUnreachable when it does not run.
func (r *Runtime) Lacking(ctx context.Context, list []host.Image) (lacking []host.Image, err error) {
	have, err := r.Images(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		there := slices.ContainsFunc(have, func(h Image) bool { return h.Digest == i.Digest && h.Pinned && slices.Contains(h.Names, i.Name) })
		if !there {
			lacking = append(lacking, i)
		}
	}
	return lacking, nil
}
