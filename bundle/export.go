package bundle

import (
	"context"

	"github.com/landfall-dev/landfall/registry"
)

// Export makes the bundle of a graph under path, replacing a file of that
// name when it is complete. Interrupted, it leaves path+".partial", and the
// next Export of the same content fetches only what is not whole there.
func Export(ctx context.Context, path string, src registry.Reader, g *registry.Graph, create CreateOptions, opts registry.CopyOptions) (*Header, error) {
	w, err := Create(ctx, path, g, create)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if err := registry.Copy(ctx, w, src, w.Carried(), opts); err != nil {
		return nil, err
	}
	return w.Header(), w.Finish()
}
