package registry_test

import (
	"testing"

	"github.com/landfall-dev/landfall/registry"
)

// What fits is what SelectChildren chooses.
func TestFits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		have, want string
		fits       bool
	}{
		{"linux/amd64", "linux/amd64", true}, {"linux/amd64", "linux/arm64", false}, {"linux/amd64", "windows/amd64", false},
		{"linux/arm/v7", "linux/arm", true}, {"linux/arm", "linux/arm/v7", false}, {"linux/arm/v6", "linux/arm/v7", false},
		{"linux/arm64", "linux/arm64/v8", true}, {"linux/arm64/v8", "linux/arm64", true},
	} {
		list, err := registry.ParsePlatforms([]string{c.have, c.want})
		if err != nil {
			t.Fatal(err)
		}
		have, want := list[0], list[1:]
		chosen := len(registry.SelectChildren([]registry.Descriptor{{Platform: &have}}, want)) > 0
		if fits := registry.Fits(have, want); fits != c.fits || fits != chosen || registry.Offers(list[:1], want[0]) != fits {
			t.Errorf("%s for %s: %v, chosen %v", c.have, c.want, fits, chosen)
		}
		if !registry.Fits(have, nil) {
			t.Errorf("%s is not for all", c.have)
		}
	}
	if _, err := registry.ParsePlatforms([]string{"linux/amd64", "linux"}); err == nil {
		t.Error("linux is a platform")
	}
}
