package driver_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/distro/driver"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

const document = `apiVersion: landfall.dev/v1alpha1
kind: Cluster
metadata: {name: shop}
spec:
  definition: edge:1.0.0
  controlPlane: {hosts: [c1, c2, c3]}
  workers: [{name: w, hosts: [w1], labels: {size: small}}]
  network: {virtualAddress: 10.0.0.9}
  proxy: {http: "http://proxy:3128"}
  timeServers: [10.0.0.1]
  kubeadm: {ignorePreflightErrors: [Swap], apiServerArgs: {v: "2"}, kubelet: {maxPods: 50}, proxy: {conntrack: {maxPerCore: 0}}}
`

func setting(t *testing.T, distribution string) *driver.Setting {
	t.Helper()
	spec, err := cluster.Parse("c.yaml", []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	platform, err := registry.ParsePlatform("linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	s := &driver.Setting{Spec: spec, Ref: registry.Ref{Repository: "definitions.landfall.dev/edge", Tag: "1.0.0"}, Endpoint: "10.0.0.9:6443",
		Source: host.Source{URL: "https://10.0.0.5:5443"},
		Definition: &definition.Definition{Name: "edge", Version: "1.0.0", Kubernetes: &definition.Kubernetes{Distribution: distribution, Version: "1.36.3"},
			Images: []definition.Image{{Name: "registry.k8s.io/pause:3.10.2"}, {Name: "ghcr.io/kube-vip/kube-vip:v1.0.0"}, {Name: "10.0.0.7:5000/team/app:1"}},
			Layers: []definition.Layer{{Name: "kube", Providers: []definition.Provider{
				{Name: "kubernetes", Version: "1.36.3", Platforms: []string{"linux/amd64"}, Digest: digest.FromString("amd64")},
				{Name: "kubernetes", Version: "1.36.3", Platforms: []string{"linux/arm64"}, Digest: digest.FromString("arm64")},
			}, Files: []definition.Part{{Target: "/etc/app.conf", Mode: 0o600, MediaType: definition.TypeFile, Digest: digest.FromString("app")}, {Path: "loose"}}}}}}
	for name, role := range map[string]driver.Role{"c1": driver.First, "c2": driver.Control, "c3": driver.Control, "w1": driver.Worker} {
		s.Nodes = append(s.Nodes, driver.Node{Name: name, Address: "10.0.1." + name[1:], Role: role, Platform: platform})
	}
	slices.SortFunc(s.Nodes, func(a, b driver.Node) int { return strings.Compare(a.Name, b.Name) })
	return s
}

// files are what acts put on a host, by path.
func files(acts []cluster.Act) map[string]host.File {
	list := map[string]host.File{}
	for _, a := range acts {
		if a.Host != nil && a.Host.Op.Files != nil {
			for _, f := range a.Host.Op.Files.Put {
				list[f.Path] = f
			}
		}
	}
	return list
}

// A prepared host pulls all names from the site, has the provider of its platform, the
// layer's files, and the site's proxy and time.
func TestPrepare(t *testing.T) {
	t.Parallel()
	d, err := driver.For("kubeadm")
	if err != nil {
		t.Fatal(err)
	}
	s := setting(t, "kubeadm")
	acts, err := d.Prepare(s, s.Nodes[3])
	if err != nil {
		t.Fatal(err)
	}
	put := files(acts)
	for path, want := range map[string]string{
		"/etc/containerd/config.toml":                                     `sandbox_image = "registry.k8s.io/pause:3.10.2"`,
		"/etc/containerd/certs.d/_default/hosts.toml":                     "https://10.0.0.5:5443",
		"/etc/containerd/certs.d/10.0.0.7_5000_/hosts.toml":               "https://10.0.0.5:5443",
		"/etc/systemd/system/containerd.service.d/50-landfall-proxy.conf": "10.244.0.0/16,10.96.0.0/12,.svc,.cluster.local,10.0.0.9,c1,10.0.1.1",
		"/etc/systemd/timesyncd.conf.d/50-landfall.conf":                  "NTP=10.0.0.1",
		"/usr/local/lib/systemd/system/kubelet.service.d/10-kubeadm.conf": "KUBELET_KUBEADM_ARGS",
	} {
		if f, ok := put[path]; !ok || !strings.Contains(string(f.Content), want) {
			t.Errorf("%s is without %q:\n%s", path, want, f.Content)
		}
	}
	if f := put["/etc/app.conf"]; f.Blob == nil || f.Mode != 0o600 || f.Blob.Repository != "definitions.landfall.dev/edge" {
		t.Errorf("%+v", f)
	}
	providers := driver.Providers(s, s.Nodes[3])
	if len(providers) != 1 || providers[0].Blob.Digest != digest.FromString("amd64") {
		t.Errorf("%+v", providers)
	}
}

// From a project, which asks for an account, hosts pull by paths, and the login stands in
// files that root alone reads.
func TestPrepareFromProject(t *testing.T) {
	t.Parallel()
	for distribution, want := range map[string]map[string]string{
		"kubeadm": {"/etc/containerd/certs.d/10.0.0.7_5000_/hosts.toml": "https://harbor.example/v2/edge/10.0.0.7_5000", "/etc/containerd/certs.d/docker.io/hosts.toml": "override_path = true"},
		"k3s":     {"/etc/rancher/k3s/registries.yaml": "edge/10.0.0.7_5000/$1"},
	} {
		d, err := driver.For(distribution)
		if err != nil {
			t.Fatal(err)
		}
		s := setting(t, distribution)
		s.Source = host.Source{URL: "https://harbor.example", User: "robot$edge", Prefix: "edge", HostPaths: true}
		acts, err := d.Prepare(s, s.Nodes[3])
		if err != nil {
			t.Fatal(err)
		}
		put := files(acts)
		for path, text := range want {
			if f := put[path]; !strings.Contains(string(f.Content), text) || !strings.Contains(string(f.Content), cluster.LoginHere) || f.Mode != 0o600 {
				t.Errorf("%s, %o, is without %q or the login's place:\n%s", path, f.Mode, text, f.Content)
			}
		}
		for _, a := range acts {
			if a.Host != nil && a.Host.Op.Files != nil && a.Host.Fill != cluster.FillSource {
				t.Errorf("the login is not filled in: %q", a.Host.Fill)
			}
		}
	}
}

// configs are the documents that kubeadm is given for a node.
func configs(t *testing.T, s *driver.Setting, n driver.Node) (content string, fill cluster.Fill) {
	t.Helper()
	d, err := driver.For("kubeadm")
	if err != nil {
		t.Fatal(err)
	}
	acts, err := d.Start(s, n)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range acts {
		if a.Host != nil && a.Host.Op.Kubeadm != nil {
			return string(a.Host.Op.Kubeadm.Config), a.Host.Fill
		}
	}
	t.Fatalf("no step of kubeadm in %+v", acts)
	return "", ""
}

// What kubeadm is given is what kubeadm takes: proven by the program where there is one.
func TestKubeadmConfigs(t *testing.T) {
	t.Parallel()
	s := setting(t, "kubeadm")
	program := os.Getenv("LANDFALL_KUBEADM")
	if program == "" {
		program, _ = exec.LookPath("kubeadm")
	}
	for i, want := range [][]string{
		{"InitConfiguration", `"controlPlaneEndpoint": "10.0.0.9:6443"`, `"mode": "iptables"`, `"maxPods": 50`, `"maxPerCore": 0`, `"10.0.1.3"`},
		{"JoinConfiguration", "controlPlane", cluster.JoinTokenHere, cluster.CAHashHere},
		nil,
		{"JoinConfiguration", cluster.JoinTokenHere},
	} {
		content, fill := configs(t, s, s.Nodes[i])
		for _, text := range want {
			if !strings.Contains(content, text) {
				t.Errorf("%s is without %q:\n%s", s.Nodes[i].Name, text, content)
			}
		}
		if (i > 0) != (fill == cluster.FillJoin) {
			t.Errorf("%s: fill %q", s.Nodes[i].Name, fill)
		}
		if program == "" {
			continue
		}
		content = strings.NewReplacer(cluster.JoinTokenHere, "abcdef.0123456789abcdef", cluster.CAHashHere, "sha256:"+strings.Repeat("a", 64)).Replace(content)
		file := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(program, "config", "validate", "--config", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s\n%s", s.Nodes[i].Name, err, out, content)
		}
	}
	if program == "" {
		t.Log("no kubeadm here: what it takes was not proven")
	}
}

// A control plane of several hosts needs an image that moves its address.
func TestVirtualAddress(t *testing.T) {
	t.Parallel()
	d, err := driver.For("kubeadm")
	if err != nil {
		t.Fatal(err)
	}
	s := setting(t, "kubeadm")
	acts, err := d.Start(s, s.Nodes[0])
	if err != nil {
		t.Fatal(err)
	}
	if f := files(acts)["/etc/kubernetes/manifests/kube-vip.yaml"]; !strings.Contains(string(f.Content), "10.0.0.9") || !strings.Contains(string(f.Content), "super-admin.conf") {
		t.Errorf("%s", f.Content)
	}
	s.Definition.Images = s.Definition.Images[:1]
	if _, err := d.Start(s, s.Nodes[0]); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), "kube-vip") {
		t.Errorf("without the image: %v", err)
	}
}

// k3s is given a document for each role, with a place for its token, and keys.
func TestK3s(t *testing.T) {
	t.Parallel()
	d, err := driver.For("k3s")
	if err != nil {
		t.Fatal(err)
	}
	s := setting(t, "k3s")
	for i, want := range []string{`"cluster-init": true`, `"server": "https://10.0.0.9:6443"`, `"server": "https://10.0.0.9:6443"`, `"server": "https://10.0.0.9:6443"`} {
		acts, err := d.Start(s, s.Nodes[i])
		if err != nil {
			t.Fatal(err)
		}
		content := string(files(acts)["/etc/rancher/k3s/config.yaml"].Content)
		if !strings.Contains(content, want) || !strings.Contains(content, cluster.JoinTokenHere) || strings.Contains(content, "cluster-cidr") != (i < 3) {
			t.Errorf("%s:\n%s", s.Nodes[i].Name, content)
		}
	}
	acts, err := d.Prepare(s, s.Nodes[3])
	if err != nil {
		t.Fatal(err)
	}
	put := files(acts)
	if !strings.Contains(string(put["/etc/rancher/k3s/registries.yaml"].Content), "10.0.0.5:5443") || !strings.Contains(string(put["/usr/local/lib/systemd/system/k3s-agent.service"].Content), "ExecStart=k3s agent") {
		t.Errorf("%v", put)
	}
}

func TestSkew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to string
		want     string // of the error; "": none
	}{{"1.35.4", "1.36.3", ""}, {"1.35.4", "1.35.5", ""}, {"1.35.4", "1.37.0", "1.36 first"}, {"1.36.3", "1.35.4", "older"}, {"1.36.3+k3s1", "1.36.3+k3s2", ""}} {
		err := driver.Skew(c.from, c.to)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s to %s: %v", c.from, c.to, err)
		}
	}
	if _, err := driver.For("rke2"); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("another distribution: %v", err)
	}
}
