package powerloss

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
)

// bundle is a bundle file and what its import changes.
type bundle struct {
	path    string
	changes []change
}

// bundleNames is how many names each bundle has: the same in all, with
// different content, so that an import moves what another brought.
const bundleNames = 3

// makeBundles makes bundles of a site on the connected side.
func makeBundles(t *testing.T, random *rand.Rand, count int) []bundle {
	t.Helper()
	dir := t.TempDir()
	s, err := startSite(filepath.Join(dir, "upstream"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	}()
	var bundles []bundle
	for i := range count {
		b, err := makeBundle(s, random, filepath.Join(dir, fmt.Sprintf("%d.bundle", i)))
		if err != nil {
			t.Fatal(err)
		}
		bundles = append(bundles, b)
	}
	return bundles
}

func makeBundle(s *site, random *rand.Rand, path string) (bundle, error) {
	b := bundle{path: path}
	host := strings.TrimPrefix(s.base, "http://")
	create := landfall("bundle", "create", "--plain-http", "-o", path)
	for i := range bundleNames {
		repository := fmt.Sprintf("carried/big%d", i)
		image := newImage(random, 24)
		if err := s.push(random, repository, "1", image); err != nil {
			return b, err
		}
		create = append(create, host+"/"+repository+":1")
		served := strings.ReplaceAll(host, ":", "_") + "/" + repository
		b.changes = append(b.changes, change{name{served, "1"}, image.Digest})
	}
	return b, command(context.Background(), create...)
}

// importCommand lands the bundle in a data folder, whether a site serves it or not.
func (b bundle) importCommand(data string) []string {
	return landfall("bundle", "import", b.path, "--data", data)
}
