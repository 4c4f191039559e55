package closure_test

import (
	"context"
	"errors"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/closure"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/trust"
)

// broken is a site of which some part fails.
type broken struct {
	closure.Site
	resolve, manifest, missing, damaged, anywhere, policy, prove error
}

func (b broken) Resolve(ctx context.Context, ref registry.Ref) (registry.Descriptor, error) {
	if b.resolve != nil {
		return registry.Descriptor{}, b.resolve
	}
	return b.Site.Resolve(ctx, ref)
}

func (b broken) Manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	if b.manifest != nil {
		return registry.Descriptor{}, nil, b.manifest
	}
	return b.Site.Manifest(ctx, ref)
}

func (b broken) Missing(ctx context.Context, repository string, list []registry.Descriptor) ([]registry.Descriptor, error) {
	if b.missing != nil {
		return nil, b.missing
	}
	return b.Site.Missing(ctx, repository, list)
}

func (b broken) Damaged(ctx context.Context) ([]store.Damage, error) {
	if b.damaged != nil {
		return nil, b.damaged
	}
	return b.Site.Damaged(ctx)
}

func (b broken) ManifestOf(ctx context.Context, d digest.Digest) (registry.Descriptor, []byte, error) {
	if b.anywhere != nil {
		return registry.Descriptor{}, nil, b.anywhere
	}
	return b.Site.ManifestOf(ctx, d)
}

func (b broken) TrustPolicy(ctx context.Context) (*trust.Policy, error) {
	if b.policy != nil {
		return nil, b.policy
	}
	return b.Site.TrustPolicy(ctx)
}

func (b broken) Prove(ctx context.Context, d digest.Digest) error {
	if b.prove != nil {
		return b.prove
	}
	return b.Site.Prove(ctx, d)
}

// A site that cannot answer is an error, and never a gate that is open.
func TestSiteFails(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.bring()
	fails := errors.New("the disk fails")
	for name, b := range map[string]broken{
		"resolve":  {resolve: fails},
		"manifest": {manifest: fails},
		"missing":  {missing: fails},
		"damaged":  {damaged: fails},
		"anywhere": {Site: closure.Empty{}, anywhere: fails},
		"policy":   {policy: fails},
		"prove":    {prove: fails},
	} {
		if b.Site == nil {
			b.Site = k.site
		}
		if r, err := closure.Check(t.Context(), b, k.def, closure.Options{Deep: true}); !errors.Is(err, fails) || r != nil {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	wrong := broken{Site: k.site, manifest: registry.ErrDigest}
	if r, err := closure.Check(t.Context(), wrong, k.def, closure.Options{}); err != nil || r.State != closure.Damaged {
		t.Errorf("%+v, %v", r, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := closure.Check(ctx, k.site, k.def, closure.Options{Deep: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	k.def.Name = "Edge"
	if _, err := closure.Check(t.Context(), k.site, k.def, closure.Options{}); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("no definition: %v", err)
	}
}
