package api

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"

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

func (a *API) trustRoutes() {
	s := a.opts.Site
	add(a, route{method: http.MethodGet, path: "/trust/state", id: "get-trust-state", right: "trust.read", summary: "Read what was accepted so far"},
		func(ctx context.Context, _ *nothing) (*answer[trust.State], error) {
			state, err := s.TrustState(ctx)
			if state.Channels == nil {
				state.Channels = map[string]trust.Accepted{}
			}
			return give(state, err)
		})
	add(a, route{method: http.MethodGet, path: "/trust/images", id: "list-image-verdicts", right: "trust.read", summary: "List what was found out about the signatures of images"},
		func(ctx context.Context, _ *nothing) (*answer[[]trust.ImageVerdict], error) {
			return give(s.ImageVerdicts(ctx))
		})
	add(a, route{method: http.MethodGet, path: "/trust/keys", id: "list-trusted-keys", right: "trust.read", summary: "List the keys that the trust policy trusts"}, a.trustedKeys)
	add(a, route{method: http.MethodGet, path: "/site", id: "get-site", right: "content.read", summary: "Say which site it is"},
		func(ctx context.Context, _ *nothing) (*answer[siteAnswer], error) {
			id, err := s.SiteID(ctx)
			return give(siteAnswer{id}, err)
		})
	add(a, route{method: http.MethodGet, path: "/content/manifests/{digest}", id: "get-manifest", right: "content.read", whole: true, summary: "Read a manifest whichever repository has it"}, a.manifestOf)
	add(a, route{method: http.MethodGet, path: "/content/referrers/{digest}", id: "list-referrers", right: "content.read", whole: true, summary: "List what refers to a manifest"}, a.referrersOf)
	add(a, route{method: http.MethodPost, path: "/content/missing", id: "find-missing", right: "content.read", whole: true, summary: "Say which of some blobs are not here"},
		func(ctx context.Context, in *struct{ Body []registry.Descriptor }) (*answer[[]registry.Descriptor], error) {
			missing, err := s.MissingBlobs(ctx, in.Body)
			return give(append([]registry.Descriptor{}, missing...), err)
		})
}

// trustedKey is a key of the trust policy.
type trustedKey struct {
	ID        string    `json:"id"`
	Owner     string    `json:"owner"`
	Kind      string    `json:"kind"`
	PEM       string    `json:"pem"`
	NotBefore time.Time `json:"notBefore,omitzero"`
	NotAfter  time.Time `json:"notAfter,omitzero"`
	Revoked   string    `json:"revoked,omitempty" doc:"Why nothing that it signed counts any more"`
}

func (a *API) trustedKeys(ctx context.Context, _ *nothing) (*answer[[]trustedKey], error) {
	text, err := a.opts.Site.TrustPolicyText(ctx)
	if err != nil {
		return nil, err
	}
	list := []trustedKey{}
	if len(text) == 0 {
		return give(list, nil)
	}
	policy, err := trust.Parse("trust policy", text)
	if err != nil {
		return nil, err
	}
	for _, k := range policy.Keys() {
		t := trustedKey{ID: k.ID(), Owner: k.Owner, Kind: k.Kind(), PEM: string(k.PEM()), NotBefore: k.NotBefore, NotAfter: k.NotAfter}
		if k.Revoked != nil {
			t.Revoked = k.Revoked.Reason
		}
		list = append(list, t)
	}
	return give(list, nil)
}

func (a *API) manifestOf(ctx context.Context, in *digestInput) (*answer[manifestAnswer], error) {
	d, err := registry.ParseDigest(in.Digest)
	if err != nil {
		return nil, err
	}
	m, content, err := a.opts.Site.ManifestOf(ctx, d)
	return give(manifestAnswer{m.MediaType, content}, err)
}

func (a *API) referrersOf(ctx context.Context, in *digestInput) (*answer[[]registry.Descriptor], error) {
	d, err := registry.ParseDigest(in.Digest)
	if err != nil {
		return nil, err
	}
	list, err := a.opts.Site.ReferrersOf(ctx, d)
	return give(append([]registry.Descriptor{}, list...), err)
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
