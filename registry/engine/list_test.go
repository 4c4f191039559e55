package engine

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// names follows the Links of a list and returns it page by page.
func (s *site) names(address string) (pages [][]string) {
	s.t.Helper()
	for address != "" {
		a := s.want(200, "GET", address, nil)
		var list struct{ Tags, Repositories []string }
		if err := json.Unmarshal(a.body, &list); err != nil {
			s.t.Fatal(err)
		}
		pages = append(pages, slices.Concat(list.Tags, list.Repositories))
		link, _, _ := strings.Cut(a.Header.Get("Link"), ">")
		address = strings.TrimPrefix(link, "<")
	}
	return pages
}

func TestLists(t *testing.T) {
	s := newSite(t, Options{})
	content, _ := s.pushImage("docker.io/library/x", "a", "layer")
	for _, tag := range []string{"e", "B", "c", "d"} {
		s.want(201, "PUT", "/v2/docker.io/library/x/manifests/"+tag, content, "Content-Type", imageType)
	}
	s.pushImage("y", "v1", "layer")
	s.pushImage("registry.k8s.io/z", "v1", "layer")
	for address, want := range map[string]string{
		"docker.io/library/x/tags/list":                        "[[B a c d e]]",
		"docker.io/library/x/tags/list?n=5":                    "[[B a c d e]]",
		"docker.io/library/x/tags/list?n=2":                    "[[B a] [c d] [e]]",
		"docker.io/library/x/tags/list?n=2&last=a":             "[[c d] [e]]",
		"docker.io/library/x/tags/list?last=c":                 "[[d e]]",
		"docker.io/library/x/tags/list?last=z":                 "[[]]",
		"docker.io/library/x/tags/list?n=0":                    "[[]]",
		"docker.io/library/x/tags/list?n=99999999999999999999": "[[B a c d e]]",
		"library/x/tags/list?n=3":                              "[[B a c] [d e]]",
		"x/tags/list?n=3&ns=docker.io":                         "[[B a c] [d e]]",
		"_catalog":                                             "[[docker.io/library/x registry.k8s.io/z y]]",
		"_catalog?n=2":                                         "[[docker.io/library/x registry.k8s.io/z] [y]]",
		"_catalog?n=0":                                         "[[]]",
	} {
		if got := fmt.Sprint(s.names("/v2/" + address)); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	a := s.want(200, "GET", "/v2/x/tags/list?n=0", nil)
	if string(a.body) != `{"name":"x","tags":[]}` {
		t.Errorf("%s", a.body)
	}
}

func TestReferrers(t *testing.T) {
	s := newSite(t, Options{})
	content, subject := s.pushImage("docker.io/library/x", "v1", "layer")
	config := s.pushBlob("docker.io/library/x", []byte("{}"))
	config.MediaType = "application/vnd.example.signature"
	signature := image(&ocispec.Descriptor{MediaType: imageType, Digest: subject, Size: int64(len(content))}, config)
	a := s.want(201, "PUT", "/v2/docker.io/library/x/manifests/"+digest.FromBytes(signature).String(), signature, "Content-Type", imageType)
	if a.Header.Get("OCI-Subject") != subject.String() {
		t.Error(a)
	}
	for address, want := range map[string]int{
		"docker.io/library/x/referrers/" + subject.String():                                           1,
		"x/referrers/" + subject.String():                                                             1,
		"x/referrers/" + subject.String() + "?ns=docker.io&artifactType=" + config.MediaType:          1,
		"docker.io/library/x/referrers/" + subject.String() + "?artifactType=application/vnd.example": 0,
		"x/referrers/" + digest.FromString("none").String():                                           0,
		"none/referrers/" + subject.String():                                                          0,
	} {
		a := s.want(200, "GET", "/v2/"+address, nil)
		var index ocispec.Index
		if err := json.Unmarshal(a.body, &index); err != nil || index.Manifests == nil || len(index.Manifests) != want ||
			a.Header.Get("Content-Type") != ocispec.MediaTypeImageIndex || index.MediaType != ocispec.MediaTypeImageIndex || index.SchemaVersion != 2 {
			t.Errorf("%s: %v %s", address, err, a)
		}
		if (a.Header.Get("OCI-Filters-Applied") == "artifactType") != strings.Contains(address, "artifactType") {
			t.Errorf("%s: %v", address, a.Header)
		}
	}
}
