package remote

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
)

// Referrers asks the referrers API, all its pages; a registry without it is
// asked for the referrers tag (OCI distribution-spec, "Listing Referrers").
func (r *Registry) Referrers(ctx context.Context, repository string, subject digest.Digest) ([]registry.Descriptor, error) {
	list, supported, err := r.askReferrers(ctx, repository, subject)
	if err == nil && !supported {
		list, err = r.taggedReferrers(ctx, repository, subject)
	}
	if err != nil {
		return nil, err
	}
	return sortedByDigest(list), nil
}

// askReferrers reports false for a registry that has no referrers API: the
// specification wants 404 of it, others do not know the path's form or method.
func (r *Registry) askReferrers(ctx context.Context, repository string, subject digest.Digest) (list []registry.Descriptor, supported bool, err error) {
	c, err := r.call(http.MethodGet, repository, "referrers/"+subject.String(), "referrers of "+repository+"@"+subject.String())
	if err != nil {
		return nil, false, err
	}
	c.optional = true
	if e := c.target.host.order()[0]; e.unlisted.Load() {
		return nil, false, nil
	}
	c.header.Set("Accept", ocispec.MediaTypeImageIndex)
	for read := (budget{}); ; {
		if !read.has() {
			return nil, false, c.endless()
		}
		resp, body, err := r.document(ctx, c, registry.MaxManifestSize, http.StatusOK,
			http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented)
		if err != nil {
			return nil, false, err
		}
		served, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
		if resp.StatusCode != http.StatusOK || served != ocispec.MediaTypeImageIndex {
			c.endpoint.unlisted.Store(withoutRoute(resp, body))
			return nil, false, nil
		}
		page, err := c.descriptors(body)
		if err != nil {
			return nil, false, err
		}
		read.spend(body)
		list = append(list, page...)
		if c.url = nextPage(c, resp); c.url == nil {
			return list, true, nil
		}
	}
}

// withoutRoute reports whether an endpoint does not know the API at all, rather
// than this repository or manifest: then it need not be asked again.
func withoutRoute(resp *http.Response, body []byte) bool {
	var doc struct {
		Errors []struct{ Code string } `json:"errors"`
	}
	_ = json.Unmarshal(body, &doc)
	return resp.StatusCode == http.StatusNotFound && len(doc.Errors) == 0
}

// descriptors of an index. ErrInvalid for one that cannot be followed.
func (c *call) descriptors(index []byte) ([]registry.Descriptor, error) {
	m, err := registry.ParseManifest(ocispec.MediaTypeImageIndex, index)
	if err != nil {
		return nil, fmt.Errorf("%s: from %s: %w", c.what, c.who(), err)
	}
	return m.Children, nil
}

func sortedByDigest(list []registry.Descriptor) []registry.Descriptor {
	slices.SortStableFunc(list, func(a, b registry.Descriptor) int { return cmp.Compare(a.Digest, b.Digest) })
	return slices.CompactFunc(list, func(a, b registry.Descriptor) bool { return a.Digest == b.Digest })
}

// referrersTag is the tag of a registry without the API (OCI
// distribution-spec, "Referrers Tag Schema").
func referrersTag(repository string, subject digest.Digest) registry.Ref {
	tag := subject.Algorithm().String() + "-" + subject.Encoded()
	return registry.Ref{Repository: repository, Tag: tag[:min(len(tag), 128)]}
}

// taggedReferrers: a tag that is not there, or is no index, lists none.
func (r *Registry) taggedReferrers(ctx context.Context, repository string, subject digest.Digest) ([]registry.Descriptor, error) {
	ref := referrersTag(repository, subject)
	c, err := r.manifestCall(http.MethodGet, ref)
	if err != nil {
		return nil, err
	}
	c.optional = true
	d, content, err := r.readManifest(ctx, c, ref)
	if errors.Is(err, registry.ErrNotFound) || err == nil && !registry.IsIndex(d.MediaType) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := registry.ParseManifest(d.MediaType, content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	return m.Children, nil
}

// addReferrer does for a registry what it did not do itself: it lists the
// manifest d under its subject's referrers tag (OCI distribution-spec,
// "Pushing Manifests with Subject").
func (r *Registry) addReferrer(ctx context.Context, repository string, d registry.Descriptor, m *registry.Manifest) error {
	ref := referrersTag(repository, m.Subject.Digest)
	mu := r.referrersLock(ref)
	mu.Lock()
	defer mu.Unlock()
	list, err := r.taggedReferrers(ctx, repository, m.Subject.Digest)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(list, func(have registry.Descriptor) bool { return have.Digest == d.Digest }) {
		return nil
	}
	d = registry.Bare(d)
	d.ArtifactType, d.Annotations = m.ArtifactType, m.Annotations
	content, err := json.Marshal(ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageIndex,
		Manifests: append(list, d),
	})
	if err != nil {
		return fmt.Errorf("%s: %w: %v", ref, registry.ErrInvalid, err)
	}
	return r.PutManifest(ctx, ref, registry.Describe(ocispec.MediaTypeImageIndex, content, digest.Canonical), content)
}

// referrersLock keeps the writers of this process from losing each other's
// entries; the protocol has nothing against those of others.
func (r *Registry) referrersLock(ref registry.Ref) *sync.Mutex {
	r.mu.Lock()
	defer r.mu.Unlock()
	mu := r.referrers[ref.String()]
	if mu == nil {
		mu = &sync.Mutex{}
		r.referrers[ref.String()] = mu
	}
	return mu
}
