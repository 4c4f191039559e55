package match_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/match"
)

func TestGlob(t *testing.T) {
	t.Parallel()
	fine := func(string) error { return nil }
	for glob, c := range map[string]struct{ yes, no string }{
		"a":      {"a", "a/b"},
		"*":      {"a", "a/b"},
		"**":     {"a/b/c", ""},
		"a/**":   {"a", "ab"},
		"a/**/b": {"a/x/y/b", "a/x"},
		"a-*/b*": {"a-1/b", "a/b"},
	} {
		g, err := match.NewCompiler().Glob(glob, fine)
		if err != nil || !g.Match(c.yes) || c.no != "" && g.Match(c.no) || g.String() != glob {
			t.Errorf("%s: %v", glob, err)
		}
	}
	bad := errors.New("no such name")
	if _, err := match.NewCompiler().Glob("a*", func(example string) error {
		if example == "a0" {
			return bad
		}
		return nil
	}); !errors.Is(err, bad) {
		t.Errorf("what no name can be: %v", err)
	}
}

// One file cannot take more memory than all expressions together may.
func TestRoom(t *testing.T) {
	t.Parallel()
	c := match.NewCompiler()
	var err error
	for n := 0; err == nil; n++ {
		if n == 10_000 {
			t.Fatal("there is room for ever")
		}
		_, err = c.Pattern("a{900}")
	}
	if !strings.Contains(err.Error(), "too large together") {
		t.Error(err)
	}
}
