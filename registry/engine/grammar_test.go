package engine

import (
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
)

// FuzzGrammar holds the three scanners equal to the grammar of package
// registry.
func FuzzGrammar(f *testing.F) {
	for _, s := range []string{"a/b", "a__b", "a___b", "a--b", "a.b/", "_a", "a_", "A", "v1.0", ".v", "-v", "_v", "a._b",
		"sha256:" + strings.Repeat("a", 64), "sha512:" + strings.Repeat("0", 128), "sha256:" + strings.Repeat("A", 64),
		"sha256:", "sha384:" + strings.Repeat("a", 96), strings.Repeat("a", 255), strings.Repeat("a", 256)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := validName(s), registry.ValidRepositoryPath(s); got != want {
			t.Errorf("name %q: %v, want %v", s, got, want)
		}
		if got, want := validTag(s), registry.ValidTag(s); got != want {
			t.Errorf("tag %q: %v, want %v", s, got, want)
		}
		d, err := parseDigest(s)
		want, wantErr := registry.ParseDigest(s)
		if d != want || (err == nil) != (wantErr == nil) {
			t.Errorf("digest %q: %v %v, want %v %v", s, d, err, want, wantErr)
		}
	})
}
