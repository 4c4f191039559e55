package source_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/host/runtime"
	"github.com/landfall-dev/landfall/lifecycle/nodeconfig"
	"github.com/landfall-dev/landfall/registry"
)

// daemon is a containerd with everything of it below one folder.
type daemon struct {
	dir, socket string
}

// containerd starts one, which pulls as files say.
func containerd(t *testing.T, files []nodeconfig.File) *daemon {
	t.Helper()
	program, err := exec.LookPath("containerd")
	if err != nil || os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no containerd that this user may start")
		}
		t.Skip("there is no containerd that this user may start")
	}
	dir, err := os.MkdirTemp("", "ctrd") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{dir: dir, socket: filepath.Join(dir, "s")}
	t.Cleanup(d.clean)
	if err := nodeconfig.Write(filepath.Join(dir, "hosts"), files); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\n[grpc]\naddress = %q\n[plugins.\"io.containerd.internal.v1.opt\"]\npath = %q\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = %q\n",
		filepath.Join(dir, "root"), filepath.Join(dir, "state"), d.socket, filepath.Join(dir, "opt"), filepath.Join(dir, "hosts"))
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, "-c", filepath.Join(dir, "config.toml"))
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Signal(syscall.SIGTERM); c.Wait(); log.Close() })
	for end := time.Now().Add(60 * time.Second); !d.runtime(t).Status(t.Context()).Ready; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("containerd is not ready:\n%s", text)
		}
	}
	return d
}

// clean takes away what a containerd that has ended has left.
func (d *daemon) clean() {
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		if words := strings.Fields(line); len(words) > 1 && strings.HasPrefix(words[1], d.dir+"/") {
			syscall.Unmount(words[1], syscall.MNT_DETACH)
		}
	}
	os.RemoveAll(d.dir)
}

func (d *daemon) runtime(t *testing.T) *runtime.Runtime {
	return runtime.New(runtime.Options{Endpoint: d.socket, Data: t.TempDir()})
}

// images is what the kubelet speaks to.
func (d *daemon) images(t *testing.T) cri.ImageServiceClient {
	t.Helper()
	c, err := grpc.NewClient("unix://"+d.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return cri.NewImageServiceClient(c)
}

// runnable adds an image that containerd can unpack to the fixture.
func (k *kit) runnable(name string) {
	k.t.Helper()
	ref, err := registry.ParseRef(name)
	k.must(err)
	var plain, packed bytes.Buffer
	w := tar.NewWriter(&plain)
	k.must(w.WriteHeader(&tar.Header{Name: "hello", Mode: 0o644, Size: int64(len(name))}))
	_, err = w.Write([]byte(name))
	k.must(err)
	k.must(w.Close())
	z := gzip.NewWriter(&packed)
	_, err = z.Write(plain.Bytes())
	k.must(err)
	k.must(z.Close())
	put := func(mediaType string, content []byte) registry.Descriptor {
		d := registry.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
		k.must(k.up.PutBlob(k.t.Context(), ref.Repository, d, bytes.NewReader(content)))
		return d
	}
	config, err := json.Marshal(ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: goruntime.GOARCH},
		RootFS: ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(plain.Bytes())}}})
	k.must(err)
	k.up.AddManifest(ref, ocispec.MediaTypeImageManifest, ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: put(ocispec.MediaTypeImageConfig, config), Layers: []registry.Descriptor{put(ocispec.MediaTypeImageLayerGzip, packed.Bytes())}})
}

// The images of the definition that hosts pull, by original names.
var runnables = []string{"10.9.9.9:5000/team/hello:2", "docker.io/library/hello:1", "quay.io/team/hello:3"}

// A real containerd pulls by original names from the source, with nothing but the
// hosts.toml that hosts are given; so does the agent, and so is the canary. What the
// source has not, and registries that are not configured, nobody outside is asked for.
func TestContainerd(t *testing.T) {
	t.Parallel()
	for name, begin := range at {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, k := begin(t), newKit(t)
			for _, image := range runnables {
				k.runnable(image)
			}
			k.define(k.image(runnables[0]), k.image(runnables[1]), k.image(runnables[2]))
			k.staged(p)
			k.pulls(p)
		})
	}
}

func (k *kit) pulls(p place) {
	k.t.Helper()
	from := p.spec.Hosts()
	o := nodeconfig.Options{Registry: from.URL, CA: from.CA, HostPaths: from.HostPaths, Prefix: from.Prefix, Upstreams: []string{"docker.io", "10.9.9.9:5000", "quay.io"}}
	if from.User != "" {
		o.Login = base64.StdEncoding.EncodeToString([]byte(from.User + ":" + p.password))
	}
	files, err := nodeconfig.Files(nodeconfig.Containerd, o)
	k.must(err)
	d := containerd(k.t, files)
	k.kubelet(d, p)
	k.agent(d, p, from)
}

// kubelet pulls as the kubelet does, which knows no password.
func (k *kit) kubelet(d *daemon, p place) {
	k.t.Helper()
	c, before := d.images(k.t), len(p.seen.list("?ns="))
	for _, name := range runnables {
		got, err := c.PullImage(k.t.Context(), &cri.PullImageRequest{Image: &cri.ImageSpec{Image: name}})
		k.must(err)
		s, err := c.ImageStatus(k.t.Context(), &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: name}})
		if err != nil || s.Image == nil || s.Image.Id != got.ImageRef || !slices.Contains(s.Image.RepoTags, name) {
			k.t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	asked := p.seen.list("?ns=")[before:]
	path := strings.TrimPrefix(p.spec.Path()+"/", "/")
	for _, want := range []string{
		"HEAD /v2/" + path + "docker.io/library/hello/manifests/1?ns=docker.io",
		"HEAD /v2/" + path + "10.9.9.9_5000/team/hello/manifests/2?ns=10.9.9.9%3A5000",
	} {
		if !slices.Contains(asked, want) {
			k.t.Errorf("it did not ask %s: %q", want, asked)
		}
	}
	for _, name := range []string{"quay.io/team/none:1", "ghcr.example/team/hello:3"} {
		if got, err := c.PullImage(k.t.Context(), &cri.PullImageRequest{Image: &cri.ImageSpec{Image: name}}); err == nil {
			k.t.Errorf("%s was pulled: %v", name, got)
		}
	}
	if list := p.seen.list("/v2/" + path + "not-configured.invalid/team/hello/manifests/3"); len(list) == 0 {
		k.t.Error("a name of a registry that is not configured was not asked for at the source")
	}
}

// agent pulls as the agents of hosts do, which are told the password.
func (k *kit) agent(d *daemon, p place, from host.Source) {
	k.t.Helper()
	from.Password = p.password
	r := d.runtime(k.t)
	var images []host.Image
	for _, i := range k.content.Definition.Images {
		images = append(images, host.Image{Name: i.Name, Digest: i.Digest})
		k.must(r.Canary(k.t.Context(), from, images[len(images)-1]))
	}
	out, err := r.Pull(k.t.Context(), host.Pull{Source: from, Images: images, Owner: "running", Move: true, Replace: true}, nil)
	k.must(err)
	if out.Images != len(images) {
		k.t.Errorf("%+v", out)
	}
	if from.User != "" {
		from.Password = "wrong"
		refused(k.t, r.Canary(k.t.Context(), from, images[0]), registry.ErrDenied, images[0].Name)
	}
}
