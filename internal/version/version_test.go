package version_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/landfall-dev/landfall/internal/version"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	ordered := []string{"edge", "latest", "nightly-9", "nightly-10", "0.9", "v1.2.0-rc.1", "v1.2.0-rc.2", "v1.2.0", "1.10", "v1.11.0", "2024.1.15"}
	shuffled := slices.Clone(ordered)
	rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	slices.SortFunc(shuffled, version.Compare)
	if !slices.Equal(shuffled, ordered) {
		t.Errorf("%v, want %v", shuffled, ordered)
	}
}

func TestRange(t *testing.T) {
	t.Parallel()
	r, err := version.ParseRange(" >=1.2   <2 ")
	if err != nil || r.String() != ">=1.2 <2" {
		t.Fatal(r, err)
	}
	for tag, want := range map[string][2]bool{
		"1.2": {true, true}, "v1.9.9": {true, true}, "2.0.0": {false, true}, "1.3.0-rc.1": {false, true}, "latest": {false, false}, "1.4.0_build.7": {true, true},
	} {
		if in, is := r.Contains(tag); [2]bool{in, is} != want {
			t.Errorf("%s: %v %v, want %v", tag, in, is, want)
		}
	}
	for _, text := range []string{"", "  ", "not a range"} {
		if _, err := version.ParseRange(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
