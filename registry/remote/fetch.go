package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/landfall-dev/landfall/registry"
)

// Fetch reads a file of a host that is no registry, from an offset on, with the
// host's settings and patience. size is that of the whole file, -1 when that is
// not told. Where the transfer breaks off the body ends with the error; a server
// without ranges sends all again, and what is known already is skipped.
func (r *Registry) Fetch(ctx context.Context, address string, offset int64) (body io.ReadCloser, size int64, err error) {
	resp, c, err := r.file(ctx, http.MethodGet, address, offset)
	if err != nil {
		return nil, 0, err
	}
	if resp.StatusCode == http.StatusPartialContent {
		size = -1
		if resp.ContentLength >= 0 {
			size = offset + resp.ContentLength
		}
		return resp.Body, size, nil
	}
	if _, err := io.CopyN(io.Discard, resp.Body, offset); err != nil {
		resp.Body.Close()
		return nil, 0, c.failed(ctx, err)
	}
	return resp.Body, resp.ContentLength, nil
}

// Size asks for the size of a file; -1 when it is not told.
func (r *Registry) Size(ctx context.Context, address string) (int64, error) {
	resp, _, err := r.file(ctx, http.MethodHead, address, 0)
	if err != nil {
		return 0, err
	}
	drain(resp.Body)
	return resp.ContentLength, nil
}

// file asks for a file with Basic authentication, if there are credentials.
func (r *Registry) file(ctx context.Context, method, address string, offset int64) (*http.Response, *call, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, nil, fmt.Errorf("%s: %w: want http(s)://host/path", address, registry.ErrInvalid)
	}
	h, err := r.hostOf(u.Host)
	if err != nil {
		return nil, nil, err
	}
	c := &call{what: address, target: target{host: h}, method: method, url: u, endpoint: h.endpoints[0], header: http.Header{}}
	if offset > 0 {
		c.header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	req, err := c.request(ctx)
	if err == nil {
		err = h.authorize(ctx, req)
	}
	if err != nil {
		return nil, c, c.failed(ctx, err)
	}
	req.Header.Set("User-Agent", r.opts.UserAgent)
	client := &http.Client{Transport: &guard{inner: roundTripper(h.patient), host: u.Host, scheme: u.Scheme}}
	resp, err := client.Do(req)
	switch {
	case err != nil:
		return nil, c, c.failed(ctx, err)
	case resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusPartialContent && offset > 0:
		return resp, c, nil
	}
	defer drain(resp.Body)
	return nil, c, c.refused(readAnswer(resp))
}

// authorize shows a name and password, to the host that they are for only.
func (h *host) authorize(ctx context.Context, req *http.Request) error {
	auth, err := h.credentials(ctx)
	if err != nil || auth == authn.Anonymous {
		return err
	}
	config, err := authn.Authorization(ctx, auth)
	switch {
	case err != nil:
		return &loginError{err}
	case config.RegistryToken != "":
		req.Header.Set("Authorization", "Bearer "+config.RegistryToken)
	case config.Username != "":
		req.SetBasicAuth(config.Username, config.Password)
	case config.IdentityToken != "":
		return &loginError{errors.New("an identity token is for registries only")}
	}
	return nil
}
