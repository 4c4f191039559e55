package find_test

import (
	"slices"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/find"
	"github.com/landfall-dev/landfall/registry"
)

const chartYAML = `apiVersion: v2
name: app
version: 1.0.0
annotations:
  artifacthub.io/images: |
    - name: web
      image: quay.io/team/web:1
    - name: db
      image: postgres:17
      whitelisted: true
  images: |
    - image: docker.io/bitnami/redis:8
      name: redis
  helm.sh/images: |
    - quay.io/team/text:1
  artifacthub.io/changes: |
    - quay.io/team/change:1
`

func TestInChart(t *testing.T) {
	t.Parallel()
	got := find.InChart(map[string][]byte{
		"app/Chart.yaml":  []byte(chartYAML),
		"app/values.yaml": []byte("images: [{image: quay.io/team/value:1}]"),
		"app/Images.lock": []byte("apiVersion: v0\nkind: ImagesLock\nimages:\n  - name: a\n    image: quay.io/team/locked:1\n    digests: []\n"),
		"app/charts/sub/.imgpkg/images.yml": []byte("apiVersion: imgpkg.carvel.dev/v1alpha1\nkind: ImagesLock\n" +
			"images:\n- image: quay.io/team/imgpkg@" + digest + "\n- annotations: {}\n"),
		"app/images.txt":                []byte("# all\nquay.io/team/listed:1\n\nnot an image\n"),
		"app/charts/broken/Chart.yaml":  []byte("annotations: ["),
		"app/charts/odd/Chart.yaml":     []byte("annotations: {images: '{not: [a, list}', artifacthub.io/images: 1}"),
		"app/charts/broken/Images.lock": []byte("images: text"),
	})
	want := []find.Find{
		{Image: "quay.io/team/web:1", File: "app/Chart.yaml", Line: 7, Field: "annotations[artifacthub.io/images]", Rule: "annotation", Sure: find.Declared},
		{Image: "postgres:17", File: "app/Chart.yaml", Line: 9, Field: "annotations[artifacthub.io/images]", Rule: "annotation", Sure: find.Declared},
		{Image: "docker.io/bitnami/redis:8", File: "app/Chart.yaml", Line: 12, Field: "annotations.images", Rule: "annotation", Sure: find.Declared},
		{Image: "quay.io/team/text:1", File: "app/Chart.yaml", Line: 15, Field: "annotations[helm.sh/images]", Rule: "annotation", Sure: find.Declared},
		{Image: "quay.io/team/locked:1", File: "app/Images.lock", Line: 5, Field: "images[0].image", Rule: "lock file", Sure: find.Declared},
		{Image: "quay.io/team/imgpkg@" + digest, File: "app/charts/sub/.imgpkg/images.yml", Line: 4, Field: "images[0].image", Rule: "lock file", Sure: find.Declared},
		{Image: "quay.io/team/listed:1", File: "app/images.txt", Line: 2, Rule: "lock file", Sure: find.Declared},
	}
	if !slices.Equal(got, want) {
		t.Errorf("found %d:", len(got))
		for _, f := range got {
			t.Errorf("  %+v", f)
		}
	}
}

func FuzzInChart(f *testing.F) {
	f.Add("Chart.yaml", []byte(chartYAML))
	f.Add("Images.lock", []byte("images:\n- image: a:1\n"))
	f.Add("images.txt", []byte("a:1\nb@x\n"))
	f.Add("Chart.yaml", []byte("annotations: {images: &a [*a]}"))
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		for _, found := range find.InChart(map[string][]byte{name: content}) {
			if _, err := registry.ParseRef(found.Image); err != nil {
				t.Errorf("%+v: %v", found, err)
			}
			if found.Sure != find.Declared || found.File != name || found.Line < 1 {
				t.Errorf("%+v", found)
			}
		}
	})
}

func FuzzInObjects(f *testing.F) {
	f.Add("apiVersion: v1\nkind: ConfigMap\ndata: {a: 'quay.io/t/a:1', b: \"x:\\n  image: b:1\\n\"}\n")
	f.Add("apiVersion: example.com/v1\nkind: Thing\nspec: {image: {repository: a/b, tag: 1}, containers: [{image: x, args: [--a-image=b]}]}\n")
	f.Add("apiVersion: v1\nkind: Pod\nspec: {containers: [{env: [{name: A, value: '$(A)'}]}]}\n")
	f.Fuzz(func(t *testing.T, text string) {
		list := find.InObjects(read(text), []find.Rule{{Kind: "Thing", Path: "spec..image"}})
		if again := find.InObjects(read(text), []find.Rule{{Kind: "Thing", Path: "spec..image"}}); !slices.Equal(list, again) {
			t.Errorf("%+v\nand then\n%+v", list, again)
		}
		for _, found := range list {
			if found.Image == "" || found.Sure == "" || found.Rule == "" || found.Field == "" {
				t.Errorf("%+v", found)
			}
		}
	})
}
