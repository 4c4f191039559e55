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
	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	remoteerrors "github.com/containerd/containerd/v2/core/remotes/errors"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

const (
	dialLimit   = 10 * time.Second
	canaryLimit = 60 * time.Second
)

// Canary proves that an image can be had from a source by its original name, in the way
// in which containerd will ask for it with the mirrors that nodeconfig writes: its
// manifest for this machine, and its configuration, are read and proven. Nothing is
// kept, and no runtime needs to be there. ErrDigest names both digests when the name
// stands for another image than it should.
func (r *Runtime) Canary(ctx context.Context, s host.Source, i host.Image) error {
	ctx, cancel := context.WithTimeout(ctx, canaryLimit)
	defer cancel()
	resolver, end, err := mirror(s)
	if err != nil {
		return err
	}
	defer end()
	ref, err := registry.ParseRef(i.Name)
	if err != nil {
		return err
	}
	if err := canary(ctx, resolver, ref.String(), i); err != nil {
		return fmt.Errorf("image %s from %s: %w", i.Name, s.URL, answered(err))
	}
	return nil
}

func canary(ctx context.Context, resolver remotes.Resolver, ref string, i host.Image) error {
	name, target, err := resolver.Resolve(ctx, ref)
	if err != nil {
		return err
	}
	if i.Digest != "" && target.Digest != i.Digest {
		return fmt.Errorf("%w: it is %s there, and %s is wanted", registry.ErrDigest, target.Digest, i.Digest)
	}
	fetcher, err := resolver.Fetcher(ctx, name)
	if err != nil {
		return err
	}
	return readDown(target, maxDepth, func(d registry.Descriptor) ([]byte, error) {
		if _, err := registry.ParseDigest(d.Digest.String()); err != nil {
			return nil, err
		}
		if d.Size > registry.MaxManifestSize {
			return nil, fmt.Errorf("%s: %w: %d bytes", d.Digest, registry.ErrSize, d.Size)
		}
		d.URLs = nil // nobody else is asked
		reader, err := fetcher.Fetch(ctx, d)
		if err != nil {
			return nil, err
		}
		defer reader.Close()
		return io.ReadAll(registry.NewVerifyReader(reader, d))
	})
}

// readDown reads from an index or manifest down to a configuration.
func readDown(d registry.Descriptor, depth int, read func(registry.Descriptor) ([]byte, error)) error {
	content, err := read(d)
	if err != nil {
		return err
	}
	if registry.IsIndex(d.MediaType) {
		var index ocispec.Index
		if err := json.Unmarshal(content, &index); err != nil {
			return fmt.Errorf("%s: %w: %w", d.Digest, registry.ErrInvalid, err)
		}
		match := platforms.Only(platforms.DefaultSpec())
		at := slices.IndexFunc(index.Manifests, func(m registry.Descriptor) bool { return m.Platform != nil && match.Match(*m.Platform) })
		if at < 0 || depth == 0 {
			return fmt.Errorf("%w: it has nothing for %s", registry.ErrNotFound, platforms.FormatAll(platforms.DefaultSpec()))
		}
		return readDown(index.Manifests[at], depth-1, read)
	}
	var manifest ocispec.Manifest
	if err := json.Unmarshal(content, &manifest); err != nil || !images.IsConfigType(manifest.Config.MediaType) {
		return errors.Join(fmt.Errorf("%s: %w: it is no manifest of an image", d.Digest, registry.ErrInvalid), err)
	}
	_, err = read(manifest.Config)
	return err
}

// mirror resolves names as containerd does with a mirror for all registries. Where
// nobody understands ?ns=, paths begin with the name's own host.
func mirror(s host.Source) (_ remotes.Resolver, end func(), err error) {
	at, err := url.Parse(s.URL)
	if err != nil || at.Host == "" || at.Scheme != "https" && at.Scheme != "http" {
		return nil, nil, fmt.Errorf("source %q: %w: want https://HOST[:PORT]", s.URL, registry.ErrInvalid)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(s.CA) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(s.CA) {
			return nil, nil, fmt.Errorf("source %s: %w: its CA holds no certificate in PEM form", s.URL, registry.ErrInvalid)
		}
	}
	transport := &http.Transport{TLSClientConfig: config, DialContext: (&net.Dialer{Timeout: dialLimit}).DialContext,
		TLSHandshakeTimeout: dialLimit, DisableCompression: true}
	client := &http.Client{Transport: transport}
	var authorizer docker.Authorizer
	if s.User != "" {
		authorizer = docker.NewDockerAuthorizer(docker.WithAuthClient(client), docker.WithAuthCreds(func(string) (string, string, error) { return s.User, s.Password, nil }))
	}
	return docker.NewResolver(docker.ResolverOptions{Hosts: func(upstream string) ([]docker.RegistryHost, error) {
		path := "/v2"
		if s.Prefix != "" || s.HostPaths {
			path += "/" + strings.TrimPrefix(strings.Trim(s.Prefix, "/")+"/"+strings.TrimSuffix(registry.RepositoryPath(upstream+"/x"), "/x"), "/")
		}
		return []docker.RegistryHost{{Client: client, Authorizer: authorizer, Host: at.Host, Scheme: at.Scheme, Path: path,
			Capabilities: docker.HostCapabilityPull | docker.HostCapabilityResolve}}, nil
	}}), transport.CloseIdleConnections, nil
}

// answered gives an error of containerd's resolver the kind that it is here.
func answered(err error) error {
	var certificate *tls.CertificateVerificationError
	var network *url.Error
	var status remoteerrors.ErrUnexpectedStatus
	switch {
	case slices.ContainsFunc(kinds, func(k error) bool { return errors.Is(err, k) }):
		return err
	case errors.As(err, &certificate):
		return fmt.Errorf("%w: its certificate is not of the authority that the source names: %w", registry.ErrUnreachable, certificate)
	case errors.Is(err, docker.ErrInvalidAuthorization), errors.As(err, &status) && (status.StatusCode == http.StatusUnauthorized || status.StatusCode == http.StatusForbidden):
		return fmt.Errorf("%w: %w", registry.ErrDenied, err)
	case errdefs.IsNotFound(err), errors.As(err, &status) && status.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w: the source has it not: %w", registry.ErrNotFound, err)
	case errors.As(err, &network):
		return fmt.Errorf("%w: %w", registry.ErrUnreachable, network.Err)
	}
	return fmt.Errorf("%w: %w", registry.ErrUnreachable, err)
}
