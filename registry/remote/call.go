package remote

import (
	"context"
	"errors"
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
	what     string // the reference or digest that errors name
	target   target
	needs    []access // of the session
	method   string
	path     string // below /v2/<name>/
	query    string
	url      *url.URL  // asked in place of path and query
	endpoint *endpoint // nil: any that works; do notes which one did
	optional bool      // the first endpoint that answers speaks for all
	header   http.Header
	size     int64                         // of the body
	body     func() (io.ReadCloser, error) // nil: none
}

// access is an action on a repository; without a path, on the catalog.
type access struct{ path, action string }

// call about a repository, below /v2/<name>/ (OCI distribution-spec,
// "Endpoints").
func (r *Registry) call(method, repository, path, what string) (*call, error) {
	t, err := r.target(repository)
	if err != nil {
		return nil, err
	}
	needs := []access{{t.path, actions(method)}}
	return &call{what: what, target: t, method: method, path: path, needs: needs, header: http.Header{}}, nil
}

// again is a copy that may be changed and asked anywhere.
func (c *call) again() *call {
	other := *c
	other.endpoint, other.header = nil, c.header.Clone()
	return &other
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

// address on the endpoint. The session changes the scheme where http is spoken.
func (c *call) address() *url.URL {
	if c.url != nil {
		return c.url
	}
	path := "/v2/" + c.path
	if c.target.path != "" {
		path = "/v2/" + c.endpoint.prefix + c.target.path + "/" + c.path
	}
	return &url.URL{Scheme: "https", Host: c.endpoint.registry.RegistryStr(), Path: path, RawQuery: c.query}
}

// scopes of the session, as the endpoint's token server knows them.
func (c *call) scopes() []string {
	var scopes []string
	for _, a := range c.needs {
		if a.path == "" {
			scopes = append(scopes, c.endpoint.registry.Scope(a.action))
			continue
		}
		scopes = append(scopes, c.endpoint.registry.Repo(c.endpoint.prefix+a.path).Scope(a.action))
	}
	return scopes
}

// who is asked, for messages.
func (c *call) who() string {
	h := c.target.host
	if c.endpoint == nil || len(h.endpoints) == 1 && c.endpoint.prefix == "" {
		return h.name
	}
	return h.name + " (" + c.endpoint.registry.RegistryStr() + "/" + c.endpoint.prefix + ")"
}

// at is the same call for another address of the same endpoint.
func (c *call) at(method string, u *url.URL) *call {
	other := *c
	other.method, other.url, other.header = method, u, http.Header{}
	return &other
}

// do sends the request and returns an answer with one of the statuses; its
// body is the caller's to close. Every other outcome is an error of package
// registry that names what the call is about. What is read is asked for at one
// endpoint after the other; what one does not have the next may.
func (r *Registry) do(ctx context.Context, c *call, statuses ...int) (*http.Response, error) {
	h := c.target.host
	switch {
	case c.endpoint != nil:
		return r.ask(ctx, c, statuses...)
	case c.method != http.MethodGet && c.method != http.MethodHead || len(h.endpoints) == 1:
		c.endpoint = h.endpoints[0]
		return r.ask(ctx, c, statuses...)
	}
	var failed error // that nobody has it is certain only when all were asked
	for list := h.order(); ; list = list[1:] {
		c.endpoint = list[0]
		last := len(list) == 1
		if last {
			resp, err := r.ask(ctx, c, statuses...)
			if failed != nil && errors.Is(err, registry.ErrNotFound) && !c.optional {
				return nil, failed
			}
			return resp, err
		}
		resp, err := r.ask(Briefly(ctx), c, statuses...)
		if err == nil && (resp.StatusCode != http.StatusNotFound || c.optional) || c.optional && errors.Is(err, registry.ErrNotFound) || ctx.Err() != nil {
			return resp, err
		}
		if err == nil {
			drain(resp.Body)
			continue
		}
		if errors.Is(err, registry.ErrUnreachable) {
			c.endpoint.fail()
		}
		if !errors.Is(err, registry.ErrNotFound) {
			failed = err
		}
	}
}

// ask is do at one endpoint.
func (r *Registry) ask(ctx context.Context, c *call, statuses ...int) (*http.Response, error) {
	client, err := r.client(ctx, c)
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
		r.forget(c)
	}
	return nil, c.refused(readAnswer(resp))
}

func (c *call) request(ctx context.Context) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, c.method, c.address().String(), nil)
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
func (r *Registry) finish(ctx context.Context, c *call, statuses ...int) (*http.Response, error) {
	resp, err := r.do(ctx, c, statuses...)
	if err == nil {
		drain(resp.Body)
	}
	return resp, err
}

// document is do for answers that are read whole. An answer that is cut is
// asked for again.
func (r *Registry) document(ctx context.Context, c *call, limit int64, statuses ...int) (*http.Response, []byte, error) {
	for attempt := 1; ; attempt++ {
		resp, err := r.do(ctx, c, statuses...)
		if err != nil {
			return nil, nil, err
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
		resp.Body.Close()
		switch {
		case err == nil && int64(len(body)) > limit:
			return nil, nil, fmt.Errorf("%s: %w: %s answers with more than %d bytes", c.what, registry.ErrInvalid, c.who(), limit)
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
func nextPage(c *call, resp *http.Response) *url.URL {
	for _, link := range resp.Header.Values("Link") {
		m := nextLink.FindStringSubmatch(link)
		if m == nil {
			continue
		}
		asked := c.address()
		if u, err := asked.Parse(m[1]); err == nil {
			next := *asked
			next.Path, next.RawPath, next.RawQuery = u.Path, u.RawPath, u.RawQuery
			return &next
		}
	}
	return nil
}
