package strictyaml_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/strictyaml"
)

func TestFree(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{
		"a: {b: [1, 1.5, x, true, null, 0x10]}":                          map[string]any{"a": map[string]any{"b": []any{int64(1), 1.5, "x", true, nil, int64(16)}}},
		"Größe: groß\n":                                                  map[string]any{"Größe": "groß"},
		"[yes, No, ON, off, y, yEs, 'yes', !!str no, 2026-01-31, 1_000]": []any{true, false, true, false, true, "yEs", "yes", "no", "2026-01-31", int64(1000)},
		"a: &x {k: 1}\nb: *x\n":                                          map[string]any{"a": map[string]any{"k": int64(1)}, "b": map[string]any{"k": int64(1)}},
		"a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  l: 3\n":                     map[string]any{"a": map[string]any{"k": int64(1), "l": int64(2)}, "b": map[string]any{"k": int64(1), "l": int64(3)}},
		"a: &x {k: 1}\nb: &y {k: 2, m: 3}\nc: {<<: [*x, *y], n: 4}":      map[string]any{"a": map[string]any{"k": int64(1)}, "b": map[string]any{"k": int64(2), "m": int64(3)}, "c": map[string]any{"k": int64(1), "m": int64(3), "n": int64(4)}},
		"18446744073709551615":                                           float64(1 << 64),
		"":                                                               nil, "# nothing\n---\n": nil, "1: a\n2.5: b\n": map[string]any{"1": "a", "2.5": "b"},
	} {
		got, err := strictyaml.ReadFree([]byte(text), errBad, strictyaml.Limits{})
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestFreeRefuses(t *testing.T) {
	t.Parallel()
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		bomb += fmt.Sprintf("a%d: &a%[1]d [*a%d, *a%[2]d, *a%[2]d, *a%[2]d, *a%[2]d, *a%[2]d, *a%[2]d, *a%[2]d, *a%[2]d]\n", i+1, i)
	}
	text := "a: &t " + strings.Repeat("x", 1<<20) + "\nb: [" + strings.Repeat("*t, ", 9) + "]\n"
	for content, want := range map[string]string{
		bomb:                       "line 6, column 10: a5[0]: bad: more than 100000 values, aliases written out",
		text:                       "bytes of text, aliases written out",
		"a: &a [*a]":               "deeper than 64 levels",
		"a: &a [*a, *a]":           "deeper than 64 levels",
		strings.Repeat("[", 70):    "",
		"a: 1\nb: 2\na: 3":         `line 3, column 1: bad: key "a" is there twice, first in line 1`,
		"a: .inf":                  "no finite number",
		"a: !mine x":               `a value of type "!mine"`,
		"a: !!binary aGk=":         "a value of type",
		"? [a, b]\n: c":            "a key has to be a text",
		"~: c":                     "a key has to be a text",
		"a: {<<: 3}":               "a merge key wants a mapping",
		"a: 1\n---\nb: 2":          "more than one YAML document",
		"a: b: c":                  "bad: yaml: line 1: ",
		"a:\n - b\n c\n":           "bad: yaml: line ",
		"a: !!int abc":             "",
		strings.Repeat("- - ", 40): "deeper than 64 levels",
		"x: \"\\ud800\"":           "",
		"a: 1\nb: \xff":            "bad: yaml: line 2: ",
		"a: 1\nb: c\x01d":          "bad: yaml: line 2: ",
		"a: 1\n\nb: *x":            "bad: yaml: line 3: unknown anchor 'x'",
		"[" + strings.Repeat("x,", 100_001) + "]": "more than 100000 values",
	} {
		v, err := strictyaml.ReadFree([]byte(content), errBad, strictyaml.Limits{})
		if !errors.Is(err, errBad) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %.60v, %v, want %q", content, v, err, want)
		}
	}
}

// The places of texts are those where they are written, also of what an alias repeats.
func TestFreeTexts(t *testing.T) {
	t.Parallel()
	var got []string
	_, err := strictyaml.ReadFree([]byte("a: one\nb:\n  - &x two\n  - 3\nc: {d: *x}\n"), errBad, strictyaml.Limits{Text: func(at strictyaml.Field, text string) {
		got = append(got, fmt.Sprintf("%d %s %s", at.Line(), at.Path(), text))
	}})
	if diff := cmp.Diff([]string{"1 a one", "3 b[0] two", "3 c.d two"}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestProse(t *testing.T) {
	t.Parallel()
	f := read(t, "a: |\n  Für Größe\n  \tund 日本\nb: \"x\\u202ey\"\nc: \"x\\ay\"\nd: [x]\n")
	fields, wrong := f.KnownFields("a", "b", "c", "d")
	if wrong != nil {
		t.Fatal(wrong)
	}
	if text, err := fields["a"].Prose(100); text != "Für Größe\n\tund 日本\n" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := fields["a"].Prose(10); err == nil {
		t.Error("prose may be of any length")
	}
	for _, name := range []string{"b", "c", "d"} {
		if _, err := fields[name].Prose(100); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := fields["a"].Text(); err == nil {
		t.Error("names may be of other characters than ASCII")
	}
}

func TestKnownFields(t *testing.T) {
	t.Parallel()
	fields, wrong := read(t, "a: 1\nx: 2\nb: 3\na: 4\n").KnownFields("a", "b")
	want := `line 2, column 1: bad: unknown field "x" (a, b)
line 4, column 1: bad: field "a" is there twice, first in line 1`
	if err := errors.Join(wrong...); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	if text, err := fields["a"].Text(); text != "1" || err != nil || len(fields) != 2 {
		t.Errorf("%v, %v", fields, err)
	}
	var e *strictyaml.Error
	if !errors.As(wrong[0], &e) || e.Line != 2 || e.Column != 1 || e.Path != "" {
		t.Errorf("%+v", e)
	}
	if _, wrong := read(t, "[a]").KnownFields("a"); len(wrong) != 1 {
		t.Errorf("%v", wrong)
	}
}
