package resolve

import (
	"fmt"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/registry"
)

// atError names the place in the profile.
func atError(at profile.Place, err error) error { return fmt.Errorf("%s: %w", at, err) }

// placeError names where an image was found.
func placeError(r definition.Reason, err error) error { return fmt.Errorf("%s: %w", where(r), err) }

// where says a reason in words.
func where(r definition.Reason) string {
	parts := []string{"layer " + r.Layer}
	if r.Chart != "" {
		parts = append(parts, "chart "+r.Chart)
	}
	if r.Set != "" {
		parts = append(parts, "values "+r.Set)
	}
	if r.File != "" {
		parts = append(parts, profile.Place{File: r.File, Line: r.Line}.String())
	}
	if r.Object != "" {
		parts = append(parts, r.Object)
	}
	if r.Field != "" {
		parts = append(parts, r.Field)
	}
	return strings.Join(parts, ", ")
}

// wantedBy says who wants an image: the surest, and how many more.
func wantedBy(c *candidate) string {
	text := "wanted by " + where(c.reasons[0])
	if n := len(c.reasons) - 1; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

func errSiteName(image string) error {
	return fmt.Errorf("%w: image %s is of the site's registry: write the original name, hosts pull by it everywhere", registry.ErrInvalid, image)
}
