package definition_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/registry"
)

// The closure is all that hosts of the platforms need, and no more.
func TestGraph(t *testing.T) {
	t.Parallel()
	d := sample()
	arm, err := registry.ParsePlatform("linux/arm64/v8")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		platforms []registry.Platform
		entries   int
		size      int64
	}{
		"all":        {nil, 2*9 + 4, 2*(10+2*20+2*300+1000+31) + 31},
		"arm64":      {[]registry.Platform{arm}, 2*6 + 4, 2*(10+20+300+1000+31) + 31},
		"none of it": {[]registry.Platform{{OS: "windows", Architecture: "amd64"}}, 2*3 + 4, 2*(10+31) + 31},
	} {
		list := slices.Collect(definition.Graph(d, c.platforms))
		if len(list) != c.entries || d.Size(c.platforms...) != c.size {
			t.Errorf("%s: %d entries of %d bytes, want %d of %d", name, len(list), d.Size(c.platforms...), c.entries, c.size)
		}
		for _, e := range list {
			if _, err := registry.ParseDigest(e.Descriptor.Digest.String()); err != nil || e.Repository == "" || e.Item == "" || e.Manifest != registry.IsManifest(e.Descriptor.MediaType) {
				t.Errorf("%s: %+v", name, e)
			}
		}
	}
	if last := slices.Collect(definition.Graph(d, nil))[2*9]; last.Item != "base/app/web-1.2.3.tgz" || last.Kind != definition.KindChart || last.Repository != d.Repository {
		t.Errorf("%+v", last)
	}
	for range definition.Graph(d, nil) {
		break // who asks may stop
	}
	if !d.Images[0].RunsOn(arm) || d.Images[0].RunsOn(registry.Platform{OS: "windows", Architecture: "amd64"}) {
		t.Error("it runs where it is not for")
	}
}

// References name digest and tag, so that they are found and called as before.
func TestRefs(t *testing.T) {
	t.Parallel()
	d := sample()
	refs := d.Refs()
	if len(refs) != 2 || refs[1].String() != "registry.k8s.io/pause:3.10@"+digest.FromString("pause").String() {
		t.Errorf("%v", refs)
	}
	d.Layers[1].Charts = append(d.Layers[1].Charts, d.Layers[1].Charts[0])
	if list := d.Parts(); len(list) != 4 || list[0].MediaType != definition.TypeChart {
		t.Errorf("%+v", list)
	}
}

// An image is found however people call it, and its reasons are said in full.
func TestWhy(t *testing.T) {
	t.Parallel()
	d := sample()
	d.Images = append(d.Images, image("registry.k8s.io/pause:3.9", "pause 3.9", "kube"))
	for text, want := range map[string][]string{
		"docker.io/library/nginx:1.27":          {"docker.io/library/nginx:1.27"},
		"nginx:1.27":                            {"docker.io/library/nginx:1.27"},
		"nginx":                                 {"docker.io/library/nginx:1.27"},
		"registry.k8s.io/pause":                 {"registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.9"},
		"registry.k8s.io/pause:3.9":             {"registry.k8s.io/pause:3.9"},
		string(d.Images[0].Digest):              {"docker.io/library/nginx:1.27"},
		"nginx@" + string(d.Images[0].Digest):   {"docker.io/library/nginx:1.27"},
		string(digest.FromString("nginxarm64")): {"docker.io/library/nginx:1.27"},
	} {
		found, err := d.Why(text)
		var names []string
		for _, m := range found {
			names = append(names, m.Name)
		}
		if err != nil || !slices.Equal(names, want) {
			t.Errorf("%s: %q, %v, want %q", text, names, err, want)
		}
	}
	for text, want := range map[string]string{"nginx:1.28": "it has docker.io/library/nginx:1.27", "Not A Name": "not found in definition edge 1.0.0+7", "": "not found", string(digest.FromString("x")): "not found"} {
		if _, err := d.Why(text); !errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	r := d.Images[0].Why[0]
	r.Set = "ha"
	for want, r := range map[string]definition.Reason{
		"layer base/app → chart web 1.2.3 with values ha → web/templates/pod.yaml:12 → Pod default/web spec.containers[0].image (pod spec, certain)": r,
		"layer base/app → profile.yaml:9 (profile, declared)": d.Images[0].Why[1],
	} {
		if r.String() != want {
			t.Errorf("%s, want %s", &r, want)
		}
	}
}
