package runtime

import (
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
	"slices"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/platforms"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/time/rate"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

const (
	dialLimit   = 10 * time.Second
	headerLimit = 60 * time.Second
	idle        = 30 * time.Second
	chunk       = 256 << 10 // bytes that are waited for at once
	maxManifest = 4 << 20
)

// newMover makes what moves from a source: whatever registry a name has, it is asked of
// the source, as the host's own configuration has it.
func newMover(s host.Source, perSecond int64) (*mover, error) {
	at, err := url.Parse(s.URL)
	if err != nil || at.Host == "" || at.Scheme != "https" && at.Scheme != "http" {
		return nil, fmt.Errorf("source %q: %w: want https://HOST[:PORT]", s.URL, registry.ErrInvalid)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(s.CA) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(s.CA) {
			return nil, fmt.Errorf("source %s: %w: its CA is no certificate", s.URL, registry.ErrInvalid)
		}
	}
	base := &http.Transport{TLSClientConfig: config, DialContext: (&net.Dialer{Timeout: dialLimit}).DialContext, TLSHandshakeTimeout: dialLimit,
		ResponseHeaderTimeout: headerLimit, IdleConnTimeout: idle, MaxIdleConnsPerHost: 2 * layersAtOnce}
	m := &mover{close: base.CloseIdleConnections}
	counted := &counting{base: base, m: m, source: s.URL}
	if perSecond > 0 {
		counted.limit = rate.NewLimiter(rate.Limit(perSecond), int(max(min(perSecond, chunk), 1)))
	}
	client := &http.Client{Transport: counted}
	var authorizer docker.Authorizer
	if s.User != "" {
		authorizer = docker.NewDockerAuthorizer(docker.WithAuthClient(client), docker.WithAuthCreds(func(string) (string, string, error) { return s.User, s.Password, nil }))
	}
	m.resolver = docker.NewResolver(docker.ResolverOptions{Hosts: func(string) ([]docker.RegistryHost, error) {
		return []docker.RegistryHost{{Client: client, Authorizer: authorizer, Host: at.Host, Scheme: at.Scheme,
			Path: strings.TrimSuffix("/v2/"+strings.Trim(s.Prefix, "/"), "/"), Capabilities: docker.HostCapabilityPull | docker.HostCapabilityResolve}}, nil
	}})
	return m, nil
}

// counting counts the bytes of answers, and holds them back where a rate is set.
type counting struct {
	base   http.RoundTripper
	m      *mover
	limit  *rate.Limiter // nil: none
	source string
}

// RoundTrip implements http.RoundTripper.
func (c *counting) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := c.base.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w: %w", c.source, registry.ErrUnreachable, err)
	}
	answer.Body = &body{ReadCloser: answer.Body, c: c, ctx: request.Context()}
	return answer, nil
}

type body struct {
	io.ReadCloser
	c   *counting
	ctx context.Context //nolint:containedctx // of the request whose answer it is
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.c.limit != nil {
		p = p[:min(len(p), b.c.limit.Burst())]
	}
	n, err := b.ReadCloser.Read(p)
	done := b.c.m.moved.Add(int64(n))
	if b.c.m.progress != nil && n > 0 {
		b.c.m.progress(done, b.c.m.total.Load())
	}
	if b.c.limit != nil && n > 0 {
		if e := b.c.limit.WaitN(b.ctx, n); e != nil && err == nil {
			err = e
		}
	}
	return n, err
}

// Canary proves that an image can be had from a source by its name: its manifest for
// this machine, and its configuration, are read and proven. Nothing is kept, and no
// runtime needs to be there.
func (r *Runtime) Canary(ctx context.Context, s host.Source, i host.Image) error {
	m, err := newMover(s, 0)
	if err != nil {
		return err
	}
	defer m.close()
	name, target, err := m.resolver.Resolve(ctx, i.Name)
	if err != nil {
		return fmt.Errorf("image %s from %s: %w", i.Name, s.URL, kindOf(err))
	}
	if i.Digest != "" && target.Digest != i.Digest {
		return fmt.Errorf("image %s from %s: %w: it is %s there, and %s is wanted", i.Name, s.URL, registry.ErrDigest, target.Digest, i.Digest)
	}
	fetcher, err := m.resolver.Fetcher(ctx, name)
	if err != nil {
		return err
	}
	read := func(d ocispec.Descriptor) ([]byte, error) {
		reader, err := fetcher.Fetch(ctx, d)
		if err != nil {
			return nil, kindOf(err)
		}
		defer reader.Close()
		content, err := io.ReadAll(io.LimitReader(reader, maxManifest))
		if err == nil && d.Digest.Algorithm().FromBytes(content) != d.Digest {
			err = fmt.Errorf("%s: %w", d.Digest, registry.ErrDigest)
		}
		return content, err
	}
	if err := readDown(target, read); err != nil {
		return fmt.Errorf("image %s from %s: %w", i.Name, s.URL, err)
	}
	return nil
}

// readDown reads from an index or manifest down to a configuration.
func readDown(d ocispec.Descriptor, read func(ocispec.Descriptor) ([]byte, error)) error {
	content, err := read(d)
	if err != nil {
		return err
	}
	if images.IsIndexType(d.MediaType) {
		var index ocispec.Index
		if err := json.Unmarshal(content, &index); err != nil {
			return fmt.Errorf("%w: %w", registry.ErrInvalid, err)
		}
		match := platforms.Only(platforms.DefaultSpec())
		at := slices.IndexFunc(index.Manifests, func(m ocispec.Descriptor) bool { return m.Platform != nil && match.Match(*m.Platform) })
		if at < 0 {
			return fmt.Errorf("%w: it has nothing for %s", registry.ErrNotFound, platforms.DefaultString())
		}
		return readDown(index.Manifests[at], read)
	}
	var manifest ocispec.Manifest
	if err := json.Unmarshal(content, &manifest); err != nil || manifest.Config.Digest == "" {
		return errors.Join(fmt.Errorf("%w: it is no manifest of an image", registry.ErrInvalid), err)
	}
	_, err = read(manifest.Config)
	return err
}
