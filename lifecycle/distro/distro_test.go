package distro_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/distro"
	"github.com/landfall-dev/landfall/registry"
)

// What constants.go of these very releases says.
func TestKubeadm(t *testing.T) {
	t.Parallel()
	for version, want := range map[string][]string{
		"1.36.3": {
			"registry.k8s.io/kube-apiserver:v1.36.3", "registry.k8s.io/kube-controller-manager:v1.36.3",
			"registry.k8s.io/kube-scheduler:v1.36.3", "registry.k8s.io/kube-proxy:v1.36.3",
			"registry.k8s.io/coredns/coredns:v1.14.2", "registry.k8s.io/pause:3.10.2", "registry.k8s.io/etcd:3.6.8-0",
		},
		"1.35.4": {
			"registry.k8s.io/kube-apiserver:v1.35.4", "registry.k8s.io/kube-controller-manager:v1.35.4",
			"registry.k8s.io/kube-scheduler:v1.35.4", "registry.k8s.io/kube-proxy:v1.35.4",
			"registry.k8s.io/coredns/coredns:v1.13.1", "registry.k8s.io/pause:3.10.1", "registry.k8s.io/etcd:3.6.6-0",
		},
		// Between two that were read, with the same tags before and after.
		"1.36.2": {
			"registry.k8s.io/kube-apiserver:v1.36.2", "registry.k8s.io/kube-controller-manager:v1.36.2",
			"registry.k8s.io/kube-scheduler:v1.36.2", "registry.k8s.io/kube-proxy:v1.36.2",
			"registry.k8s.io/coredns/coredns:v1.14.2", "registry.k8s.io/pause:3.10.2", "registry.k8s.io/etcd:3.6.8-0",
		},
	} {
		if got := names(t, "kubeadm", version); !slices.Equal(got, want) {
			t.Errorf("%s:\n%s", version, strings.Join(got, "\n"))
		}
	}
}

func TestK3s(t *testing.T) {
	t.Parallel()
	want := []string{
		"docker.io/rancher/klipper-helm:v0.13.3-build20260727", "docker.io/rancher/klipper-lb:v0.4.17",
		"docker.io/rancher/local-path-provisioner:v0.0.36", "docker.io/rancher/mirrored-coredns-coredns:1.14.6",
		"docker.io/rancher/mirrored-library-busybox:1.37.0", "docker.io/rancher/mirrored-library-traefik:3.7.8",
		"docker.io/rancher/mirrored-metrics-server:v0.9.0", "docker.io/rancher/mirrored-pause:3.10.2",
	}
	if got := names(t, "k3s", "1.36.3+k3s1"); !slices.Equal(got, want) {
		t.Errorf("1.36.3+k3s1:\n%s", strings.Join(got, "\n"))
	}
	images, _ := distro.Images("k3s", "1.36.3+k3s1")
	if i := images[3]; i.Component != "coredns-coredns" || !strings.HasPrefix(i.From, "k3s.txt:") {
		t.Errorf("%+v", i)
	}
}

// names are the references of a release, and each image says what it is and where
// it is from.
func names(t *testing.T, distribution, version string) (list []string) {
	t.Helper()
	images, err := distro.Images(distribution, version)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range images {
		if i.Component == "" || i.From == "" {
			t.Errorf("%+v", i)
		}
		if again, err := registry.ParseRef(i.Ref.String()); err != nil || again != i.Ref {
			t.Errorf("%s: %v", i.Ref, err)
		}
		list = append(list, i.Ref.String())
	}
	return list
}

// Every version that is said to be known is, and no image is there twice.
func TestVersions(t *testing.T) {
	t.Parallel()
	for _, d := range distro.Distributions() {
		versions := distro.Versions(d)
		if len(versions) < 10 {
			t.Errorf("%s: %d versions", d, len(versions))
		}
		for _, v := range versions {
			list := names(t, d, v)
			slices.Sort(list)
			if len(list) < 7 || len(slices.Compact(list)) != len(list) {
				t.Errorf("%s %s: %q", d, v, list)
			}
		}
	}
	if v := distro.Versions("kubeadm"); !slices.Equal(v[:2], []string{"1.30.4", "1.30.14"}) {
		t.Errorf("not by their numbers: %q", v)
	}
	if v := distro.Versions("rke2"); v != nil {
		t.Errorf("%q", v)
	}
}

// A version that no table has is refused, with those that are near and a way out.
func TestUnknown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ distribution, version, want string }{
		{"kubeadm", "1.36.9", `not found: images of kubeadm "1.36.9": the tables here have 1.36.0, 1.36.1, 1.36.2, 1.36.3; "kubeadm config images list --kubernetes-version v1.36.9" lists them, declare them under images of the layer`},
		{"kubeadm", "v1.35.4", `"v1.35.4": the tables here have 1.35.4; "kubeadm config images list --kubernetes-version v1.35.4"`},
		{"kubeadm", "1.99.0", "the tables here have 1.30.14, 1.31.14, 1.32.13, 1.33.13, 1.34.4, 1.35.4, 1.36.3, 1.37.2; "},
		{"kubeadm", "", "the tables here have 1.30.14, "},
		{"k3s", "1.36.3", "the tables here have 1.36.1+k3s1, 1.36.2+k3s1, 1.36.3+k3s1; k3s-images.txt of the release v1.36.3 lists them"},
		{"rke2", "1.36.3+rke2r1", `distribution "rke2": known are k3s and kubeadm; for others declare the images`},
	} {
		_, err := distro.Images(c.distribution, c.version)
		if !errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v", c.distribution, c.version, err)
		}
	}
}
