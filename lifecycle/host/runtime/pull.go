package runtime

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// layersAtOnce is how many layers of an image are moved at the same time.
const layersAtOnce = 3

// Pull brings images in and pins them for an owner. What is there is not moved again,
// and of what was begun the rest is. A name that is another image's here stays with
// that, unless the pull says that names move: what is staged changes nothing of what
// runs. ErrDigest when the source has another image under a digest; ErrNotFound names the
// image that it has not.
func (r *Runtime) Pull(ctx context.Context, p host.Pull, progress func(done, total int64)) (out host.Pulled, err error) {
	client, ctx, err := r.open(ctx)
	if err != nil {
		return out, err
	}
	defer client.Close()
	ctx, release, err := client.WithLease(ctx)
	if err != nil {
		return out, fmt.Errorf("containerd: %w: %w", registry.ErrUnreachable, err)
	}
	defer func() { err = errors.Join(err, release(context.WithoutCancel(ctx))) }()
	m, err := newMover(p.Source, p.Rate)
	if err != nil {
		return out, err
	}
	defer m.close()
	m.progress = progress
	keep := map[string]bool{}
	for _, i := range p.Images {
		there, err := r.pullOne(ctx, client, m, i, p)
		out.Bytes = m.moved.Load()
		if err != nil {
			return out, fmt.Errorf("image %s: %w", i.Name, kindOf(err))
		}
		if out.Images++; there {
			out.There++
		}
		for _, name := range recordsOf(i) {
			keep[name] = true
		}
	}
	if p.Replace {
		err = unpin(ctx, client.ImageService(), p.Owner, keep)
	}
	return out, err
}

// recordsOf are the names of an image's records.
func recordsOf(i host.Image) []string {
	ref, err := registry.ParseRef(i.Name)
	if err != nil {
		return []string{i.Name}
	}
	return []string{i.Name, ref.Repository + "@" + i.Digest.String()}
}

// pullOne brings one image in, and reports whether it was there.
func (r *Runtime) pullOne(ctx context.Context, client *containerd.Client, m *mover, i host.Image, p host.Pull) (there bool, err error) {
	ref, err := registry.ParseRef(i.Name)
	if err != nil {
		return false, err
	}
	byDigest := ref.Repository + "@" + i.Digest.String()
	store, match := client.ImageService(), platforms.Only(platforms.DefaultSpec())
	record, err := store.Get(ctx, byDigest)
	if err == nil {
		there, _, _, _, err = images.Check(ctx, client.ContentStore(), record.Target, match)
	} else if errdefs.IsNotFound(err) {
		err = nil
	}
	if err != nil {
		return false, err
	}
	if !there {
		before := m.moved.Load()
		if record, err = client.Fetch(ctx, byDigest, containerd.WithResolver(m.resolver), containerd.WithPlatformMatcher(match),
			containerd.WithMaxConcurrentDownloads(layersAtOnce), containerd.WithImageHandler(m.watch())); err != nil {
			return false, err
		}
		r.opts.Log.InfoContext(ctx, "an image was brought in", "image", i.Name, "digest", i.Digest, "bytes", m.moved.Load()-before)
	}
	if err := r.unpack(ctx, client, record, match); err != nil {
		return there, err
	}
	return there, enter(ctx, store, i, record.Target, p)
}

// unpack lays the image out as the file systems of containers begin, so that none has to
// wait for that.
func (r *Runtime) unpack(ctx context.Context, client *containerd.Client, record images.Image, match platforms.MatchComparer) error {
	image := containerd.NewImageWithPlatform(client, record, match)
	if done, err := image.IsUnpacked(ctx, ""); err == nil && done {
		return nil
	}
	return image.Unpack(ctx, "")
}

// enter makes an image's records, pinned for the owner.
func enter(ctx context.Context, store images.Store, i host.Image, target ocispec.Descriptor, p host.Pull) error {
	for n, name := range recordsOf(i) {
		labels := map[string]string{labelManaged: "managed", labelPinned: "pinned", labelOurs: "true", labelOwner + p.Owner: i.Digest.String()}
		old, err := store.Get(ctx, name)
		switch {
		case errdefs.IsNotFound(err):
			_, err = store.Create(ctx, images.Image{Name: name, Target: target, Labels: labels})
		case err != nil:
		case old.Target.Digest != target.Digest && n == 0 && !p.Move:
			continue // the name is what runs now
		default:
			if old.Labels[labelPinned] != "" && old.Labels[labelOurs] == "" {
				delete(labels, labelOurs) // it is pinned by the runtime itself, as the pause image is
			}
			for k, v := range labels {
				if old.Labels == nil {
					old.Labels = map[string]string{}
				}
				old.Labels[k] = v
			}
			old.Target = target
			_, err = store.Update(ctx, old, "target", "labels")
		}
		if err != nil {
			return fmt.Errorf("containerd: image %s: %w", name, err)
		}
	}
	return nil
}

// kindOf gives an error of containerd's the kind that it is here.
func kindOf(err error) error {
	for _, k := range []error{registry.ErrNotFound, registry.ErrDigest, registry.ErrNoSpace, registry.ErrUnreachable, registry.ErrDenied} {
		if errors.Is(err, k) {
			return err
		}
	}
	switch {
	case errdefs.IsNotFound(err):
		return fmt.Errorf("%w: %w", registry.ErrNotFound, err)
	case errdefs.IsUnauthorized(err), errdefs.IsPermissionDenied(err):
		return fmt.Errorf("%w: %w", registry.ErrDenied, err)
	case errdefs.IsFailedPrecondition(err):
		return fmt.Errorf("%w: %w", registry.ErrDigest, err)
	}
	return registry.DiskError(err)
}

// watch counts what an image reaches, for its progress.
func (m *mover) watch() images.Handler {
	return images.HandlerFunc(func(_ context.Context, d ocispec.Descriptor) ([]ocispec.Descriptor, error) {
		m.total.Add(d.Size)
		return nil, nil
	})
}

// mover moves bytes from a source.
type mover struct {
	resolver remotes.Resolver
	progress func(done, total int64)
	moved    atomic.Int64 // bytes over the network
	total    atomic.Int64 // bytes of what was looked at
	close    func()
}
