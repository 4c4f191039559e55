package engine

import (
	"net/url"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
)

func TestSplitPath(t *testing.T) {
	for path, want := range map[string]target{
		"a/manifests/v1":               {kind: manifest, name: "a", arg: "v1"},
		"a/b/c/manifests/sha256:x":     {kind: manifest, name: "a/b/c", arg: "sha256:x"},
		"a/blobs/sha256:x":             {kind: blob, name: "a", arg: "sha256:x"},
		"a/blobs/uploads":              {kind: uploads, name: "a"},
		"a/blobs/uploads/":             {kind: uploads, name: "a"},
		"a/blobs/uploads/id":           {kind: upload, name: "a", arg: "id"},
		"a/tags/list":                  {kind: tags, name: "a"},
		"a/referrers/sha256:x":         {kind: referrers, name: "a", arg: "sha256:x"},
		"a/tags/manifests/list":        {kind: manifest, name: "a/tags", arg: "list"},
		"a/manifests/tags/list":        {kind: tags, name: "a/manifests"},
		"a/blobs/uploads/manifests/x":  {kind: manifest, name: "a/blobs/uploads", arg: "x"},
		"blobs/uploads/blobs/uploads/": {kind: uploads, name: "blobs/uploads"},
		"manifests/v1":                 {kind: manifest, arg: "v1"}, // no name: refused by its grammar
		"blobs/uploads/":               {},
		"a":                            {},
		"a/tags/other":                 {},
		"a/manifests/":                 {},
		"a/other/v1":                   {},
		"":                             {},
	} {
		k, name, arg := splitPath(path)
		if k != want.kind || k != unknown && (name != want.name || arg != want.arg) {
			t.Errorf("%q: %d %q %q, want %+v", path, k, name, arg, want)
		}
	}
}

// FuzzParseTarget holds that whatever comes, only valid names reach the store.
func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"/v2/", "/v2/a/manifests/x", "/v2/a/blobs/uploads/x", "/v2/a/../b/tags/list", "/v2//", "/v2/blobs/uploads/"} {
		f.Add(s, "ns=docker.io&n=1")
	}
	f.Fuzz(func(t *testing.T, path, query string) {
		tg, err := parseTarget(&url.URL{Path: path, RawQuery: query})
		if err != nil || tg.kind == base || tg.kind == catalog {
			return
		}
		for i := 0; tg.candidate(i) != ""; i++ {
			if name := tg.candidate(i); i == 0 && !registry.ValidRepositoryPath(name) || i > 3 {
				t.Errorf("%q %q: candidate %d is %q", path, query, i, name)
			}
		}
		if strings.Contains(tg.arg, "/") {
			t.Errorf("%q: argument %q", path, tg.arg)
		}
	})
}
