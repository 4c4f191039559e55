package chartrepo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
)

// Media types of a chart's artifact (Helm, "Use OCI-based registries").
const (
	mediaTypeConfig     = "application/vnd.cncf.helm.config.v1+json"
	mediaTypeArchive    = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	mediaTypeProvenance = "application/vnd.cncf.helm.chart.provenance.v1.prov"
)

// clearSigned is how every provenance begins (RFC 9580, section 7). Servers that
// send a page in place of "404 Not Found" have none.
var clearSigned = []byte("-----BEGIN PGP SIGNED MESSAGE-----")

// artifact is a version as OCI content. It does not change.
type artifact struct {
	registry.Descriptor
	manifest []byte
	archive  digest.Digest
	small    map[digest.Digest][]byte // config and provenance
}

// archive is where a version's file was found, and what it is.
type archive struct {
	url string
	registry.Descriptor
}

// artifact makes a version's artifact once: others who ask meanwhile wait, and try
// for themselves when it fails.
func (r *Repository) artifact(ctx context.Context, v *version) (*artifact, error) {
	if a := v.made.Load(); a != nil || v.err != nil {
		return a, v.err
	}
	select {
	case v.gate <- struct{}{}:
		defer func() { <-v.gate }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", v.ref, ctx.Err())
	}
	if a := v.made.Load(); a != nil {
		return a, nil
	}
	a, err := r.makeArtifact(ctx, v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.ref, err)
	}
	v.made.Store(a)
	return a, nil
}

// makeArtifact finds out about the version's files. What it learned of the archive
// stays when the provenance fails. The caller holds the gate.
func (r *Repository) makeArtifact(ctx context.Context, v *version) (*artifact, error) {
	if v.archive == nil {
		err := v.try(func(url string) error {
			found, err := r.findArchive(ctx, v.stated, url)
			if err == nil {
				v.archive = &found
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	provenance, err := r.provenance(ctx, v.archive.url+".prov")
	if err != nil {
		return nil, err
	}
	return assemble(v, v.archive.Descriptor, provenance)
}

// findArchive tells the archive's digest and size: as the index and a HEAD request
// state them, or from the bytes when one of them does not.
func (r *Repository) findArchive(ctx context.Context, stated digest.Digest, url string) (archive, error) {
	a := archive{url, registry.Descriptor{MediaType: mediaTypeArchive, Digest: stated}}
	if stated != "" {
		size, err := r.fetcher.Size(ctx, url)
		if err != nil && (elsewhere(err) || ctx.Err() != nil) {
			return a, err
		}
		if err == nil && size > 0 { // else GET tells, or says what is wrong
			a.Size = size
			return a, checkArchiveSize(size)
		}
	}
	var err error
	a.Digest, a.Size, err = r.measure(ctx, url)
	if err == nil && stated != "" && a.Digest != stated {
		err = fmt.Errorf("%w: the chart's file hashes to %s, the index states %s", registry.ErrDigest, a.Digest, stated)
	}
	return a, err
}

// measure reads a file to its end, and keeps nothing of it.
func (r *Repository) measure(ctx context.Context, url string) (digest.Digest, int64, error) {
	body, size, err := r.fetcher.Fetch(ctx, url, 0)
	if err != nil {
		return "", 0, err
	}
	defer body.Close()
	if err := checkArchiveSize(size); size >= 0 && err != nil {
		return "", 0, err
	}
	digester := digest.SHA256.Digester()
	n, err := io.Copy(digester.Hash(), io.LimitReader(body, maxArchive+1))
	if err == nil && size >= 0 && n != size {
		err = fmt.Errorf("%w: %d bytes came, the server states %d", registry.ErrSize, n, size)
	}
	if err == nil {
		err = checkArchiveSize(n)
	}
	return digester.Digest(), n, err
}

func checkArchiveSize(size int64) error {
	switch {
	case size == 0:
		return fmt.Errorf("%w: the chart's file is empty", registry.ErrInvalid)
	case size > maxArchive:
		return fmt.Errorf("%w: the chart's file has more than %d bytes", registry.ErrInvalid, maxArchive)
	}
	return nil
}

// provenance is nil when there is none. Object stores deny access to what is not
// there; what the reader of the archive may not read is none to him anyway.
func (r *Repository) provenance(ctx context.Context, url string) ([]byte, error) {
	body, _, err := r.fetcher.Fetch(ctx, url, 0)
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrDenied) {
		return nil, nil
	}
	if err != nil {
		return nil, about(url, err)
	}
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, maxProvenance+1))
	switch {
	case err != nil:
		return nil, about(url, err)
	case !bytes.HasPrefix(bytes.TrimSpace(content), clearSigned):
		return nil, nil
	case len(content) > maxProvenance:
		return nil, fmt.Errorf("%s: %w: a provenance of more than %d bytes", url, registry.ErrInvalid, maxProvenance)
	}
	return content, nil
}

// assemble writes the manifest, of which every byte follows from the entry and the
// files.
func assemble(v *version, file registry.Descriptor, provenance []byte) (*artifact, error) {
	a := &artifact{archive: file.Digest, small: map[digest.Digest][]byte{}}
	m := ocispec.Manifest{
		Versioned:   specs.Versioned{SchemaVersion: 2},
		MediaType:   ocispec.MediaTypeImageManifest,
		Config:      a.keep(mediaTypeConfig, v.config),
		Layers:      []registry.Descriptor{file},
		Annotations: v.notes,
	}
	if provenance != nil {
		m.Layers = append(m.Layers, a.keep(mediaTypeProvenance, provenance))
	}
	var err error
	if a.manifest, err = json.Marshal(m); err != nil {
		return nil, fmt.Errorf("%w: manifest: %v", registry.ErrInvalid, err)
	}
	if len(a.manifest) > registry.MaxManifestSize {
		return nil, fmt.Errorf("%w: the chart's annotations make a manifest of %d bytes, at most %d are allowed",
			registry.ErrInvalid, len(a.manifest), registry.MaxManifestSize)
	}
	a.Descriptor = registry.Describe(m.MediaType, a.manifest, digest.SHA256)
	return a, nil
}

// keep holds a small blob in memory.
func (a *artifact) keep(mediaType string, content []byte) registry.Descriptor {
	d := registry.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
	a.small[d.Digest] = content
	return d
}
