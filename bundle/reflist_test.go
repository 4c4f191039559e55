package bundle_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
)

func TestParseList(t *testing.T) {
	t.Parallel()
	want := []string{"docker.io/library/nginx:1.27", "quay.io/a/b:latest"}
	for what, list := range map[string]string{
		"lines":           "nginx:1.27\nquay.io/a/b\n",
		"comments":        "# what the site needs\n\n  nginx:1.27   # web\nquay.io/a/b",
		"YAML":            "images:\n  - nginx:1.27\n  - quay.io/a/b\n",
		"YAML, in flow":   "# generated\n---\nimages: [nginx:1.27, quay.io/a/b]\n",
		"carriage return": "nginx:1.27\r\nquay.io/a/b\r\n",
	} {
		refs, err := bundle.ParseList("list", []byte(list))
		var got []string
		for _, ref := range refs {
			got = append(got, ref.String())
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", what, got, err, want)
		}
	}
	for list, says := range map[string]string{
		"":                              "it lists no reference",
		"# nothing":                     "it lists no reference",
		"images: []":                    "it lists no reference",
		"nginx\nNot A Ref":              "line 2",
		"images:\n- nginx\n- UPPER/x y": "line 3",
		"images:\n- name: nginx":        "line 2: an image has to be one reference",
		"images: [a]\nother: 1":         "other",
		"images: [a]\n---\nimages: [b]": "more than one YAML document",
		"images: {a: b}":                "line 1",
		"images: [a, b":                 "invalid",
		strings.Repeat("a", 70_000):     "invalid",
	} {
		_, err := bundle.ParseList("list", []byte(list))
		if !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "list: ") {
			t.Errorf("%.40q: %v; want ErrInvalid of the list with %q", list, err, says)
		}
	}
}
