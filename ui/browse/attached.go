package browse

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

// maxLooked bounds how many tags of a repository are looked at for those that only
// a bundle has.
const maxLooked = 10_000

// withAttachedNames adds the tags of a repository that only a bundle has.
func (b *Browser) withAttachedNames(ctx context.Context, opts store.FindOptions, stored []Name) ([]Name, error) {
	repository := opts.Repository
	if b.view == nil || opts.May != nil && !opts.May(repository) {
		return stored, nil
	}
	known, last := map[string]bool{}, "~"
	for _, n := range stored {
		known[n.Tag] = true
		if len(stored) == opts.Limit {
			last = n.Tag
		}
	}
	list, looked := stored, 0
	for tag, err := range b.view.Tags(ctx, repository, tagAfter(repository, opts.After)) {
		looked++
		if errors.Is(err, registry.ErrNotFound) || tag > last || looked > maxLooked || len(list) == len(stored)+opts.Limit {
			break
		}
		if err != nil {
			return nil, err
		}
		if known[tag] || !matches(repository+":"+tag, opts.Query) {
			continue
		}
		n, err := b.attachedName(ctx, registry.Ref{Repository: repository, Tag: tag})
		if err != nil {
			return nil, err
		}
		list = append(list, n...)
	}
	slices.SortFunc(list, func(a, b Name) int { return strings.Compare(a.Tag, b.Tag) })
	return list[:min(len(list), opts.Limit)], nil
}

// tagAfter is the tag at which a cursor stands in a repository.
func tagAfter(repository, cursor string) string {
	at, tag := cursor, ""
	if i := strings.LastIndexByte(cursor, ':'); i > strings.LastIndexByte(cursor, '/') {
		at, tag = cursor[:i], cursor[i+1:]
	}
	switch strings.Compare(registry.RepositoryPath(at), registry.RepositoryPath(repository)) {
	case 0:
		return tag
	case 1:
		return "~" // behind all of them
	}
	return ""
}

// attachedName describes a tag that a bundle has, unless it went meanwhile.
func (b *Browser) attachedName(ctx context.Context, ref registry.Ref) ([]Name, error) {
	f, err := b.find(ctx, ref)
	if errors.Is(err, registry.ErrNotFound) || err == nil && !f.inBundle {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []Name{{
		Name: ref.String(), Repository: ref.Repository, Tag: ref.Tag, Digest: f.Digest, MediaType: f.MediaType, ArtifactType: f.ArtifactType,
		Kind: kindOf(traits{tag: ref.Tag, mediaType: f.MediaType, artifactType: f.ArtifactType, annotations: f.Annotations}), Size: f.Size, Attached: true,
	}}, nil
}

// withAttachedRepositories adds the repositories that only bundles have.
func (b *Browser) withAttachedRepositories(ctx context.Context, opts store.FindOptions, stored []Repository) ([]Repository, error) {
	if b.view == nil {
		return stored, nil
	}
	known := map[string]bool{}
	for _, r := range stored {
		known[registry.RepositoryPath(r.Name)] = true
	}
	list := stored
	for path, err := range b.view.RepositoryPaths(ctx, registry.RepositoryPath(opts.After)) {
		if err != nil {
			return nil, err
		}
		if len(stored) == opts.Limit && path > registry.RepositoryPath(stored[len(stored)-1].Name) || len(list) == len(stored)+opts.Limit {
			break // what follows is of the next page
		}
		name := registry.RepositoryName(path)
		asked := opts.Repository == "" || registry.RepositoryPath(opts.Repository) == path
		if known[path] || !asked || !matches(name, opts.Query) || opts.May != nil && !opts.May(name) {
			continue
		}
		r := Repository{Name: name, Attached: true}
		for _, err := range b.view.Tags(ctx, path, "") {
			if err == nil {
				r.Tags++
			}
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b Repository) int {
		return strings.Compare(registry.RepositoryPath(a.Name), registry.RepositoryPath(b.Name))
	})
	return list[:min(len(list), opts.Limit)], nil
}

// maxAttached bounds how many manifests of a bundle are looked at.
const maxAttached = 1000

// extent is what a manifest reaches in its repository.
func (b *Browser) extent(ctx context.Context, repository string, d digest.Digest) (store.Extent, error) {
	e, err := b.store.SizeOf(ctx, repository, d)
	if b.view == nil || !errors.Is(err, registry.ErrNotFound) {
		return e, err
	}
	w := &walk{Browser: b, repository: repository, sizes: map[digest.Digest]int64{}}
	if err := w.visit(ctx, d); err != nil {
		return e, err
	}
	for _, size := range w.sizes {
		e.Bytes += size
	}
	e.Manifests, e.Blobs = w.manifests, len(w.sizes)-w.manifests
	return e, nil
}

// walk goes through what is attached.
type walk struct {
	*Browser
	repository string
	sizes      map[digest.Digest]int64
	manifests  int
}

func (w *walk) visit(ctx context.Context, d digest.Digest) error {
	desc, content, err := w.view.Manifest(ctx, registry.Ref{Repository: w.repository, Digest: d})
	if err != nil {
		return err
	}
	w.sizes[d] = desc.Size
	w.manifests++
	m, err := registry.ParseManifest(desc.MediaType, content)
	if err != nil {
		return err
	}
	for _, blob := range m.Blobs {
		w.sizes[blob.Digest] = blob.Size
	}
	for _, c := range m.Children {
		if _, seen := w.sizes[c.Digest]; seen || w.manifests == maxAttached {
			continue
		}
		if err := w.visit(ctx, c.Digest); err != nil && !errors.Is(err, registry.ErrNotFound) {
			return err
		}
	}
	return nil
}
