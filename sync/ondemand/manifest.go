package ondemand

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/remote"
	"github.com/landfall-dev/landfall/registry/retention"
	"github.com/landfall-dev/landfall/registry/trust"
)

// found is a manifest, and whether the site has it so that its own answer is right.
type found struct {
	place place
	known *known
	here  bool
}

// Resolve implements engine.Upstream. Nothing is brought for who only looks.
func (u *Upstream) Resolve(ctx context.Context, ref registry.Ref) (registry.Descriptor, error) {
	f, err := u.find(ctx, ref)
	if err != nil || f.here {
		return registry.Descriptor{}, noted(f, err)
	}
	return f.known.descriptor, nil
}

// Manifest implements engine.Upstream. What the manifest needs is brought in the
// background.
func (u *Upstream) Manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	f, err := u.find(ctx, ref)
	if err != nil {
		return registry.Descriptor{}, nil, err
	}
	u.want(&f.place, f.known, f.here)
	if f.here {
		return registry.Descriptor{}, nil, noted(f, nil)
	}
	return f.known.descriptor, f.known.content, nil
}

var errHere = fmt.Errorf("%w upstream: the site has it", registry.ErrNotFound)

// noted is why there is nothing to say.
func noted(f found, err error) error {
	if err == nil && f.here {
		return errHere
	}
	return err
}

func (u *Upstream) find(ctx context.Context, ref registry.Ref) (found, error) {
	p, ok := u.place(ref)
	switch {
	case !ok:
		return found{}, errElsewhere
	case ref.Digest == "":
		return u.findTag(ctx, p, ref.Tag)
	}
	return u.findDigest(ctx, p, ref.Digest)
}

func (u *Upstream) findDigest(ctx context.Context, p place, d digest.Digest) (found, error) {
	k, err := u.here(ctx, &p, registry.Ref{Digest: d})
	if k != nil || err != nil {
		return found{p, k, true}, err
	}
	if k = u.memory.get(p.at(d.String())); k != nil {
		return found{p, k, false}, nil
	}
	a, err := u.ask(ctx, &p, p.at(d.String()), 0, func(ctx context.Context) (answer, error) {
		k, err := u.fetch(ctx, &p, d)
		return answer{known: k}, err
	})
	return found{p, a.known, false}, err
}

// findTag answers from what is known when the upstream was asked lately; else it
// asks. Where the site has an answer, no failure of the upstream's counts.
func (u *Upstream) findTag(ctx context.Context, p place, tag string) (found, error) {
	stored, err := u.here(ctx, &p, registry.Ref{Tag: tag})
	if err != nil {
		return found{}, err
	}
	here := found{p, stored, true}
	if stored != nil && u.isAttached(ctx, &p, tag, stored.descriptor.Digest) {
		return here, nil
	}
	moved, fresh := u.lately(&p, tag, stored)
	switch {
	case fresh && moved != nil && (stored == nil || u.link(&p) == nil):
		return found{p, moved, false}, nil
	case fresh && moved == nil && stored != nil:
		return here, nil
	}
	patience := u.opts.Patience
	if stored == nil && moved == nil {
		patience = 0
	}
	a, err := u.ask(ctx, &p, p.at(tag), patience, func(ctx context.Context) (answer, error) {
		if patience > 0 {
			ctx = remote.Briefly(ctx)
		}
		k, err := u.check(ctx, &p, tag)
		return answer{known: k}, err
	})
	switch {
	case err == nil:
		return found{p, a.known, stored != nil && stored.at == a.known.at}, nil
	case stored != nil:
		u.pass(ctx, &p, tag, err)
		return here, nil
	case moved != nil && errors.Is(err, registry.ErrUnreachable):
		return found{p, moved, false}, nil
	}
	return found{}, err
}

// lately is what the upstream said last that a tag stands for, if that is not what
// the site has, and whether it need not be asked again.
func (u *Upstream) lately(p *place, tag string, stored *known) (moved *known, fresh bool) {
	last := u.memory.tag(p.at(tag))
	moved = u.memory.get(p.at(last.digest.String()))
	if moved != nil && stored != nil && moved.at == stored.at {
		moved = nil
	}
	return moved, u.now().Sub(last.asked) < p.refresh()
}

// pass notes that the site's answer counts although the upstream was asked. While it
// does not answer, it is asked as links say.
func (u *Upstream) pass(ctx context.Context, p *place, tag string, err error) {
	if errors.Is(err, registry.ErrUnreachable) || ctx.Err() != nil {
		return
	}
	u.memory.setTag(p.at(tag), tagged{asked: u.now()})
	if !errors.Is(err, registry.ErrNotFound) {
		u.warn(ctx, "a tag stays what it was: what the upstream has now is not taken", p, err, "tag", tag)
	}
}

// here is what the site has, nil when it has nothing. Manifests that clients are
// given are noted: they will ask for what is below.
func (u *Upstream) here(ctx context.Context, p *place, ref registry.Ref) (*known, error) {
	ref.Repository = p.repository
	d, content, err := u.view.Manifest(ctx, ref)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if k := u.memory.get(p.at(d.Digest.String())); k != nil {
		return k, nil
	}
	k, err := newKnown(p, d, content)
	if err != nil {
		return nil, err
	}
	return u.memory.put(k), nil
}

// isAttached reports whether a tag is what it is because of an attached bundle: that
// counts before everything.
func (u *Upstream) isAttached(ctx context.Context, p *place, tag string, is digest.Digest) bool {
	d, err := u.store.Resolve(ctx, p.ref(tag))
	return err != nil || d.Digest != is
}

func newKnown(p *place, d registry.Descriptor, content []byte) (*known, error) {
	m, err := registry.ParseManifest(d.MediaType, content)
	if err != nil {
		return nil, fmt.Errorf("%s@%s: %w", p.repository, d.Digest, err)
	}
	return &known{at: p.at(d.Digest.String()), descriptor: registry.Bare(d), content: content, manifest: m}, nil
}

// check asks what a tag stands for now, and lets it in.
func (u *Upstream) check(ctx context.Context, p *place, tag string) (*known, error) {
	d, err := p.remote.Resolve(ctx, p.ref(tag))
	if err != nil {
		return nil, err
	}
	stored, err := u.view.Resolve(ctx, p.ref(tag))
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return nil, err
	}
	same := err == nil && stored.Digest == d.Digest
	if err == nil && !same {
		if err := u.mayMove(ctx, p, tag); err != nil {
			return nil, err
		}
	}
	k, err := u.here(ctx, p, registry.Ref{Digest: d.Digest})
	if k == nil && err == nil {
		k, err = u.load(ctx, p, d.Digest)
	}
	if err != nil {
		return nil, err
	}
	var verdicts []trust.ImageVerdict
	if !same && !registry.IsSignatureTag(tag) {
		if verdicts, err = u.judge(ctx, p, d.Digest); err != nil {
			return nil, err
		}
	}
	k = u.admit(k, verdicts)
	u.memory.setTag(p.at(tag), tagged{d.Digest, u.now()})
	if !same {
		u.memory.wait(k, p.ref(tag))
	}
	return k, nil
}

// mayMove is ErrConflict for a tag that the site's policy keeps where it is.
func (u *Upstream) mayMove(ctx context.Context, p *place, tag string) error {
	content, err := u.store.Policy(ctx)
	if err != nil || len(content) == 0 {
		return err
	}
	policy, err := retention.Parse("policy", content)
	if err != nil {
		return err
	}
	if pattern, fixed := policy.Rule(p.repository).Immutable(tag); fixed {
		return fmt.Errorf("%s: %w: the site's policy says that tags like %s do not move", p.ref(tag), registry.ErrConflict, pattern)
	}
	return nil
}

// load reads a manifest that the site does not have. It is not let in by that.
func (u *Upstream) load(ctx context.Context, p *place, d digest.Digest) (*known, error) {
	if k := u.memory.get(p.at(d.String())); k != nil {
		return k, nil
	}
	descriptor, content, err := p.remote.Manifest(ctx, registry.Ref{Repository: p.repository, Digest: d})
	if err != nil {
		return nil, err
	}
	return newKnown(p, descriptor, content)
}

// fetch reads a manifest by its digest and lets it in: with what is above it, or by
// itself.
func (u *Upstream) fetch(ctx context.Context, p *place, d digest.Digest) (*known, error) {
	k, err := u.load(ctx, p, d)
	if err != nil {
		return nil, err
	}
	var verdicts []trust.ImageVerdict
	if !u.belongs(k) {
		if verdicts, err = u.judge(ctx, p, d); err != nil {
			return nil, err
		}
	}
	return u.admit(k, verdicts), nil
}

// admit lets clients have a manifest.
func (u *Upstream) admit(k *known, verdicts []trust.ImageVerdict) *known {
	k = u.memory.put(k)
	if len(verdicts) > 0 {
		u.memory.locked(func() { k.verdicts = verdicts })
	}
	return k
}

// belongs reports whether a manifest is let in with one that is known: an index that
// names it; or its subject, provided that nobody can run it.
func (u *Upstream) belongs(k *known) bool {
	return len(u.memory.parents(k.at)) > 0 || !runs(k.manifest) && u.memory.subject(k) != nil
}

// runs reports whether a manifest is one that container runtimes take.
func runs(m *registry.Manifest) bool {
	if len(m.Blobs) == 0 {
		return true // an index
	}
	config := m.Blobs[0].MediaType
	return config == ocispec.MediaTypeImageConfig || config == mediaTypeDockerConfig
}

// mediaTypeDockerConfig is Docker's form of an image's config.
const mediaTypeDockerConfig = "application/vnd.docker.container.image.v1+json"
