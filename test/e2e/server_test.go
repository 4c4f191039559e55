package e2e

import (
	"slices"
	"testing"
)

// A running appliance takes an import from the same machine and from another,
// and its names appear while it serves.
func TestImportIntoRunningSite(t *testing.T) {
	up := newUpstream(t)
	first, second := up.address+"/team/first:1", up.address+"/team/second:1"
	push(t, first, noiseImage(t, 300, 3, 100_000))
	push(t, second, noiseImage(t, 400, 3, 100_000))
	firstBundle, secondBundle := createBundle(t, first), createBundle(t, second)
	up.close()

	data := t.TempDir()
	address := serve(t, data)
	importBundle(t, firstBundle, data)
	run(t, landfall("bundle", "import", secondBundle, "--server", "http://"+address)...)
	validateAll(t, address)

	here := run(t, landfall("content", "ls", "--data", data, "--json")...)
	there := run(t, landfall("content", "ls", "--server", "http://"+address, "--json")...)
	if here != there {
		t.Errorf("content ls says here %s and there %s", here, there)
	}
	if got := names(t, data); len(got) != 2 || !slices.IsSorted(got) {
		t.Errorf("names of the running site: %v", got)
	}
}
