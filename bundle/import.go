package bundle

import (
	"context"
	"runtime"

	"github.com/landfall-dev/landfall/registry"
)

// Import streams a bundle's content into dst, blobs in file order, each read
// at most once and only where it is missing; names become visible last. Memory
// does not depend on the size of the content.
func Import(ctx context.Context, dst registry.Writer, r *Reader, opts registry.CopyOptions) error {
	if opts.Jobs == 0 {
		opts.Jobs = min(runtime.GOMAXPROCS(0), registry.DefaultJobs)
	}
	return registry.Copy(ctx, dst, r, r.Graph(), opts)
}
