package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

// ClientOptions say how an appliance is reached.
type ClientOptions struct {
	Server string // http://HOST:PORT, https://HOST:PORT, or unix:///path/to/socket
	CAFile string // PEM file with certificates to trust besides the system's
}

// Client is an appliance that is managed over its API.
type Client struct {
	base string
	name string // for errors
	http *http.Client
}

// NewClient makes a client; it dials nothing yet.
func NewClient(opts ClientOptions) (*Client, error) {
	u, err := url.Parse(opts.Server)
	if err != nil || u.Scheme != "unix" && u.Host == "" {
		return nil, fmt.Errorf("%w: server %q: want http://HOST, https://HOST or unix:///SOCKET", registry.ErrInvalid, opts.Server)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // the appliance is at the site
	c := &Client{base: strings.TrimSuffix(opts.Server, "/"), name: opts.Server, http: &http.Client{Transport: transport}}
	switch u.Scheme {
	case "unix":
		c.base = "http://landfall"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", u.Path)
		}
	case "http", "https":
	default:
		return nil, fmt.Errorf("%w: server %q: scheme %q", registry.ErrInvalid, opts.Server, u.Scheme)
	}
	if opts.CAFile != "" {
		pool, err := trust(opts.CAFile)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return c, nil
}

func trust(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%w: %s: no certificate in it", registry.ErrInvalid, file)
	}
	return pool, nil
}

// Close lets connections go.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// send sends a request and returns the answer's body, if it is one of success.
func (c *Client) send(ctx context.Context, method, path string, body any) (io.ReadCloser, error) {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+"/api/v1/"+path, content)
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(request)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", registry.ErrUnreachable, c.name, err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	var f failed
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxRequest)).Decode(&f); err != nil || f.Message == "" {
		return nil, fmt.Errorf("%s answers %s to %s /api/v1/%s: is it a Landfall appliance of this version?", c.name, answer.Status, method, path)
	}
	return nil, f.err()
}

// call sends a request and reads its answer into result.
func (c *Client) call(ctx context.Context, method, path string, body, result any) error {
	answer, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	if err := json.NewDecoder(answer).Decode(result); err != nil {
		return c.broken(ctx, err)
	}
	return nil
}

func (c *Client) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %s: the answer broke off: %w", registry.ErrUnreachable, c.name, err)
}

// follow sends a request and reads its stream.
func follow[E, R any](ctx context.Context, c *Client, path string, body any, tell func(E)) (*R, error) {
	answer, err := c.send(ctx, http.MethodPost, path, body)
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	for d := json.NewDecoder(bufio.NewReader(answer)); ; {
		var e event[E, R]
		if err := d.Decode(&e); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, c.broken(ctx, err)
		}
		switch {
		case e.Error != nil:
			return nil, e.Error.err()
		case e.Result != nil:
			return e.Result, nil
		case e.Event != nil && tell != nil:
			tell(*e.Event)
		}
	}
}

// Scrub implements Upkeep.
func (c *Client) Scrub(ctx context.Context, opts store.ScrubOptions) (*store.Scrubbed, error) {
	return follow[store.Damage, store.Scrubbed](ctx, c, "content/scrub", scrubRequest{opts.Fresh, opts.Rate}, opts.Found)
}

// Collect implements Upkeep.
func (c *Client) Collect(ctx context.Context, opts store.CollectOptions) (*store.Collected, error) {
	return follow[store.Kept, store.Collected](ctx, c, "content/collect", collectRequest{opts.DryRun, opts.Now, opts.Kept != nil}, opts.Kept)
}

// Undo implements Upkeep.
func (c *Client) Undo(ctx context.Context) (r store.Restored, err error) {
	return r, c.call(ctx, http.MethodPost, "content/undo", struct{}{}, &r)
}

// Why implements Upkeep.
func (c *Client) Why(ctx context.Context, d digest.Digest) (e *store.Explanation, err error) {
	return e, c.call(ctx, http.MethodGet, "content/why/"+url.PathEscape(d.String()), nil, &e)
}

// Examine implements Upkeep.
func (c *Client) Examine(ctx context.Context) (list []store.Finding, err error) {
	return list, c.call(ctx, http.MethodGet, "doctor", nil, &list)
}

// Pin implements Pinner.
func (c *Client) Pin(ctx context.Context, ref registry.Ref, owner, reason string) (p store.Pin, err error) {
	return p, c.call(ctx, http.MethodPost, "content/pins", pinRequest{ref.Repository, ref.Tag, ref.Digest, owner, reason}, &p)
}

// Unpin implements Pinner.
func (c *Client) Unpin(ctx context.Context, ref registry.Ref, owner string) error {
	return c.call(ctx, http.MethodPost, "content/unpin", pinRequest{Repository: ref.Repository, Tag: ref.Tag, Digest: ref.Digest, Owner: owner}, &struct{}{})
}

// Pins implements Pinner.
func (c *Client) Pins(ctx context.Context) (list []store.Pin, err error) {
	return list, c.call(ctx, http.MethodGet, "content/pins", nil, &list)
}

// Policy implements Policer.
func (c *Client) Policy(ctx context.Context) (content []byte, err error) {
	return content, c.call(ctx, http.MethodGet, "content/policy", nil, &content)
}

// SetPolicy implements Policer.
func (c *Client) SetPolicy(ctx context.Context, content []byte) error {
	return c.call(ctx, http.MethodPut, "content/policy", content, &struct{}{})
}

// Retain implements Policer.
func (c *Client) Retain(ctx context.Context, opts store.RetainOptions) (r *store.Retained, err error) {
	return r, c.call(ctx, http.MethodPost, "content/retain", retainRequest{opts.DryRun, opts.Policy}, &r)
}

// Snapshot implements Backupper.
func (c *Client) Snapshot(ctx context.Context) (io.ReadCloser, error) {
	return c.send(ctx, http.MethodGet, "backup/database", nil)
}

// BlobBytes implements Backupper.
func (c *Client) BlobBytes(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	return c.send(ctx, http.MethodGet, "backup/blobs/"+url.PathEscape(d.String()), nil)
}
