package resolve_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/distro"
	"github.com/landfall-dev/landfall/lifecycle/find"
	"github.com/landfall-dev/landfall/lifecycle/resolve"
	"github.com/landfall-dev/landfall/registry"
)

const header = `
-- profile.yaml --
apiVersion: landfall.dev/v1alpha1
kind: ClusterProfile
metadata: {name: edge, version: 1.0.0}
spec:
`

const app = `
-- app/Chart.yaml --
apiVersion: v2
name: app
version: 1.2.3
-- app/values.yaml --
image: {repository: registry.example/web, tag: "1"}
metrics: {enabled: false}
-- app/templates/deployment.yaml --
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: {{ .Values.image.repository }}:{{ .Values.image.tag }}
          args: ["--sidecar-image=registry.example/side:2", "--docs=registry.example/docs:9"]
        {{- if .Values.metrics.enabled }}
        - name: metrics
          image: registry.example/metrics:3
        {{- end }}
-- app/templates/tests/test.yaml --
apiVersion: v1
kind: Pod
metadata: {name: try, annotations: {helm.sh/hook: test}}
spec: {containers: [{name: try, image: registry.example/try:1}]}
`

// The smallest profile.
func TestImagesAlone(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.files(header + `  layers:
    - name: app
      type: addon
      images: ["registry.example/team/app:v1"]`)
	result := k.mustBuild(nil)
	d := result.Definition
	image := imageOf(t, d, "registry.example/team/app:v1")
	if image.Digest != k.Index.Digest || image.Sure != find.Declared || !slices.Equal(image.Platforms, []string{"linux/amd64", "linux/arm64"}) {
		t.Errorf("%+v", image)
	}
	if !slices.Equal(d.Platforms, image.Platforms) || len(d.Unused) != 0 || len(result.Parts) != 0 {
		t.Errorf("%+v, %d parts", d, len(result.Parts))
	}
	var tags, subjects int
	for _, m := range image.Manifests { // the index, two images, a referrer, cosign's tag
		if m.Tag != "" {
			tags++
		}
		if m.Subject != "" {
			subjects++
		}
	}
	if len(image.Manifests) != 5 || tags != 1 || subjects != 1 {
		t.Errorf("%d manifests, %d tags, %d subjects", len(image.Manifests), tags, subjects)
	}
	if again := k.mustBuild(nil); !bytes.Equal(again.Document, result.Document) {
		t.Error("the same profile gives another document")
	}
}

// An image behind a switch is found by the set of values that turns it on, one in an
// argument is confirmed by its registry, and what only a test runs is left out.
func TestChart(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for _, name := range []string{"web:1", "side:2", "metrics:3", "try:1", "extra:1"} {
		k.image("registry.example/"+name, "amd64", "arm64")
	}
	k.files(header + `  platforms: [linux/amd64]
  variables: [{name: replicas, type: integer, default: 2}, {name: tag, type: string, required: true, allowed: ["1"]}]
  layers:
    - name: web
      images: ["registry.example/extra:1"]
      chart:
        path: app
        values: {replicas: "${var.replicas}", image: {tag: "${var.tag}"}}
        valueSets: [{name: observed, values: {metrics: {enabled: true}}}]
` + app)
	result := k.mustBuild(nil)
	d := result.Definition
	want := []string{"registry.example/extra:1", "registry.example/metrics:3", "registry.example/side:2", "registry.example/web:1"}
	if got := names(d); !slices.Equal(got, want) {
		t.Fatalf("images %q, want %q", got, want)
	}
	side := imageOf(t, d, "registry.example/side:2")
	if side.Sure != find.Doubtful || !side.Confirmed || len(side.Platforms) != 1 {
		t.Errorf("side: %+v", side)
	}
	behind := imageOf(t, d, "registry.example/metrics:3").Why[0]
	if behind.Set != "observed" || behind.Chart != "app 1.2.3" || behind.File != "app/templates/deployment.yaml" ||
		behind.Field != "spec.template.spec.containers[1].image" || behind.Sure != find.Certain {
		t.Errorf("metrics: %+v", behind)
	}
	if web := imageOf(t, d, "registry.example/web:1").Why[0]; web.Set != "" || web.Object != "Deployment web" && web.Object != "Deployment default/web" {
		t.Errorf("web: %+v", web)
	}
	left := map[string]string{}
	for _, l := range d.Left {
		left[l.Text] = l.Why
	}
	if !strings.Contains(left["registry.example/try:1"], "test") || !strings.Contains(left["registry.example/docs:9"], "no such image") {
		t.Errorf("left out: %q", left)
	}
	if !slices.Equal(d.Unused, []string{"registry.example/extra:1"}) {
		t.Errorf("unused: %q", d.Unused)
	}
	if want := want[1:]; !slices.Equal(d.Unlisted(), want) {
		t.Errorf("unlisted: %q, want %q", d.Unlisted(), want)
	}
	if v := d.Layers[0].Charts[0].Values["replicas"]; v != "${var.replicas}" {
		t.Errorf("values have %v", v)
	}
	if len(result.Parts) != 1 {
		t.Errorf("%d parts", len(result.Parts))
	}
}

// Kustomizations, manifests, custom resources and files.
func TestManifests(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for _, name := range []string{"web:1", "web:2", "job:1", "custom:1"} {
		k.image("registry.example/"+name, "amd64")
	}
	k.files(header + `  layers:
    - name: web
      namespace: apps
      manifests: [{kustomize: overlays/site}, plain]
      imageRules: [{kind: Widget, path: spec.runner}]
      files: [{path: plain/job.yaml, target: /etc/job.yaml}, {path: base, target: /etc/base}, {path: base/pod.yaml}, {path: plain/widget.yaml}]
-- base/kustomization.yaml --
resources: [pod.yaml]
-- base/pod.yaml --
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: web, image: "registry.example/web:1"}]}
-- overlays/site/kustomization.yaml --
resources: [../../base]
images: [{name: registry.example/web, newTag: "2"}]
-- plain/job.yaml --
apiVersion: batch/v1
kind: CronJob
metadata: {name: job}
spec: {jobTemplate: {spec: {template: {spec: {initContainers: [{name: job, image: "registry.example/job:1"}]}}}}}
-- plain/widget.yaml --
apiVersion: example.com/v1
kind: Widget
metadata: {name: widget}
spec: {runner: "registry.example/custom:1"}`)
	result := k.mustBuild(nil)
	want := []string{"registry.example/custom:1", "registry.example/job:1", "registry.example/web:2"}
	if got := names(result.Definition); !slices.Equal(got, want) {
		t.Fatalf("images %q, want %q", got, want)
	}
	l := result.Definition.Layers[0]
	if len(l.Manifests) != 3 || l.Manifests[0].MediaType != definition.TypeKustomize || l.Manifests[1].Path != "plain/job.yaml" {
		t.Errorf("manifests: %+v", l.Manifests)
	}
	if len(l.Files) != 4 || l.Files[0].Mode != 0o644 || l.Files[1].MediaType != definition.TypeFolder {
		t.Errorf("files: %+v", l.Files)
	}
	if custom := imageOf(t, result.Definition, "registry.example/custom:1"); custom.Sure != find.Declared || custom.Why[0].Line != 4 {
		t.Errorf("custom: %+v", custom)
	}
	content, err := definition.Pack(result.Document, result.Parts, nil)
	if err != nil {
		t.Fatal(err)
	}
	g, err := registry.Walk(t.Context(), content, []registry.Ref{content.Ref()}, registry.WalkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, blob := range g.Blobs { // each is what the definition says
		if _, err := registry.ReadBlob(t.Context(), content, content.Ref().Repository, blob.Descriptor); err != nil {
			t.Error(err)
		}
	}
}

// Kubernetes' own images come from the distribution's tables; a version that these do
// not have takes those that the layer lists.
func TestDistribution(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	images, err := distro.Images("kubeadm", "1.36.3")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, i := range images {
		k.image(i.Ref.String(), "amd64")
		want = append(want, i.Ref.String())
	}
	slices.Sort(want)
	k.files(header + `  layers: [{name: kube, type: kubernetes, kubernetes: {distribution: kubeadm, version: 1.36.3}}]`)
	d := k.mustBuild(nil).Definition
	if got := names(d); !slices.Equal(got, want) || len(got) < 6 {
		t.Errorf("images %q, want %q", got, want)
	}
	if why := d.Images[0].Why[0]; why.Rule != "distribution" || why.Sure != find.Certain || d.Layers[0].Upgrade.Policy != "drain" {
		t.Errorf("%+v, %+v", why, d.Layers[0].Upgrade)
	}
	k.files(header + `  layers: [{name: kube, type: kubernetes, kubernetes: {distribution: kubeadm, version: 1.36.99}, images: ["registry.example/team/app:v1"]}]`)
	result := k.mustBuild(nil)
	if got := names(result.Definition); !slices.Equal(got, []string{"registry.example/team/app:v1"}) || len(result.Warnings) != 1 {
		t.Errorf("images %q, warnings %q", got, result.Warnings)
	}
}

// A lock keeps digests; what it cannot keep is named.
func TestLock(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	old := k.image("registry.example/web:1", "amd64")
	k.files(header + `  layers: [{name: web, images: ["registry.example/web:1"]}]`)
	before := k.mustBuild(nil).Definition
	moved := k.image("registry.example/web:1", "amd64")
	if now := k.mustBuild(nil).Definition; now.Images[0].Digest != moved.Digest {
		t.Error("without a lock the old digest stays")
	}
	lock := func(o *resolve.Options) { o.Lock = before }
	if kept := k.mustBuild(lock).Definition; kept.Images[0].Digest != old.Digest {
		t.Error("the lock does not hold")
	}
	if err := k.Delete(t.Context(), registry.Ref{Repository: "registry.example/web", Digest: old.Digest}); err != nil {
		t.Fatal(err)
	}
	k.fails(registry.ErrNotFound, lock, "the lock no longer matches: edge 1.0.0 has registry.example/web:1", "layer web, profile.yaml:5", "build without --lock")
}

// Each is named with its place and cure.
func TestBad(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		profile string
		is      error
		texts   []string
	}{
		"an image that is not there": {`  layers: [{name: web, images: ["registry.example/none:1", "registry.example/team/app:nil"]}]`,
			registry.ErrNotFound, []string{"registry.example/none:1", "registry.example/team/app:nil", "layer web, profile.yaml:5", "correct the name"}},
		"a platform that an image lacks": {`  platforms: [linux/amd64, linux/s390x]
  layers: [{name: web, images: ["registry.example/team/app:v1"]}]`,
			registry.ErrNotFound, []string{"registry.example/team/app:v1 is not there for linux/s390x (it is for linux/amd64, linux/arm64)", "profile.yaml:6", "limit the platforms of the layer"}},
		"a platform that an image in an argument lacks": {`  platforms: [linux/amd64, linux/riscv64]
  layers: [{name: web, manifests: [pod.yaml]}]
-- pod.yaml --
apiVersion: v1
kind: Pod
metadata: {name: a}
spec: {containers: [{name: a, image: "registry.example/both:1", args: ["--image=registry.example/odd:1"]}]}`,
			registry.ErrNotFound, []string{"registry.example/odd:1 is not there for linux/amd64 (it is for linux/riscv64)", "pod.yaml:4", "limit the platforms of the layer"}},
		"no platform in common": {`  layers: [{name: web, images: ["registry.example/team/app:v1", "registry.example/odd:1"]}]`,
			registry.ErrInvalid, []string{"no platform is one that all images have (they have linux/amd64, linux/arm64, linux/riscv64)"}},
		"two layers that fight": {`  layers:
    - {name: one, chart: {path: app}}
    - {name: two, manifests: [extra.yaml]}
` + app + `-- extra.yaml --
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {}`,
			registry.ErrConflict, []string{"Deployment.apps default/web is in both layer one, chart app 1.2.3, app/templates/deployment.yaml:", "and layer two, extra.yaml:1", "leave it out of one"}},
		"a template that is wrong": {`  layers:
    - {name: one, chart: {path: app}}
` + app + `-- app/templates/wrong.yaml --
kind: {{ .Values.none.at.all }}`,
			nil, []string{"profile.yaml:6", "app/templates/wrong.yaml:1"}},
		"an image of the site's registry": {`  layers: [{name: web, manifests: [pod.yaml]}]
-- pod.yaml --
apiVersion: v1
kind: Pod
metadata: {name: a}
spec: {containers: [{name: a, image: site-registry.invalid/a:1}]}`,
			registry.ErrInvalid, []string{"pod.yaml:4", "write the original name"}},
		"a digest against another": {`  layers: [{name: web, images: ["registry.example/web:1@sha256:` + strings.Repeat("1", 64) + `", "registry.example/web:1@sha256:` + strings.Repeat("2", 64) + `"]}]`,
			registry.ErrInvalid, []string{"registry.example/web:1 is wanted with different digests"}},
		"a version of Kubernetes that is not known": {`  layers: [{name: kube, type: kubernetes, kubernetes: {distribution: kubeadm, version: 1.5.0}}]`,
			registry.ErrNotFound, []string{"profile.yaml:5", "1.5.0"}},
		"a chart that is not there": {`  layers: [{name: web, chart: {oci: "oci://registry.example/charts/app", version: 9.9.9}}]`,
			registry.ErrNotFound, []string{"profile.yaml:5", "9.9.9"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			k.image("registry.example/odd:1", "riscv64")
			k.image("registry.example/both:1", "amd64", "riscv64")
			k.image("registry.example/side:2", "amd64", "arm64")
			k.image("registry.example/web:1", "amd64", "arm64")
			k.files(header + c.profile)
			k.fails(c.is, nil, c.texts...)
		})
	}
}

// counting counts how often each manifest is asked for.
type counting struct {
	registry.Reader
	mu    sync.Mutex
	asked map[string]int
}

func (c *counting) Manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	d, content, err := c.Reader.Manifest(ctx, ref)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.asked[ref.Repository+"@"+d.Digest.String()]++
	}
	return d, content, err
}

// A registry is asked once for each manifest, also where the platforms have to be found
// out first.
func TestAskedOnce(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.files(header + `  layers: [{name: app, images: ["registry.example/team/app:v1"]}]`)
	c := &counting{Reader: k, asked: map[string]int{}}
	k.mustBuild(func(o *resolve.Options) { o.Registry = c })
	if len(c.asked) != 5 {
		t.Errorf("%d manifests were asked for", len(c.asked))
	}
	for m, n := range c.asked {
		if n != 1 {
			t.Errorf("%s was asked for %d times", m, n)
		}
	}
}

// Graph carries what the definition lists: a layer for one platform brings no other,
// and what came later stays behind.
func TestGraph(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.image("registry.example/web:1", "amd64", "arm64")
	k.files(header + `  platforms: [linux/amd64, linux/arm64]
  layers:
    - {name: app, images: ["registry.example/team/app:v1"]}
    - {name: web, platforms: [linux/arm64], images: ["registry.example/web:1"]}`)
	d := k.mustBuild(nil).Definition
	k.AddImage(registry.Ref{Repository: "registry.example/team/app"}, "application/vnd.oci.image.manifest.v1+json", &k.Index, k.AddBlob("registry.example/team/app", 10))
	g, err := resolve.Graph(t.Context(), k, d, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if want := []int{3, 7, 0}; len(g.Names) != want[0] || len(g.Manifests) != want[1] {
		t.Errorf("%d names, %d manifests", len(g.Names), len(g.Manifests))
	}
	if len(g.Names) > 0 && g.Size() != d.Size() {
		t.Errorf("%d bytes in the graph, %d in the definition", g.Size(), d.Size())
	}
	one, err := resolve.Graph(t.Context(), k, d, []registry.Platform{{OS: "linux", Architecture: "amd64"}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range one.Manifests {
		if m.Descriptor.Digest == k.Images["arm64"].Digest {
			t.Error("it brings arm64, which was not asked for")
		}
	}
	narrow := k.mustBuild(func(o *resolve.Options) { o.Platforms = []registry.Platform{{OS: "linux", Architecture: "amd64"}} }).Definition
	if got := names(narrow); !slices.Equal(got, []string{"registry.example/team/app:v1"}) || len(narrow.Left) != 1 || narrow.Left[0].Text != "registry.example/web:1" {
		t.Errorf("for amd64 alone: %q, left out %+v", got, narrow.Left)
	}
	if err := k.Delete(t.Context(), registry.Ref{Repository: "registry.example/team/app", Digest: k.Images["arm64"].Digest}); err != nil {
		t.Fatal(err)
	}
	if _, err := resolve.Graph(t.Context(), k, d, nil, 0); err == nil || !strings.Contains(err.Error(), "image registry.example/team/app:v1 of the definition") {
		t.Errorf("%v", err)
	}
}
