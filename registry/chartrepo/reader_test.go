package chartrepo_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/memory"
)

var modified = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

const (
	signed = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nname: nginx\n-----BEGIN PGP SIGNATURE-----\n"
	tgz    = "the bytes of nginx-1.2.0+up.tgz"
	tgzOld = "the bytes of nginx-1.10.0.tgz"
)

// stable is a repository with what charts have: a plus sign in a version, a
// provenance, an entry that states no digest, upper case.
func stable() map[string]string {
	return map[string]string{
		"index.yaml": `apiVersion: v1
generated: "2026-01-01T00:00:00Z"
entries:
  nginx:
  - apiVersion: v2
    appVersion: 1.10
    annotations:
      category: Infra <web>
      org.opencontainers.image.title: not this one
    created: "2024-05-06T07:08:09.123456789+02:00"
    dependencies:
    - name: common
      repository: https://charts.example.com
      version: 2.x.x
      condition: common.enabled
      tags: [a, b]
      import-values: [data, {child: x, parent: y}]
    description: |-
      A web
      server
    digest: ` + strings.ToUpper(hexOf(tgz)) + `
    home: https://nginx.example.com
    keywords: [http, web]
    maintainers:
    - name: Ann
      email: ann@example.com
      url: https://ann.example.com
    - name: Bob
    name: nginx
    sources: [https://git.example.com/nginx, https://other.example.com]
    type: application
    unknownField: {a: [1]}
    urls: [charts/nginx-1.2.0+up.tgz]
    version: 1.2.0+up
  - name: nginx
    urls: [charts/nginx-1.10.0.tgz]
    version: 1.10
  - name: nginx
    urls: [charts/never.tgz]
    version: 1.10
  Redis:
  - name: Redis
    version: 7.0.0
    digest: ` + hexOf("redis") + `
    urls: [redis.tgz]
`,
		"charts/nginx-1.2.0+up.tgz":      tgz,
		"charts/nginx-1.2.0+up.tgz.prov": signed,
		"charts/nginx-1.10.0.tgz":        tgzOld,
		"redis.tgz":                      "redis",
	}
}

func manifestOf(t *testing.T, r registry.Reader, ref registry.Ref) (d registry.Descriptor, m ocispec.Manifest) {
	t.Helper()
	d, content, err := r.Manifest(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := registry.CheckManifest(ref, d, content); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, &m); err != nil {
		t.Fatal(err)
	}
	return d, m
}

func TestArtifact(t *testing.T) {
	t.Parallel()
	s := newServer(t, stable())
	r := s.open(t)
	if problems := r.Problems(); problems != nil {
		t.Errorf("problems %v", problems)
	}
	nginx := s.name + "/nginx"
	_, m := manifestOf(t, r, registry.Ref{Repository: nginx, Tag: "1.2.0_up"})
	config, err := registry.ReadBlob(t.Context(), r, nginx, m.Config)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"name":"nginx","home":"https://nginx.example.com","sources":["https://git.example.com/nginx","https://other.example.com"],` +
		`"version":"1.2.0+up","description":"A web server","keywords":["http","web"],"maintainers":[{"name":"Ann","email":"ann@example.com",` +
		`"url":"https://ann.example.com"},{"name":"Bob"}],"apiVersion":"v2","appVersion":"1.10","annotations":{"category":"Infra \u003cweb\u003e",` +
		`"org.opencontainers.image.title":"not this one"},"dependencies":[{"name":"common","version":"2.x.x","repository":"https://charts.example.com",` +
		`"condition":"common.enabled","tags":["a","b"],"import-values":["data",{"child":"x","parent":"y"}]}],"type":"application"}`
	if diff := cmp.Diff(want, string(config)); diff != "" {
		t.Errorf("config: %s", diff)
	}
	descriptor := func(mediaType, content string) registry.Descriptor {
		return registry.Descriptor{MediaType: mediaType, Digest: digest.FromString(content), Size: int64(len(content))}
	}
	wantManifest := ocispec.Manifest{
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    descriptor("application/vnd.cncf.helm.config.v1+json", want),
		Layers: []registry.Descriptor{
			descriptor("application/vnd.cncf.helm.chart.content.v1.tar+gzip", tgz),
			descriptor("application/vnd.cncf.helm.chart.provenance.v1.prov", signed),
		},
		Annotations: map[string]string{
			"category":                             "Infra <web>",
			"org.opencontainers.image.title":       "nginx",
			"org.opencontainers.image.version":     "1.2.0+up",
			"org.opencontainers.image.description": "A web server",
			"org.opencontainers.image.url":         "https://nginx.example.com",
			"org.opencontainers.image.source":      "https://git.example.com/nginx",
			"org.opencontainers.image.authors":     "Ann (ann@example.com), Bob",
			"org.opencontainers.image.created":     "2024-05-06T05:08:09Z",
		},
	}
	wantManifest.SchemaVersion = 2
	if diff := cmp.Diff(wantManifest, m); diff != "" {
		t.Errorf("manifest: %s", diff)
	}
	if n := s.requests("GET charts/nginx-1.2.0+up.tgz"); n != 0 {
		t.Errorf("the archive was read %d times though its digest and size are stated", n)
	}
}

// What is not stated is found out, once.
func TestMeasured(t *testing.T) {
	t.Parallel()
	files := stable()
	files["charts/nginx-1.10.0.tgz.prov"] = "<html>no such page</html>"
	files["charts/nginx-1.2.0+up.tgz.prov"] = "403"
	s := newServer(t, files)
	s.noHead = true
	r := s.open(t)
	for tag, content := range map[string]string{"1.10": tgzOld, "1.2.0_up": tgz} {
		ref := registry.Ref{Repository: s.name + "/nginx", Tag: tag}
		for range 3 {
			_, m := manifestOf(t, r, ref)
			if len(m.Layers) != 1 || m.Layers[0].Digest != digest.FromString(content) || m.Layers[0].Size != int64(len(content)) {
				t.Errorf("%s: layers %+v", tag, m.Layers)
			}
		}
	}
	for _, path := range []string{"charts/nginx-1.10.0.tgz", "charts/nginx-1.2.0+up.tgz"} {
		if n := s.requests("GET " + path); n != 1 {
			t.Errorf("%s was read %d times", path, n)
		}
	}
}

// Two readers of the same repository make the same bytes, also in parallel.
func TestSameBytes(t *testing.T) {
	t.Parallel()
	s := newServer(t, stable())
	ref := registry.Ref{Repository: s.name + "/nginx", Tag: "1.2.0_up"}
	_, want, err := s.open(t).Manifest(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	before := s.requests("HEAD charts/nginx-1.2.0+up.tgz")
	r := s.open(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, got, err := r.Manifest(t.Context(), ref); err != nil || string(got) != string(want) {
				t.Errorf("%s, %v; want %s", got, err, want)
			}
		})
	}
	group.Wait()
	if n := s.requests("HEAD charts/nginx-1.2.0+up.tgz") - before; n != 1 {
		t.Errorf("%d requests for one artifact", n)
	}
}

// The part of the law that generated content can keep: what is listed can be
// walked, copied and read back.
func TestCopied(t *testing.T) {
	t.Parallel()
	s := newServer(t, stable())
	r := s.open(t)
	var refs []registry.Ref
	for _, repository := range collect(t, r.Repositories(t.Context(), "")) {
		for _, tag := range collect(t, r.Tags(t.Context(), repository, "")) {
			refs = append(refs, registry.Ref{Repository: repository, Tag: tag})
		}
	}
	if len(refs) != 3 {
		t.Fatalf("names %v", refs)
	}
	g, err := registry.Walk(t.Context(), r, refs, registry.WalkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	to := &memory.Registry{}
	if err := registry.Copy(t.Context(), to, r, g, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, ref := range refs {
		want, _ := r.Resolve(t.Context(), ref)
		got, m := manifestOf(t, to, ref)
		if got.Digest != want.Digest {
			t.Errorf("%s is %s, want %s", ref, got.Digest, want.Digest)
		}
		if _, err := registry.ReadBlob(t.Context(), to, ref.Repository, m.Layers[0]); err != nil {
			t.Error(err)
		}
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	s := newServer(t, stable())
	r := s.open(t)
	nginx, redis := s.name+"/nginx", s.name+"/redis"
	for after, want := range map[string][]string{"": {nginx, redis}, nginx: {redis}, redis: nil} {
		if got := collect(t, r.Repositories(t.Context(), after)); !slices.Equal(got, want) {
			t.Errorf("repositories after %q: %q", after, got)
		}
	}
	for after, want := range map[string][]string{"": {"1.10", "1.2.0_up"}, "1.10": {"1.2.0_up"}} {
		if got := collect(t, r.Tags(t.Context(), nginx, after)); !slices.Equal(got, want) {
			t.Errorf("tags after %q: %q", after, got)
		}
	}
	for _, err := range r.Tags(t.Context(), s.name+"/Redis", "") {
		wantError(t, err, registry.ErrNotFound, s.name+"/Redis")
	}
	if got := r.LayerDigest(nginx, "1.2.0_up"); got != digest.FromString(tgz) {
		t.Errorf("digest %q", got)
	}
	if got := r.LayerDigest(nginx, "1.10") + r.LayerDigest(nginx, "nosuch") + r.LayerDigest("nosuch", "1.10"); got != "" {
		t.Errorf("digest %q", got)
	}
	if list, err := r.Referrers(t.Context(), nginx, digest.FromString(tgz)); list != nil || err != nil {
		t.Errorf("referrers %v, %v", list, err)
	}
}

// A digest is found although another reader made its artifact, and so are blobs.
func TestByDigest(t *testing.T) {
	t.Parallel()
	s := newServer(t, stable())
	nginx := s.name + "/nginx"
	d, m := manifestOf(t, s.open(t), registry.Ref{Repository: nginx, Tag: "1.10"})
	for _, ref := range []registry.Ref{{Repository: nginx, Digest: d.Digest}, {Repository: nginx, Tag: "1.10", Digest: d.Digest}, {Repository: nginx, Tag: "x", Digest: d.Digest}} {
		if got, err := s.open(t).Resolve(t.Context(), ref); err != nil || got.Digest != d.Digest {
			t.Errorf("%s: %v, %v", ref, got, err)
		}
	}
	for _, b := range []registry.Descriptor{m.Config, m.Layers[0]} {
		if _, err := registry.ReadBlob(t.Context(), s.open(t), nginx, b); err != nil {
			t.Error(err)
		}
	}
	r := s.open(t)
	nothing := digest.FromString("nothing")
	for _, ref := range []registry.Ref{{Repository: nginx, Tag: "2"}, {Repository: nginx, Digest: nothing}, {Repository: s.name + "/nosuch", Tag: "1.10"}, {Repository: nginx}} {
		if _, err := r.Resolve(t.Context(), ref); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: %v", ref, err)
		}
	}
	_, err := r.Blob(t.Context(), nginx, registry.Descriptor{Digest: nothing, Size: 7})
	wantError(t, err, registry.ErrNotFound, nothing.String())
	_, err = r.Blob(t.Context(), nginx, registry.Descriptor{Digest: "sha256:no", Size: 7})
	wantError(t, err, registry.ErrInvalid, nginx)
}

func TestBlobFrom(t *testing.T) {
	t.Parallel()
	s := newServer(t, stable())
	r, nginx := s.open(t), s.name+"/nginx"
	_, m := manifestOf(t, r, registry.Ref{Repository: nginx, Tag: "1.2.0_up"})
	for _, want := range []struct {
		registry.Descriptor
		content string
	}{{m.Layers[0], tgz}, {m.Layers[1], signed}} {
		for _, offset := range []int64{0, 4, want.Size} {
			body, err := r.BlobFrom(t.Context(), nginx, want.Descriptor, offset)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(body)
			if body.Close(); err != nil || string(got) != want.content[offset:] {
				t.Errorf("from %d: %q, %v", offset, got, err)
			}
		}
		for _, offset := range []int64{-1, want.Size + 1} {
			_, err := r.BlobFrom(t.Context(), nginx, want.Descriptor, offset)
			wantError(t, err, registry.ErrInvalid, fmt.Sprint(offset), want.Digest.String())
		}
	}
	other := m.Layers[0]
	other.Size--
	_, err := r.Blob(t.Context(), nginx, other)
	wantError(t, err, registry.ErrSize, "the server states 31 bytes, 30 were asked for")
}

func collect(t *testing.T, names func(func(string, error) bool)) (list []string) {
	t.Helper()
	for name, err := range names {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, name)
	}
	return list
}
