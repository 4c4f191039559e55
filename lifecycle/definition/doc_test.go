package definition_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/definition"
)

// The specification's example is a definition, its words are those of the code, and
// each field is in it.
func TestSpecification(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../docs/DEFINITION.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(content)
	_, rest, _ := strings.Cut(doc, "```yaml\n")
	example, _, _ := strings.Cut(rest, "```")
	d, err := definition.Parse("example", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		definition.APIVersion, definition.Kind, definition.ArtifactType, definition.TypeDocument, definition.TypeSignature, definition.TypeChart,
		definition.TypeManifest, definition.TypeKustomize, definition.TypeFile, definition.TypeFolder, definition.TypeProvider, d.Images[0].Why[0].String(), d.Images[0].Why[1].String(),
	} {
		if !strings.Contains(doc, text) {
			t.Errorf("it is without %q", text)
		}
	}
	for _, v := range []any{definition.Definition{}, definition.Layer{}, definition.Upgrade{}, definition.Part{}, definition.Provider{}, definition.Chart{}, definition.ValueSet{},
		definition.Image{}, definition.Manifest{}, definition.Blob{}, definition.Reason{}, definition.Left{}, definition.Kubernetes{}, definition.Difference{}, definition.ImageChange{}, definition.Change{}} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name != "" && !strings.Contains(doc, "`"+name+"`") {
				t.Errorf("it is without the field %s of %T", name, v)
			}
		}
	}
}
