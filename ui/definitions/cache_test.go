package definitions

import (
	"testing"

	"github.com/opencontainers/go-digest"
)

// Few definitions are kept read, large ones fewer; the last one always.
func TestRemember(t *testing.T) {
	t.Parallel()
	s := &Definitions{}
	put := func(name string, size int) {
		s.remember(&Stored{Digest: digest.FromString(name), Document: make([]byte, size)})
	}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "j", "j"} {
		put(name, 1)
	}
	if len(s.cache) != cached || s.cache[0].Digest != digest.FromString("c") {
		t.Errorf("%d are kept", len(s.cache))
	}
	put("large", cachedBytes-3)
	if len(s.cache) != 4 || s.cache[0].Digest != digest.FromString("h") {
		t.Errorf("%d are kept with a large one", len(s.cache))
	}
	put("huge", cachedBytes+1)
	if len(s.cache) != 1 || s.cache[0].Digest != digest.FromString("huge") {
		t.Errorf("%d are kept with one that is larger than all", len(s.cache))
	}
}
