package runtime_test

import (
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

func digestOf(l layer) string { return digest.FromBytes(l.content).String() }

// plant leaves a part of a layer in containerd, as an interrupted pull does.
func (k *kit) plant(l layer, part []byte) {
	k.t.Helper()
	c, ctx := k.client()
	lease, err := c.LeasesService().Create(ctx, leases.WithRandomID(), leases.WithExpiration(time.Hour))
	k.must(err)
	ctx = leases.WithLease(ctx, lease.ID)
	d := registry.Descriptor{Digest: digest.FromBytes(l.content), Size: int64(len(l.content))}
	w, err := content.OpenWriter(ctx, c.ContentStore(), content.WithRef("layer-"+d.Digest.String()), content.WithDescriptor(d))
	k.must(err)
	_, err = w.Write(part)
	k.must(err)
	k.must(w.Close())
}
