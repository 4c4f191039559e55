package memory_test

import (
	"testing"

	"github.com/landfall-dev/landfall/registry/memory"
	"github.com/landfall-dev/landfall/registry/registrytest"
)

func TestLaw(t *testing.T) {
	t.Parallel()
	registrytest.Run(t, func(*testing.T) registrytest.Registry { return &memory.Registry{} })
}
