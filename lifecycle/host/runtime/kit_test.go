package runtime_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/host/runtime"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/engine"
	"github.com/landfall-dev/landfall/registry/store"
)

// daemon is the containerd that the tests share; each has images of its own.
type daemon struct {
	dir    string
	socket string
	cmd    *exec.Cmd
	log    *os.File
}

var shared *daemon // nil: there can be none

// suite runs the tests with a containerd beside them.
type suite struct{ m *testing.M }

func (s suite) Run() int {
	goruntime.LockOSThread() // what a thread has begun ends with it
	defer goruntime.UnlockOSThread()
	if os.Getenv(childEnv) != "" {
		return child()
	}
	d, err := begin()
	if err != nil {
		fmt.Fprintln(os.Stderr, "containerd:", err)
		if os.Getenv("CI") == "true" {
			return 1
		}
	}
	shared = d
	defer d.end()
	return s.m.Run()
}

func TestMain(m *testing.M) { leaktest.Main(suite{m}) }

// begin starts a containerd with everything of it below one folder.
func begin(prepare ...func(dir string) error) (*daemon, error) {
	program, err := exec.LookPath("containerd")
	if err != nil || os.Getuid() != 0 {
		return nil, fmt.Errorf("is not there, or not for this user")
	}
	dir, err := os.MkdirTemp("", "ctrd")
	if err != nil {
		return nil, err
	}
	d := &daemon{dir: dir, socket: filepath.Join(dir, "s")}
	for _, f := range prepare {
		if err := f(dir); err != nil {
			return d, err
		}
	}
	return d, d.start(program)
}

func (d *daemon) start(program string) error {
	config := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\n[grpc]\naddress = %q\n[plugins.\"io.containerd.internal.v1.opt\"]\npath = %q\n[plugins.\"io.containerd.grpc.v1.cri\".cni]\nconf_dir = %q\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = %q\n",
		filepath.Join(d.dir, "root"), filepath.Join(d.dir, "state"), d.socket, filepath.Join(d.dir, "opt"), filepath.Join(d.dir, "cni"), filepath.Join(d.dir, "hosts"))
	if err := os.WriteFile(filepath.Join(d.dir, "config.toml"), []byte(config), 0o600); err != nil {
		return err
	}
	var err error
	if d.log, err = os.Create(filepath.Join(d.dir, "log")); err != nil {
		return err
	}
	d.cmd = exec.Command(program, "-c", filepath.Join(d.dir, "config.toml"))
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := d.cmd.Start(); err != nil {
		return err
	}
	ready := func() bool {
		return runtime.New(runtime.Options{Endpoint: d.socket}).Status(context.Background()).Ready
	}
	for until := time.Now().Add(30 * time.Second); !ready(); {
		if time.Now().After(until) {
			text, _ := os.ReadFile(d.log.Name())
			return fmt.Errorf("it is not ready after 30 s:\n%s", text)
		}
		time.Sleep(50 * time.Millisecond) // it says nowhere else when it is
	}
	return nil
}

func (d *daemon) end() {
	if d == nil {
		return
	}
	if d.cmd != nil && d.cmd.Process != nil {
		d.cmd.Process.Signal(syscall.SIGTERM)
		d.cmd.Wait()
	}
	if d.log != nil {
		d.log.Close()
	}
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		if words := strings.Fields(line); len(words) > 1 && strings.HasPrefix(words[1], d.dir+"/") {
			syscall.Unmount(words[1], syscall.MNT_DETACH)
		}
	}
	os.RemoveAll(d.dir)
}

// kit is a site's registry, and the runtime of a host.
type kit struct {
	t       *testing.T
	store   *store.Store
	server  *httptest.Server
	sent    *atomic.Int64 // bytes that the registry's connections wrote
	asked   *asked
	runtime *runtime.Runtime
	name    string // a repository that no other test has
}

func newKit(t *testing.T) *kit {
	t.Helper()
	if shared == nil {
		t.Skip("there is no containerd that this user may start")
	}
	return newSite(t)
}

// newSite is a kit whose runtime need not run.
func newSite(t *testing.T) *kit {
	t.Helper()
	k := &kit{t: t, sent: new(atomic.Int64), name: "docker.io/library/" + strings.ToLower(rand.Text()), asked: &asked{}}
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	k.must(err)
	t.Cleanup(func() { s.Close() })
	k.store = s
	k.server = httptest.NewUnstartedServer(k.asked.note(engine.New(s, engine.Options{})))
	k.server.Listener = counting{k.server.Listener, k.sent}
	k.server.Start()
	t.Cleanup(k.server.Close)
	if shared != nil {
		k.runtime = runtime.New(runtime.Options{Endpoint: shared.socket, Data: t.TempDir()})
	}
	return k
}

func (k *kit) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// asked remembers the paths of requests.
type asked struct {
	mu     sync.Mutex
	paths  []string
	answer func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
}

func (a *asked) note(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.paths = append(a.paths, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Range"))
		answer := a.answer
		a.mu.Unlock()
		if answer == nil || !answer(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}

func (a *asked) set(f func(w http.ResponseWriter, r *http.Request) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = f
}

func (a *asked) list() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.paths...)
}

// counting counts what is written to connections.
type counting struct {
	net.Listener
	sent *atomic.Int64
}

func (l counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countingConn{c, l.sent}, nil
}

type countingConn struct {
	net.Conn
	sent *atomic.Int64
}

func (c countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.sent.Add(int64(n))
	return n, err
}

func (k *kit) put(repository, mediaType string, content []byte) registry.Descriptor {
	k.t.Helper()
	d := registry.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
	k.must(k.store.PutBlob(k.t.Context(), repository, d, bytes.NewReader(content)))
	return d
}

// layer is a file of random bytes, as a layer, with the digest of what it unpacks to.
type layer struct {
	content []byte
	diff    digest.Digest
}

func newLayer(size int) layer {
	var plain, packed bytes.Buffer
	w := tar.NewWriter(&plain)
	content := make([]byte, size)
	rand.Read(content)
	w.WriteHeader(&tar.Header{Name: "file-" + rand.Text(), Mode: 0o644, Size: int64(size)})
	w.Write(content)
	w.Close()
	z := gzip.NewWriter(&packed)
	z.Write(plain.Bytes())
	z.Close()
	return layer{packed.Bytes(), digest.FromBytes(plain.Bytes())}
}

// image puts an image of layers for an architecture, and returns its manifest.
func (k *kit) image(repository, arch string, layers ...layer) registry.Descriptor {
	k.t.Helper()
	config := ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: arch}, Author: rand.Text(), RootFS: ocispec.RootFS{Type: "layers"}}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest}
	for _, l := range layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.diff)
		m.Layers = append(m.Layers, k.put(repository, ocispec.MediaTypeImageLayerGzip, l.content))
	}
	content, err := json.Marshal(config)
	k.must(err)
	m.Config = k.put(repository, ocispec.MediaTypeImageConfig, content)
	d := k.manifest(registry.Ref{Repository: repository}, m.MediaType, m)
	d.Platform = &ocispec.Platform{OS: "linux", Architecture: arch}
	return d
}

func (k *kit) manifest(ref registry.Ref, mediaType string, doc any) registry.Descriptor {
	k.t.Helper()
	content, err := json.Marshal(doc)
	k.must(err)
	d := registry.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
	if ref.Tag == "" {
		ref.Digest = d.Digest
	}
	k.must(k.store.PutManifest(k.t.Context(), ref, d, content))
	return d
}

// index puts an image of layers for this architecture, and one of a layer for another.
func (k *kit) index(repository, tag string, layers ...layer) host.Image {
	k.t.Helper()
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[goruntime.GOARCH]
	d := k.manifest(registry.Ref{Repository: repository, Tag: tag}, ocispec.MediaTypeImageIndex, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex,
		Manifests: []registry.Descriptor{k.image(repository, other, newLayer(5_000_000)), k.image(repository, goruntime.GOARCH, layers...)},
	})
	return host.Image{Name: repository + ":" + tag, Digest: d.Digest}
}

func (k *kit) source() host.Source { return host.Source{URL: k.server.URL} }

func (k *kit) pull(p host.Pull) (host.Pulled, error) {
	if p.Source.URL == "" {
		p.Source = k.source()
	}
	if p.Owner == "" {
		p.Owner = k.name
	}
	return k.runtime.Pull(k.t.Context(), p, nil)
}

func (k *kit) pulled(p host.Pull) host.Pulled {
	k.t.Helper()
	out, err := k.pull(p)
	k.must(err)
	return out
}

// client is containerd's own, beside the runtime that is tested.
func (k *kit) client() (*containerd.Client, context.Context) {
	k.t.Helper()
	c, err := containerd.New(shared.socket, containerd.WithDefaultNamespace("k8s.io"))
	k.must(err)
	k.t.Cleanup(func() { c.Close() })
	return c, namespaces.WithNamespace(k.t.Context(), "k8s.io")
}

// labels are those of a record; nil when it is not there.
func (k *kit) labels(name string) map[string]string {
	k.t.Helper()
	c, ctx := k.client()
	i, err := c.ImageService().Get(ctx, name)
	if err != nil {
		return nil
	}
	return i.Labels
}

func size(layers ...layer) (n int64) {
	for _, l := range layers {
		n += int64(len(l.content))
	}
	return n
}
