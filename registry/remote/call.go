package remote

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/landfall-dev/landfall/registry"
)

// maxDocument bounds what is read into memory of any answer but manifests, in
// bytes: a page of a listing.
const maxDocument = 32 << 20

// call is one request about a target.
type call struct {
	what   string // the reference or digest that errors name
	target target
	scopes []string // of the session
	method string
	url    *url.URL
	header http.Header
	size   int64                         // of the body
	body   func() (io.ReadCloser, error) // nil: none
}

// call about a repository, below /v2/<name>/ (OCI distribution-spec,
// "Endpoints").
func (r *Registry) call(method, repository, path, what string) (call, error) {
	t, err := r.target(repository)
	if err != nil {
		return call{}, err
	}
	c := call{what: what, target: t, method: method, header: http.Header{}}
	c.url = t.url("/v2/" + t.path + "/" + path)
	c.scopes = []string{t.registry.Repo(t.path).Scope(actions(method))}
	return c, nil
}

func actions(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead:
		return transport.PullScope
	case http.MethodDelete:
		return transport.DeleteScope
	}
	return transport.PushScope
}

// url on the target's registry. The session changes the scheme where http is
// spoken.
func (t target) url(path string) *url.URL {
	return &url.URL{Scheme: "https", Host: t.registry.RegistryStr(), Path: path}
}

// at is the same call for another address.
func (c call) at(method string, u *url.URL) call {
	c.method, c.url, c.header = method, u, http.Header{}
	return c
}

// do sends the request and returns an answer with one of the statuses; its
// body is the caller's to close. Every other outcome is an error of package
// registry that names what the call is about.
func (r *Registry) do(ctx context.Context, c call, statuses ...int) (*http.Response, error) {
	client, err := r.client(ctx, c.target, c.scopes)
	if err != nil {
		return nil, c.failed(ctx, err)
	}
	req, err := c.request(ctx)
	if err != nil {
		return nil, c.failed(ctx, err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, c.failed(ctx, err)
	}
	if slices.Contains(statuses, resp.StatusCode) {
		return resp, nil
	}
	defer drain(resp.Body)
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		r.forget(c.target, c.scopes)
	}
	return nil, c.refused(readAnswer(resp))
}

func (c call) request(ctx context.Context) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, c.method, c.url.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header = c.header.Clone()
	if c.body == nil || c.size == 0 {
		return req, nil
	}
	req.ContentLength, req.GetBody = c.size, c.body
	req.Body, err = c.body()
	return req, err
}

// finish is do for calls whose answer has nothing to read.
func (r *Registry) finish(ctx context.Context, c call, statuses ...int) (*http.Response, error) {
	resp, err := r.do(ctx, c, statuses...)
	if err == nil {
		drain(resp.Body)
	}
	return resp, err
}

// document is do for answers that are read whole. An answer that is cut is
// asked for again.
func (r *Registry) document(ctx context.Context, c call, limit int64, statuses ...int) (*http.Response, []byte, error) {
	for attempt := 1; ; attempt++ {
		resp, err := r.do(ctx, c, statuses...)
		if err != nil {
			return nil, nil, err
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
		resp.Body.Close()
		switch {
		case err == nil && int64(len(body)) > limit:
			return nil, nil, fmt.Errorf("%s: %w: %s answers with more than %d bytes", c.what, registry.ErrInvalid, c.target.host, limit)
		case err == nil:
			return resp, body, nil
		case attempt >= r.opts.Retries || ctx.Err() != nil:
			return nil, nil, c.failed(ctx, err)
		}
		wait, _ := retryAfter(nil, attempt)
		if err := r.pause(ctx, wait); err != nil {
			return nil, nil, c.failed(ctx, err)
		}
	}
}

// nextLink is a Link header (RFC 8288) that continues a listing.
var nextLink = regexp.MustCompile(`<([^>]*)>\s*;[^<]*\brel="?next\b`)

// nextPage is where a listing goes on; nil when it is complete. It stays on
// the host that was asked: a listing sends nobody elsewhere.
func nextPage(c call, resp *http.Response) *url.URL {
	for _, link := range resp.Header.Values("Link") {
		m := nextLink.FindStringSubmatch(link)
		if m == nil {
			continue
		}
		if u, err := c.url.Parse(m[1]); err == nil {
			next := *c.url
			next.Path, next.RawPath, next.RawQuery = u.Path, u.RawPath, u.RawQuery
			return &next
		}
	}
	return nil
}
