package powerloss

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bundle is a bundle file, or a mirror.yaml, and what its import or run changes.
type bundle struct {
	path    string
	mirror  bool
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
	if b.mirror {
		return landfall("sync", "run", "-f", b.path, "--data", data, "--spool", "")
	}
	return landfall("bundle", "import", b.path, "--data", data)
}

// deed is the landing as an operation. Names of an import into a folder that nobody
// serves become visible together; each image of a mirror by itself.
func (b bundle) deed(served bool) *deed {
	d := &deed{kind: "import", changes: b.changes, whole: !served && !b.mirror}
	if b.mirror {
		d.kind = "mirror run"
	}
	if served {
		d.kind += " into a running site"
	}
	return d
}

// makeMirrors makes sources that go on serving until the test ends, and a file for
// each. Their images land under the same names.
func makeMirrors(t *testing.T, random *rand.Rand, count int) []bundle {
	t.Helper()
	var mirrors []bundle
	for range count {
		dir := t.TempDir()
		s, err := startSite(filepath.Join(dir, "source"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.stop(); err != nil {
				t.Error(err)
			}
		})
		b := bundle{path: filepath.Join(dir, "mirror.yaml"), mirror: true}
		for i := range bundleNames {
			repository := fmt.Sprintf("carried/big%d", i)
			image := newImage(random, 24)
			if err := s.push(random, repository, "1", image); err != nil {
				t.Fatal(err)
			}
			b.changes = append(b.changes, change{name{"mirrored/" + repository, "1"}, image.Digest})
		}
		host := strings.TrimPrefix(s.base, "http://")
		file := fmt.Sprintf("registries: [{host: %q, plainHTTP: true}]\nmirrors: [{name: all, source: %q, destination: mirrored}]\n", host, host+"/carried/*")
		if err := os.WriteFile(b.path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		mirrors = append(mirrors, b)
	}
	return mirrors
}
