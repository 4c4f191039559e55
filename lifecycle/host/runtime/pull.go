package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"

	"github.com/landfall-dev/landfall/internal/parallel"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// layersAtOnce is how many blobs of an image are moved at the same time.
const layersAtOnce = 3

// maxDepth bounds indexes within indexes.
const maxDepth = 4

// Pull brings images in, unpacks them, and pins them for an owner. Of an index, only
// what is for this machine is moved. What is there is not moved again, and of what an
// interrupted pull has begun, the rest is. First it is seen to that the source has each
// of the images; then they come one after the other, each named when it is whole.
//
// A name that is another image's here stays with that, unless the pull says that names
// move: what is staged changes nothing of what runs.
//
// progress hears how many bytes have moved, and how many will have; it may be nil.
//
// ErrNotFound names the image that the source has not, ErrDigest both digests when the
// source has another one under its name instead. ErrUnreachable is of the source or of
// containerd, ErrNoSpace of containerd's folder.
func (r *Runtime) Pull(ctx context.Context, p host.Pull, progress func(done, total int64)) (out host.Pulled, err error) {
	if err := checkOwner(p.Owner); err != nil {
		return out, err
	}
	client, ctx, err := r.open(ctx)
	if err != nil {
		return out, err
	}
	defer client.Close()
	from, err := openSource(p.Source, p.Rate, r.opts.Data)
	if err != nil {
		return out, err
	}
	defer from.close()
	from.progress = progress
	leased, end, err := r.lease(ctx, client, p.Owner)
	if err != nil {
		return out, err
	}
	job := &pull{Pull: p, runtime: r, client: client, store: client.ContentStore(), from: from, match: platforms.Only(platforms.DefaultSpec())}
	out, err = job.run(leased)
	out.Bytes = from.bytes()
	return out, end(err)
}

// pull is one that is under way.
type pull struct {
	host.Pull
	runtime     *Runtime
	client      *containerd.Client
	store       content.Store
	from        *source
	match       platforms.MatchComparer
	snapshotter string
}

// wanted is an image with what this machine needs of it.
type wanted struct {
	host.Image
	ref    registry.Ref
	target registry.Descriptor   // what the name stands for
	config registry.Descriptor   // of the image for this machine
	blobs  []registry.Descriptor // the configuration and the layers, each once
	moved  bool                  // some of it came, or has to come, over the network
}

// name is what the record with its tag is called; with a digest, it has none.
func (w *wanted) name() string {
	if w.ref.Digest != "" {
		return w.ref.ByDigest(w.ref.Digest).String()
	}
	return w.ref.String()
}

func (p *pull) run(ctx context.Context) (out host.Pulled, err error) {
	if p.snapshotter, err = snapshotter(ctx, p.client); err != nil {
		return out, p.runtime.fail(ctx, err)
	}
	list, err := p.lookAll(ctx)
	if err != nil {
		return out, err
	}
	keep := map[string]bool{}
	for _, w := range list {
		names, err := p.bring(ctx, w)
		if err != nil {
			return out, fmt.Errorf("image %s: %w", w.Name, p.runtime.fail(ctx, err))
		}
		if out.Images++; !w.moved {
			out.There++
		}
		for _, name := range names {
			keep[name] = true
		}
	}
	if p.Replace {
		err = p.runtime.unpin(ctx, p.client.ImageService(), p.Owner, keep)
	}
	return out, err
}

// lookAll learns what has to be moved for all images.
func (p *pull) lookAll(ctx context.Context) (list []*wanted, err error) {
	missing := map[string]int64{}
	for _, i := range p.Images {
		w := &wanted{Image: i}
		before := p.from.bytes()
		if err := p.look(ctx, w); err != nil {
			return nil, fmt.Errorf("image %s: %w", i.Name, p.runtime.fail(ctx, err))
		}
		w.moved = p.from.bytes() > before
		for _, d := range w.blobs {
			left, err := p.left(ctx, d)
			if err != nil {
				return nil, p.runtime.fail(ctx, err)
			}
			if left >= 0 {
				missing[d.Digest.String()] = left
				w.moved = true
			}
		}
		list = append(list, w)
	}
	var sum int64
	for _, left := range missing {
		sum += left
	}
	p.from.expect(sum)
	return list, nil
}

// left is how many bytes of a blob are missing; -1 when it is there.
func (p *pull) left(ctx context.Context, d registry.Descriptor) (int64, error) {
	if _, err := p.store.Info(ctx, d.Digest); err == nil {
		return -1, nil
	} else if !errdefs.IsNotFound(err) {
		return 0, err
	}
	status, err := p.store.Status(ctx, remotes.MakeRefKey(ctx, d))
	if errdefs.IsNotFound(err) {
		return d.Size, nil
	}
	return max(0, d.Size-status.Offset), err
}

// look reads an image's manifests, from containerd or the source, down to what is for
// this machine.
func (p *pull) look(ctx context.Context, w *wanted) (err error) {
	if w.ref, err = registry.ParseRef(w.Name); err != nil {
		return err
	}
	if _, err = registry.ParseDigest(w.Digest.String()); err != nil {
		return err
	}
	if w.ref.Digest != "" && w.ref.Digest != w.Digest {
		return fmt.Errorf("%w: its name has another digest than the wanted %s", registry.ErrInvalid, w.Digest)
	}
	if w.target, err = p.manifest(ctx, w.ref.ByDigest(w.Digest)); err != nil {
		return p.changed(ctx, w, err)
	}
	children := images.LimitManifests(images.FilterPlatforms(images.SetChildrenLabels(p.store, images.ChildrenHandler(p.store)), p.match), p.match, 1)
	d := w.target
	for depth := 0; registry.IsIndex(d.MediaType); depth++ {
		list, err := children(ctx, d)
		if errdefs.IsNotFound(err) || err == nil && (len(list) == 0 || depth == maxDepth) {
			return fmt.Errorf("%w: its index %s has nothing for %s", registry.ErrNotFound, d.Digest, platforms.FormatAll(platforms.DefaultSpec()))
		}
		if err != nil {
			return err
		}
		if _, err := p.manifest(ctx, w.ref.ByDigest(list[0].Digest)); err != nil {
			return err
		}
		d = list[0]
	}
	return p.lookDown(ctx, w, d, children)
}

// lookDown reads what a manifest names.
func (p *pull) lookDown(ctx context.Context, w *wanted, d registry.Descriptor, children images.HandlerFunc) error {
	list, err := children(ctx, d)
	if err != nil {
		return err
	}
	if len(list) == 0 || !images.IsConfigType(list[0].MediaType) {
		return fmt.Errorf("%w: %s is no manifest of an image that containers can be made from", registry.ErrInvalid, d.Digest)
	}
	w.config = list[0]
	for _, b := range list {
		if !slices.ContainsFunc(w.blobs, func(o registry.Descriptor) bool { return o.Digest == b.Digest }) {
			w.blobs = append(w.blobs, b)
		}
	}
	return nil
}

// changed explains why the source has not got an image's digest: its name may stand for
// another one there by now.
func (p *pull) changed(ctx context.Context, w *wanted, err error) error {
	if !errors.Is(err, registry.ErrNotFound) || w.ref.Tag == "" {
		return err
	}
	d, e := p.from.named(ctx, registry.Ref{Repository: w.ref.Repository, Tag: w.ref.Tag})
	if e != nil || d.Digest == w.Digest {
		return err
	}
	return fmt.Errorf("%w: the source has %s under this name, and %s is wanted: the source was changed; bring the definition's content there again", registry.ErrDigest, d.Digest, w.Digest)
}

// bring moves what is missing of an image, unpacks and names it.
func (p *pull) bring(ctx context.Context, w *wanted) (names []string, err error) {
	before := p.from.bytes()
	err = parallel.Do(ctx, layersAtOnce, w.blobs, func(ctx context.Context, d registry.Descriptor) error {
		return p.blob(ctx, w.ref.Repository, d)
	})
	if err != nil {
		return nil, err
	}
	if err := p.unpack(ctx, w); err != nil {
		return nil, err
	}
	if names, err = p.enter(ctx, w); err == nil && w.moved {
		p.runtime.opts.Log.InfoContext(ctx, "an image was brought in", "image", w.Name, "digest", w.Digest, "bytes", p.from.bytes()-before)
	}
	return names, err
}

// unpack lays the image out as the file systems of containers begin, so that none has to
// wait for that. What is unpacked stays for as long as the image does.
func (p *pull) unpack(ctx context.Context, w *wanted) error {
	image := containerd.NewImageWithPlatform(p.client, images.Image{Name: w.name(), Target: w.target}, p.match)
	return image.Unpack(ctx, p.snapshotter)
}

// snapshotter is containerd's usual one, or the plain one where the kernel or the file
// system does not bear that; the CRI plugin would have to be set so, too.
func snapshotter(ctx context.Context, client *containerd.Client) (string, error) {
	found, err := plugins(ctx, client, "type==io.containerd.snapshotter.v1")
	if err != nil {
		return "", err
	}
	if label, err := client.GetLabel(ctx, "containerd.io/defaults/snapshotter"); err == nil && label != "" {
		return label, nil
	}
	for _, want := range []string{"overlayfs", "native"} {
		for _, p := range found {
			if p.ID == want {
				return want, nil
			}
		}
	}
	return "", nil // as containerd has it
}
