package definition_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
)

// What is written is read back to the same, and written again as the same bytes.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	d := sample()
	content := marshal(t, d)
	again, err := definition.Parse("edge.def.yaml", content)
	if err != nil {
		t.Fatalf("%v in\n%s", err, content)
	}
	if !reflect.DeepEqual(d, again) {
		t.Errorf("read\n%+v, want\n%+v", again, d)
	}
	if !bytes.Equal(marshal(t, again), content) {
		t.Errorf("written another way the second time:\n%s", content)
	}
	if !strings.HasPrefix(string(content), "apiVersion: landfall.dev/v1alpha1\nkind: ClusterDefinition\nname: edge\nversion: \"1.0.0+7\"\n") {
		t.Errorf("it begins\n%.200s", content)
	}
}

// Another reader of YAML reads what the JSON form says.
func TestIsYAML(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]any{
		"sample":  nil,
		"letters": "Ünïcödé \u0378 \ue000 \u202e\u200b\u00ad",
		"escapes": "a\x00\x07\x1b\x7f\u0085\u00a0\u2028\ufeff\ufffd\uffff \\ \" ' / 😀 \U0010ffff",
		"texts": []any{"", " ", "a ", " a", "a  b", "-", "- a", "?", "a:", "a: b", ":a", "#", "a #b", "&a", "*a", "!a", "|", ">", "%a", "@a", "`a", "{a", "[a", "]", "a,b", "~", "null", "Null", "YES", "No", "oN", "off", "y", "N",
			"TRUE", "1", "-1", "0x10", "0o7", "1e3", "1:30", "2001-01-01", ".inf", ".nan", "NaN", "inf", "=", "<<", "---", "...", "a\nb", "a\tb", "a\rb", "${var.x}", "a=b", "/etc", "_", "1.2.3", "v1", "sha256:00", "web[0].x (y)"},
		"numbers": []any{0.0, math.Copysign(0, -1), 1.0, 1.5, 1e20, 1e21, 1e-7, 123456789012345678.0, math.MaxFloat64, math.SmallestNonzeroFloat64, uint64(math.MaxUint64), int8(-7), json.Number("12.50"), int64(math.MinInt64)},
	} {
		d := sample()
		if value != nil {
			d.Layers[1].Charts[0].Values = map[string]any{"v": value}
		}
		content := marshal(t, d)
		again, err := definition.Parse("x", content)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var read any
		if err := yaml.Unmarshal(content, &read); err != nil {
			t.Errorf("%s: %v in\n%s", name, err, content)
		}
		if have, want := plain(t, read), plain(t, again); !reflect.DeepEqual(have, want) {
			t.Errorf("%s: YAML says\n%v, want\n%v", name, have, want)
		}
	}
}

// plain is a value as its JSON says it, numbers as floats.
func plain(t *testing.T, v any) (out any) {
	t.Helper()
	content, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Whatever is not as Marshal writes it is refused, at its line.
func TestEdited(t *testing.T) {
	t.Parallel()
	content := string(marshal(t, sample()))
	for name, c := range map[string]struct{ old, new, want string }{
		"comment":         {"name: edge\n", "name: edge # mine\n", "as it is written here"},
		"comment line":    {"name: edge\n", "# mine\nname: edge\n", "is no field"},
		"quotes":          {"name: edge\n", "name: \"edge\"\n", `"name: \"edge\"", where "name: edge" is written`},
		"order":           {"name: edge\nversion: \"1.0.0+7\"\n", "version: \"1.0.0+7\"\nname: edge\n", "it was edited"},
		"twice":           {"name: edge\n", "name: edge\nname: edge\n", "it was edited"},
		"unknown field":   {"name: edge\n", "surname: edge\n", `unknown field "surname"`},
		"unknown below":   {"    type: addon\n", "    type: addon\n    tpye: addon\n", `unknown field "tpye"`},
		"empty field":     {"    namespace: apps\n", "    namespace: \"\"\n", "it was edited"},
		"indentation":     {"    namespace: apps\n", "     namespace: apps\n", "it was edited"},
		"tab":             {"    namespace: apps\n", "\tnamespace: apps\n", "it was edited"},
		"cr":              {"name: edge\n", "name: edge\r\n", "as it is written here"},
		"anchor":          {"name: edge\n", "name: &a edge\n", "as it is written here"},
		"flow":            {"  - linux/amd64\n", "  - [linux/amd64]\n", "as it is written here"},
		"second document": {"\nunused:\n", "\n---\nunused:\n", "is no field"},
		"trailing":        {"", "more: 1\n", "unknown field"},
		"trailing line":   {"", "\n", "it was edited"},
		"no text":         {"name: edge\n", "name: 7\n", "a text is wanted"},
		"no list":         {"unused:\n  - docker.io/library/nginx:1.27\n", "unused: x\n", "a list is wanted"},
		"no number":       {"        size: 10\n", "        size: ten\n", "a whole number is wanted"},
		"fraction":        {"        size: 10\n", "        size: 1.5\n", "a whole number is wanted"},
		"too large":       {"        size: 10\n", "        size: 99999999999999999999\n", "a whole number is wanted"},
		"name":            {"name: edge\n", "name: Edge\n", "lower-case letters"},
		"version":         {"version: \"1.0.0+7\"\n", "version: \"1.0\"\n", "not a semantic version"},
		"digest":          {"profile: sha256:", "profile: sha1:", "not a digest"},
		"platform":        {"platforms:\n  - linux/amd64\n", "platforms:\n  - linux\n", "not a platform"},
		"platform order":  {"platforms:\n  - linux/amd64\n  - linux/arm64\n", "platforms:\n  - linux/arm64\n  - linux/amd64\n", "out of order"},
		"type":            {"    type: addon\n", "    type: addin\n", `"addin", want one of`},
		"policy":          {"policy: drain\n", "policy: maybe\n", `"maybe", want one of`},
		"dependency":      {"      - kube\n", "      - cube\n", `no layer "cube" comes before`},
		"target":          {"target: /etc/sysctl.d/90-x.conf", "target: /etc/../x", "not an absolute path"},
		"media type":      {"mediaType: " + definition.TypeFile + "\n", "mediaType: text/plain\n", "want one of"},
		"image":           {"name: registry.k8s.io/pause:3.10\n", "name: pause:3.10\n", "not the whole name"},
		"image order":     {"name: registry.k8s.io/pause:3.10\n", "name: docker.io/library/a:1\n", "out of order"},
		"no reason":       {"rule: env\n", "rule: \"\"\n", "it is empty"},
		"reason's layer":  {"      - layer: kube\n", "      - layer: cube\n", `there is no layer "cube"`},
		"sure":            {"    sure: certain\n", "    sure: likely\n", "not the best of its reasons"},
	} {
		edited := strings.Replace(content, c.old, c.new, 1)
		line := lineWith(t, []byte(content), c.old)
		if c.old == "" {
			edited, line = content+c.new, strings.Count(content, "\n")+1
		}
		_, err := definition.Parse("edge.def.yaml", []byte(edited))
		if !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
			continue
		}
		// The line that was edited, or one that is missing or new there.
		near := false
		for _, l := range []int{line, line + 1, line + 2} {
			near = near || strings.HasPrefix(err.Error(), at("edge.def.yaml", l))
		}
		if !near {
			t.Errorf("%s: %v, want line %d", name, err, line)
		}
	}
}

// Providers of one name that no host gets both of are fine.
func TestProviderNames(t *testing.T) {
	t.Parallel()
	d := sample()
	amd64, arm64 := provider("kube", "1"), provider("kube", "1 arm64")
	amd64.Platforms, arm64.Platforms = []string{"linux/amd64"}, []string{"linux/arm64"}
	d.Layers[0].Providers, d.Layers[1].Providers = []definition.Provider{arm64}, []definition.Provider{provider("kube", "2")} // that layer is for amd64
	read, err := definition.Parse("edge.def.yaml", marshal(t, d))
	if err != nil || read.Layers[0].Providers[0].Platforms[0] != "linux/arm64" || read.Layers[1].Providers[0].Version != "2" {
		t.Errorf("%v: %+v", err, read)
	}
	d.Layers[0].Providers = []definition.Provider{arm64, amd64}
	if _, err := definition.Marshal(d); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), "layers[1].providers[0].name") {
		t.Errorf("two for amd64: %v", err)
	}
}

// What is something else is told from what is new, and what to do is said.
func TestOtherFiles(t *testing.T) {
	t.Parallel()
	for want, content := range map[string]string{
		`x.yaml:1: invalid: apiVersion "landfall.dev/v2", this program reads landfall.dev/v1alpha1: use`: "apiVersion: landfall.dev/v2\nkind: ClusterDefinition\nwhat: ever\n",
		"x.yaml:2: invalid: a profile, not a definition: make one of it: landfall definition build":      "apiVersion: landfall.dev/v1alpha1\nkind: ClusterProfile\n",
		"x.yaml:1: invalid: not a definition: it does not begin with":                                    "hello\n",
		"x.yaml:3: invalid: not UTF-8":           definitionHead + "name: \xff\n",
		"x.yaml:3: invalid: \"- a\" is no field": definitionHead + "- a\n",
		"x.yaml:1: invalid: name: \"\", want":    definitionHead,
		"x.yaml:1: invalid: larger than":         definitionHead + strings.Repeat("\n", 1_000_001),
	} {
		if _, err := definition.Parse("x.yaml", []byte(content)); !errors.Is(err, registry.ErrInvalid) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := definition.Parse("x.yaml", nil); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("nothing: %v", err)
	}
	deep := definitionHead + "layers:\n  " + strings.Repeat("- ", 10_000) + "a\n"
	if _, err := definition.Parse("x.yaml", []byte(deep)); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("deep: %v", err)
	}
}

const definitionHead = "apiVersion: landfall.dev/v1alpha1\nkind: ClusterDefinition\n"

// A definition that would not be read is not written.
func TestMarshalRefuses(t *testing.T) {
	t.Parallel()
	nest := any("x")
	for range 101 {
		nest = []any{nest}
	}
	for want, change := range map[string]func(*definition.Definition){
		"name":                             func(d *definition.Definition) { d.Name = "" },
		"repository":                       func(d *definition.Definition) { d.Repository = "edge" },
		"images[1].name":                   func(d *definition.Definition) { d.Images[0], d.Images[1] = d.Images[1], d.Images[0] },
		"which is the image, is not among": func(d *definition.Definition) { d.Images[0].Digest = d.Images[1].Digest },
		"there is no reason":               func(d *definition.Definition) { d.Images[0].Why = nil },
		"want one of oci, repository":      func(d *definition.Definition) { d.Layers[1].Charts[0].Origin.OCI = "example.com/x:1" },
		"variables[1].default":             func(d *definition.Definition) { d.Variables[1].Default = "x" },
		"there is no group":                func(d *definition.Definition) { d.Variables[1].Group = "x" },
		"layers[1].files[0].path":          func(d *definition.Definition) { d.Layers[1].Files[0].Path = "a\nb" },
		"layers[1].charts[0].version":      func(d *definition.Definition) { d.Layers[1].Charts[0].Version = strings.Repeat("1", 1025) },
		"images[0].manifests[0].size":      func(d *definition.Definition) { d.Images[0].Manifests[0].Size = 0 },
		"nested deeper than 100":           func(d *definition.Definition) { d.Layers[1].Charts[0].Values = map[string]any{"v": nest} },
		"is longer than 1000 bytes":        func(d *definition.Definition) { d.Annotations = map[string]string{strings.Repeat("k", 1001): "v"} },
		"a value of type complex128":       func(d *definition.Definition) { d.Layers[1].Charts[0].Values["v"] = 1i },
		"a mapping with keys of type":      func(d *definition.Definition) { d.Layers[1].Charts[0].Values["v"] = map[any]any{1: 2} },
		"number NaN":                       func(d *definition.Definition) { d.Layers[1].Charts[0].Values["v"] = math.NaN() },
		"provider kube for linux/amd64 is in layer kube and in layer base/app": func(d *definition.Definition) {
			d.Layers[0].Providers, d.Layers[1].Providers = []definition.Provider{provider("kube", "1")}, []definition.Provider{provider("kube", "2")}
		},
		"there twice": func(d *definition.Definition) { d.Variables = append(d.Variables, variable.Declaration{Name: "mtu"}) },
	} {
		d := sample()
		change(d)
		if _, err := definition.Marshal(d); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// No bytes make Parse panic, and what it takes is the one form of what it says.
func FuzzParse(f *testing.F) {
	content, err := definition.Marshal(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	for _, seed := range []string{"", "- \n", "layers:\n  - - a\n", "\"a\": \"\\u0000\"\n", "images:\n  - name: x\n    why: []\n", "layers:\n  - charts:\n      - values: {}\n"} {
		f.Add([]byte(definitionHead + seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		d, err := definition.Parse("x", content)
		if err != nil {
			if !errors.Is(err, registry.ErrInvalid) || !strings.HasPrefix(err.Error(), "x:") {
				t.Fatalf("%v", err)
			}
			return
		}
		again, err := definition.Marshal(d)
		if err != nil || !bytes.Equal(again, content) {
			t.Fatalf("%v: written as\n%s, was\n%s", err, again, content)
		}
		if second, err := definition.Parse("x", again); err != nil || !reflect.DeepEqual(d, second) {
			t.Fatalf("%v: read as\n%+v, was\n%+v", err, second, d)
		}
	})
}

// Any text and number in values comes back.
func FuzzValues(f *testing.F) {
	f.Add("key", "text", 1.5, int64(-1))
	f.Add("a: b", "- \u0085\n\"\\", math.Copysign(0, -1), int64(math.MaxInt64))
	f.Add("~", "<<", 1e300, int64(0))
	f.Fuzz(func(t *testing.T, key, text string, number float64, whole int64) {
		key, text = strings.ToValidUTF8(key, ""), strings.ToValidUTF8(text, "")
		d := sample()
		d.Description = text
		d.Layers[1].Charts[0].Values = map[string]any{key: text, key + "1": number, key + "2": whole, key + "3": []any{text, []any{text}, map[string]any{key: text}}}
		content, err := definition.Marshal(d)
		if err != nil {
			return
		}
		again, err := definition.Parse("x", content)
		if err != nil {
			t.Fatalf("%v in\n%s", err, content)
		}
		if have, want := plain(t, again), plain(t, d); !reflect.DeepEqual(have, want) {
			t.Fatalf("read\n%v, want\n%v", have, want)
		}
		var read any
		if err := yaml.Unmarshal(content, &read); err != nil || !reflect.DeepEqual(plain(t, read), plain(t, d)) {
			t.Fatalf("YAML says %v, %v", read, err)
		}
	})
}
