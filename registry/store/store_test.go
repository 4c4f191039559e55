package store_test

import (
	"testing"

	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
)

func open(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestLaw(t *testing.T) {
	t.Parallel()
	registrytest.Run(t, func(t *testing.T) registrytest.Registry { return open(t, t.TempDir()) })
}
