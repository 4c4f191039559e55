package find

import (
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
)

const hex = "01038e7de14b78d702d2849c3aad72fd25903c4765af63cf16aa3398f5d5f2dd"

func TestLooksLikeImage(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"quay.io/team/app:v1":                    true,
		"quay.io/team/app@sha256:" + hex:         true,
		"quay.io/team/app:v1@sha256:" + hex:      true,
		"10.0.0.5:5000/app:v1":                   true,
		"127.0.0.1:5001/team/app1:v1":            true,
		"localhost/app:1":                        true,
		"registry:5000/app:1":                    true,
		"[fd00::1]:5000/app:1":                   false, // not in the grammar of references
		"nginx:1.29":                             false,
		"team/app:v1":                            false,
		"quay.io/team/app":                       false,
		"https://quay.io/team/app:v1":            false,
		"quay.io/team/app:v1 --help":             false,
		"/usr/bin/app:1":                         false,
		"12:30":                                  false,
		"go1.26":                                 false,
		"localhost:8080":                         false,
		"web.default.svc:8080":                   false,
		"web.default.svc.cluster.local/x:8080":   false,
		"somebody@example.com":                   false,
		"example.com/somebody@example.com":       false,
		"app.kubernetes.io/component:webhook":    false,
		"prometheus.io/scrape:true":              false,
		"github.com/team/app:v1":                 false,
		"golang.org/x/net@v0.1.0":                false,
		"10.0.0.0/8:443":                         false,
		"quay.io/team/{{ .Name }}:v1":            false,
		"quay.io/team/${NAME}:v1":                false,
		"$(REGISTRY)/team/app:v1":                false,
		"quay.io/team/App:v1":                    false,
		"quay.io/a:" + strings.Repeat("x", 1000): false,
		"":                                       false,
	} {
		if got := LooksLikeImage(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"podFailureImage":     "pod failure image",
		"POD_FAILURE_IMAGE":   "pod failure image",
		"--pod-failure-image": "pod failure image",
		"imageURL":            "image url",
		"CSIImage2":           "csi image2",
		"trivy.repository":    "trivy repository",
		"":                    "",
		"ÄrgerImage":          "ärger image",
	} {
		if got := strings.Join(words(name), " "); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestSaysImage(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"image": true, "images": true, "imageName": true, "proxyImage": true, "PROXY_IMAGE": true, "--engine-image": true,
		"IMAGE_PROXY": true, "RELATED_IMAGE_PROXY": true, "node.collector.imageRef": true, "dockerImage": true,
		"imagePullPolicy": false, "IMAGE_PULL_SECRET": false, "imageTag": false, "IMAGE_REGISTRY": false, "imagination": false,
		"command": false, "METRICS_IMAGE_INFO_ENABLED": false, "": false, "-": false,
	} {
		if got := saysImage(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	text := `4.2.0=quay.io/a/b:4.2.0
		'quay.io/a/c:1', docker://quay.io/a/d:1. See https://quay.io/a/e:1 and quay.io/a/f.`
	if got, want := tokens(text), []string{"quay.io/a/b:4.2.0", "quay.io/a/c:1", "quay.io/a/d:1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ host, name, version, want string }{
		{"", "team/app", "1", "team/app:1"},
		{"quay.io", "team/app", "1", "quay.io/team/app:1"},
		{"quay.io/", "team/app/", "1", "quay.io/team/app:1"},
		{"quay.io", "ghcr.io/team/app", "1", "ghcr.io/team/app:1"},
		{"", "quay.io/app", "sha256:" + hex, "quay.io/app@sha256:" + hex},
		{"", "quay.io/app:1", "sha256:" + hex, "quay.io/app:1@sha256:" + hex},
		{"", "quay.io/app", "@sha256:" + hex, "quay.io/app@sha256:" + hex},
		{"", "quay.io/app:1", "2", ""},
		{"", "https://example.com/charts", "1", ""},
		{"", "oci://quay.io/charts/app", "1", ""},
		{"", "quay.io/app", "not a tag", ""},
		{"", "quay.io/app", "", ""},
		{"", "", "1", ""},
	} {
		if got := join(c.host, c.name, c.version); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func FuzzLooksLikeImage(f *testing.F) {
	for _, s := range []string{"quay.io/team/app:v1", "localhost:5000/a@sha256:" + hex, "https://x/y:z", "a/b", "12:30", "\x00", "ÄÖ/ü:ß"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if LooksLikeImage(text) {
			if _, err := registry.ParseRef(text); err != nil {
				t.Errorf("%q looks like an image: %v", text, err)
			}
			if !isShort(text) {
				t.Errorf("%q is in full, but not even short", text)
			}
		}
		for _, token := range tokens(text) {
			if !LooksLikeImage(token) {
				t.Errorf("token %q of %q does not look like an image", token, text)
			}
		}
		for _, w := range words(text) {
			if w == "" {
				t.Errorf("an empty word in %q", text)
			}
		}
		saysImage(text)
		if steps, err := parsePath(text); err == nil && len(steps) > maxSteps {
			t.Errorf("%d steps", len(steps))
		}
	})
}
