package find_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/find"
	"github.com/landfall-dev/landfall/lifecycle/object"
	"github.com/landfall-dev/landfall/registry"
)

const digest = "sha256:01038e7de14b78d702d2849c3aad72fd25903c4765af63cf16aa3398f5d5f2dd"

// objects reads YAML, which may be indented with tabs in front as the tests have it.
func objects(t testing.TB, text string) []object.Object {
	t.Helper()
	list, err := object.Read(object.File{Path: "t.yaml", Content: strings.ReplaceAll(text, "\n\t\t\t", "\n")})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// found are finds as "sure rule image", ascending.
func found(list []find.Find) []string {
	var texts []string
	for _, f := range list {
		texts = append(texts, fmt.Sprintf("%s %s %s", f.Sure, f.Rule, f.Image))
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

func check(t *testing.T, got, want []string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("found\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// Every workload of Kubernetes, in every group it ever had, has its containers'
// images found for certain.
func TestWorkloads(t *testing.T) {
	t.Parallel()
	const pod = `{spec: {initContainers: [{name: i, image: a:1}], containers: [{name: c, image: b}], ephemeralContainers: [{name: e, image: "c@` + digest + `"}], volumes: [{name: v, image: {reference: d:1}}, {name: w, emptyDir: {}}]}}`
	template := `{template: ` + pod + `}`
	for kind, body := range map[string]string{
		"v1 Pod":                         strings.TrimSuffix(strings.TrimPrefix(pod, "{"), "}"),
		"v1 PodTemplate":                 "template: " + pod,
		"v1 ReplicationController":       "spec: " + template,
		"apps/v1 Deployment":             "spec: " + template,
		"apps/v1beta2 Deployment":        "spec: " + template,
		"apps/v1 ReplicaSet":             "spec: " + template,
		"apps/v1 StatefulSet":            "spec: " + template,
		"apps/v1 DaemonSet":              "spec: " + template,
		"extensions/v1beta1 Deployment":  "spec: " + template,
		"extensions/v1beta1 DaemonSet":   "spec: " + template,
		"extensions/v1beta1 ReplicaSet":  "spec: " + template,
		"batch/v1 Job":                   "spec: " + template,
		"batch/v1 CronJob":               "spec: {jobTemplate: {spec: " + template + "}}",
		"batch/v1beta1 CronJob":          "spec: {jobTemplate: {spec: " + template + "}}",
		"serving.knative.dev/v1 Service": "spec: " + template,
		"argoproj.io/v1alpha1 Rollout":   "spec: " + template,
		"apps.kruise.io/v1 CloneSet":     "spec: " + template,
	} {
		version, name, _ := strings.Cut(kind, " ")
		list := find.InObjects(objects(t, fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: web, namespace: shop}\n%s\n", version, name, body)), nil)
		sure := "certain"
		if group, _, _ := strings.Cut(version, "/"); strings.Contains(group, ".") {
			sure = "likely"
		}
		t.Run(kind, func(t *testing.T) {
			check(t, found(list), []string{sure + " pod spec a:1", sure + " pod spec b", sure + " pod spec c@" + digest, sure + " pod spec d:1"})
		})
	}
}

// A find says where it is.
func TestPlace(t *testing.T) {
	t.Parallel()
	list := find.InObjects(objects(t, `# Source: web
			apiVersion: apps/v1
			kind: Deployment
			metadata:
			  name: web
			  namespace: shop
			spec:
			  template:
			    spec:
			      containers:
			        - name: a
			          image: "nginx:1.29"
			---
			apiVersion: v1
			kind: Pod
			metadata:
			  name: ping
			  annotations: {helm.sh/hook: "test-success, test"}
			spec:
			  containers: [{name: c, image: curl:8}]
			`), nil)
	want := []find.Find{
		{Image: "nginx:1.29", File: "t.yaml", Line: 12, Object: "Deployment shop/web", Field: "spec.template.spec.containers[0].image", Rule: "pod spec", Sure: find.Certain},
		{Image: "curl:8", File: "t.yaml", Line: 20, Object: "Pod ping", Field: "spec.containers[0].image", Rule: "pod spec", Sure: find.Certain, Test: true},
	}
	if !slices.Equal(list, want) {
		t.Errorf("%+v", list)
	}
}

// What is called an image, or looks like one, is found in each place where operators
// have it, and nothing else is.
func TestInObjects(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		yaml string
		want []string
	}{
		"nothing": {``, nil},
		"image for somebody to put in": {`
			apiVersion: v1
			kind: Pod
			spec: {containers: [{image: auto}, {image: ""}, {image: "{{ .Image }}"}, {image: "${IMAGE}"}, {name: none}, text]}`, nil},
		"image that is none": {`
			apiVersion: v1
			kind: Pod
			spec: {containers: [{image: "Not An Image"}]}`,
			[]string{"certain pod spec Not An Image"}},
		"hook that is no test": {`
			apiVersion: v1
			kind: Pod
			metadata: {annotations: {helm.sh/hook: "pre-install,test"}}
			spec: {containers: [{image: a:1}]}`,
			[]string{"certain pod spec a:1"}},
		"variables": {`
			apiVersion: v1
			kind: Pod
			spec:
			  containers:
			    - env:
			        - {name: RELATED_IMAGE_PROXY, value: team/proxy}
			        - {name: SIDECAR_IMAGE, value: busybox}
			        - {name: HELPER_IMAGE, value: team/helper:1}
			        - {name: IMAGE_EXTRA, value: "extra:2"}
			        - {name: WHATEVER, value: quay.io/team/whatever:1}
			        - {name: VERSIONS, value: "1=quay.io/t/a:1\n2=quay.io/t/a:2"}
			        - {name: BASE, value: quay.io/base}
			        - {name: FROM_BASE, value: "$(BASE)/app:1"}
			        - {name: NOT_KNOWN, value: "$(NOBODY)/app:1"}
			        - {name: ESCAPED, value: "$$(BASE)/app:2"}
			        - {name: PROBE_IMAGE, value: quay.io/t/probe}
			        - {name: PROBE_IMAGE_TAG, value: "1.2"}
			        - {name: IMAGE_PULL_POLICY, value: IfNotPresent}
			        - {name: IMAGE_CACHE_ENABLED, value: "true"}
			        - {name: USE_IMAGE, value: "true"}
			        - {name: TARGET, value: "app.kubernetes.io/component:webhook"}
			        - {name: URL, value: "https://quay.io/t/a:3"}
			        - {name: ADDRESS, value: "db.shop.svc:5432"}
			        - {name: OTHER, valueFrom: {fieldRef: {fieldPath: metadata.name}}}`,
			[]string{
				"likely env team/proxy", "doubtful env busybox", "doubtful env team/helper:1", "doubtful env extra:2",
				"doubtful env quay.io/team/whatever:1", "doubtful env quay.io/t/a:1", "doubtful env quay.io/t/a:2",
				"doubtful env quay.io/base/app:1", "doubtful env quay.io/t/probe:1.2",
			}},
		"arguments": {`
			apiVersion: v1
			kind: Pod
			spec:
			  containers:
			    - env: [{name: HOST, value: quay.io}]
			      command: [run, --engine-image, "team/engine:1", --manager-image=team/manager, -proxy-image, '"team/proxy:2"']
			      args:
			        - --solver=quay.io/team/solver:1
			        - --from-env=$(HOST)/team/env:1
			        - quay.io/team/alone@` + digest + `
			        - --listen=0.0.0.0:8080
			        - --default-image-registry=quay.io
			        - --no-image
			        - --verbose
			        - --log=/var/log/a:1
			        - |
			          crictl pull quay.io/team/script:1
			          curl https://quay.io/team/url:1`,
			[]string{
				"doubtful argument team/engine:1", "doubtful argument team/manager", "doubtful argument team/proxy:2",
				"doubtful argument quay.io/team/solver:1", "doubtful argument quay.io/team/env:1",
				"doubtful argument quay.io/team/alone@" + digest, "doubtful argument quay.io/team/script:1",
			}},
		"annotations": {`
			apiVersion: apps/v1
			kind: Deployment
			metadata:
			  annotations:
			    kbld.k14s.io/images: |
			      - origins: [{resolved: {url: "x"}}]
			        url: quay.io/team/built@` + digest + `
			    example.com/description: quay.io/team/prose:1
			spec:
			  template:
			    metadata: {annotations: {sidecar.istio.io/proxyImage: "team/proxyv2:1", kubectl.kubernetes.io/default-container: app}}`,
			[]string{"likely annotation quay.io/team/built@" + digest, "likely annotation team/proxyv2:1"}},
		"schema of a custom resource": {`
			apiVersion: apiextensions.k8s.io/v1
			kind: CustomResourceDefinition
			spec: {versions: [{schema: {image: {default: "quay.io/a:1"}, containers: [{image: "quay.io/a:2"}]}}]}`, nil},
		"custom resource": {`
			apiVersion: example.com/v1
			kind: Thing
			metadata: {name: x, labels: {image: "quay.io/t/label:1"}}
			spec:
			  image: quay.io/t/a
			  proxyImage: team/b:1
			  word: {image: busybox}
			  backupImages: [quay.io/t/c:1, "old=quay.io/t/d:1"]
			  split: {registry: quay.io, repository: t/e, tag: 2}
			  pinned: {repository: quay.io/t/f, tag: "1", digest: "` + digest + `"}
			  named: {image: {name: quay.io/t/g, version: v1}}
			  parts: {repository: quay.io/t, image: h, version: v1}
			  plain: {repository: t/i, tag: "1"}
			  off: {enabled: false, image: quay.io/t/j:1}
			  free: "see quay.io/t/k:1"
			  runner: {image: l, command: [sh], env: [{name: X_IMAGE, value: "m:1"}]}
			  values: |
			    image: {repository: quay.io/t/n, tag: v1}
			  chart: {repository: "https://charts.example.com", name: x, version: 1.0.0}
			  oci: {repository: "oci://quay.io/charts/x", version: 1.0.0}
			  git: {repository: "git@example.com:a/b.git", tag: v1}
			  imagePullPolicy: Always
			  description: "quay.io/t/prose:1"
			status: {image: "quay.io/t/status:1"}`,
			[]string{
				"likely field quay.io/t/a", "likely field team/b:1", "doubtful field busybox", "likely field quay.io/t/c:1",
				"doubtful object quay.io/t/d:1", "likely field quay.io/t/e:2", "likely field quay.io/t/f:1@" + digest,
				"likely field quay.io/t/g:v1", "likely field quay.io/t/h:v1", "doubtful field t/i:1", "doubtful field quay.io/t/j:1",
				"doubtful object quay.io/t/k:1", "likely pod spec l", "doubtful env m:1", "doubtful config quay.io/t/n:v1",
			}},
		"switch elsewhere": {`
			apiVersion: nvidia.com/v1
			kind: ClusterPolicy
			spec:
			  sandboxWorkloads: {enabled: false}
			  vfioManager: {enabled: true, repository: quay.io/t, image: vfio, version: v1}
			  toolkit: {enabled: true, repository: quay.io/t, image: toolkit, version: v1}
			---
			apiVersion: nvidia.com/v1
			kind: ClusterPolicy
			spec:
			  sandboxWorkloads: {enabled: true}
			  ccManager: {enabled: true, repository: quay.io/t, image: cc, version: v1}`,
			[]string{"doubtful field quay.io/t/vfio:v1", "likely field quay.io/t/toolkit:v1", "likely field quay.io/t/cc:v1"}},
		"rules about images": {`
			apiVersion: kyverno.io/v1
			kind: ClusterPolicy
			spec:
			  rules:
			    - validate: {pattern: {spec: {containers: [{image: "!*:latest"}]}}}
			    - mutate: {patch: {spec: {containers: [{name: a, image: quay.io/t/a:1}]}}}`,
			[]string{"doubtful pod spec !*:latest", "doubtful pod spec quay.io/t/a:1"}},
		"ConfigMap": {`
			apiVersion: v1
			kind: ConfigMap
			data:
			  plugin: quay.io/t/plugin:1
			  node.imageRef: team/node:1
			  trivy.repository: mirror.example.com/trivy
			  trivy.tag: 0.72.0
			  trivy.command: image
			  address: "db:5432"
			  config.yaml: |
			    natsImage: nats:2.10
			    other: {repository: quay.io/t/other, tag: v1}
			  values: '{"global": {"hub": "registry.example.com/mesh", "tag": "1.2", "proxy": {"image": "proxyv2"}}}'
			  linkerd: |
			    linkerdVersion: edge
			    debug: {image: {name: cr.example.com/debug, version: ""}}
			  injected: |
			    spec:
			      initContainers: [{name: i, image: team/init:1}]
			  manifest: |
			    apiVersion: apps/v1
			    kind: Deployment
			    spec: {template: {spec: {containers: [{image: team/web:1}]}}}
			  template: |
			    {{- if .Values.on }}
			    image: busybox:1.28
			    image: "{{ .ProxyImage }}"
			    {{- end }}
			  empty: ""
			binaryData: {x: cXVheS5pby90L2JpbmFyeTox}`,
			[]string{
				"doubtful config quay.io/t/plugin:1", "doubtful config team/node:1", "doubtful config mirror.example.com/trivy:0.72.0",
				"doubtful config nats:2.10", "doubtful config quay.io/t/other:v1", "doubtful config registry.example.com/mesh/proxyv2:1.2",
				"doubtful config cr.example.com/debug:edge", "likely pod spec team/init:1", "likely pod spec team/web:1", "doubtful config busybox:1.28",
			}},
		"Secret": {`
			apiVersion: v1
			kind: Secret
			stringData: {a: quay.io/t/a:1}
			data:
			  b: ` + base64.StdEncoding.EncodeToString([]byte("quay.io/t/b:1\n")) + `
			  c: ` + base64.StdEncoding.EncodeToString([]byte("quay.io/t/c:1\x00")) + `
			  d: not base64`,
			[]string{"doubtful config quay.io/t/a:1", "doubtful config quay.io/t/b:1"}},
		"known kinds": {`
			apiVersion: pkg.crossplane.io/v1
			kind: Provider
			spec: {package: "xpkg.example.com/a:1"}
			---
			apiVersion: tekton.dev/v1
			kind: Task
			spec: {steps: [{image: alpine, script: "x"}], sidecars: [{image: redis}]}
			---
			apiVersion: argoproj.io/v1alpha1
			kind: WorkflowTemplate
			spec: {templates: [{container: {image: busybox}}, {container: {image: "{{inputs.parameters.image}}"}}]}
			---
			apiVersion: image.openshift.io/v1
			kind: ImageStream
			spec: {tags: [{from: {kind: DockerImage, name: "quay.io/t/b:1"}}]}
			---
			apiVersion: cdi.kubevirt.io/v1beta1
			kind: DataVolume
			spec: {source: {registry: {url: "docker://quay.io/t/c:1"}}}
			---
			apiVersion: monitoring.coreos.com/v1
			kind: Prometheus
			spec: {baseImage: quay.io/prometheus/prometheus, version: v2.20.0}
			---
			apiVersion: elasticsearch.k8s.elastic.co/v1
			kind: Elasticsearch
			spec: {version: 9.1.0}
			---
			apiVersion: beat.k8s.elastic.co/v1beta1
			kind: Beat
			spec: {version: 9.1.0, type: filebeat}
			---
			apiVersion: kibana.k8s.elastic.co/v1
			kind: Kibana
			spec: {version: 9.1.0, image: quay.io/t/kibana:1}
			---
			apiVersion: source.toolkit.fluxcd.io/v1
			kind: OCIRepository
			spec: {url: "oci://quay.io/t/manifests", ref: {tag: v1}}
			---
			apiVersion: kustomize.toolkit.fluxcd.io/v1
			kind: Kustomization
			spec: {images: [{name: old, newName: quay.io/t/new, newTag: v2}]}`,
			[]string{
				"likely path xpkg.example.com/a:1", "likely pod spec alpine", "likely path redis", "likely path busybox",
				"likely path quay.io/t/b:1", "likely path quay.io/t/c:1", "doubtful field quay.io/prometheus/prometheus:v2.20.0",
				"doubtful version docker.elastic.co/elasticsearch/elasticsearch:9.1.0", "doubtful version docker.elastic.co/beats/filebeat:9.1.0",
				"likely field quay.io/t/kibana:1", "likely path quay.io/t/manifests:v1", "likely field quay.io/t/new:v2",
			}},
		"no object": {`containers: [{image: "quay.io/t/a:1"}]`, []string{"likely pod spec quay.io/t/a:1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, found(find.InObjects(objects(t, c.yaml), nil)), c.want)
		})
	}
}

// A profile's own rules find what nobody else could, and count as declared.
func TestExtraRules(t *testing.T) {
	t.Parallel()
	const yaml = `
			apiVersion: example.com/v1
			kind: Thing
			metadata: {name: x}
			spec:
			  payload: team/a
			  list: [{run: b}, {run: c}, {other: d}]
			  parts: {registry: quay.io, repository: t/e, tag: v1}
			  deep: {er: {run: f}}
			  names: {a.b: g, c.d: h}
			  texts: [i, j]`
	for path, want := range map[string][]string{
		"spec.payload":     {"team/a"},
		"$.spec.payload":   {"team/a"},
		"spec.list[*].run": {"b", "c"},
		"spec.list[1].run": {"c"},
		"spec.parts":       {"quay.io/t/e:v1"},
		"spec..run":        {"b", "c", "f"},
		"spec.names[c.d]":  {"h"},
		"spec.names.*":     {"g", "h"},
		"spec.texts":       {"i", "j"},
		"spec.texts[*]":    {"i", "j"},
		"spec.nothing":     nil,
		"spec.payload.x":   nil,
		"spec.list[9].run": nil,
	} {
		for _, kind := range []string{"Thing", "example.com/Thing"} {
			var got []string
			for _, f := range find.InObjects(objects(t, yaml), []find.Rule{{Kind: kind, Path: path}}) {
				if f.Rule == "path" && f.Sure == find.Declared {
					got = append(got, f.Image)
				}
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", path, got, want)
			}
		}
	}
	for _, kind := range []string{"Other", "example.org/Thing"} {
		for _, f := range find.InObjects(objects(t, yaml), []find.Rule{{Kind: kind, Path: "spec.payload"}}) {
			if f.Rule == "path" {
				t.Errorf("%s: %+v", kind, f)
			}
		}
	}
}

func TestValidateRule(t *testing.T) {
	t.Parallel()
	for _, r := range []find.Rule{
		{Kind: "", Path: "spec.image"}, {Kind: "example.com/", Path: "spec.image"}, {Kind: "Thing", Path: ""}, {Kind: "Thing", Path: "spec."},
		{Kind: "Thing", Path: "spec[image"}, {Kind: "Thing", Path: "spec[]"}, {Kind: "Thing", Path: "spec[-1]"}, {Kind: "Thing", Path: "a...b"},
		{Kind: "Thing", Path: "a..b..c"}, {Kind: "Thing", Path: strings.Repeat("a.", 100) + "a"},
	} {
		if err := r.Validate(); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if err := (find.Rule{Kind: "Thing", Path: "spec.containers[*].image"}).Validate(); err != nil {
		t.Error(err)
	}
}

func read(text string) []object.Object {
	list, _ := object.Read(object.File{Path: "t.yaml", Content: text})
	return list
}
