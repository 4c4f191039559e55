package api

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// TrustPolicyText implements Truster.
func (c *Client) TrustPolicyText(ctx context.Context) ([]byte, error) {
	return c.document(ctx, "trust/policy")
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
	return c.call(ctx, http.MethodPut, "trust/policy", document{string(content)}, nil)
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
func (c *Client) Receipt(ctx context.Context) (io.ReadCloser, error) {
	return c.stream(ctx, "receipt", typeBytes)
}

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
