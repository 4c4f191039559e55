package resolve_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/landfall-dev/landfall/registry"
)

// Why an image of a kustomization is there names the folder, and no line: that would
// be one of what was built of several files.
func TestKustomizationIsNamed(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.image("registry.example/web:2", "amd64")
	k.files(header + `  layers: [{name: web, manifests: [{kustomize: overlays/site}]}]
-- base/kustomization.yaml --
resources: [pod.yaml]
-- base/pod.yaml --
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: web, image: "registry.example/web:1"}]}
-- overlays/site/kustomization.yaml --
resources: [../../base]
images: [{name: registry.example/web, newTag: "2"}]`)
	why := imageOf(t, k.mustBuild(nil).Definition, "registry.example/web:2").Why[0]
	if why.File != "overlays/site/kustomization.yaml" || why.Line != 0 || why.Object != "Pod web" {
		t.Errorf("%+v", why)
	}
}

// A pipe is no file for hosts, and is not waited for.
func TestFileIsRegular(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.files(header + `  layers: [{name: base, files: [{path: pipe, target: /etc/x}]}]`)
	if err := syscall.Mkfifo(filepath.Join(k.dir, "pipe"), 0o600); err != nil {
		t.Skip(err)
	}
	k.fails(registry.ErrInvalid, nil, "profile.yaml:", "pipe: invalid: neither a file nor a folder")
}
