package driver_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/distro/driver"
	"github.com/landfall-dev/landfall/lifecycle/host"
)

var update = flag.Bool("update", false, "write what drivers do as the goldens of testdata")

// typical is a cluster as sites have them, of so many control planes, and a worker.
func typical(t *testing.T, distribution string, controls int) *driver.Setting {
	t.Helper()
	s := setting(t, distribution)
	s.Nodes = append(slices.Clone(s.Nodes[:controls]), s.Nodes[3])
	s.Nodes[controls].Address, s.Nodes[controls].Labels = "10.0.1.4", map[string]string{"size": "small"}
	s.Spec.ControlPlane.Hosts = s.Spec.ControlPlane.Hosts[:controls]
	if controls == 1 {
		s.Spec.Network.VirtualAddress, s.Endpoint = "", "10.0.1.1:6443"
	}
	from := *s.Definition
	from.Kubernetes = &definition.Kubernetes{Distribution: distribution, Version: "1.36.2"}
	s.From = &from
	return s
}

// Everything that drivers put on hosts, and in which order they do what, is what was
// looked at: see the differences before the goldens are written anew.
func TestGoldens(t *testing.T) {
	t.Parallel()
	for _, distribution := range []string{"kubeadm", "k3s"} {
		for _, controls := range []int{1, 3} {
			s, d := typical(t, distribution, controls), of(t, distribution)
			for _, n := range s.Nodes {
				have := described(t, d, s, n)
				path := filepath.Join("testdata", fmt.Sprintf("%s-%d", distribution, controls), n.Name+".txtar")
				if *update {
					if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(path, []byte(have), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if line, is := firstDifference(have, string(want)); !is {
					t.Errorf("%s is different: %s", path, line)
				}
			}
		}
	}
}

func firstDifference(have, want string) (line string, same bool) {
	a, b := strings.Split(have, "\n"), strings.Split(want, "\n")
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return fmt.Sprintf("line %d is not there: %s", i+1, b[i]), false
		case i >= len(b) || a[i] != b[i]:
			return fmt.Sprintf("line %d is now: %s", i+1, a[i]), false
		}
	}
	return "", true
}

// described is what is done on a node, and the files that it gets.
func described(t *testing.T, d driver.Driver, s *driver.Setting, n driver.Node) string {
	t.Helper()
	var text strings.Builder
	var put []cluster.Act
	for _, verb := range []struct {
		name string
		do   func() ([]cluster.Act, error)
	}{
		{"prepare", func() ([]cluster.Act, error) { return d.Prepare(s, n) }},
		{"start", func() ([]cluster.Act, error) { return d.Start(s, n) }},
		{"upgrade", func() ([]cluster.Act, error) { return d.Upgrade(s, n) }},
		{"return", func() ([]cluster.Act, error) { return d.Return(s, n) }},
		{"renew", func() ([]cluster.Act, error) { return d.Renew(s, n) }},
		{"remove", func() ([]cluster.Act, error) { return d.Remove(s, n) }},
	} {
		acts, err := verb.do()
		if err != nil {
			t.Fatalf("%s %s: %v", verb.name, n.Name, err)
		}
		fmt.Fprintf(&text, "%s\n", verb.name)
		for _, a := range acts {
			fmt.Fprintf(&text, "  %s\n", actText(t, a))
		}
		if verb.name == "prepare" || verb.name == "start" {
			put = append(put, acts...)
		}
	}
	list := files(put)
	paths := make([]string, 0, len(list))
	for path := range list {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		f := list[path]
		content := string(f.Content)
		if f.Blob != nil {
			content = "blob " + f.Blob.Digest.String() + "\n"
		}
		fmt.Fprintf(&text, "-- %s %04o --\n%s", path, f.Mode, content)
	}
	return text.String()
}

// actText is an act without the content of files.
func actText(t *testing.T, a cluster.Act) string {
	t.Helper()
	if a.Host != nil && a.Host.Op.Files != nil {
		paths := make([]string, 0, len(a.Host.Op.Files.Put))
		for _, f := range a.Host.Op.Files.Put {
			paths = append(paths, f.Path)
		}
		return strings.TrimSpace(fmt.Sprintf("files %s, fill %q: %s", a.Host.Host, a.Host.Fill, strings.Join(paths, " ")))
	}
	var v any = a.Kube
	if a.Host != nil {
		op := a.Host.Op
		if op.Kubeadm != nil && op.Kubeadm.Config != nil {
			return fmt.Sprintf("%s %s, fill %q\n%s", op.Kind(), a.Host.Host, a.Host.Fill, indented(op.Kubeadm))
		}
		v = op
	}
	content, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func indented(k *host.Kubeadm) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(string(k.Config)), "\n", "\n    ")
}
