package convert_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/convert"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/registry"
)

// fuzz: whatever the file, it is refused as invalid, or becomes a profile.
func fuzz(f *testing.F, format convert.Format, files ...string) {
	for _, name := range files {
		content, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Add([]byte("a: &a {b: *a}"))
	f.Fuzz(func(t *testing.T, content []byte) {
		r, err := convert.Convert("x.yaml", content, convert.Options{Format: format})
		if err != nil {
			if !errors.Is(err, registry.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		if _, err := profile.Parse("x.yaml", r.Profile); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzList(f *testing.F)     { fuzz(f, convert.List, "list.txt", "list.yaml") }
func FuzzHelmfile(f *testing.F) { fuzz(f, convert.Helmfile, "helmfile.yaml") }
func FuzzHauler(f *testing.F)   { fuzz(f, convert.Hauler, "hauler.yaml") }
func FuzzZarf(f *testing.F)     { fuzz(f, convert.Zarf, "zarf.yaml") }
