// Package browse is for people who look at content: which names a site has, what
// is behind one of them, who needs it, and what its deletion would lead to. It is
// not for hosts, which pull through registry/engine, and it leases nothing: what
// was only looked at can be deleted and collected.
//
// Nouns. An artifact is what a name stands for, of a kind that people tell apart:
// an image, an index, a chart, a signature. Its referrers are what belongs to it,
// however it is tied to it: by a subject, as cosign's companion tag, or beside it
// in an index. Attached is what is read from a bundle whose import has not ended.
package browse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/attach"
	"github.com/landfall-dev/landfall/registry/store"
)

// Browser shows what is in a store, and what is attached to it.
type Browser struct {
	store *store.Store
	view  *attach.View
}

// New makes a Browser. Without a view, nothing can be attached.
func New(s *store.Store, v *attach.View) *Browser { return &Browser{s, v} }

// Name is a tag in a list.
type Name struct {
	Name         string        `json:"name" doc:"The whole name" example:"registry.k8s.io/pause:3.10"`
	Repository   string        `json:"repository"`
	Tag          string        `json:"tag"`
	Digest       digest.Digest `json:"digest" doc:"Of the manifest that the tag points at"`
	MediaType    string        `json:"mediaType"`
	ArtifactType string        `json:"artifactType,omitempty" doc:"Where there is none, the media type of the config"`
	Kind         Kind          `json:"kind" enum:"image,index,chart,signature,attestation,sbom,definition,other"`
	Size         int64         `json:"size" doc:"Bytes of the manifest itself"`
	Updated      time.Time     `json:"updated,omitzero" doc:"When the tag was set"`
	Attached     bool          `json:"attached,omitempty" doc:"It is read from a bundle that is being imported"`
}

// Repository is one in a list.
type Repository struct {
	Name      string    `json:"name" example:"registry.k8s.io/pause"`
	Tags      int64     `json:"tags" doc:"How many tags it has"`
	Manifests int64     `json:"manifests" doc:"How many manifests it has, also those without a tag"`
	Updated   time.Time `json:"updated,omitzero" doc:"When a tag of it was set last"`
	Attached  bool      `json:"attached,omitempty" doc:"All of it is read from a bundle that is being imported"`
}

// defaultLimit is how many are listed when nobody says.
const defaultLimit = 100

// Definitions is Names of cluster definitions only.
func (b *Browser) Definitions(ctx context.Context, opts store.FindOptions) ([]Name, error) {
	opts.ArtifactType = typeDefinition + ".v*" // whatever the version of the format
	list, err := b.Names(ctx, opts)
	return slices.DeleteFunc(list, func(n Name) bool { return n.Kind != Definition }), err
}

// Names finds tags, by the path of their repository and then their name. What is
// attached is among them when one repository is asked for.
func (b *Browser) Names(ctx context.Context, opts store.FindOptions) ([]Name, error) {
	opts.Limit = cmp.Or(opts.Limit, defaultLimit)
	found, err := b.store.FindNames(ctx, opts)
	if err != nil {
		return nil, err
	}
	list := make([]Name, 0, len(found))
	for _, n := range found {
		list = append(list, Name{
			Name: n.String(), Repository: n.Repository, Tag: n.Tag, Digest: n.Digest, MediaType: n.MediaType, ArtifactType: n.ArtifactType,
			Kind: kindOf(traits{tag: n.Tag, mediaType: n.MediaType, artifactType: n.ArtifactType}), Size: n.Size, Updated: n.Updated,
		})
	}
	if opts.Repository == "" {
		return list, nil
	}
	return b.withAttachedNames(ctx, opts, list)
}

// Repositories finds repositories, by path. What is attached is among them.
func (b *Browser) Repositories(ctx context.Context, opts store.FindOptions) ([]Repository, error) {
	opts.Limit = cmp.Or(opts.Limit, defaultLimit)
	found, err := b.store.FindRepositories(ctx, opts)
	if err != nil {
		return nil, err
	}
	list := make([]Repository, 0, len(found))
	for _, r := range found {
		list = append(list, Repository{Name: r.Name, Tags: r.Tags, Manifests: r.Manifests, Updated: r.Updated})
	}
	return b.withAttachedRepositories(ctx, opts, list)
}

// Find finds the name that is meant: as the site lists it or, when that is not
// there, as Docker would complete it. It returns it as the site lists it. may says
// which repositories may be told of; nil: all.
func (b *Browser) Find(ctx context.Context, text string, may func(repository string) bool) (registry.Ref, error) {
	there := func(ref registry.Ref) (registry.Ref, error) {
		f, err := b.find(ctx, ref)
		if err == nil && may != nil && !may(f.repository) {
			err = registry.ErrNotFound
		}
		if err != nil {
			return ref, named(ref, err)
		}
		ref.Repository = f.repository
		return ref, nil
	}
	asListed, err := registry.ParseName(text)
	if err == nil {
		ref, err := there(asListed)
		if !errors.Is(err, registry.ErrNotFound) {
			return ref, err
		}
	}
	completed, err := registry.ParseRef(text)
	if err != nil {
		return completed, err
	}
	return there(completed)
}

// named is an error of a name, which it does not say twice.
func named(ref registry.Ref, err error) error {
	if strings.HasPrefix(err.Error(), ref.String()+":") {
		return err
	}
	return fmt.Errorf("%s: %w", ref, err)
}

// found is a manifest that is there.
type found struct {
	*store.Record        // what the store knows of it, or for an attached one as much of that as there is
	inBundle      bool   // the store does not have it
	repository    string // its original name
}

// find finds a manifest in the store, or else in what is attached.
func (b *Browser) find(ctx context.Context, ref registry.Ref) (*found, error) {
	r, err := b.store.Look(ctx, ref)
	if err == nil {
		return &found{r, false, r.Repository}, nil
	}
	if b.view == nil || !errors.Is(err, registry.ErrNotFound) {
		return nil, err
	}
	d, content, err := b.view.Manifest(ctx, ref)
	if err != nil {
		return nil, err
	}
	r = &store.Record{Descriptor: d, Repository: ref.Repository, Content: content, Tags: []store.Tag{}}
	if m, err := registry.ParseManifest(d.MediaType, content); err == nil {
		r.ArtifactType, r.Annotations = m.ArtifactType, m.Annotations
	}
	if ref.Tag != "" {
		r.Tags = append(r.Tags, store.Tag{Name: ref.Tag})
	}
	return &found{r, true, ref.Repository}, nil
}

// Blob reads a blob of a repository that has at most so many bytes, and proves it.
func (b *Browser) Blob(ctx context.Context, repository string, d digest.Digest, most int64) ([]byte, error) {
	shares, err := b.store.Sharing(ctx, repository, []digest.Digest{d})
	if err != nil {
		return nil, err
	}
	if share := shares[d]; share.Held {
		return readSmall(d, share.Size, most, func() (io.ReadCloser, error) { return b.store.BlobBytes(ctx, d) })
	}
	if b.view == nil {
		return nil, fmt.Errorf("%s@%s: %w", repository, d, registry.ErrNotFound)
	}
	blob, err := b.view.OpenBlob(ctx, repository, d)
	if err != nil {
		return nil, err
	}
	defer blob.File.Close()
	return readSmall(d, blob.Size, most, func() (io.ReadCloser, error) {
		section := io.NewSectionReader(blob.File, blob.Base, blob.Size)
		return io.NopCloser(registry.NewVerifyReader(section, registry.Descriptor{Digest: d, Size: blob.Size})), nil
	})
}

// readSmall reads what proves itself.
func readSmall(d digest.Digest, size, most int64, open func() (io.ReadCloser, error)) ([]byte, error) {
	if size > most {
		return nil, fmt.Errorf("%w: blob %s has %d bytes; at most %d are shown here: pull it instead", registry.ErrInvalid, d, size, most)
	}
	r, err := open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// matches reports whether all words of a query occur in a name.
func matches(name, query string) bool {
	name = strings.ToLower(name)
	return !slices.ContainsFunc(strings.Fields(strings.ToLower(query)), func(word string) bool { return !strings.Contains(name, word) })
}
