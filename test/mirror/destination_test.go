package mirror

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/landfall-dev/landfall/test/faultproxy"
)

// destination is where runs copy to.
type destination struct {
	args   []string                 // of a run
	read   func(t *testing.T) place // what it has now, until the test ends
	proxy  *faultproxy.Proxy        // before it; nil when it is none that is dialled
	bundle string                   // file; "" when it is none
	data   string                   // folder; "" when it is none
}

// destinationKinds are all that a run can copy to. An appliance is reached over
// its address, and over the socket in its folder.
var destinationKinds = []string{"store", "socket", "landfall", "distribution", "ggcr", "bundle"}

func newDestination(t *testing.T, kind string) *destination {
	t.Helper()
	switch kind {
	case "store":
		return newStore(t)
	case "socket":
		data := shortDir(t)
		p, _ := serve(t, data)
		return &destination{args: []string{"--data", data}, read: func(*testing.T) place { return p }}
	case "bundle":
		return newBundle(t)
	}
	p := newPlace(t, kind)
	proxy := startProxy(t, "http://"+p.host)
	return &destination{args: []string{"--server", proxy.URL()}, read: func(*testing.T) place { return p }, proxy: proxy}
}

// shortDir is a folder with a path that is short enough for a socket in it.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "d")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// newStore is read through an appliance that ends before the next run: else that
// would speak to it.
func newStore(t *testing.T) *destination {
	data := shortDir(t)
	d := &destination{args: []string{"--data", data}, data: data}
	d.read = func(t *testing.T) place {
		p, _ := serve(t, data)
		return p
	}
	return d
}

// newBundle is read by importing it into a new store.
func newBundle(t *testing.T) *destination {
	d := &destination{bundle: filepath.Join(t.TempDir(), "b.bundle")}
	d.args = []string{"-o", d.bundle}
	d.read = func(t *testing.T) place {
		t.Helper()
		store := newStore(t)
		if _, err := os.Stat(d.bundle); err == nil {
			must(t, "bundle", "verify", d.bundle)
			must(t, "bundle", "import", "--data", store.data, d.bundle)
		}
		return store.read(t)
	}
	return d
}

// folder is the names beside a file.
func folder(t *testing.T, file string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
