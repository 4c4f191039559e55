package variable_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
)

var (
	vars = map[string]any{
		"domain": "a.example.com", "replicas": int64(3), "ratio": 0.5, "big": 1e21, "on": true,
		"list": []any{"x", "${var.domain}"}, "object": map[string]any{"k": int64(1)}, "none": nil,
	}
	system = map[string]any{"cluster.name": "berlin-1"}
)

func TestExpand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ value, want any }{
		{"${var.replicas}", int64(3)},
		{"${var.on}", true},
		{"${var.list}", []any{"x", "${var.domain}"}}, // not looked at again
		{"${var.none}", nil},
		{"https://${var.domain}:${var.replicas}/${var.ratio}/${var.on}", "https://a.example.com:3/0.5/true"},
		{"${var.big}.", "1000000000000000000000."},
		{"${system.cluster.name}", "berlin-1"},
		{"$${var.domain} $$${x} ${HOME} $(X) ${} $", "${var.domain} $${x} ${HOME} $(X) ${} $"},
		{"${${var.domain}", "${a.example.com"},
		{7, 7},
		{map[string]any{"${var.domain}": "${var.domain}", "a": []any{"${var.none}", nil, "${var.object}"}, "gone": "${var.none}", "null": nil},
			map[string]any{"${var.domain}": "a.example.com", "a": []any{nil, map[string]any{"k": int64(1)}}, "null": nil}},
	} {
		got, err := variable.Expand(c.value, vars, system)
		if err != nil {
			t.Errorf("%v: %v", c.value, err)
		} else if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%v: %s", c.value, diff)
		}
	}
}

func TestExpandRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"${var.domian}":           "a.b[0]: invalid: ${var.domian}: no such variable",
		"x ${var.domian}":         "${var.domian}: no such variable",
		"${system.cluster}":       "${system.cluster}: no such system value (cluster.name, ",
		"${system.site.registry}": "${system.site.registry} has no value here",
		"${var.}":                 "not a name that a variable can have",
		"${var. domain}":          "not a name that a variable can have",
		"${var.domain":            "is not closed",
		"x ${var.none}":           "${var.none} has no value, and stands in a longer text",
		"x ${var.list}":           "${var.list} is a list or an object",
	} {
		_, err := variable.Expand(map[string]any{"a": map[string]any{"b": []any{text}}}, vars, system)
		if !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// A long value that is used often is an error, not gigabytes.
func TestExpandBounds(t *testing.T) {
	t.Parallel()
	long := map[string]any{"v": strings.Repeat("x", 1<<20), "l": slices.Repeat([]any{int64(1)}, 50_000)}
	for _, value := range []any{
		slices.Repeat([]any{"${var.v}"}, 100), strings.Repeat("${var.v}", 100), slices.Repeat([]any{"${var.l}"}, 100),
	} {
		if _, err := variable.Expand(value, long, nil); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), "more than ") {
			t.Errorf("%v", err)
		}
	}
}

// What is put in is a copy.
func TestExpandCopies(t *testing.T) {
	t.Parallel()
	object := map[string]any{"k": []any{"a"}}
	got, err := variable.Expand([]any{"${var.o}", "${var.o}"}, map[string]any{"o": object}, nil)
	if err != nil {
		t.Fatal(err)
	}
	list := got.([]any)
	list[0].(map[string]any)["k"].([]any)[0] = "changed"
	if object["k"].([]any)[0] != "a" || list[1].(map[string]any)["k"].([]any)[0] != "a" {
		t.Error(object, list)
	}
}

func TestUsed(t *testing.T) {
	t.Parallel()
	got := variable.Used(map[string]any{"${var.key}": "${var.b} ${system.cluster.name}", "l": []any{"${var.a}${var.b}", 1, "$${var.no}"}})
	if !slices.Equal(got, []string{"system.cluster.name", "var.a", "var.b"}) {
		t.Error(got)
	}
}

// A text with placeholders means what it says: escaped, it comes back as it was;
// all that it uses and that has a value is put in.
func FuzzExpand(f *testing.F) {
	for _, seed := range []string{"a ${var.domain}", "${var.list}", "$${var.x}", "${${var.domain}}", "${system.cluster.name", "$$${HOME}$", "${var.none}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		names, err := variable.Placeholders(text)
		got, expandErr := variable.Expand(text, vars, system)
		if err != nil && expandErr == nil {
			t.Errorf("%q: %v, but it was expanded", text, err)
		}
		if err == nil && len(names) == 0 && expandErr != nil {
			t.Errorf("%q: %v", text, expandErr)
		}
		if expandErr == nil {
			if _, err := json.Marshal(got); err != nil {
				t.Error(err)
			}
		}
		escaped := strings.ReplaceAll(text, "${", "$${")
		if back, err := variable.Expand(escaped, nil, nil); err != nil || !reflect.DeepEqual(back, text) {
			t.Errorf("%q escaped is %q: %v", text, back, err)
		}
	})
}
