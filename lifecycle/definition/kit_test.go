package definition_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/lifecycle/chart"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/find"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
)

// texts are the parts of sample, by what they are called.
var texts = map[string]string{"web-1.2.3.tgz": "chart", "hello.yaml": "kind: ConfigMap\n", "overlay": "folder", "sysctl.conf": "a=1\n"}

// sample has something in each field.
func sample() *definition.Definition {
	third := 3.5
	return &definition.Definition{
		APIVersion: definition.APIVersion, Kind: definition.Kind,
		Name: "edge", Version: "1.0.0+7", Description: "Für Außenstellen: \"edge\"", Annotations: map[string]string{"example.com/y": "no", "y": "1.0"},
		Repository: "definitions.landfall.dev/edge", Profile: digest.FromString("profile"), Platforms: []string{"linux/amd64", "linux/arm64"},
		Kubernetes: &definition.Kubernetes{Distribution: "k3s", Version: "1.36.3+k3s1"},
		Groups:     []profile.Group{{Name: "net", Title: "Network"}},
		Variables: []variable.Declaration{
			{Name: "mtu", Type: variable.Integer, Group: "net", Default: int64(1500), Min: &third},
			{Name: "password", Type: variable.String, Required: true, Sensitive: true},
			{Name: "zones", Type: variable.List, Default: []any{"a", int64(2), 2.5, true, map[string]any{"b": nil}}},
		},
		Layers: []definition.Layer{
			{Name: "kube", Type: profile.Kubernetes, Upgrade: definition.Upgrade{Policy: "drain", Notes: "Read first:\n\tall of it\n"}},
			{
				Name: "base/app", Type: profile.Addon, Version: "3.1.0", From: "base 1.2.0", DependsOn: []string{"kube"}, Platforms: []string{"linux/amd64"}, Namespace: "apps",
				Upgrade: definition.Upgrade{Policy: "inPlace"},
				Charts: []definition.Chart{{
					Name: "web", Version: "1.2.3", Release: "web", Namespace: "apps", Origin: chart.Origin{Path: "./web"}, Digest: digest.FromString("chart"), Size: 5,
					Values: map[string]any{"replicas": int64(2), "on": "on", "empty": map[string]any{}, "none": []any{}, "null": nil, "deep": []any{[]any{[]any{"x"}, []any{}}},
						"password": "${var.password}", "ratio": 1e-9, "huge": 1e30, "": "empty", "true": false, "a: b": "c #d", "ü": "- x"},
					ValueSets:   []definition.ValueSet{{Name: "ha", Values: map[string]any{"replicas": int64(3)}}},
					APIVersions: []string{"monitoring.coreos.com/v1"},
				}},
				Manifests: []definition.Part{partOf("hello.yaml", definition.TypeManifest), partOf("overlay", definition.TypeKustomize)},
				Files:     []definition.Part{{Path: "sysctl.conf", MediaType: definition.TypeFile, Digest: digest.FromString("a=1\n"), Size: 4, Target: "/etc/sysctl.d/90-x.conf", Mode: 0o644}},
				Images:    []string{"docker.io/library/nginx:1.27"},
			},
		},
		Images: []definition.Image{image("docker.io/library/nginx:1.27", "nginx", "base/app"), image("registry.k8s.io/pause:3.10", "pause", "kube")},
		Unused: []string{"docker.io/library/nginx:1.27"},
		Left:   []definition.Left{{Text: "http://example.com/x", Why: "no name of an image", Reason: definition.Reason{Layer: "base/app", Chart: "web 1.2.3", Rule: "env", Sure: find.Doubtful}}},
	}
}

func partOf(path, mediaType string) definition.Part {
	return definition.Part{Path: path, MediaType: mediaType, Digest: digest.FromString(texts[path]), Size: int64(len(texts[path]))}
}

// image has an index over two platforms that share a layer, and a signature under a tag.
func image(name, seed, layer string) definition.Image {
	root := digest.FromString(seed)
	shared := definition.Blob{Digest: digest.FromString(seed + " shared"), Size: 1000}
	list := []definition.Manifest{{Digest: root, MediaType: ocispec.MediaTypeImageIndex, Size: 10}}
	for _, arch := range []string{"amd64", "arm64"} {
		list = append(list, definition.Manifest{
			Digest: digest.FromString(seed + arch), MediaType: ocispec.MediaTypeImageManifest, Size: 20, Platform: "linux/" + arch,
			Blobs: []definition.Blob{{Digest: digest.FromString(seed + arch + " config"), Size: 300}, shared},
		})
	}
	list = append(list, definition.Manifest{
		Digest: digest.FromString(seed + " sig"), MediaType: ocispec.MediaTypeImageManifest, Size: 30, Tag: "sha256-" + root.Encoded() + ".sig",
		Blobs: []definition.Blob{{Digest: digest.FromString(seed + " sig layer"), Size: 1}},
	})
	slices.SortFunc(list, func(a, b definition.Manifest) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	return definition.Image{
		Name: name, Digest: root, Platforms: []string{"linux/amd64", "linux/arm64"}, Manifests: list, Sure: find.Certain,
		Why: []definition.Reason{
			{Layer: layer, Chart: "web 1.2.3", File: "web/templates/pod.yaml", Line: 12, Object: "Pod default/web", Field: "spec.containers[0].image", Rule: "pod spec", Sure: find.Certain},
			{Layer: layer, File: "profile.yaml", Line: 9, Rule: "profile", Sure: find.Declared},
		},
	}
}

func marshal(t testing.TB, d *definition.Definition) []byte {
	t.Helper()
	content, err := definition.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// parts are those of sample, each opened from memory.
func parts() map[digest.Digest]definition.Opened {
	list := map[digest.Digest]definition.Opened{}
	for _, text := range texts {
		list[digest.FromString(text)] = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader([]byte(text))), nil }
	}
	return list
}

// lineWith is the number of the first line that has a text.
func lineWith(t testing.TB, content []byte, text string) int {
	t.Helper()
	before, _, ok := strings.Cut(string(content), text)
	if !ok {
		t.Fatalf("no %q in\n%s", text, content)
	}
	return strings.Count(before, "\n") + 1
}

func at(name string, line int) string { return fmt.Sprintf("%s:%d: ", name, line) }

func blob(mediaType, content string) registry.Descriptor {
	return registry.Descriptor{MediaType: mediaType, Digest: digest.FromString(content), Size: int64(len(content))}
}

// put puts a manifest, and blobs before it.
func put(t testing.TB, dst registry.Writer, ref registry.Ref, m any, blobs ...string) registry.Descriptor {
	t.Helper()
	for _, content := range blobs {
		if err := dst.PutBlob(t.Context(), ref.Repository, blob("", content), strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	content, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	d := registry.Describe("", content, digest.Canonical)
	if err := dst.PutManifest(t.Context(), ref, d, content); err != nil {
		t.Fatal(err)
	}
	return d
}
