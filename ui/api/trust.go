package api

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/bundle/receipt"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/trust"
)

// Truster manages whom a site trusts.
type Truster interface {
	TrustPolicyText(ctx context.Context) ([]byte, error)
	SetTrustPolicy(ctx context.Context, content []byte) error
	TrustState(ctx context.Context) (trust.State, error)
	ImageVerdicts(ctx context.Context) ([]trust.ImageVerdict, error)
	SiteID(ctx context.Context) (string, error)
}

// Anywhere finds content by its digest: what thin bundles stand on, and what a
// receipt tells of.
type Anywhere interface {
	ManifestOf(ctx context.Context, d digest.Digest) (registry.Descriptor, []byte, error)
	ReferrersOf(ctx context.Context, d digest.Digest) ([]registry.Descriptor, error)
	MissingBlobs(ctx context.Context, blobs []registry.Descriptor) ([]registry.Descriptor, error)
}

// manifestAnswer is a manifest by its digest.
type manifestAnswer struct {
	MediaType string `json:"mediaType"`
	Content   []byte `json:"content"`
}

// siteAnswer says which site it is.
type siteAnswer struct {
	ID string `json:"id"`
}

func (h *handler) setTrustPolicy(r *http.Request) (any, error) {
	var content []byte
	if err := decode(r, &content); err != nil {
		return nil, err
	}
	return struct{}{}, h.site.SetTrustPolicy(r.Context(), content)
}

func (h *handler) siteID(r *http.Request) (any, error) {
	id, err := h.site.SiteID(r.Context())
	return siteAnswer{id}, err
}

func (h *handler) manifestOf(r *http.Request) (any, error) {
	d, err := registry.ParseDigest(r.PathValue("digest"))
	if err != nil {
		return nil, err
	}
	m, content, err := h.site.ManifestOf(r.Context(), d)
	return manifestAnswer{m.MediaType, content}, err
}

func (h *handler) referrersOf(r *http.Request) (any, error) {
	d, err := registry.ParseDigest(r.PathValue("digest"))
	if err != nil {
		return nil, err
	}
	return h.site.ReferrersOf(r.Context(), d)
}

func (h *handler) missingBlobs(r *http.Request) (any, error) {
	var blobs []registry.Descriptor
	if err := decode(r, &blobs); err != nil {
		return nil, err
	}
	return h.site.MissingBlobs(r.Context(), blobs)
}

// teller is a store that can say what it has, and sign it.
type teller interface {
	Holdings(ctx context.Context, tell func(store.Holding)) error
	TrustState(ctx context.Context) (trust.State, error)
	SiteKey(ctx context.Context) (*trust.PrivateKey, error)
}

// WriteReceipt writes what a store has, signed with the site's key.
func WriteReceipt(ctx context.Context, s teller, w io.Writer) error {
	key, err := s.SiteKey(ctx)
	if err != nil {
		return err
	}
	state, err := s.TrustState(ctx)
	if err != nil {
		return err
	}
	r := &receipt.Receipt{Created: time.Now(), Channels: map[string]int64{}}
	for name, at := range state.Channels {
		r.Channels[name] = at.Sequence
	}
	err = s.Holdings(ctx, func(h store.Holding) {
		if h.Manifest {
			r.Manifests = append(r.Manifests, h.Digest)
		} else {
			r.Blobs = append(r.Blobs, h.Digest)
		}
	})
	if err != nil {
		return err
	}
	return r.Write(w, key)
}

// TrustPolicyText implements Truster.
func (c *Client) TrustPolicyText(ctx context.Context) (content []byte, err error) {
	return content, c.call(ctx, http.MethodGet, "trust/policy", nil, &content)
}

// TrustPolicy is the policy in force.
func (c *Client) TrustPolicy(ctx context.Context) (*trust.Policy, error) {
	content, err := c.TrustPolicyText(ctx)
	if err != nil || len(content) == 0 {
		return &trust.Policy{}, err
	}
	return trust.Parse("trust policy of "+c.name, content)
}

// SetTrustPolicy implements Truster.
func (c *Client) SetTrustPolicy(ctx context.Context, content []byte) error {
	return c.call(ctx, http.MethodPut, "trust/policy", content, &struct{}{})
}

// TrustState implements Truster.
func (c *Client) TrustState(ctx context.Context) (s trust.State, err error) {
	return s, c.call(ctx, http.MethodGet, "trust/state", nil, &s)
}

// ImageVerdicts implements Truster.
func (c *Client) ImageVerdicts(ctx context.Context) (list []trust.ImageVerdict, err error) {
	return list, c.call(ctx, http.MethodGet, "trust/images", nil, &list)
}

// SiteID implements Truster.
func (c *Client) SiteID(ctx context.Context) (string, error) {
	var s siteAnswer
	return s.ID, c.call(ctx, http.MethodGet, "site", nil, &s)
}

// Receipt reads the site's receipt.
func (c *Client) Receipt(ctx context.Context) (io.ReadCloser, error) { return c.bytes(ctx, "receipt") }

// ManifestOf implements Anywhere.
func (c *Client) ManifestOf(ctx context.Context, d digest.Digest) (registry.Descriptor, []byte, error) {
	var m manifestAnswer
	if err := c.call(ctx, http.MethodGet, "content/manifests/"+url.PathEscape(d.String()), nil, &m); err != nil {
		return registry.Descriptor{}, nil, err
	}
	descriptor := registry.Descriptor{MediaType: m.MediaType, Digest: d, Size: int64(len(m.Content))}
	if d.Algorithm().FromBytes(m.Content) != d {
		return descriptor, nil, c.broken(ctx, registry.ErrDigest)
	}
	return descriptor, m.Content, nil
}

// ReferrersOf implements Anywhere.
func (c *Client) ReferrersOf(ctx context.Context, d digest.Digest) (list []registry.Descriptor, err error) {
	return list, c.call(ctx, http.MethodGet, "content/referrers/"+url.PathEscape(d.String()), nil, &list)
}

// missingPage is how many blobs one request asks for.
const missingPage = 5000

// MissingBlobs implements Anywhere.
func (c *Client) MissingBlobs(ctx context.Context, blobs []registry.Descriptor) (missing []registry.Descriptor, err error) {
	for len(blobs) > 0 {
		n := min(missingPage, len(blobs))
		var list []registry.Descriptor
		if err := c.call(ctx, http.MethodPost, "content/missing", blobs[:n], &list); err != nil {
			return nil, err
		}
		missing, blobs = append(missing, list...), blobs[n:]
	}
	return missing, nil
}

var _ bundle.Site = (*Client)(nil)
