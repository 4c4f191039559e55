package driver_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/pki"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/distro/driver"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/host/agent"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/engine"
	"github.com/landfall-dev/landfall/registry/store"
)

// field is a cluster's hosts with their agents, and the site that they pull from.
type field struct {
	*testing.T
	setting *driver.Setting
	driver  driver.Driver
	keys    *pki.Keys
	site    *store.Store
	agents  map[string]*agent.Agent
	roots   map[string]string
	ops     int
}

// quiet is the runtime of hosts on which no images are pulled.
type quiet struct{}

func (quiet) Pull(context.Context, host.Pull, func(done, total int64)) (host.Pulled, error) {
	return host.Pulled{}, nil
}
func (quiet) Unpin(context.Context, string) error                         { return nil }
func (quiet) Canary(context.Context, host.Source, host.Image) error       { return nil }
func (quiet) Lacking(context.Context, []host.Image) ([]host.Image, error) { return nil, nil }
func (quiet) Status(context.Context) host.Runtime                         { return host.Runtime{} }

func newField(t *testing.T, controls int) *field {
	t.Helper()
	f := &field{T: t, setting: typical(t, "k3s", controls), driver: of(t, "k3s"), agents: map[string]*agent.Agent{}, roots: map[string]string{}}
	var err error
	f.keys, err = pki.New(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC))
	f.must(err)
	f.site, err = store.Open(t.Context(), t.TempDir(), store.Options{})
	f.must(err)
	t.Cleanup(func() { f.site.Close() })
	server := httptest.NewServer(engine.New(f.site, engine.Options{}))
	t.Cleanup(server.Close)
	f.setting.Source = host.Source{URL: server.URL}
	for _, n := range f.setting.Nodes {
		dir := t.TempDir()
		f.roots[n.Name] = filepath.Join(dir, "root")
		f.must(os.MkdirAll(filepath.Join(f.roots[n.Name], "usr/bin"), 0o755))
		f.must(os.WriteFile(filepath.Join(f.roots[n.Name], "usr/bin/systemctl"), []byte(systemctl(f.roots[n.Name])), 0o755))
		f.agents[n.Name], err = agent.Open(t.Context(), agent.Options{Data: filepath.Join(dir, "data"), Root: f.roots[n.Name], Runtime: quiet{}})
		f.must(err)
		t.Cleanup(func() { f.must(f.agents[n.Name].Close()) })
	}
	f.version("v1.36.2+k3s1")
	return f
}

func (f *field) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// version makes a definition of a version of k3s the one that hosts are brought to. Its
// provider is an archive for each host, since a stand-in knows its host.
func (f *field) version(version string) {
	f.Helper()
	d := *f.setting.Definition
	d.Kubernetes = &definition.Kubernetes{Distribution: "k3s", Version: strings.TrimPrefix(version, "v")}
	d.Layers = []definition.Layer{{Name: "kube"}}
	f.setting.From, f.setting.Definition = f.setting.Definition, &d
}

// provider puts the program of a host into the site, and into the definition.
func (f *field) provider(n driver.Node) {
	f.Helper()
	version := "v" + f.setting.Definition.Kubernetes.Version
	content := f.archive("usr/local/bin/k3s", "#!/bin/sh\nexec "+command("k3s", f.roots[n.Name], version)+" \"$@\"\n")
	d := registry.Descriptor{Digest: digest.FromBytes(content), Size: int64(len(content))}
	f.must(f.site.PutBlob(f.Context(), f.setting.Ref.Repository, d, bytes.NewReader(content)))
	f.setting.Definition.Layers[0].Providers = []definition.Provider{{Name: "k3s", Version: version, Digest: d.Digest, Size: d.Size}}
}

func (f *field) archive(path, content string) []byte {
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	w := tar.NewWriter(zipped)
	f.must(w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path, Mode: 0o755, Size: int64(len(content))}))
	_, err := w.Write([]byte(content))
	f.must(err)
	f.must(w.Close())
	f.must(zipped.Close())
	return b.Bytes()
}

type verb func(*driver.Setting, driver.Node) ([]cluster.Act, error)

// do has a host's agent do the acts that are a host's.
func (f *field) do(n driver.Node, what verb) {
	f.Helper()
	if err := f.try(n, what); err != nil {
		f.Fatal(err)
	}
}

func (f *field) try(n driver.Node, what verb) error {
	f.Helper()
	f.provider(n)
	acts, err := what(f.setting, n)
	f.must(err)
	for _, a := range acts {
		if a.Host == nil {
			continue // there is no cluster that could be asked
		}
		f.ops++
		op := f.fill(a.Host)
		op.ID = fmt.Sprintf("op%d", f.ops)
		if r := f.agents[n.Name].Do(f.Context(), op, nil); r.State != host.Done {
			return fmt.Errorf("%s: %s: %w", n.Name, op.Kind(), r.Error)
		}
	}
	return nil
}

// fill puts the cluster's secrets where the plan has places for them.
func (f *field) fill(a *cluster.HostAct) host.Op {
	op := a.Op
	switch a.Fill {
	case cluster.FillK3s:
		op.Files = &host.Files{Put: append(slices.Clone(op.Files.Put), f.keys.K3sFiles()...)}
	case cluster.FillJoin:
		files := host.Files{Put: slices.Clone(op.Files.Put)}
		for i := range files.Put {
			files.Put[i].Content = bytes.ReplaceAll(files.Put[i].Content, []byte(cluster.JoinTokenHere), []byte(f.keys.Token))
		}
		op.Files = &files
	}
	return op
}

func (f *field) read(name, path string) string {
	f.Helper()
	content, err := os.ReadFile(filepath.Join(f.roots[name], path))
	if err != nil {
		return "absent"
	}
	return string(content)
}

// calls are what k3s was asked for on a host.
func (f *field) calls(name string) (list []string) {
	for line := range strings.Lines(f.read(name, "k3s.log")) {
		if !strings.HasPrefix(line, " ") {
			list = append(list, strings.TrimSpace(line))
		}
	}
	return list
}

// given is the configuration that k3s read last on a host.
func (f *field) given(name string) (config map[string]any) {
	f.Helper()
	lines := strings.Split(strings.TrimSpace(f.read(name, "k3s.log")), "\n")
	f.must(json.Unmarshal([]byte(lines[len(lines)-1]), &config))
	return config
}

const database = "var/lib/rancher/k3s/server/db/"

// A cluster of a server and an agent is formed, saved, upgraded, and brought back with its
// state; certificates are made new; then hosts are as they were.
func TestK3sLife(t *testing.T) {
	t.Parallel()
	f := newField(t, 1)
	server, worker := f.setting.Nodes[0], f.setting.Nodes[1]
	for _, n := range f.setting.Nodes {
		f.do(n, f.driver.Prepare)
	}
	for _, n := range f.setting.Nodes {
		f.do(n, f.driver.Start)
	}
	if c := f.given("c1"); c["cluster-cidr"] != "10.244.0.0/16" || c["token"] != f.keys.Token || c["server"] != nil {
		t.Errorf("the server was given %v", c)
	}
	if c := f.given("w1"); c["server"] != "https://10.0.1.1:6443" || c["token"] != f.keys.Token {
		t.Errorf("the worker was given %v", c)
	}
	f.do(server, func(s *driver.Setting, n driver.Node) ([]cluster.Act, error) {
		return f.driver.Snapshot(s, n, "before")
	})
	f.version("v1.37.0+k3s1")
	f.do(server, f.driver.Upgrade)
	f.do(worker, f.driver.Upgrade)
	if have := f.read("c1", database+"state.db"); have != "v1.36.2+k3s1\nv1.36.2+k3s1\nv1.37.0+k3s1\n" {
		t.Errorf("state after the upgrade: %q", have)
	}
	f.version("v1.36.2+k3s1")
	f.do(worker, f.driver.Return)
	f.do(server, func(s *driver.Setting, n driver.Node) ([]cluster.Act, error) { return f.driver.Restore(s, n, "before") })
	if have := f.read("c1", database+"state.db"); have != "v1.36.2+k3s1\nv1.36.2+k3s1\n" {
		t.Errorf("state after the return: %q", have)
	}
	if info, err := os.Stat(filepath.Join(f.roots["c1"], database, "state.db")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the state that came back: %v, %v", info, err)
	}
	f.do(server, f.driver.Renew)
	f.do(worker, f.driver.Renew)
	want := map[string][]string{
		"c1": {"v1.36.2+k3s1 server", "v1.36.2+k3s1 server", "v1.37.0+k3s1 server", "v1.36.2+k3s1 server", "v1.36.2+k3s1 certificate rotate", "v1.36.2+k3s1 server"},
		"w1": {"v1.36.2+k3s1 agent", "v1.37.0+k3s1 agent", "v1.36.2+k3s1 agent", "v1.36.2+k3s1 certificate rotate", "v1.36.2+k3s1 agent"},
	}
	for name, list := range want {
		if have := f.calls(name); !slices.Equal(have, list) {
			t.Errorf("%s: k3s was asked for %q, want %q", name, have, list)
		}
	}
	for _, n := range f.setting.Nodes {
		f.do(n, f.driver.Remove)
		f.clean(n.Name)
	}
}

// clean looks for what was not there before.
func (f *field) clean(name string) {
	f.Helper()
	root := f.roots[name]
	f.must(filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		ours := strings.HasSuffix(path, ".log") || strings.HasSuffix(path, "usr/bin/systemctl")
		if err == nil && !e.IsDir() && !ours {
			f.Errorf("%s: left: %s", name, strings.TrimPrefix(path, root))
		}
		return err
	}))
}

// Three servers share etcd, are reached by an address of their own, and are saved while
// they run.
func TestK3sServers(t *testing.T) {
	t.Parallel()
	f := newField(t, 3)
	for _, n := range f.setting.Nodes {
		f.do(n, f.driver.Prepare)
		f.do(n, f.driver.Start)
	}
	for name, want := range map[string][2]any{"c1": {true, nil}, "c2": {nil, "https://10.0.0.9:6443"}, "c3": {nil, "https://10.0.0.9:6443"}, "w1": {nil, "https://10.0.0.9:6443"}} {
		if c := f.given(name); c["cluster-init"] != want[0] || c["server"] != want[1] {
			t.Errorf("%s was given %v", name, c)
		}
		if pod := f.read(name, "var/lib/rancher/k3s/agent/pod-manifests/kube-vip.yaml"); strings.Contains(pod, "10.0.0.9") != (name != "w1") {
			t.Errorf("%s has for the virtual address: %s", name, pod)
		}
	}
	first := f.setting.Nodes[0]
	f.do(first, func(s *driver.Setting, n driver.Node) ([]cluster.Act, error) {
		return f.driver.Snapshot(s, n, "before")
	})
	f.version("v1.36.3+k3s1")
	for _, n := range f.setting.Nodes {
		f.do(n, f.driver.Upgrade)
	}
	if have := f.read("c1", database+"etcd/member"); have != "v1.36.2+k3s1\nv1.36.3+k3s1\n" {
		t.Errorf("state after the upgrade: %q", have)
	}
	f.version("v1.36.2+k3s1")
	f.do(first, func(s *driver.Setting, n driver.Node) ([]cluster.Act, error) { return f.driver.Restore(s, n, "before") })
	calls := f.calls("c1")
	if len(calls) != 5 || !strings.HasPrefix(calls[1], "v1.36.2+k3s1 etcd-snapshot save --name before --etcd-snapshot-dir ") ||
		!strings.HasPrefix(calls[3], "v1.36.2+k3s1 server --cluster-reset --cluster-reset-restore-path ") || calls[4] != "v1.36.2+k3s1 server" {
		t.Errorf("k3s was asked for %q", calls)
	}
	if have := f.read("c1", database+"etcd/member"); have != "v1.36.2+k3s1\nv1.36.2+k3s1\n" {
		t.Errorf("state after the return: %q", have)
	}
}

// The stand-in refuses what k3s would: what it lets through was looked at.
func TestK3sStandInRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(f *field, n *driver.Node)
		want   string
	}{
		"address": {func(_ *field, n *driver.Node) { n.Address = "nowhere" }, `node "c1" at "nowhere"`},
		"token":   {func(f *field, _ *driver.Node) { f.keys.Token = "short" }, `token "short"`},
		"range":   {func(f *field, _ *driver.Node) { f.setting.Spec.Network.Pods = "10.0.0.0" }, "cluster-cidr"},
		"flag":    {func(f *field, _ *driver.Node) { f.setting.Spec.Kubeadm.APIServerArgs = map[string]string{"--v": "2"} }, "want NAME=VALUE"},
		"key":     {func(f *field, _ *driver.Node) { f.keys.Etcd.Key = f.keys.Cluster.Key }, "authority etcd/server-ca"},
	} {
		f := newField(t, 1)
		n := f.setting.Nodes[0]
		c.change(f, &n)
		f.do(n, f.driver.Prepare)
		if err := f.try(n, f.driver.Start); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
