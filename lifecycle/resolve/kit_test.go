package resolve_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/lifecycle/chart"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/lifecycle/render"
	"github.com/landfall-dev/landfall/lifecycle/resolve"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
)

func TestMain(m *testing.M) {
	render.Main()
	leaktest.Main(m)
}

// kit is a registry with images and a folder with profiles.
type kit struct {
	*registrytest.Fixture
	t   *testing.T
	dir string
}

func newKit(t *testing.T) *kit {
	t.Helper()
	return &kit{registrytest.NewFixture(t), t, t.TempDir()}
}

// image puts an index of images for the architectures.
func (k *kit) image(name string, architectures ...string) registry.Descriptor {
	k.t.Helper()
	ref, err := registry.ParseRef(name)
	if err != nil {
		k.t.Fatal(err)
	}
	var children []registry.Descriptor
	for _, arch := range architectures {
		d := k.AddImage(registry.Ref{Repository: ref.Repository}, ocispec.MediaTypeImageManifest, nil, k.AddBlob(ref.Repository, 1000))
		d.Platform = &registry.Platform{OS: "linux", Architecture: arch}
		children = append(children, d)
	}
	return k.AddManifest(ref, ocispec.MediaTypeImageIndex, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: children,
	})
}

// files writes files below the kit's folder: a path line "-- NAME --", then its text.
func (k *kit) files(text string) {
	k.t.Helper()
	for _, part := range strings.Split(text, "\n-- ")[1:] {
		name, content, _ := strings.Cut(part, " --\n")
		path := filepath.Join(k.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			k.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content+"\n"), 0o644); err != nil {
			k.t.Fatal(err)
		}
	}
}

// build resolves profile.yaml.
func (k *kit) build(change func(*resolve.Options)) (*resolve.Result, error) {
	k.t.Helper()
	p, err := profile.Read(filepath.Join(k.dir, "profile.yaml"))
	if err != nil {
		return nil, err
	}
	opts := resolve.Options{Registry: k, Charts: &chart.Opener{Registry: k, Dir: k.dir, Repositories: noRepositories}}
	if change != nil {
		change(&opts)
	}
	return resolve.Build(k.t.Context(), p, opts)
}

func (k *kit) mustBuild(change func(*resolve.Options)) *resolve.Result {
	k.t.Helper()
	result, err := k.build(change)
	if err != nil {
		k.t.Fatal(err)
	}
	d, err := definition.Parse("built", result.Document)
	if err != nil {
		k.t.Fatalf("the document cannot be read: %v", err)
	}
	if d.Name != result.Definition.Name {
		k.t.Errorf("name %q", d.Name)
	}
	return result
}

// fails expects an error that has all the texts.
func (k *kit) fails(is error, change func(*resolve.Options), texts ...string) {
	k.t.Helper()
	_, err := k.build(change)
	if err == nil {
		k.t.Fatalf("it was built; want %q", texts)
	}
	if is != nil && !errors.Is(err, is) {
		k.t.Errorf("%v: want %v", err, is)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			k.t.Errorf("%v\nlacks %q", err, text)
		}
	}
}

func noRepositories(context.Context, string) (registry.Reader, error) {
	return nil, errors.New("no chart repositories here")
}

func names(d *definition.Definition) (list []string) {
	for _, i := range d.Images {
		list = append(list, i.Name)
	}
	return list
}

func imageOf(t *testing.T, d *definition.Definition, name string) definition.Image {
	t.Helper()
	for _, i := range d.Images {
		if i.Name == name {
			return i
		}
	}
	t.Fatalf("no image %s in %q", name, names(d))
	return definition.Image{}
}
