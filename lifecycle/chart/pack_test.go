package chart_test

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/lifecycle/chart"
	"github.com/landfall-dev/landfall/registry"
)

const files = `-- b/run.sh --
exec true
-- a.txt --
text
-- a/empty/x --
x
`

func read(t *testing.T, p chart.Packed) []byte {
	t.Helper()
	r, err := p.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(b)) != p.Size {
		t.Errorf("%d bytes, %d were stated", len(b), p.Size)
	}
	return b
}

// A pack is the same for the same files, and comes apart into them again.
func TestPack(t *testing.T) {
	t.Parallel()
	dir := folder(t, files)
	link(t, "../b/run.sh", filepath.Join(dir, "a", "linked"))
	if err := os.Chmod(filepath.Join(dir, "b/run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	first, err := chart.Pack(dir)
	if err != nil {
		t.Fatal(err)
	}
	archive := read(t, first)
	if diff := cmp.Diff([]string{"a/", "a/empty/", "a/empty/x", "a/linked", "a.txt", "b/", "b/run.sh"}, names(t, archive)); diff != "" {
		t.Error(diff)
	}
	unpacked, err := chart.Unpack(archive)
	if err != nil || string(unpacked["a/linked"]) != "exec true\n" || len(unpacked) != 4 {
		t.Error(err, keys(unpacked))
	}
	change := func(how func(string) error, name string, same bool) {
		t.Helper()
		if err := how(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		again, err := chart.Pack(dir)
		if err != nil || same != (again.Digest == first.Digest) {
			t.Errorf("%s: %v, same %t", name, err, again.Digest == first.Digest)
		}
	}
	old := time.Unix(1e9, 0)
	change(func(path string) error { return os.Chtimes(path, old, old) }, "a.txt", true)
	change(func(path string) error { return os.Chmod(path, 0o664) }, "a.txt", true)
	change(func(path string) error { return os.Chmod(path, 0o600) }, "a.txt", false)
	change(func(path string) error { return os.Chmod(path, 0o755) }, "a.txt", false)
	change(func(path string) error { return os.WriteFile(path, []byte("tixt"), 0o755) }, "a.txt", false)

	r, err := first.Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !registry.WrongBytes(err) {
		t.Errorf("a folder that changed since: %v", err)
	}
	r.Close()
	if r, err = first.Open(); err != nil { // leaktest shows that closing early ends it
		t.Fatal(err)
	}
	r.Close()
}

func TestBadPack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		make func(dir string) error
		want string
	}{
		"out":      {func(dir string) error { return os.Symlink("../../x", dir+"/l") }, "/l: invalid: a link to ../../x, which leads out of the folder or nowhere"},
		"absolute": {func(dir string) error { return os.Symlink(dir+"/a.txt", dir+"/l") }, "which leads out"},
		"nowhere":  {func(dir string) error { return os.Symlink("none", dir+"/l") }, "a link to none"},
		"pipe":     {func(dir string) error { return syscall.Mkfifo(dir+"/p", 0o644) }, "/p: invalid: neither a file nor a folder"},
		"missing":  {os.RemoveAll, "no such file"},
	} {
		dir := folder(t, files)
		if err := test.make(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := chart.Pack(dir); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v\nwant %s", name, err, test.want)
		}
	}
	for name, h := range map[string]tar.Header{
		"out":      {Name: "a/l", Typeflag: tar.TypeSymlink, Linkname: "../../x"},
		"absolute": {Name: "a/l", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
		"loop":     {Name: "a/l", Typeflag: tar.TypeSymlink, Linkname: "../a/l"},
	} {
		if _, err := chart.Unpack(tarOf(t, h)); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), `"a/l" is a link to`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a kustomization is built on comes along as it lies to it.
func TestPackKustomization(t *testing.T) {
	t.Parallel()
	dir := folder(t, `-- base/kustomization.yaml --
resources: [a.yaml]
-- base/a.yaml --
-- parts/x/kustomization.yaml --
kind: Component
-- other/y --
-- overlays/prod/kustomization.yaml --
resources:
- ../../base
- ./here
components: [../../parts/x]
-- overlays/prod/here/kustomization.yaml --
-- overlays/cycle/kustomization.yaml --
resources:
- ../back
-- overlays/back/kustomization.yaml --
resources: [../cycle]
-- overlays/above/kustomization.yaml --
resources: [..]
-- overlays/none/x --
`)
	pack := func(name string) ([]string, error) {
		p, err := chart.PackKustomization(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		unpacked, err := chart.Unpack(read(t, p))
		if main := string(unpacked["kustomization.yaml"]); name == "overlays/prod" && main != "resources:\n- \"./overlays/prod\"\n" {
			t.Errorf("%q", main)
		}
		return keys(unpacked), err
	}
	for name, want := range map[string][]string{
		"base":          {"a.yaml", "kustomization.yaml"},
		"overlays/prod": {"base/a.yaml", "base/kustomization.yaml", "kustomization.yaml", "overlays/prod/here/kustomization.yaml", "overlays/prod/kustomization.yaml", "parts/x/kustomization.yaml"},
	} {
		got, err := pack(name)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Error(name, err, diff)
		}
	}
	for name, want := range map[string]string{
		"overlays/cycle": "overlays/back/kustomization.yaml:1: invalid: a cycle: resources[0] is ",
		"overlays/above": "overlays/above/kustomization.yaml:1: invalid: a cycle: resources[0] is ",
		"overlays/none":  "overlays/none: invalid: there is no kustomization.yaml in the folder",
	} {
		if _, err := pack(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v\nwant %s", name, err, want)
		}
	}
}

func TestManifests(t *testing.T) {
	t.Parallel()
	dir := folder(t, `-- m/b.yaml --
kind: B
-- m/a/x.yml --
kind: X
-- m/c.json --
{}
-- m/readme.md --
-- m/.git/x.yaml --
-- m/.hidden.yaml --
-- e/x --
`)
	list, err := chart.Manifests(dir, "m")
	var got []string
	for _, f := range list {
		got = append(got, f.Path+" "+f.Content)
	}
	if diff := cmp.Diff([]string{"m/a/x.yml kind: X\n", "m/b.yaml kind: B\n", "m/c.json {}\n"}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if list, err := chart.Manifests("/nowhere", filepath.Join(dir, "m/b.yaml")); err != nil || len(list) != 1 || list[0].Path != dir+"/m/b.yaml" || list[0].Content != "kind: B\n" {
		t.Error(err, list)
	}
	link(t, "../e/x", filepath.Join(dir, "m", "out.yaml"))
	for path, want := range map[string]string{"m": "m/out.yaml: invalid: a link that leads out", "e": "there is no .yaml, .yml or .json file", "none": "not found"} {
		if _, err := chart.Manifests(dir, path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v\nwant %s", path, err, want)
		}
	}
}
