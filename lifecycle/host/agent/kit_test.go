package agent

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/engine"
	"github.com/landfall-dev/landfall/registry/store"
)

// childEnv makes the test's binary an agent that does one operation, to be killed in it.
const childEnv = "LANDFALL_TEST_AGENT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		os.Exit(child(dir))
	}
	leaktest.Main(m)
}

func child(dir string) int {
	var op host.Op
	content, err := os.ReadFile(filepath.Join(dir, "op.json"))
	if err == nil {
		err = json.Unmarshal(content, &op)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	a, err := Open(context.Background(), Options{Data: filepath.Join(dir, "data"), Root: filepath.Join(dir, "root"), Runtime: noRuntime{}})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if r := a.Do(context.Background(), op, nil); r.State != host.Done {
		fmt.Println(r.Error)
		return 1
	}
	if err := a.Close(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// noRuntime is that of a host on which nothing is pulled.
type noRuntime struct{}

func (noRuntime) Pull(context.Context, host.Pull, func(done, total int64)) (host.Pulled, error) {
	return host.Pulled{}, nil
}
func (noRuntime) Unpin(context.Context, string) error                         { return nil }
func (noRuntime) Canary(context.Context, host.Source, host.Image) error       { return nil }
func (noRuntime) Lacking(context.Context, []host.Image) ([]host.Image, error) { return nil, nil }
func (noRuntime) Status(context.Context) host.Runtime                         { return host.Runtime{} }

// kit is a host: its root with stand-ins for its programs, its data folder, and a site.
type kit struct {
	*testing.T
	dir, root string
	agent     *Agent
	site      *store.Store
	url       string
	blobs     atomic.Int64 // GETs of blobs
	runtime   Runtime
	inventory host.Inventory
	etcd      string
}

const repository = "definitions.landfall.dev/edge"

func newKit(t *testing.T) *kit {
	t.Helper()
	k := &kit{T: t, dir: t.TempDir(), runtime: noRuntime{}}
	k.root = filepath.Join(k.dir, "root")
	k.program("systemctl", `case "$1" in is-active|is-enabled) exit 3;; esac`)
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	k.must(err)
	t.Cleanup(func() { s.Close() })
	e := engine.New(s, engine.Options{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			k.blobs.Add(1)
		}
		e.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	k.site, k.url = s, server.URL
	t.Cleanup(k.close)
	k.open()
	return k
}

func (k *kit) open() {
	k.Helper()
	inventory := func(context.Context) host.Inventory { return k.inventory }
	a, err := Open(k.Context(), Options{Data: filepath.Join(k.dir, "data"), Root: k.root, Runtime: k.runtime, Inventory: inventory, Etcd: k.etcd})
	k.must(err)
	k.agent = a
}

func (k *kit) close() {
	if k.agent != nil {
		k.must(k.agent.Close())
	}
	k.agent = nil
}

func (k *kit) must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

// program writes a stand-in that notes its arguments in the file NAME.log of the root.
func (k *kit) program(name, body string) {
	k.Helper()
	k.write("/usr/bin/"+name, "#!/bin/sh\nPATH=/usr/bin:/bin\necho \"$*\" >> \"${0%/usr/bin/*}/"+name+".log\"\n"+body+"\n", 0o755)
}

func (k *kit) write(path, content string, mode os.FileMode) {
	k.Helper()
	at := filepath.Join(k.root, path)
	k.must(os.MkdirAll(filepath.Dir(at), 0o755))
	k.must(os.WriteFile(at, []byte(content), mode))
}

func (k *kit) read(path string) string {
	k.Helper()
	content, err := os.ReadFile(filepath.Join(k.root, path))
	if err != nil {
		return "absent"
	}
	return string(content)
}

// blob puts bytes into the site's registry.
func (k *kit) blob(content []byte) host.Blob {
	k.Helper()
	d := registry.Descriptor{Digest: digest.FromBytes(content), Size: int64(len(content))}
	k.must(k.site.PutBlob(k.Context(), repository, d, bytes.NewReader(content)))
	return host.Blob{Source: host.Source{URL: k.url}, Repository: repository, Digest: d.Digest, Size: d.Size}
}

// folder is a folder's archive of files by their paths.
func folder(t testing.TB, files map[string]string) []byte {
	t.Helper()
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	w := tar.NewWriter(zipped)
	for path, content := range files {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path, Mode: 0o755, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (k *kit) done(op host.Op) host.Result {
	k.Helper()
	r := k.agent.Do(k.Context(), op, nil)
	if r.State != host.Done {
		k.Fatalf("%s: %s, %v", op.Kind(), r.State, r.Error)
	}
	return r
}

// fails is the failure of an operation, which has to have one.
func (k *kit) fails(op host.Op) *host.Failure {
	k.Helper()
	r := k.agent.Do(k.Context(), op, nil)
	if r.State != host.Failed || r.Error == nil {
		k.Fatalf("%s: %s; it should have failed", op.Kind(), r.State)
	}
	return r.Error
}

// until polls for something that has to come.
func (k *kit) until(what string, is func() bool) {
	k.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			k.Fatalf("%s did not come", what)
		}
	}
}

// start does an operation in a process of its own.
func (k *kit) start(op host.Op) *exec.Cmd {
	k.Helper()
	content, err := json.Marshal(op)
	k.must(err)
	k.must(os.WriteFile(filepath.Join(k.dir, "op.json"), content, 0o600))
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childEnv+"="+k.dir)
	k.must(c.Start())
	return c
}
