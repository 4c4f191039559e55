package chartrepo

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
)

// Whatever an index says, what is listed has a valid name, and either can be
// asked for on the configured host or says why it cannot.
func FuzzIndex(f *testing.F) {
	f.Add([]byte("apiVersion: v1\nentries: {web: [{version: 1.0+a, urls: [a.tgz, 'http://x/b'], digest: aa, created: 2026-01-02T03:04:05Z}]}\n"))
	f.Add([]byte("apiVersion: v1\nentries:\n  Web:\n  - version: 1\n    urls: [//x/y]\n    dependencies: [{name: d, import-values: [{a: {1: 2}}]}]\n"))
	f.Add([]byte("apiVersion: v1\nentries: {web: [{<<: {version: 2}, maintainers: [null], annotations: {a: null}}]}\n"))
	f.Add([]byte(`{"apiVersion":"v1","entries":{"web":[{"version":"1","urls":["https://host.example/a?b#c"]}]}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		listings, found, err := parseIndex(content)
		if err != nil {
			if !errors.Is(err, registry.ErrInvalid) {
				t.Errorf("error %v", err)
			}
			return
		}
		s, err := parseBase("https://host.example/stable")
		if err != nil {
			t.Fatal(err)
		}
		r := &Repository{charts: map[string]*chart{}}
		r.add(s, listings, found)
		for _, p := range found.all() {
			if !errors.Is(p, registry.ErrInvalid) {
				t.Errorf("problem %v", p)
			}
		}
		for _, c := range r.charts {
			for tag, v := range c.tags {
				if ref, err := registry.ParseName(v.ref.String()); err != nil || ref != v.ref || ref.Tag != tag {
					t.Errorf("name %s: %v", v.ref, err)
				}
				checkVersion(t, v)
			}
		}
	})
}

func checkVersion(t *testing.T, v *version) {
	t.Helper()
	if v.err != nil {
		if !errors.Is(v.err, registry.ErrInvalid) {
			t.Errorf("error %v", v.err)
		}
		return
	}
	if len(v.urls) == 0 || !json.Valid(v.config) {
		t.Errorf("URLs %q, config %s", v.urls, v.config)
	}
	for _, u := range v.urls {
		if !strings.HasPrefix(u, "https://host.example/") {
			t.Errorf("leaves the host: %s", u)
		}
	}
	a, err := assemble(v, registry.Descriptor{MediaType: mediaTypeArchive, Digest: v.stated, Size: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := assemble(v, registry.Descriptor{MediaType: mediaTypeArchive, Digest: v.stated, Size: 1}, nil); err != nil || !bytes.Equal(a.manifest, again.manifest) {
		t.Errorf("manifest %s, then %s, %v", a.manifest, again.manifest, err)
	}
}

func TestLocate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ base, raw, want string }{
		{"https://host.example/stable", "charts/a-1.tgz", "https://host.example/stable/charts/a-1.tgz"},
		{"https://host.example/stable/", "./a-1+b.tgz", "https://host.example/stable/a-1+b.tgz"},
		{"https://host.example/stable", "../a.tgz?token=x#y", "https://host.example/a.tgz?token=x"},
		{"https://host.example", "/a%2Fb.tgz", "https://host.example/a%2Fb.tgz"},
		{"https://host.example", "http://HOST.example/a.tgz", "https://host.example/a.tgz"},
		{"https://host.example", "https://host.example:443/a.tgz", "https://host.example/a.tgz"},
		{"http://Host.example:8080", "//host.example:8080/a.tgz", "http://Host.example:8080/a.tgz"},
		{"http://host.example", "http://host.example:80/a.tgz", "http://host.example/a.tgz"},
		{"https://host.example", "https://host.example.evil/a.tgz", ""},
		{"https://host.example", "https://ann@host.example/a.tgz", ""},
		{"https://host.example", "http://host.example:80/a.tgz", ""},
		{"https://host.example", "https:a.tgz", ""},
	} {
		s, err := parseBase(c.base)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.locate(c.raw); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s with %s: %q, %v; want %q", c.base, c.raw, got, err, c.want)
		}
	}
}
