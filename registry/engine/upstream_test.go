package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/memory"
)

// afar is an Upstream over a registry in memory, of one repository.
type afar struct {
	memory.Registry
	repository string
	err        error // instead of everything
	short      int   // so many bytes are missing at the end of blobs
}

func (a *afar) check(repository string) error {
	if repository != a.repository {
		return registry.ErrNotFound
	}
	return a.err
}

func (a *afar) Resolve(ctx context.Context, ref registry.Ref) (registry.Descriptor, error) {
	if err := a.check(ref.Repository); err != nil {
		return registry.Descriptor{}, err
	}
	return a.Registry.Resolve(ctx, ref)
}

func (a *afar) Manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	if err := a.check(ref.Repository); err != nil {
		return registry.Descriptor{}, nil, err
	}
	return a.Registry.Manifest(ctx, ref)
}

func (a *afar) Referrers(ctx context.Context, repository string, subject digest.Digest) ([]registry.Descriptor, error) {
	if err := a.check(repository); err != nil {
		return nil, err
	}
	return a.Registry.Referrers(ctx, repository, subject)
}

func (a *afar) Blob(_ context.Context, repository string, d digest.Digest) (int64, func(context.Context, int64) (io.ReadCloser, error), error) {
	content := strings.Repeat("far ", 50_000)
	if err := a.check(repository); err != nil || digest.FromString(content) != d {
		return 0, nil, errors.Join(err, registry.ErrNotFound)
	}
	return int64(len(content)), func(_ context.Context, offset int64) (io.ReadCloser, error) {
		rest := content[offset : len(content)-a.short]
		return io.NopCloser(io.MultiReader(strings.NewReader(rest), broken{})), nil
	}, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, fmt.Errorf("it broke: %w", registry.ErrDigest) }

// What an upstream has is answered like the site's own, and comes after it only where
// the upstream says so.
func TestUpstream(t *testing.T) {
	a := &afar{repository: "docker.io/team/far"}
	s := newSite(t, Options{Upstream: a})
	blob := digest.FromString(strings.Repeat("far ", 50_000))
	near, nearDigest := s.pushImage("docker.io/team/far", "near", "near")
	config := registry.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: digest.FromString("far"), Size: 3}
	if err := a.PutBlob(t.Context(), a.repository, config, strings.NewReader("far")); err != nil {
		t.Fatal(err)
	}
	far := image(nil, config)
	d := registry.Describe(ocispec.MediaTypeImageManifest, far, digest.SHA256)
	if err := a.PutManifest(t.Context(), registry.Ref{Repository: a.repository, Tag: "v1"}, d, far); err != nil {
		t.Fatal(err)
	}
	subject := image(&d, config)
	if err := a.PutManifest(t.Context(), registry.Ref{Repository: a.repository}, registry.Describe(ocispec.MediaTypeImageManifest, subject, digest.SHA256), subject); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"docker.io/team/far/%s", "team/far/%s?ns=docker.io", "team/far/%s"} {
		at := func(rest string) string { return "/v2/" + fmt.Sprintf(name, rest) }
		for _, reference := range []string{"v1", d.Digest.String()} {
			if got := s.want(200, "GET", at("manifests/"+reference), nil); !bytes.Equal(got.body, far) {
				t.Errorf("%s: %s", name, got)
			}
			if got := s.want(200, "HEAD", at("manifests/"+reference), nil); got.ContentLength != d.Size || got.Header.Get("Docker-Content-Digest") != d.Digest.String() {
				t.Errorf("%s: %s", name, got)
			}
		}
		if got := s.want(200, "GET", at("manifests/near"), nil); !bytes.Equal(got.body, near) {
			t.Errorf("%s: %s", name, got)
		}
		if got := s.want(200, "HEAD", at("blobs/"+blob.String()), nil); got.ContentLength != 200_000 || got.Header.Get("Accept-Ranges") != "bytes" {
			t.Errorf("%s: %s", name, got)
		}
		if got := s.want(200, "GET", at("blobs/"+blob.String()), nil); digest.FromBytes(got.body) != blob {
			t.Errorf("%s: %d bytes", name, len(got.body))
		}
		if got := s.want(206, "GET", at("blobs/"+blob.String()), nil, "Range", "bytes=-5"); string(got.body) != " far " {
			t.Errorf("%s: %q", name, got.body)
		}
		s.want(416, "GET", at("blobs/"+blob.String()), nil, "Range", "bytes=200000-")
		s.want(304, "GET", at("blobs/"+blob.String()), nil, "If-None-Match", `"`+blob.String()+`"`)
		s.want(404, "GET", at("blobs/"+digest.FromString("nobody's").String()), nil)
		if got := s.want(200, "GET", at("referrers/"+d.Digest.String()), nil); !strings.Contains(string(got.body), digest.FromBytes(subject).String()) {
			t.Errorf("%s: %s", name, got)
		}
		if got := s.want(200, "GET", at("tags/list"), nil); !strings.Contains(string(got.body), `["near"]`) {
			t.Errorf("%s: %s", name, got)
		}
	}
	s.want(404, "GET", "/v2/team/other/manifests/v1", nil)
	s.want(200, "GET", "/v2/team/far/manifests/"+nearDigest.String(), nil)

	a.short = 10
	resp, err := s.server.Client().Get(s.server.URL + "/v2/docker.io/team/far/blobs/" + blob.String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err == nil || n != 200_000-10 {
		t.Errorf("%d bytes, %v", n, err)
	}
	a.short = 200_000
	s.want(502, "GET", "/v2/docker.io/team/far/blobs/"+blob.String(), nil)
}

// An upstream's failure is told where the site has nothing, and only there.
func TestUpstreamFails(t *testing.T) {
	a := &afar{repository: "team/far"}
	s := newSite(t, Options{Upstream: a})
	s.pushImage("team/far", "near", "near")
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{registry.ErrUnreachable, 503, "UNAVAILABLE"}, {registry.ErrUntrusted, 403, "DENIED"}, {registry.ErrDenied, 403, "DENIED"},
		{registry.ErrInvalid, 502, "UNKNOWN"}, {registry.ErrDigest, 502, "UNKNOWN"}, {registry.ErrNoSpace, 507, "DENIED"},
		{registry.ErrNotFound, 404, "MANIFEST_UNKNOWN"}, {io.ErrNoProgress, 500, "UNKNOWN"},
	} {
		a.err = fmt.Errorf("registry.example says: %w", c.err)
		got := s.want(c.status, "GET", "/v2/team/far/manifests/v1", nil)
		if codes := got.codes(); len(codes) != 1 || codes[0] != c.code {
			t.Errorf("%v: %s", c.err, got)
		}
		if told := strings.Contains(string(got.body), "registry.example says"); told != (c.status < 504 && c.status != 404 && c.status != 500) {
			t.Errorf("%v: %s", c.err, got.body)
		}
		s.want(200, "GET", "/v2/team/far/manifests/near", nil)
		s.want(200, "GET", "/v2/team/far/blobs/"+digest.FromString("near").String(), nil)
		s.want(c.status, "HEAD", "/v2/team/far/manifests/v1", nil)
	}
	a.err = registry.ErrUnreachable
	s.want(503, "GET", "/v2/team/far/referrers/"+digest.FromString("x").String(), nil)
	a.err = nil
	s.want(200, "GET", "/v2/team/far/referrers/"+digest.FromString("x").String(), nil)
}
