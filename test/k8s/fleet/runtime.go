package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/remote"
)

// layersAtOnce is how many blobs of an image are fetched at the same time, as the
// product's runtime does.
const layersAtOnce = 3

// runtime stands in for containerd: it fetches and proves all that it has not, and keeps
// only that it has it.
type runtime struct {
	dir   string // for authorities
	moved atomic.Int64

	mu    sync.Mutex // protects the rest
	blobs map[digest.Digest]bool
	names map[string]digest.Digest   // images by name
	pins  map[string]map[string]bool // names by owner
}

func newRuntime(dir string) *runtime {
	return &runtime{dir: dir, blobs: map[digest.Digest]bool{}, names: map[string]digest.Digest{}, pins: map[string]map[string]bool{}}
}

// open is the registry of a source, by a connection of its own.
func (r *runtime) open(s host.Source) (*remote.Registry, error) {
	o := remote.Options{Server: s.URL, Keychain: remote.Credentials{Username: s.User, Password: s.Password}}
	if len(s.CA) > 0 {
		o.CAFile = filepath.Join(r.dir, fmt.Sprintf("%x.pem", sha256.Sum256(s.CA)))
		if err := os.WriteFile(o.CAFile, s.CA, 0o644); err != nil {
			return nil, err
		}
	}
	return remote.New(o)
}

// Pull implements agent.Runtime.
func (r *runtime) Pull(ctx context.Context, p host.Pull, progress func(done, total int64)) (out host.Pulled, err error) {
	from, err := r.open(p.Source)
	if err != nil {
		return out, err
	}
	defer from.Close()
	before, keep := r.moved.Load(), map[string]bool{}
	for _, i := range p.Images {
		there := r.moved.Load()
		if err := r.bring(ctx, from, i); err != nil {
			return out, fmt.Errorf("image %s: %w", i.Name, err)
		}
		if out.Images++; r.moved.Load() == there {
			out.There++
		}
		r.mu.Lock()
		if _, known := r.names[i.Name]; !known || p.Move {
			r.names[i.Name] = i.Digest
		}
		r.mu.Unlock()
		keep[i.Name] = true
		progress(r.moved.Load()-before, 0)
	}
	out.Bytes = r.moved.Load() - before
	r.mu.Lock()
	defer r.mu.Unlock()
	if !p.Replace {
		for name := range r.pins[p.Owner] {
			keep[name] = true
		}
	}
	r.pins[p.Owner] = keep
	return out, nil
}

// bring fetches what is missing of an image.
func (r *runtime) bring(ctx context.Context, from *remote.Registry, i host.Image) error {
	ref, err := registry.ParseRef(i.Name)
	if err != nil {
		return err
	}
	blobs, err := r.parts(ctx, from, registry.Ref{Repository: registry.RepositoryPath(ref.Repository), Digest: i.Digest})
	if err != nil {
		return err
	}
	turns, errs := make(chan struct{}, layersAtOnce), make([]error, len(blobs))
	var wait sync.WaitGroup
	for n, d := range blobs {
		wait.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			errs[n] = r.fetch(ctx, from, registry.RepositoryPath(ref.Repository), d)
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blobs[i.Digest] = true
	return nil
}

// parts are what an image for this machine is made of; nothing when all of it is here.
func (r *runtime) parts(ctx context.Context, from *remote.Registry, ref registry.Ref) (list []registry.Descriptor, err error) {
	if r.has(ref.Digest) {
		return nil, nil
	}
	d, body, err := from.Manifest(ctx, ref)
	if err != nil {
		return nil, err
	}
	r.moved.Add(int64(len(body)))
	var m struct {
		Manifests []registry.Descriptor `json:"manifests"`
		Config    registry.Descriptor   `json:"config"`
		Layers    []registry.Descriptor `json:"layers"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, err
	}
	if !registry.IsIndex(d.MediaType) {
		return append(m.Layers, m.Config), nil
	}
	for _, one := range m.Manifests {
		if one.Platform != nil && one.Platform.OS == "linux" && one.Platform.Architecture == "amd64" {
			ref.Digest = one.Digest
			return r.parts(ctx, from, ref)
		}
	}
	return nil, fmt.Errorf("%s: %w: nothing for linux/amd64", ref.Digest, registry.ErrNotFound)
}

func (r *runtime) has(d digest.Digest) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.blobs[d]
}

func (r *runtime) fetch(ctx context.Context, from *remote.Registry, repository string, d registry.Descriptor) error {
	if r.has(d.Digest) {
		return nil
	}
	body, err := from.BlobFrom(ctx, repository, d, 0)
	if err != nil {
		return err
	}
	defer body.Close()
	n, err := io.Copy(struct{ io.Writer }{io.Discard}, registry.NewVerifyReader(body, d))
	r.moved.Add(n)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blobs[d.Digest] = true
	return nil
}

// image is what a name stands for, for a pod that is begun.
func (r *runtime) image(name string) (digest.Digest, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d, ok := r.names[name]
	return d, ok
}

// Unpin implements agent.Runtime.
func (r *runtime) Unpin(_ context.Context, owner string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pins, owner)
	return nil
}

// Lacking implements agent.Runtime.
func (r *runtime) Lacking(_ context.Context, list []host.Image) (lacking []host.Image, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range list {
		pinned := false
		for _, names := range r.pins {
			pinned = pinned || names[i.Name]
		}
		if !pinned || r.names[i.Name] != i.Digest {
			lacking = append(lacking, i)
		}
	}
	return lacking, nil
}

// Canary implements agent.Runtime.
func (r *runtime) Canary(ctx context.Context, s host.Source, i host.Image) error {
	from, err := r.open(s)
	if err != nil {
		return err
	}
	defer from.Close()
	ref, err := registry.ParseRef(i.Name)
	if err != nil {
		return err
	}
	d, _, err := from.Manifest(ctx, registry.Ref{Repository: registry.RepositoryPath(ref.Repository), Tag: ref.Tag})
	if err == nil && d.Digest != i.Digest {
		err = fmt.Errorf("%s: %w: it is %s", i.Name, registry.ErrDigest, d.Digest)
	}
	return err
}

// Status implements agent.Runtime.
func (r *runtime) Status(context.Context) host.Runtime {
	r.mu.Lock()
	defer r.mu.Unlock()
	pinned := map[string]bool{}
	for _, names := range r.pins {
		for name := range names {
			pinned[name] = true
		}
	}
	return host.Runtime{Name: "containerd", Version: "stand-in", Endpoint: "/run/containerd/containerd.sock", Ready: true, Images: len(r.names), Pinned: len(pinned)}
}
