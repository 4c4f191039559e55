package engine

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
)

const imageType = ocispec.MediaTypeImageManifest

func TestPutManifest(t *testing.T) {
	s := newSite(t, Options{})
	config := s.pushBlob("x", []byte("{}"))
	content := image(nil, config)
	sha256, sha512 := digest.FromBytes(content), digest.SHA512.FromBytes(content)
	missing := []registry.Descriptor{{MediaType: "a/b", Digest: digest.FromString("1"), Size: 1}, {MediaType: "a/b", Digest: digest.FromString("2"), Size: 1}}
	padded := append(bytes.Repeat([]byte(" "), registry.MaxManifestSize-len(content)), content...)
	for _, c := range []struct {
		name, ref string
		content   []byte
		mediaType string
		status    int
		codes     []string
	}{
		{"tag", "v1", content, imageType, 201, nil},
		{"digest", sha256.String(), content, imageType, 201, nil},
		{"sha512", sha512.String(), content, imageType, 201, nil},
		{"tag with digest", "v2?digest=" + sha512.String(), content, imageType, 201, nil},
		{"parameters", "v3", content, imageType + "; charset=utf-8", 201, nil},
		{"no type", "v4", content, "", 201, nil},
		{"largest", "v5", padded, imageType, 201, nil},
		{"too large", "v6", append(padded, ' '), imageType, 413, []string{"SIZE_INVALID"}},
		{"wrong digest", digest.FromString("").String(), content, imageType, 400, []string{"DIGEST_INVALID"}},
		{"wrong digest beside", "v6?digest=" + digest.FromString("").String(), content, imageType, 400, []string{"DIGEST_INVALID"}},
		{"two digests", sha256.String() + "?digest=" + digest.FromString("").String(), content, imageType, 400, []string{"DIGEST_INVALID"}},
		{"other type", "v6", content, "text/plain", 400, []string{"MANIFEST_INVALID"}},
		{"bad type", "v6", content, "/", 400, []string{"MANIFEST_INVALID"}},
		{"contradicting type", "v6", content, ocispec.MediaTypeImageIndex, 400, []string{"MANIFEST_INVALID"}},
		{"no manifest", "v6", []byte("{"), imageType, 400, []string{"MANIFEST_INVALID"}},
		{"empty", "v6", nil, imageType, 400, []string{"MANIFEST_INVALID"}},
		{"missing blobs", "v6", image(nil, append([]registry.Descriptor{config}, missing...)...), imageType, 404, []string{"MANIFEST_BLOB_UNKNOWN", "MANIFEST_BLOB_UNKNOWN"}},
	} {
		headers := []string{"Content-Type", c.mediaType}
		if c.mediaType == "" {
			headers = nil
		}
		a := s.do("PUT", "/v2/x/manifests/"+c.ref, c.content, headers...)
		if a.StatusCode != c.status || !slices.Equal(a.codes(), c.codes) {
			t.Errorf("%s: %s\nwant %d %v", c.name, a, c.status, c.codes)
			continue
		}
		if c.status == 201 {
			if got := s.want(200, "GET", a.Header.Get("Location"), nil); !bytes.Equal(got.body, c.content) {
				t.Errorf("%s: other bytes", c.name)
			}
		}
	}
	s.want(404, "GET", "/v2/x/manifests/v6", nil)
	if a := s.want(200, "GET", "/v2/x/manifests/v2", nil); a.Header.Get("Docker-Content-Digest") != sha512.String() {
		t.Error(a)
	}
}

func TestTagParameters(t *testing.T) {
	s := newSite(t, Options{})
	content := image(nil, s.pushBlob("x", []byte("{}")))
	ref := "/v2/x/manifests/" + digest.FromBytes(content).String()
	a := s.want(201, "PUT", ref+"?tag=1.2&tag=1&tag=latest", content, "Content-Type", imageType)
	if got := a.Header.Values("OCI-Tag"); !slices.Equal(got, []string{"1.2", "1", "latest"}) {
		t.Errorf("OCI-Tag: %q", got)
	}
	for _, tag := range []string{"1.2", "1", "latest"} {
		s.want(200, "GET", "/v2/x/manifests/"+tag, nil)
	}
	s.want(400, "PUT", ref+"?tag=good&tag=.bad", content, "Content-Type", imageType)
	s.want(404, "GET", "/v2/x/manifests/good", nil)
	s.want(414, "PUT", ref+"?"+strings.Repeat("tag=a&", 101), content, "Content-Type", imageType)

	s.want(202, "DELETE", "/v2/x/manifests/1.2", nil)
	s.want(404, "GET", "/v2/x/manifests/1.2", nil)
	s.want(200, "GET", "/v2/x/manifests/1", nil)
	s.want(202, "DELETE", ref, nil)
	s.want(404, "GET", "/v2/x/manifests/1", nil)
}

func TestSparseIndex(t *testing.T) {
	s := newSite(t, Options{})
	index := []byte(`{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageIndex + `","manifests":[{"mediaType":"` +
		imageType + `","digest":"` + digest.FromString("elsewhere").String() + `","size":9}]}`)
	s.want(201, "PUT", "/v2/x/manifests/v1", index, "Content-Type", ocispec.MediaTypeImageIndex)
	s.want(200, "GET", "/v2/x/manifests/v1", nil)
}

// Tags that are pushed together are set together: a rule that forbids one of
// them forbids all.
func TestTagsTogether(t *testing.T) {
	s := newSite(t, Options{})
	s.pushImage("a", "fixed", "first")
	content, d := s.pushImage("a", "other", "second")
	if err := s.store.SetPolicy(t.Context(), []byte("version: 1\nrules: [{repositories: [a], immutable: [fixed]}]\n")); err != nil {
		t.Fatal(err)
	}
	a := s.want(409, "PUT", "/v2/a/manifests/"+d.String()+"?tag=new&tag=fixed", content, "Content-Type", imageType)
	if !strings.Contains(a.String(), "immutable") {
		t.Errorf("the answer does not say why: %s", a)
	}
	s.want(404, "GET", "/v2/a/manifests/new", nil)
}
