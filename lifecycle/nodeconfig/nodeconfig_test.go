package nodeconfig

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/registry"
)

var update = flag.Bool("update", false, "rewrite testdata/golden")

func certificate(t *testing.T) []byte {
	t.Helper()
	content, err := os.ReadFile("testdata/ca.crt")
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestFilesGolden(t *testing.T) {
	t.Parallel()
	cases := map[string]Options{
		"loopback": {Registry: "http://127.0.0.1:5080"},
		"plain":    {Registry: "http://site.example:5000/", Upstreams: []string{"quay.io", "10.0.0.5:5000", "docker.io", "registry-1.docker.io"}},
		"tls":      {Registry: "https://site.example", Upstreams: []string{"quay.io", "registry.k8s.io"}, CA: certificate(t)},
		"paths":    {Registry: "https://registry.example", Upstreams: []string{"quay.io", "10.0.0.5:5000"}, HostPaths: true},
		"project":  {Registry: "https://harbor.example", Upstreams: []string{"quay.io", "10.0.0.5:5000"}, CA: certificate(t), HostPaths: true, Prefix: "edge", Login: "cm9ib3QkZWRnZTpzZWNyZXQ="},
	}
	for name, opts := range cases {
		for _, kind := range Kinds() {
			if kind == Docker && opts.HostPaths || kind == Podman && opts.Login != "" {
				continue // TestFilesRefuse
			}
			files, err := Files(kind, opts)
			if err != nil {
				t.Fatalf("%s %s: %v", name, kind, err)
			}
			compareGolden(t, filepath.Join("testdata", "golden", name, string(kind)), files)
		}
	}
}

func compareGolden(t *testing.T, dir string, files []File) {
	t.Helper()
	if *update {
		if err := errors.Join(os.RemoveAll(dir), Write(dir, files)); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]string{}
	for _, f := range files {
		got[f.Path] = string(f.Content)
	}
	if diff := cmp.Diff(tree(t, dir), got); diff != "" {
		t.Errorf("%s (-want +got); rewrite with -update:\n%s", dir, diff)
	}
}

// tree reads every file below dir, by path.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(rel)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestEveryFileSaysWhatItIs(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds() {
		files, err := Files(kind, Options{Registry: "http://10.1.1.1:5000"})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			switch {
			case f.Path == "daemon.json": // dockerd refuses comments
			case !strings.HasPrefix(string(f.Content), marker+" "+string(kind)+": "):
				t.Errorf("%s: %s does not say what it is", kind, f.Path)
			case !strings.Contains(string(f.Content), Folder(kind)):
				t.Errorf("%s: %s does not say where it goes", kind, f.Path)
			}
			if strings.HasSuffix(f.Path, ".yaml") {
				if err := yaml.Unmarshal(f.Content, &map[string]any{}); err != nil {
					t.Errorf("%s: %s: %v", kind, f.Path, err)
				}
			}
		}
		if !slices.IsSortedFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) }) {
			t.Errorf("%s: files are not sorted", kind)
		}
	}
}

func TestFilesRefuse(t *testing.T) {
	t.Parallel()
	plain := "http://site:5000"
	cases := []struct {
		kind  Kind
		opts  Options
		field string
	}{
		{Containerd, Options{Registry: ""}, "registry"},
		{Containerd, Options{Registry: "site:5000"}, "registry"},
		{Containerd, Options{Registry: "ftp://site"}, "registry"},
		{Containerd, Options{Registry: "http://"}, "registry"},
		{Containerd, Options{Registry: "http://:5000"}, "registry"},
		{Containerd, Options{Registry: "http://site/v2"}, "registry"},
		{Containerd, Options{Registry: "http://site?x=1"}, "registry"},
		{Containerd, Options{Registry: "http://u:p@site"}, "registry"},
		{Containerd, Options{Registry: "http://site:0"}, "registry"},
		{Containerd, Options{Registry: "http://site:99999"}, "registry"},
		{Containerd, Options{Registry: "http://a\"b"}, "registry"},
		{Containerd, Options{Registry: "http://site_a"}, "registry"},
		{Docker, Options{Registry: plain, Upstreams: []string{"quay.io", ""}}, "upstream"},
		{Docker, Options{Registry: plain, Upstreams: []string{"https://quay.io"}}, "upstream"},
		{Podman, Options{Registry: plain, Upstreams: []string{"quay.io/team"}}, "upstream"},
		{Podman, Options{Registry: plain, Upstreams: []string{"../../etc"}}, "upstream"},
		{Podman, Options{Registry: plain, Upstreams: []string{"_default"}}, "upstream"},
		{Podman, Options{Registry: plain, Upstreams: []string{"quay.io:0"}}, "upstream"},
		{K3s, Options{Registry: plain, CA: []byte("x")}, "ca"},
		{K3s, Options{Registry: "https://site", CA: []byte("not PEM")}, "ca"},
		{K3s, Options{Registry: "https://site", CA: []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")}, "ca"},
		{Kind("crio"), Options{Registry: plain}, "kind"},
		{Docker, Options{Registry: plain, HostPaths: true}, "kind"},
		{Podman, Options{Registry: plain, HostPaths: true, Login: "eDp5"}, "login"},
		{Containerd, Options{Registry: plain, HostPaths: true, Login: "x\"\n"}, "login"},
		{Containerd, Options{Registry: plain, HostPaths: true, Prefix: "Edge"}, "prefix"},
		{Containerd, Options{Registry: plain, Prefix: "edge"}, "prefix"},
	}
	for _, c := range cases {
		_, err := Files(c.kind, c.opts)
		var field *FieldError
		if !errors.As(err, &field) || field.Field != c.field {
			t.Errorf("%+v: error %v, want one of field %s", c.opts, err, c.field)
		}
	}
}

// Who may read a login is root alone.
func TestLoginIsForRoot(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{Containerd, K3s, RKE2} {
		files, err := Files(kind, Options{Registry: "https://harbor.example", HostPaths: true, Prefix: "edge", Login: "eDp5"})
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, f := range files {
			if strings.Contains(string(f.Content), "eDp5") {
				if found = true; f.Mode != 0o600 {
					t.Errorf("%s: %s has the mode %v", kind, f.Path, f.Mode)
				}
			}
		}
		if !found {
			t.Errorf("%s: no file has the login", kind)
		}
	}
}

func TestRepositoryPathIsTheSites(t *testing.T) {
	t.Parallel()
	for _, upstream := range append(DefaultUpstreams(), "10.0.0.5:5000", "localhost:5000") {
		if got, want := repositoryPath(upstream)+"/x", registry.RepositoryPath(upstream+"/x"); got != want {
			t.Errorf("%s is at %s here and at %s in the registry", upstream, got, want)
		}
	}
}

func TestWriteReplacesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(kind Kind, registry string) error {
		files, err := Files(kind, Options{Registry: registry})
		if err != nil {
			t.Fatal(err)
		}
		return Write(dir, files)
	}
	other := filepath.Join(dir, "other.conf")
	if err := os.WriteFile(other, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, kind := range Kinds() {
		if kind == RKE2 {
			continue // the same names as k3s
		}
		if err := errors.Join(write(kind, "http://a:1"), write(kind, "http://b:2")); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	before := tree(t, dir)
	if before["other.conf"] != "mine" || !strings.Contains(before["daemon.json"], "http://b:2") {
		t.Errorf("after writing twice: %v", before)
	}

	before["daemon.json"] = `{"registry-mirrors":[],"debug":true}`
	if err := os.WriteFile(filepath.Join(dir, "daemon.json"), []byte(before["daemon.json"]), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(Docker, "http://c:3"); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "daemon.json") {
		t.Errorf("over somebody's daemon.json: %v", err)
	}
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Errorf("a refused write changed files (and no temporary file may stay):\n%s", diff)
	}
}

func TestWriteStaysInItsFolder(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"../x", "/etc/x", "a/../../x"} {
		if err := Write(t.TempDir(), []File{{Path: path}}); err == nil {
			t.Errorf("wrote %s", path)
		}
	}
}
