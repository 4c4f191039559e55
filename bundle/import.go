package bundle

import (
	"context"
	"runtime"

	"github.com/landfall-dev/landfall/registry"
)

// Source is a bundle, or one with what it stands on.
type Source interface {
	registry.Reader
	Graph() *registry.Graph
}

// Import streams a bundle's content into dst, blobs in file order, each read
// at most once and only where it is missing; names become visible last. Memory
// does not depend on the size of the content. Nobody is asked whether the
// bundle is to be trusted: Land does that.
func Import(ctx context.Context, dst registry.Writer, src Source, opts registry.CopyOptions) error {
	if opts.Jobs == 0 {
		opts.Jobs = min(runtime.GOMAXPROCS(0), registry.DefaultJobs)
	}
	return registry.Copy(ctx, dst, src, src.Graph(), opts)
}
