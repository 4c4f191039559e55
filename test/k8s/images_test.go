package k8s

import (
	"path/filepath"

	"github.com/landfall-dev/landfall/test/k8s/image"
)

// Versions of Kubernetes that the tests go through.
const (
	first  = "1.35.4"
	second = "1.36.3"
)

// release is what kubeadm of a version brings up beside Kubernetes, by tag.
type release struct{ etcd, coredns, pause string }

var releases = map[string]release{
	first:  {etcd: "3.6.6-0", coredns: "v1.13.1", pause: "3.10.1"},
	second: {etcd: "3.6.8-0", coredns: "v1.14.2", pause: "3.10.2"},
}

const (
	upstream = "registry.k8s.io/"
	kubeVIP  = "ghcr.io/kube-vip/kube-vip:v1.0.0"
)

// makeImages makes all images that the tests use, out of what was built.
func makeImages(p parts) (*image.Set, error) {
	s, err := image.Open(filepath.Join(p.Cache, "images"))
	if err != nil {
		return nil, err
	}
	var list []image.Image
	for version, r := range releases {
		list = append(list, ofKubernetes(p, version, r)...)
	}
	program := func(name, from string, entrypoint ...string) {
		list = append(list, image.Image{Name: name, Files: map[string]string{entrypoint[0]: filepath.Join(p.Programs, from)}, Entrypoint: entrypoint})
	}
	for _, version := range []string{"1", "2", "3", "broken"} {
		program("example.test/app:"+version, "app", "/app", version)
	}
	program("example.test/status:1", "app", "/app", "status")
	program("example.test/cni:1", "cni", "/cni")
	program(kubeVIP, "vip", "/kube-vip") // a stand-in, see there
	for _, i := range list {
		if err := s.Make(i); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func ofKubernetes(p parts, version string, r release) (list []image.Image) {
	bin := p.Kubernetes[version]
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"} {
		at := "/usr/local/bin/" + name
		i := image.Image{Name: upstream + name + ":v" + version, Files: map[string]string{at: filepath.Join(bin, name)}, Entrypoint: []string{at}}
		if name == "kube-proxy" {
			i.Root = p.ProxyRoot
		}
		list = append(list, i)
	}
	return append(list,
		image.Image{Name: upstream + "etcd:" + r.etcd, Entrypoint: []string{"/usr/local/bin/etcd"},
			Files: map[string]string{"/usr/local/bin/etcd": filepath.Join(p.Etcd, "server"), "/usr/local/bin/etcdctl": filepath.Join(p.Etcd, "etcdctl")}},
		image.Image{Name: upstream + "coredns/coredns:" + r.coredns, Entrypoint: []string{"/coredns"}, Files: map[string]string{"/coredns": filepath.Join(p.CoreDNS, "coredns")}},
		image.Image{Name: upstream + "pause:" + r.pause, Entrypoint: []string{"/pause"}, User: "65535:65535", Files: map[string]string{"/pause": filepath.Join(p.Programs, "pause")}})
}
