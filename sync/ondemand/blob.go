package ondemand

import (
	"context"
	"errors"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

// Blob implements engine.Upstream. Only blobs that a known manifest names come.
func (u *Upstream) Blob(ctx context.Context, repository string, d digest.Digest) (int64, func(context.Context, int64) (io.ReadCloser, error), error) {
	p, ok := u.place(registry.Ref{Repository: repository, Digest: d})
	if !ok {
		return 0, nil, errElsewhere
	}
	k, descriptor, err := u.namer(ctx, &p, d)
	if err != nil {
		return 0, nil, err
	}
	open := func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		r, err := u.follow(ctx, &p, descriptor, offset)
		if err == nil { // after it, so that this blob comes first
			u.want(&p, k, false)
		}
		return r, err
	}
	return descriptor.Size, open, nil
}

// searched is in how many indexes of a repository a blob is looked for.
const searched = 3

// namer finds a manifest that names a blob. Clients that go on with a pull have the
// manifests already, and need not have asked for them since this site was started:
// then those of the indexes that they asked for last are read.
func (u *Upstream) namer(ctx context.Context, p *place, d digest.Digest) (*known, registry.Descriptor, error) {
	if known := u.memory.naming(p.at(d.String())); len(known) > 0 {
		return known[0], known[0].blob(d), nil
	}
	for _, index := range u.memory.indexes(p.path, searched) {
		for _, c := range index.manifest.Children {
			f, err := u.findDigest(ctx, *p, c.Digest)
			if errors.Is(err, registry.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, registry.Descriptor{}, err
			}
			if b := f.known.blob(d); b.Digest == d {
				return f.known, b, nil
			}
		}
	}
	return nil, registry.Descriptor{}, errElsewhere
}

// blob is what a manifest says of one of its blobs.
func (k *known) blob(d digest.Digest) registry.Descriptor {
	for _, b := range k.manifest.Blobs {
		if b.Digest == d {
			return b
		}
	}
	return registry.Descriptor{}
}

// follow reads a blob that is at the site by now, or on its way, or else is sent for.
func (u *Upstream) follow(ctx context.Context, p *place, d registry.Descriptor, offset int64) (io.ReadCloser, error) {
	for {
		if r, err := u.stored(ctx, p, d, offset); r != nil || err != nil {
			return r, err
		}
		if err := u.window(p); err != nil {
			return nil, err
		}
		in, first, err := u.store.Expect(ctx, p.repository, d)
		if err != nil {
			return nil, err
		}
		r, err := in.Open(ctx, offset)
		if first {
			u.fill(p, in, d)
		}
		if err == nil || first {
			return r, err
		}
		if err := in.Wait(ctx); err != nil {
			return nil, err
		}
	}
}

// stored opens a blob that the site has; nil when it does not.
func (u *Upstream) stored(ctx context.Context, p *place, d registry.Descriptor, offset int64) (io.ReadCloser, error) {
	present, err := u.present(ctx, p, d)
	if err != nil || !present {
		return nil, err
	}
	f, _, err := u.store.OpenBlob(ctx, p.repository, d.Digest)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// present makes a blob that any repository of the store has the place's, too.
func (u *Upstream) present(ctx context.Context, p *place, d registry.Descriptor) (bool, error) {
	_, err := u.store.StatBlob(ctx, p.repository, d.Digest)
	if err == nil || !errors.Is(err, registry.ErrNotFound) {
		return err == nil, err
	}
	return u.store.Mount(ctx, p.repository, "", d)
}

// bring makes a blob the place's: what is on its way already is waited for, and what
// did not come so is fetched.
func (u *Upstream) bring(ctx context.Context, p *place, d registry.Descriptor) error {
	for {
		if present, err := u.present(ctx, p, d); present || err != nil {
			return err
		}
		in, first, err := u.store.Expect(ctx, p.repository, d)
		if err != nil {
			return err
		}
		if first {
			return u.report(p, in.Fill(ctx, u.from(ctx, p, d)))
		}
		if err := in.Wait(ctx); ctx.Err() != nil {
			return err
		}
	}
}

// fill brings a blob that this side has begun to expect, whoever leaves.
func (u *Upstream) fill(p *place, in *store.Incoming, d registry.Descriptor) {
	u.mu.Lock()
	defer u.mu.Unlock()
	started := u.goes(func(ctx context.Context) {
		if err := u.report(p, in.Fill(ctx, u.from(ctx, p, d))); err != nil {
			u.warn(ctx, "a blob did not come", p, err, "digest", d.Digest)
		}
	})
	if !started {
		_ = in.Fill(u.ctx, func(int64) (io.ReadCloser, error) { return nil, errEnding })
	}
}

// from opens a blob at its upstream, unless it has come since it was looked for.
func (u *Upstream) from(ctx context.Context, p *place, d registry.Descriptor) func(int64) (io.ReadCloser, error) {
	return func(offset int64) (io.ReadCloser, error) {
		if r, err := u.stored(ctx, p, d, offset); r != nil || err != nil {
			return r, err
		}
		if err := u.window(p); err != nil {
			return nil, err
		}
		return p.remote.BlobFrom(ctx, p.repository, d, offset)
	}
}

// Referrers implements engine.Upstream: of what was pulled and whose attachments are
// not brought yet.
func (u *Upstream) Referrers(ctx context.Context, repository string, subject digest.Digest) ([]registry.Descriptor, error) {
	p, ok := u.place(registry.Ref{Repository: repository, Digest: subject})
	if !ok || p.mirrors[0].Referrers.None {
		return nil, errElsewhere
	}
	k, err := u.here(ctx, &p, registry.Ref{Digest: subject})
	if k == nil && err == nil {
		k = u.memory.get(p.at(subject.String()))
	}
	if err != nil {
		return nil, err
	}
	if k == nil {
		return nil, errElsewhere
	}
	done := false
	u.memory.locked(func() { done = k.attached })
	if done {
		return nil, errHere
	}
	a, err := u.ask(ctx, &p, p.at("referrers of "+subject.String()), u.opts.Patience, func(ctx context.Context) (answer, error) {
		list, err := p.remote.Referrers(ctx, p.repository, subject)
		return answer{list: list}, err
	})
	var list []registry.Descriptor
	for _, d := range a.list {
		if p.mirrors[0].Referrers.Match(d.ArtifactType) {
			list = append(list, d)
		}
	}
	return list, err
}
