package object_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/lifecycle/object"
	"github.com/landfall-dev/landfall/registry"
)

// brief is "LINE DOCUMENT ID" of each object.
func brief(list []object.Object) (texts []string) {
	for _, o := range list {
		texts = append(texts, fmt.Sprintf("%d %d %s", o.Line, o.Document, o.ID))
	}
	return texts
}

// Documents are found wherever Helm and kubectl find them.
func TestRead(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		content string
		want    []string
	}{
		"nothing":            {"", nil},
		"comments only":      {"# a\n---\n# b\n--- # c\n\n", nil},
		"helm output":        {"---\n# Source: app/templates/a.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\n# Source: x\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: b\n  namespace: n\n", []string{"3 0 Pod a", "8 1 Deployment.apps n/b"}},
		"text at the dashes": {"kind: A\n---kind: B\n--- # c\nkind: C\n---\t\nkind: D\n", []string{"1 0 A", "2 1 B", "4 2 C", "6 3 D"}},
		"windows lines":      {"kind: A\r\n---\r\nkind: B\r\n", []string{"1 0 A", "3 1 B"}},
		"byte order mark":    {"\ufeffkind: A\n", []string{"1 0 A"}},
		"directive":          {"%YAML 1.1\n---\nkind: A\n", []string{"3 0 A"}},
		"document ends":      {"kind: A\n...\n---\nkind: B\n", []string{"1 0 A", "4 1 B"}},
		"first line in":      {"\n  kind: A\nmetadata: {name: x}\n", []string{"2 0 A x"}},
		"dashes in a text":   {"kind: A\ndata:\n  c: |\n    -----BEGIN\n    --- x\n---\nkind: B\n", []string{"1 0 A", "7 1 B"}},
		"certificate":        {"kind: A\nc: \"\n-----BEGIN-----\n\"\n", []string{"1 0 A"}},
		"JSON":               {"{\n\t\"kind\": \"A\",\n\t\"metadata\": {\"name\": \"x\"}\n}", []string{"1 0 A x"}},
		"list":               {"apiVersion: v1\nkind: List\nitems:\n- kind: A\n- apiVersion: g/v1\n  kind: B\n", []string{"4 0 A", "5 0 B.g"}},
		"list of a kind":     {"apiVersion: apps/v1\nkind: DeploymentList\nitems:\n- metadata: {name: x}\n", []string{"4 0 Deployment.apps x"}},
		"list in a list":     {"kind: List\nitems:\n- kind: List\n  items:\n  - kind: A\n", []string{"5 0 A"}},
		"no list":            {"kind: AllowList\nmetadata: {name: x}\nitems: [{kind: A}]\n", []string{"1 0 AllowList x"}},
		"empty list":         {"kind: List\nitems: []\n", nil},
		"no object":          {"image: x\n---\njust text\n---\n- kind: A\n- image: y\n", []string{"1 0 ", "3 1 ", "5 2 A", "6 2 "}},
		"generated name":     {"kind: Job\nmetadata: {generateName: x-}\n", []string{"1 0 Job x-*"}},
		"field twice":        {"kind: A\nmetadata: {name: x}\nkind: B\n", []string{"1 0 B x"}},
		"anchors":            {"kind: A\nmetadata: &m {name: x}\nother: *m\n---\nkind: B\n", []string{"1 0 A x", "5 1 B"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, err := object.Read(object.File{Path: "f.yaml", Content: test.content})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, brief(list)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestContent(t *testing.T) {
	t.Parallel()
	const content = `
base: &base {a: 1, b: 2}
list: &list [*base, {c: 3}]
one: {<<: *base, a: own}
both: {<<: *list}
values: [1, 1.5, true, null, ~, "1", 0x10, 2020-01-01, 18446744073709551615, !local x, !!int "z"]
1: number
twice: {image: first, image: last}
`
	list, err := object.Read(object.File{Content: content})
	if err != nil || len(list) != 1 {
		t.Fatal(len(list), err)
	}
	want := map[string]any{
		"base":   map[string]any{"a": int64(1), "b": int64(2)},
		"list":   []any{map[string]any{"a": int64(1), "b": int64(2)}, map[string]any{"c": int64(3)}},
		"one":    map[string]any{"a": "own", "b": int64(2)},
		"both":   map[string]any{"a": int64(1), "b": int64(2), "c": int64(3)},
		"values": []any{int64(1), 1.5, true, nil, nil, "1", int64(16), "2020-01-01", float64(1 << 64), "x", "z"},
		"1":      "number",
		"twice":  map[string]any{"image": "last"},
	}
	if diff := cmp.Diff(want, list[0].Content); diff != "" {
		t.Error(diff)
	}
}

const deployment = `# a comment
---
# Source: app/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  annotations:
    artifacthub.io/images: |
      - image: x
    a.b/c: d
spec:
  common: &common
    image: from-common
  template:
    spec:
      containers:
        - name: web
          image:
            quay.io/x/y:1
        - <<: *common
          name: side
        - *common
      twice: {image: a,
        image: b}
`

func TestLineOf(t *testing.T) {
	t.Parallel()
	list, err := object.Read(object.File{Content: deployment})
	if err != nil || len(list) != 1 {
		t.Fatal(len(list), err)
	}
	for path, want := range map[string]int{
		"":     4,
		"kind": 5,
		"metadata.annotations.artifacthub.io/images":     8,
		"metadata.annotations[artifacthub.io/images]":    8,
		`metadata.annotations["a.b/c"]`:                  10,
		"metadata.annotations.a.b":                       7, // no such key
		"spec.template.spec.containers[0].image":         18,
		"spec.template.spec.containers[1]":               20,
		"spec.template.spec.containers[1].image":         13,
		"spec.template.spec.containers[1].name":          21,
		"spec.template.spec.containers[2].image":         13,
		"spec.template.spec.containers[3].image":         16,
		"spec.template.spec.containers[x].image":         16,
		"spec.template.spec.containers[-1]":              16,
		"spec.template.spec.twice.image":                 24,
		"spec.template.spec.nothing.at.all":              15,
		"spec.template.spec.containers[0].image.further": 18,
	} {
		if got := list[0].LineOf(path); got != want {
			t.Errorf("LineOf(%q) = %d, want %d", path, got, want)
		}
	}
	if got := (object.Object{Line: 7}).LineOf("spec"); got != 7 {
		t.Errorf("of an object that was not read: %d", got)
	}
}

// What cannot be read is named with its line, and hides nothing else.
func TestBad(t *testing.T) {
	t.Parallel()
	bomb := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c <= 'j'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c, ", c-1), 10), ", "))
	}
	merges := strings.ReplaceAll(strings.ReplaceAll(bomb, " [*", " {<<: [*"), "]\n", "]}\n")
	merges = "a: &a {x: y}\n" + merges[strings.Index(merges, "b:"):]
	for name, test := range map[string]struct{ content, want string }{
		"not YAML":        {"kind: A\n---\nkind: B\nx: [1,\n---\nkind: C\n", "f.yaml:4: invalid: not YAML: did not find expected node content"},
		"tab":             {"kind: A\nx:\n\t- y\n", "f.yaml:3: invalid: not YAML: found character that cannot start any token"},
		"template left":   {"kind: A\nx: {{ .Values.y }}\n", "f.yaml:2: invalid: the name of a field is a list or has fields itself"},
		"bomb":            {bomb, "invalid: more than 1000000 values, an alias multiplies them"},
		"merge bomb":      {merges, "invalid: more than 1000000 values, an alias multiplies them"},
		"own alias":       {"kind: A\nx: &x [*x]\n", "f.yaml:2: invalid: fields are nested deeper than 100, or an alias is within"},
		"own merge":       {"kind: A\nx: &x {<<: *x}\n", "f.yaml:2: invalid: fields are nested deeper than 100, or an alias is within"},
		"unknown alias":   {"kind: A\n---\n\nkind: B\nx: *nobody\n", "f.yaml:4: invalid: not YAML: unknown anchor 'nobody' referenced"},
		"deep":            {strings.Repeat("[", 200) + strings.Repeat("]", 200), "f.yaml:1: invalid: fields are nested deeper than 100"},
		"very deep":       {strings.Repeat("[", 20000) + strings.Repeat("]", 20000), "f.yaml:1: invalid: not YAML"},
		"many values":     {strings.Repeat("[x]\n---\n", 400_000), "f.yaml:1: invalid: more than 1000000 values; split it"},
		"large":           {strings.Repeat("x", 32<<20+1), "f.yaml:1: invalid: larger than 32 MiB"},
		"character":       {"kind: A\n---\nkind: \x00\n", "f.yaml:3: invalid: not YAML"},
		"not UTF-8":       {"kind: \xff\n", "f.yaml:1: invalid: not YAML"},
		"list as a field": {"? [a]\n: b\n", "f.yaml:1: invalid: the name of a field"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := object.Read(object.File{Path: "f.yaml", Content: test.content})
			if !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %.300v\nwant %s", err, test.want)
			}
		})
	}
	list, err := object.Read(object.File{Path: "f", Content: "kind: A\n---\nx: [\n---\nkind: C\n---\ny: ]\n"})
	if diff := cmp.Diff([]string{"1 0 A", "5 1 C"}, brief(list)); diff != "" || strings.Count(fmt.Sprint(err), "invalid") != 2 {
		t.Error(diff, err)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{deployment, "{}", "a: &a [*a]", "---\n...\n---\n", "%YAML 1.1\n---\nkind: List\nitems: [{kind: A}]", "<<: {a: 1}", "? a\n: b", "!!binary x", "- - - a", "a: |\n  b\n---c: d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, content string) {
		list, _ := object.Read(object.File{Path: "f", Content: content})
		lines := 1 // YAML knows more line breaks than editors
		for _, b := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} {
			lines += strings.Count(content, b)
		}
		for _, o := range list {
			for name := range o.Content {
				if got := o.LineOf(name); got < 1 || got > lines {
					t.Errorf("LineOf(%q) = %d of %d", name, got, lines)
				}
			}
			if o.Line < 1 || o.Line > lines {
				t.Errorf("line %d of %d", o.Line, lines)
			}
			_ = o.ID.String()
		}
	})
}
