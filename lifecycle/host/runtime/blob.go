package runtime

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/errdefs"

	"github.com/landfall-dev/landfall/registry"
)

// blob brings a blob into containerd. What is there already is leased, and not moved;
// what came of it before, in an earlier process too, is not asked for again. When that
// is damaged, it comes anew once.
func (p *pull) blob(ctx context.Context, repository string, d registry.Descriptor) error {
	for {
		resumed, err := p.transfer(ctx, repository, d)
		if registry.WrongBytes(err) {
			// Else it would be found, and refused, each time again.
			abort := p.store.Abort(ctx, remotes.MakeRefKey(ctx, d))
			if resumed && (abort == nil || errdefs.IsNotFound(abort)) {
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("blob %s: %w", d.Digest, p.runtime.fail(ctx, err))
		}
		return nil
	}
}

// transfer moves what is missing of a blob. resumed says that some of it was there.
func (p *pull) transfer(ctx context.Context, repository string, d registry.Descriptor) (resumed bool, err error) {
	w, err := content.OpenWriter(ctx, p.store, content.WithRef(remotes.MakeRefKey(ctx, d)), content.WithDescriptor(d))
	if errdefs.IsAlreadyExists(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer w.Close() // what it has got stays, for the next time
	status, err := w.Status()
	if err != nil {
		return false, err
	}
	have := status.Offset
	if have > d.Size {
		return true, fmt.Errorf("%w: %d bytes are there, of %d", registry.ErrSize, have, d.Size)
	}
	if have < d.Size {
		if err := p.move(ctx, w, repository, d, have); err != nil {
			return have > 0, err
		}
	}
	return have > 0, commit(ctx, w, d)
}

// move appends what comes from the source.
func (p *pull) move(ctx context.Context, w io.Writer, repository string, d registry.Descriptor, have int64) error {
	body, err := p.from.blob(ctx, repository, d, have)
	if err != nil {
		return err
	}
	defer body.Close()
	n, err := io.CopyBuffer(w, io.LimitReader(body, d.Size-have), make([]byte, chunk))
	if err == nil && have+n < d.Size {
		err = fmt.Errorf("%w: the source sent %d bytes of %d", registry.ErrSize, have+n, d.Size)
	}
	return err
}

// commit has containerd prove the blob's bytes.
func commit(ctx context.Context, w content.Writer, d registry.Descriptor) error {
	err := w.Commit(ctx, d.Size, d.Digest)
	switch {
	case err == nil, errdefs.IsAlreadyExists(err):
		return nil
	case errdefs.IsFailedPrecondition(err):
		return fmt.Errorf("%w: %w", registry.ErrDigest, err)
	}
	return err
}

// manifest is a manifest by its digest, which is in containerd, and leased, afterwards.
func (p *pull) manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, error) {
	d, body, err := p.stored(ctx, ref)
	if err != nil {
		d, body, err = p.from.manifest(ctx, ref)
	}
	if err != nil {
		return d, err
	}
	return d, p.runtime.fail(ctx, content.WriteBlob(ctx, p.store, remotes.MakeRefKey(ctx, d), bytes.NewReader(body), d))
}

// stored is a manifest that containerd has. One whose bytes do not say what it is, is
// looked up at the source.
func (p *pull) stored(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	info, err := p.store.Info(ctx, ref.Digest)
	if err != nil {
		return registry.Descriptor{}, nil, err
	}
	if info.Size > registry.MaxManifestSize {
		return registry.Descriptor{}, nil, fmt.Errorf("%s: %w: %d bytes are no manifest", ref, registry.ErrInvalid, info.Size)
	}
	body, err := content.ReadBlob(ctx, p.store, registry.Descriptor{Digest: ref.Digest, Size: info.Size})
	if err != nil {
		return registry.Descriptor{}, nil, err
	}
	d := registry.Describe("", body, ref.Digest.Algorithm())
	if d.Digest != ref.Digest || !registry.IsManifest(d.MediaType) {
		return d, nil, fmt.Errorf("%s: %w", ref, registry.ErrInvalid)
	}
	return d, body, nil
}
