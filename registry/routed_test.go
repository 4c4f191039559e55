package registry_test

import (
	"testing"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/memory"
	"github.com/landfall-dev/landfall/registry/registrytest"
)

// Together they are one Reader, and neither is asked for what the other has.
func TestRouted(t *testing.T) {
	t.Parallel()
	registrytest.Readers(t, func(t *testing.T, f *registrytest.Fixture) registry.Reader {
		halves := map[string]*memory.Registry{registrytest.App: {}, registrytest.Tool: {}}
		for _, ref := range f.Names {
			g, err := registry.Walk(t.Context(), f, []registry.Ref{ref}, registry.WalkOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if err := registry.Copy(t.Context(), halves[ref.Repository], f, g, registry.CopyOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		return &registry.Routed{Reader: halves[registrytest.App], Of: map[string]registry.Reader{registrytest.Tool: halves[registrytest.Tool]}}
	})
}

// Merging the graphs of all names is walking them together.
func TestMerge(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	var graphs []*registry.Graph
	for _, ref := range f.Names {
		g, err := registry.Walk(t.Context(), f, []registry.Ref{ref}, registry.WalkOptions{})
		if err != nil {
			t.Fatal(err)
		}
		graphs = append(graphs, g)
	}
	merged := registry.Merge(graphs...)
	if len(merged.Names) != len(f.Graph.Names) || len(merged.Manifests) != len(f.Graph.Manifests) || len(merged.Blobs) != len(f.Graph.Blobs) || merged.Size() != f.Graph.Size() {
		t.Errorf("%d names, %d manifests, %d blobs, %d bytes", len(merged.Names), len(merged.Manifests), len(merged.Blobs), merged.Size())
	}
}
