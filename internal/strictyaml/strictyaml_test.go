package strictyaml_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/strictyaml"
)

var errBad = errors.New("bad")

func read(t *testing.T, text string) strictyaml.Field {
	t.Helper()
	f, err := strictyaml.Read([]byte(text), errBad)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFields(t *testing.T) {
	t.Parallel()
	f := read(t, "version: 1\nlist: [a, 1.10]\nblock: |\n  one\n  two\nnames:\n  x: 1\n  y: 2\n")
	if v, err := f.Version("0", "1"); v != "1" || err != nil {
		t.Errorf("version %q, %v", v, err)
	}
	fields, err := f.Fields("version", "list", "block", "names")
	if err != nil {
		t.Fatal(err)
	}
	same := func(s string) (string, error) { return s, nil }
	if list, err := strictyaml.List(fields["list"], same); err != nil || strings.Join(list, " ") != "a 1.10" {
		t.Errorf("%q, %v", list, err)
	}
	if text, err := fields["block"].Block(100); err != nil || text != "one\ntwo\n" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := fields["block"].Block(3); err == nil {
		t.Error("a block may be of any length")
	}
	if entries, err := fields["names"].Entries(); err != nil || len(entries) != 2 || entries[1].Key != "y" {
		t.Errorf("%v, %v", entries, err)
	}
	if _, err := read(t, "a: 1\na: 2\n").Fields("a"); !errors.Is(err, errBad) || err.Error() != `line 2, column 1: bad: field "a" is there twice` {
		t.Errorf("%v", err)
	}
	if _, err := read(t, "a: 1\nb:\n  - c: x\n").Fields("a"); err == nil || err.Error() != `line 2, column 1: bad: unknown field "b" (a)` {
		t.Errorf("%v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("version: 1\na: [1, {b: |\n  c\n}]\n"))
	f.Add([]byte("a: &x {b: *x}"))
	f.Add([]byte("a: &x {b: 1.5, <<: {c: yes}}\nd: [*x, 2026-01-01, ~, \"\\u202e\"]"))
	f.Fuzz(func(t *testing.T, content []byte) {
		root, err := strictyaml.Read(content, errBad)
		if err != nil {
			if !errors.Is(err, errBad) {
				t.Fatal(err)
			}
			return
		}
		walk(root, 0)
	})
}

// walk looks at everything in every way.
func walk(f strictyaml.Field, depth int) {
	if depth > 50 {
		return
	}
	_, _ = f.Text()
	_, _ = f.Block(10)
	_, _ = f.Version("1")
	_, _ = f.Prose(10)
	_, _ = f.KnownFields("a")
	if v, err := f.Free(strictyaml.Limits{Values: 1000}); err == nil {
		if _, err := json.Marshal(v); err != nil {
			panic(err)
		}
	}
	list, _ := f.List()
	for _, v := range list {
		walk(v, depth+1)
	}
	entries, _ := f.Entries()
	for _, e := range entries {
		walk(e.Value, depth+1)
	}
}
