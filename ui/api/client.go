package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

// ClientOptions say how an appliance is reached.
type ClientOptions struct {
	Server string // http://HOST:PORT, https://HOST:PORT, or unix:///path/to/socket
	CAFile string // PEM file with certificates to trust besides the system's
	Token  string // a personal or robot token; not needed over a socket
}

// Client is an appliance that is managed over its API. It sends its token, and
// what else is secret, to that one server, and not where others can read it on the
// way.
type Client struct {
	base    string
	name    string // for errors
	token   string
	exposed error // what is sent can be read on the way
	http    *http.Client
}

// NewClient makes a client; it dials nothing yet. ErrInvalid for a token that
// would be sent over plain HTTP to another machine.
func NewClient(opts ClientOptions) (*Client, error) {
	u, err := parseServer(opts.Server)
	if err != nil {
		return nil, err
	}
	exposed := Exposed(opts.Server)
	if opts.Token != "" && exposed != nil {
		return nil, exposed
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // the appliance is at the site
	c := &Client{base: strings.TrimSuffix(opts.Server, "/"), name: opts.Server, token: opts.Token, exposed: exposed}
	// An appliance sends nobody elsewhere, and a token is for nobody else.
	c.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if u.Scheme == "unix" {
		c.base = "http://landfall"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", u.Path)
		}
	}
	if opts.CAFile != "" {
		pool, err := certificates(opts.CAFile)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return c, nil
}

func parseServer(server string) (*url.URL, error) {
	u, err := url.Parse(server)
	if err == nil && u.User != nil {
		return nil, fmt.Errorf("server %s: %w: it has a user in it; who one is, a token says", u.Redacted(), registry.ErrInvalid)
	}
	if err == nil {
		switch u.Scheme {
		case "http", "https":
			if u.Host != "" {
				return u, nil
			}
		case "unix":
			if u.Host == "" && filepath.IsAbs(u.Path) {
				return u, nil
			}
		}
	}
	return nil, fmt.Errorf("server %q: %w: want http://HOST:PORT, https://HOST:PORT or unix:///path/to/socket", server, registry.ErrInvalid)
}

// Exposed is an ErrInvalid when others could read what is sent to a server: over
// plain HTTP, and not to this machine. Only names that are this machine for
// everybody count as such.
func Exposed(server string) error {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" {
		return nil
	}
	host := u.Hostname()
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("server %s: %w: tokens and passwords are not sent over plain HTTP to another machine, where everybody on the way reads them: use https", u.Redacted(), registry.ErrInvalid)
}

func certificates(file string) (*x509.CertPool, error) {
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

// send sends a request and returns the answer, if it is one of success and of
// the type that is wanted. Headers alternate.
func (c *Client) send(ctx context.Context, method, path string, body any, want string, headers ...string) (*http.Response, error) {
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
	if body != nil {
		request.Header.Set("Content-Type", typeJSON)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	for k := 0; k+1 < len(headers); k += 2 {
		request.Header.Set(headers[k], headers[k+1])
	}
	answer, err := c.http.Do(request)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", registry.ErrUnreachable, c.name, err)
	}
	is := answer.Header.Get("Content-Type")
	fine := answer.StatusCode/100 == 2
	if fine && (is == want || answer.StatusCode == http.StatusNoContent) {
		return answer, nil
	}
	defer answer.Body.Close()
	var p Problem
	err = json.NewDecoder(io.LimitReader(answer.Body, maxRequest)).Decode(&p)
	if fine || err != nil || p.Kind == "" {
		return nil, fmt.Errorf("%s answers %s, %s, to %s /api/v1/%s: is it a Landfall appliance of this version?",
			c.name, answer.Status, cmp.Or(is, "no type"), method, path)
	}
	return nil, p.err()
}

// call sends a request and reads its answer into result.
func (c *Client) call(ctx context.Context, method, path string, body, result any) error {
	answer, err := c.send(ctx, method, path, body, typeJSON)
	return c.read(ctx, answer, err, result)
}

// callKeyed is a POST that starts work once, whatever its key is sent with.
func (c *Client) callKeyed(ctx context.Context, path, key string, body, result any) error {
	var headers []string
	if key != "" {
		headers = []string{"Idempotency-Key", key}
	}
	answer, err := c.send(ctx, http.MethodPost, path, body, typeJSON, headers...)
	return c.read(ctx, answer, err, result)
}

func (c *Client) read(ctx context.Context, answer *http.Response, err error, result any) error {
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNoContent || result == nil {
		return nil
	}
	if err := json.NewDecoder(answer.Body).Decode(result); err != nil {
		return c.broken(ctx, err)
	}
	return nil
}

// pageSize is how many items a client asks for at once.
const pageSize = 200

// listing is a list that comes in pages.
type listing struct {
	path   string
	query  url.Values // nil: none
	cursor string     // the parameter that asks for the page after
	limit  int        // at most so many items; all when 0
}

// pages reads a list.
func pages[T any](ctx context.Context, c *Client, l listing) ([]T, error) {
	query := maps.Clone(l.query)
	if query == nil {
		query = url.Values{}
	}
	for items := []T{}; ; {
		size := pageSize
		if l.limit > 0 {
			size = min(size, l.limit-len(items))
		}
		query.Set("limit", strconv.Itoa(size))
		var p page[T]
		if err := c.call(ctx, http.MethodGet, l.path+"?"+query.Encode(), nil, &p); err != nil {
			return nil, err
		}
		items = append(items, p.Items...)
		if p.Next == "" || l.limit > 0 && len(items) >= l.limit {
			return items, nil
		}
		query.Set(l.cursor, p.Next)
	}
}

func (c *Client) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %s: the answer broke off: %w", registry.ErrUnreachable, c.name, err)
}

// follow sends a request and reads its stream.
func follow[E, R any](ctx context.Context, c *Client, path string, body any, tell func(E)) (*R, error) {
	answer, err := c.send(ctx, http.MethodPost, path, body, typeStream)
	if err != nil {
		return nil, err
	}
	return read[E, R](ctx, c, answer, tell)
}

// read reads a stream to its end.
func read[E, R any](ctx context.Context, c *Client, answer *http.Response, tell func(E)) (*R, error) {
	defer answer.Body.Close()
	for d := json.NewDecoder(answer.Body); ; {
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

// Undo implements Upkeep.
func (c *Client) Undo(ctx context.Context) (r store.Restored, err error) {
	return r, c.call(ctx, http.MethodPost, "content/undo", nil, &r)
}

// Why implements Upkeep.
func (c *Client) Why(ctx context.Context, d digest.Digest) (e *store.Explanation, err error) {
	return e, c.call(ctx, http.MethodGet, "content/why/"+url.PathEscape(d.String()), nil, &e)
}

// Stats implements Watcher.
func (c *Client) Stats(ctx context.Context) (s store.Stats, err error) {
	return s, c.call(ctx, http.MethodGet, "stats", nil, &s)
}

// Examine implements Watcher.
func (c *Client) Examine(ctx context.Context) (list []store.Finding, err error) {
	return list, c.call(ctx, http.MethodGet, "doctor", nil, &list)
}

// Pin implements Pinner.
func (c *Client) Pin(ctx context.Context, ref registry.Ref, owner, reason string) (p store.Pin, err error) {
	return p, c.call(ctx, http.MethodPost, "content/pins", pinRequest{ref.Repository, ref.Tag, ref.Digest.String(), owner, reason}, &p)
}

// Unpin implements Pinner.
func (c *Client) Unpin(ctx context.Context, ref registry.Ref, owner string) error {
	return c.call(ctx, http.MethodPost, "content/unpin", pinRequest{Repository: ref.Repository, Tag: ref.Tag, Digest: ref.Digest.String(), Owner: owner}, nil)
}

// Pins implements Pinner.
func (c *Client) Pins(ctx context.Context) (list []store.Pin, err error) {
	return list, c.call(ctx, http.MethodGet, "content/pins", nil, &list)
}

// Policy implements Policer.
func (c *Client) Policy(ctx context.Context) ([]byte, error) {
	return c.document(ctx, "content/policy")
}

// SetPolicy implements Policer.
func (c *Client) SetPolicy(ctx context.Context, content []byte) error {
	return c.call(ctx, http.MethodPut, "content/policy", document{string(content)}, nil)
}

// document reads a text; none is empty, not nil.
func (c *Client) document(ctx context.Context, path string) ([]byte, error) {
	var d document
	if err := c.call(ctx, http.MethodGet, path, nil, &d); err != nil {
		return nil, err
	}
	return []byte(d.Text), nil
}

// Hold tells an appliance what begins; release tells that it ended.
func (c *Client) Hold(ctx context.Context, kind store.HoldKind) (release func(), err error) {
	answer, err := c.send(ctx, http.MethodGet, "content/hold?for="+url.QueryEscape(string(kind)), nil, typeJSON)
	if err != nil {
		return nil, err
	}
	return func() { answer.Body.Close() }, nil
}

// Retain implements Policer.
func (c *Client) Retain(ctx context.Context, opts store.RetainOptions) (r *store.Retained, err error) {
	request := retainRequest{DryRun: opts.DryRun}
	if opts.Policy != nil {
		text := string(opts.Policy)
		request.Policy = &text
	}
	return r, c.call(ctx, http.MethodPost, "content/retain", request, &r)
}

// Snapshot implements Backupper.
func (c *Client) Snapshot(ctx context.Context) (io.ReadCloser, error) {
	return c.stream(ctx, "backup/database", typeBytes)
}

// BlobBytes implements Backupper.
func (c *Client) BlobBytes(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	return c.stream(ctx, "backup/blobs/"+url.PathEscape(d.String()), typeBytes)
}

// stream reads an answer that may be long.
func (c *Client) stream(ctx context.Context, path, want string) (io.ReadCloser, error) {
	answer, err := c.send(ctx, http.MethodGet, path, nil, want)
	if err != nil {
		return nil, err
	}
	return &content{ctx, c, answer}, nil
}

// content are the bytes of an answer. Its end says whether they are whole.
type content struct {
	ctx    context.Context //nolint:containedctx // of the request whose answer this is
	client *Client
	answer *http.Response
}

func (r *content) Read(b []byte) (int, error) {
	n, err := r.answer.Body.Read(b)
	switch {
	case err == nil:
	case !errors.Is(err, io.EOF):
		err = r.client.broken(r.ctx, err)
	default:
		err = cmp.Or(trailed(r.answer.Trailer), io.EOF)
	}
	return n, err
}

func (r *content) Close() error { return r.answer.Body.Close() }
