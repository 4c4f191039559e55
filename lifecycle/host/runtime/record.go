package runtime

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Labels of records.
const (
	labelManaged = "io.cri-containerd.image"  // "managed": the CRI plugin knows the record
	labelPinned  = "io.cri-containerd.pinned" // "pinned": the kubelet leaves the image alone
	labelOurs    = "landfall.dev/pinned"      // "true": labelPinned was set here
	labelOwner   = "landfall.dev/pin."        // and an owner: the digest that this wants
)

// maxOwner bounds an owner's name, in bytes; containerd bounds a label with its value.
const maxOwner = 200

func checkOwner(owner string) error {
	if owner == "" || len(owner) > maxOwner || strings.ContainsFunc(owner, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return fmt.Errorf("owner %q of pins: %w: want up to %d letters, digits and signs", owner, registry.ErrInvalid, maxOwner)
	}
	return nil
}

// Image is an image that the runtime has, with what it is called.
type Image struct {
	Digest digest.Digest // of its index, or of the one manifest
	Names  []string      // with tags; none when it is there by digest alone
	Owners []string      // of its pins
	Pinned bool          // the kubelet leaves it alone, whoever wants that
}

// Images are those that the runtime has, by digest. ErrUnreachable when it does not run.
func (r *Runtime) Images(ctx context.Context) ([]Image, error) {
	client, ctx, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	list, err := client.ImageService().List(ctx)
	return group(list), r.fail(ctx, err)
}

// group puts the records of each image together.
func group(list []images.Image) (all []Image) {
	found := map[digest.Digest]*Image{}
	for _, record := range list {
		d := record.Target.Digest
		if found[d] == nil {
			found[d] = &Image{Digest: d}
		}
		i := found[d]
		if ref, err := registry.ParseName(record.Name); err == nil && ref.Tag != "" && ref.Digest == "" && !isID(record.Name) {
			i.Names = append(i.Names, record.Name)
		}
		i.Pinned = i.Pinned || record.Labels[labelPinned] != ""
		for label := range record.Labels {
			if owner, ok := strings.CutPrefix(label, labelOwner); ok && !slices.Contains(i.Owners, owner) {
				i.Owners = append(i.Owners, owner)
			}
		}
	}
	for _, d := range slices.Sorted(maps.Keys(found)) {
		slices.Sort(found[d].Names)
		slices.Sort(found[d].Owners)
		all = append(all, *found[d])
	}
	return all
}

// isID reports whether a record is that of an image's id.
func isID(name string) bool {
	_, err := registry.ParseDigest(name)
	return err == nil
}

// enter makes an image's records, pinned for the owner, and returns their names. The
// name is left out where it stays with another image.
//
// Labels are written one by one: the CRI plugin writes others of the same record.
func (p *pull) enter(ctx context.Context, w *wanted) (names []string, err error) {
	p.runtime.pins.Lock()
	defer p.runtime.pins.Unlock()
	for _, name := range []string{w.ref.ByDigest(w.target.Digest).String(), w.config.Digest.String(), w.name()} {
		entered, err := p.enterOne(ctx, name, w, name == w.name() && w.ref.Digest == "" && !p.Move)
		if err != nil {
			return names, fmt.Errorf("record %s: %w", name, p.runtime.fail(ctx, err))
		}
		if entered {
			names = append(names, name)
		}
	}
	return names, nil
}

func (p *pull) enterOne(ctx context.Context, name string, w *wanted, stays bool) (entered bool, err error) {
	service := p.client.ImageService()
	labels := map[string]string{labelManaged: "managed", labelPinned: "pinned", labelOurs: "true", labelOwner + p.Owner: w.target.Digest.String()}
	_, err = service.Create(ctx, images.Image{Name: name, Target: w.target, Labels: labels})
	if !errdefs.IsAlreadyExists(err) {
		return err == nil, err
	}
	old, err := service.Get(ctx, name)
	if errdefs.IsNotFound(err) {
		return p.enterOne(ctx, name, w, stays) // it was removed just now
	}
	if err != nil {
		return false, err
	}
	var paths []string
	if old.Target.Digest != w.target.Digest {
		if stays {
			return false, nil // the name is that of what runs
		}
		paths = append(paths, "target")
	}
	if old.Labels[labelPinned] != "" && old.Labels[labelOurs] == "" {
		delete(labels, labelOurs) // the runtime itself has pinned it, as it does its pause image
	}
	for label, value := range labels {
		if old.Labels[label] != value {
			paths = append(paths, "labels."+label)
		}
	}
	if len(paths) == 0 {
		return true, nil
	}
	_, err = service.Update(ctx, images.Image{Name: name, Target: w.target, Labels: labels}, paths...)
	return err == nil, err
}

// Unpin takes the pins of an owner away, and what interrupted pulls for it have left.
// An image that nobody else has pinned is the kubelet's to collect from then on.
// A machine without a runtime has no pins; with one that does not run, it is an
// ErrUnreachable.
func (r *Runtime) Unpin(ctx context.Context, owner string) error {
	if err := checkOwner(owner); err != nil {
		return err
	}
	if !r.installed() {
		return nil
	}
	client, ctx, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := r.unpin(ctx, client.ImageService(), owner, nil); err != nil {
		return err
	}
	return r.fail(ctx, r.release(ctx, client.LeasesService(), owner))
}

// unpin takes an owner's pins away, but for those of some records.
func (r *Runtime) unpin(ctx context.Context, store images.Store, owner string, keep map[string]bool) error {
	r.pins.Lock()
	defer r.pins.Unlock()
	list, err := store.List(ctx)
	if err != nil {
		return r.fail(ctx, err)
	}
	for _, i := range list {
		if _, pinned := i.Labels[labelOwner+owner]; !pinned || keep[i.Name] {
			continue
		}
		paths := []string{"labels." + labelOwner + owner}
		delete(i.Labels, labelOwner+owner)
		if i.Labels[labelOurs] != "" && !owned(i.Labels) {
			paths = append(paths, "labels."+labelPinned, "labels."+labelOurs)
		}
		// What has no value is removed.
		_, err := store.Update(ctx, images.Image{Name: i.Name, Target: i.Target}, paths...)
		if err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("record %s: %w", i.Name, r.fail(ctx, err))
		}
	}
	return nil
}

func owned(labels map[string]string) bool {
	for name := range labels {
		if strings.HasPrefix(name, labelOwner) {
			return true
		}
	}
	return false
}
