package wants_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/wants"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func sha(c string) digest.Digest { return "sha256:" + digest.Digest(strings.Repeat(c, 64)) }

// ofBundle is a list of format 1.
func ofBundle() *wants.Wants {
	return &wants.Wants{Bundle: strings.Repeat("0a", 16), Format: wants.OfBundle, Platforms: []string{"linux/arm64"}, Site: strings.Repeat("1b", 16), Wants: []wants.Want{
		{Digest: sha("1"), Kind: wants.Blob, Repositories: []string{"a.example/b", "c.example/d"}, Size: 7},
		{Digest: sha("2"), Kind: wants.Manifest, Repositories: []string{"a.example/b"}},
	}}
}

// ofDefinition is a list of format 2.
func ofDefinition() *wants.Wants {
	return &wants.Wants{
		Format:     wants.OfDefinition,
		Definition: &wants.DefinitionID{Name: "edge", Version: "1.0.0", Document: sha("d"), Repository: "definitions.landfall.dev/edge"},
		Platforms:  []string{"linux/amd64", "linux/arm64"}, Site: strings.Repeat("1b", 16),
		Names: []wants.Pinned{{Name: "a.example/b:v1", Digest: sha("2"), Platforms: []string{"linux/amd64"}}, {Name: "a.example/b@" + sha("3").String(), Digest: sha("3")}},
		Wants: []wants.Want{
			{Digest: sha("1"), Kind: wants.Blob, Repositories: []string{"a.example/b", "c.example/d"}, Size: 7, For: []string{"a.example/b:v1", "app/x.yaml"}},
			{Digest: sha("2"), Kind: wants.Manifest, Repositories: []string{"a.example/b"}, Size: 9, For: []string{"a.example/b:v1"}},
		},
	}
}

// The files of format 1 are what they always were.
func TestFormOfBundle(t *testing.T) {
	t.Parallel()
	const want = `{
  "bundle": "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",
  "format": 1,
  "platforms": [
    "linux/arm64"
  ],
  "site": "1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b",
  "wants": [
    {
      "digest": "sha256:1111111111111111111111111111111111111111111111111111111111111111",
      "kind": "blob",
      "repositories": [
        "a.example/b",
        "c.example/d"
      ],
      "size": 7
    },
    {
      "digest": "sha256:2222222222222222222222222222222222222222222222222222222222222222",
      "kind": "manifest",
      "repositories": [
        "a.example/b"
      ]
    }
  ]
}
`
	got, err := ofBundle().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, make := range []func() *wants.Wants{ofBundle, ofDefinition, namesAlone} {
		content, err := make().Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, err := wants.Parse("w", content)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(make(), got); diff != "" {
			t.Error(diff)
		}
	}
}

// namesAlone: the content is there, the tags are not.
func namesAlone() *wants.Wants {
	w := ofDefinition()
	w.Definition.Repository, w.Wants = "", []wants.Want{}
	return w
}

// refuses changes a good list, and wants an error that says what is wrong.
func refuses(t *testing.T, good func() *wants.Wants, changes map[string]func(*wants.Wants)) {
	t.Helper()
	for want, change := range changes {
		w := good()
		change(w)
		content, err := w.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wants.Parse("w.json", content); !errors.Is(err, registry.ErrInvalid) || !strings.HasPrefix(err.Error(), "w.json: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

func TestParseRefusesOfBundle(t *testing.T) {
	t.Parallel()
	refuses(t, ofBundle, map[string]func(*wants.Wants){
		"format version 3":         func(w *wants.Wants) { w.Format = 3 },
		"bundle \"../x\" is not":   func(w *wants.Wants) { w.Bundle = "../x" },
		"site \"../x\" is not":     func(w *wants.Wants) { w.Site = "../x" },
		"it wants nothing":         func(w *wants.Wants) { w.Wants = nil },
		"wants[0]: size -1":        func(w *wants.Wants) { w.Wants[0].Size = -1 },
		"wants[1]: size 1":         func(w *wants.Wants) { w.Wants[1].Size = 1 },
		"wants[0]: kind \"x\"":     func(w *wants.Wants) { w.Wants[0].Kind = "x" },
		"wants[1]: out of order":   func(w *wants.Wants) { w.Wants[1].Digest = w.Wants[0].Digest },
		"repositories are missing": func(w *wants.Wants) { w.Wants[0].Repositories = nil },
		"repository \"A\"":         func(w *wants.Wants) { w.Wants[1].Repositories = []string{"A"} },
		"platform":                 func(w *wants.Wants) { w.Platforms = []string{"linux"} },
		"version 1 does not have":  func(w *wants.Wants) { w.Names = ofDefinition().Names },
		"wants[0]: for is missing, out of order, or too much": func(w *wants.Wants) { w.Wants[0].For = []string{"x"} },
	})
}

func TestParseRefusesOfDefinition(t *testing.T) {
	t.Parallel()
	refuses(t, ofDefinition, map[string]func(*wants.Wants){
		"version 2 does not have":                             func(w *wants.Wants) { w.Bundle = ofBundle().Bundle },
		"without name or version":                             func(w *wants.Wants) { w.Definition = nil },
		"document: invalid":                                   func(w *wants.Wants) { w.Definition.Document = "sha256:1" },
		"definition: repository: name":                        func(w *wants.Wants) { w.Definition.Repository = "A" },
		"it wants nothing":                                    func(w *wants.Wants) { w.Names = nil },
		"platforms are out of order":                          func(w *wants.Wants) { w.Platforms = []string{"linux/b", "linux/a"} },
		"names[1]: out of order":                              func(w *wants.Wants) { w.Names[1] = w.Names[0] },
		"names[0]: name \"x\"":                                func(w *wants.Wants) { w.Names[0].Name = "x" },
		"names[0]: invalid: digest":                           func(w *wants.Wants) { w.Names[0].Digest = "x" },
		"want a tag alone":                                    func(w *wants.Wants) { w.Names[1].Digest = sha("4") },
		"names[0]: platforms are out":                         func(w *wants.Wants) { w.Names[0].Platforms = []string{"linux/b", "linux/a"} },
		"wants[1]: size 0":                                    func(w *wants.Wants) { w.Wants[1].Size = 0 },
		"wants[0]: size -1":                                   func(w *wants.Wants) { w.Wants[0].Size = -1 },
		"wants[0]: for is missing":                            func(w *wants.Wants) { w.Wants[0].For = nil },
		"wants[1]: for is missing, out of order, or too much": func(w *wants.Wants) { w.Wants[1].For = []string{"a\nb"} },
	})
}

// A list of format 2 has one form: what somebody has changed in it is noticed.
func TestOneForm(t *testing.T) {
	t.Parallel()
	content, err := ofDefinition().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, content); err != nil {
		t.Fatal(err)
	}
	for name, changed := range map[string][]byte{
		"compact":        compact.Bytes(),
		"a member twice": bytes.Replace(content, []byte(`"format": 2,`), []byte("\"format\": 2,\n  \"format\": 2,"), 1),
		"a null":         bytes.Replace(content, []byte(`"format": 2,`), []byte("\"bundle\": \"\",\n  \"format\": 2,"), 1),
	} {
		if _, err := wants.Parse("w", changed); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), "not as Landfall writes it") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, changed := range map[string][]byte{
		"more behind":       append(bytes.Clone(content), "{}"...),
		"an unknown member": bytes.Replace(content, []byte(`"format": 2,`), []byte(`"format": 2, "x": 1,`), 1),
		"too large":         append(bytes.Clone(content), bytes.Repeat([]byte(" "), 64<<20)...),
	} {
		if _, err := wants.Parse("w", changed); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, w := range []*wants.Wants{ofBundle(), ofDefinition(), namesAlone()} {
		content, err := w.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		w, err := wants.Parse("w", content)
		if err != nil {
			if !errors.Is(err, registry.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		once, err := w.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if w.Format == wants.OfDefinition && !bytes.Equal(once, content) {
			t.Fatalf("two forms of one list:\n%s\n%s", content, once)
		}
		again, err := wants.Parse("w", once)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := again.Marshal()
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%v\n%s\n%s", err, once, twice)
		}
	})
}
