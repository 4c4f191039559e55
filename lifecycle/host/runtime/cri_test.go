package runtime_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/nodeconfig"
)

// images is what the kubelet speaks to.
func (k *kit) images() cri.ImageServiceClient {
	k.t.Helper()
	c, err := grpc.NewClient("unix://"+shared.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	k.must(err)
	k.t.Cleanup(func() { c.Close() })
	return cri.NewImageServiceClient(c)
}

// until waits for the CRI plugin, which hears of changes a moment later, to tell of an
// image what it should.
func (k *kit) until(c cri.ImageServiceClient, name string, ok func(*cri.Image) bool) {
	k.t.Helper()
	var last *cri.Image
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		list, err := c.ListImages(k.t.Context(), &cri.ListImagesRequest{})
		k.must(err)
		last = nil
		for _, i := range list.Images {
			if slices.Contains(i.RepoTags, name) {
				last = i
			}
		}
		if last != nil && ok(last) {
			return
		}
	}
	k.t.Fatalf("the CRI plugin says of %s: %v", name, last)
}

// The kubelet has an image that was pulled here, by its name, its digest and its id, and
// is told that it is pinned; also after it has pulled the name itself, and until the
// last owner lets go.
func TestCRI(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	upstream := strings.TrimPrefix(k.name, "docker.io/library/") + ".example"
	name := upstream + "/team/app"
	i := k.index(name, "1", newLayer(1000))
	k.pulled(host.Pull{Images: []host.Image{i}})
	c := k.images()
	tells := !strings.HasPrefix(k.runtime.Status(t.Context()).Version, "1.6.")
	pinned := func(want bool) func(*cri.Image) bool {
		return func(i *cri.Image) bool { return !tells || i.Pinned == want }
	}
	k.until(c, i.Name, func(got *cri.Image) bool {
		return slices.Equal(got.RepoDigests, []string{name + "@" + i.Digest.String()}) && pinned(true)(got)
	})
	for _, asked := range []string{i.Name, name + "@" + i.Digest.String()} {
		s, err := c.ImageStatus(t.Context(), &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: asked}})
		if err != nil || s.Image == nil || k.labels(s.Image.Id) == nil {
			t.Errorf("%s: %v, %v", asked, s, err)
		}
	}
	files, err := nodeconfig.Files(nodeconfig.Containerd, nodeconfig.Options{Registry: k.server.URL, Upstreams: []string{upstream}})
	k.must(err)
	for _, f := range files {
		if strings.HasPrefix(f.Path, upstream) {
			k.must(os.MkdirAll(filepath.Join(shared.dir, "hosts", upstream), 0o755))
			k.must(os.WriteFile(filepath.Join(shared.dir, "hosts", f.Path), f.Content, 0o644))
		}
	}
	before := k.sent.Load()
	_, err = c.PullImage(t.Context(), &cri.PullImageRequest{Image: &cri.ImageSpec{Image: i.Name}})
	k.must(err)
	if k.sent.Load() == before {
		t.Error("the kubelet's own pull did not ask the site")
	}
	k.until(c, i.Name, pinned(true))
	k.must(k.runtime.Unpin(t.Context(), k.name))
	k.until(c, i.Name, pinned(false))
}
