package runtime_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	goruntime "runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/platforms"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/host/runtime"
	"github.com/landfall-dev/landfall/registry"
)

// overhead is what manifests, configurations and headers of a pull take at most.
const overhead = 40_000

// An image comes once, for this platform only, is unpacked, and its records are what
// the CRI plugin makes; a second pull moves nothing.
func TestPull(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	layers := []layer{newLayer(1_000_000), newLayer(300_000), newLayer(2_000)}
	i := k.index(k.name, "1.27", append(layers, layers[0])...)
	var last, total atomic.Int64
	out, err := k.runtime.Pull(t.Context(), host.Pull{Source: k.source(), Images: []host.Image{i}, Owner: "edge/running"}, func(d, all int64) { last.Store(d); total.Store(all) })
	k.must(err)
	if out.Images != 1 || out.There != 0 || out.Bytes < size(layers...) || out.Bytes > size(layers...)+overhead {
		t.Errorf("pulled %+v, of layers of %d bytes", out, size(layers...))
	}
	if sent := k.sent.Load(); sent > size(layers...)+overhead {
		t.Errorf("the registry sent %d bytes for %d", sent, size(layers...))
	}
	if last.Load() != total.Load() || last.Load() != out.Bytes {
		t.Errorf("progress ended at %d of %d, and %d bytes moved", last.Load(), total.Load(), out.Bytes)
	}
	c, ctx := k.client()
	record, err := c.ImageService().Get(ctx, k.name+":1.27")
	k.must(err)
	config, err := record.Config(ctx, c.ContentStore(), platforms.Default())
	k.must(err)
	for _, name := range []string{record.Name, k.name + "@" + i.Digest.String(), config.Digest.String()} {
		got, err := c.ImageService().Get(ctx, name)
		if err != nil || got.Target.Digest != i.Digest || got.Labels["io.cri-containerd.image"] != "managed" || got.Labels["io.cri-containerd.pinned"] != "pinned" || got.Labels["landfall.dev/pin.edge/running"] != i.Digest.String() {
			t.Errorf("record %s: %+v, %v", name, got, err)
		}
	}
	if done, err := containerd.NewImage(c, record).IsUnpacked(ctx, ""); err != nil || !done {
		t.Errorf("it is not unpacked: %v", err)
	}
	if ok, _, _, missing, err := images.Check(ctx, c.ContentStore(), record.Target, platforms.Default()); err != nil || !ok {
		t.Errorf("%v is missing: %v", missing, err)
	}
	before := k.sent.Load()
	if out := k.pulled(host.Pull{Images: []host.Image{i}, Owner: "edge/running"}); out != (host.Pulled{Images: 1, There: 1}) || k.sent.Load() != before {
		t.Errorf("again: %+v, and %d bytes were sent", out, k.sent.Load()-before)
	}
}

// What two images share is moved once.
func TestShared(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	base, a, b := newLayer(800_000), newLayer(1000), newLayer(1000)
	one, two := k.index(k.name+"/one", "1", base, a), k.index(k.name+"/two", "1", base, b)
	out := k.pulled(host.Pull{Images: []host.Image{one, two}})
	if all := size(base, a, b); out.Images != 2 || out.Bytes > all+2*overhead || k.sent.Load() > all+2*overhead {
		t.Errorf("%+v, and %d bytes were sent, for %d", out, k.sent.Load(), all)
	}
}

// A single manifest without an index is an image, too; by digest alone as well.
func TestManifest(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	d := k.image(k.name, goruntime.GOARCH, newLayer(1000))
	name := k.name + "@" + d.Digest.String()
	k.pulled(host.Pull{Images: []host.Image{{Name: name, Digest: d.Digest}}})
	if k.labels(name) == nil {
		t.Errorf("there is no record %s", name)
	}
}

// A pull that is broken off, or whose process is killed, goes on where it was.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	for name, interrupt := range map[string]func(k *kit, p host.Pull){"canceled": canceled, "killed": killed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			layers := []layer{newLayer(3_000_000), newLayer(2_500_000)}
			p := host.Pull{Source: k.source(), Images: []host.Image{k.index(k.name, "1", layers...)}, Owner: k.name, Rate: 2_000_000}
			interrupt(k, p)
			if k.labels(k.name+":1") != nil {
				t.Error("there is a record of an image that is not whole")
			}
			if n := k.leases(k.name); n != 1 {
				t.Errorf("%d leases keep what has come", n)
			}
			k.collect()
			p.Rate = 0
			out := k.pulled(p)
			// What each stream had in its hands when it broke off is lost.
			if all := size(layers...); out.Bytes > all-enough+inHands {
				t.Errorf("%d bytes first, then %+v, for %d in all", enough, out, all)
			}
			if n := k.leases(k.name); n != 0 {
				t.Errorf("%d leases are left", n)
			}
			ranges := slices.DeleteFunc(k.asked.list(), func(s string) bool { return !strings.Contains(s, " bytes=") })
			if len(ranges) == 0 {
				t.Error("nothing was asked for from the middle on")
			}
		})
	}
}

const (
	enough  = 2_000_000          // bytes after which an interruption comes
	inHands = 3*(256<<10) + 4096 // bytes that are moved, and not yet written
)

func canceled(k *kit, p host.Pull) {
	ctx, cancel := context.WithCancel(k.t.Context())
	defer cancel()
	_, err := k.runtime.Pull(ctx, p, func(done, _ int64) {
		if done > enough {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		k.t.Errorf("a canceled pull: %v", err)
	}
}

const childEnv = "LANDFALL_TEST_PULL"

// child is a process that pulls, and says how far it is.
func child() int {
	var p host.Pull
	if err := json.Unmarshal([]byte(os.Getenv(childEnv)), &p); err != nil {
		return 2
	}
	_, err := runtime.New(runtime.Options{Endpoint: os.Getenv("LANDFALL_TEST_SOCKET")}).Pull(context.Background(), p, func(done, _ int64) { fmt.Println(done) })
	fmt.Println(err)
	return 0
}

func killed(k *kit, p host.Pull) {
	text, err := json.Marshal(p)
	k.must(err)
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childEnv+"="+string(text), "LANDFALL_TEST_SOCKET="+shared.socket)
	out, err := c.StdoutPipe()
	k.must(err)
	k.must(c.Start())
	for s := bufio.NewScanner(out); s.Scan(); {
		var done int64
		if _, err := fmt.Sscan(s.Text(), &done); err != nil {
			k.t.Errorf("the child says %q", s.Text())
		}
		if done > enough {
			break
		}
	}
	c.Process.Kill()
	c.Wait()
}

func (k *kit) leases(owner string) (n int) {
	k.t.Helper()
	c, ctx := k.client()
	list, err := c.LeasesService().List(ctx)
	k.must(err)
	for _, l := range list {
		if l.Labels["landfall.dev/pull"] == owner {
			n++
		}
	}
	return n
}

// collect has containerd collect what nothing keeps, and waits for it.
func (k *kit) collect() {
	k.t.Helper()
	c, ctx := k.client()
	l, err := c.LeasesService().Create(ctx, leases.WithRandomID())
	k.must(err)
	k.must(c.LeasesService().Delete(ctx, l, leases.SynchronousDelete))
}

// A pull keeps its rate over all its streams.
func TestRate(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	layers := []layer{newLayer(400_000), newLayer(400_000), newLayer(400_000)}
	i := k.index(k.name, "1", layers...)
	began := time.Now()
	out := k.pulled(host.Pull{Images: []host.Image{i}, Rate: 800_000})
	// The first burst is free.
	if least := time.Duration(float64(out.Bytes-256<<10) / 800_000 * float64(time.Second)); time.Since(began) < least {
		t.Errorf("%d bytes took %s, and should take %s", out.Bytes, time.Since(began), least)
	}
}

// An image stays pinned until its last owner lets it go; a replacing pull lets go of
// what the owner has no more.
func TestPins(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	old, both, next := k.index(k.name, "old", newLayer(100)), k.index(k.name, "both", newLayer(100)), k.index(k.name, "new", newLayer(100))
	running, staged := k.name+"/running", k.name+"/staged"
	k.pulled(host.Pull{Images: []host.Image{old, both}, Owner: running})
	k.pulled(host.Pull{Images: []host.Image{both, next}, Owner: staged})
	expect := func(want map[string][]string) {
		t.Helper()
		list, err := k.runtime.Images(t.Context())
		k.must(err)
		for _, i := range list {
			if len(i.Names) != 1 || !strings.HasPrefix(i.Names[0], k.name+":") {
				continue
			}
			tag := strings.TrimPrefix(i.Names[0], k.name+":")
			owners := want[tag]
			if !slices.Equal(i.Owners, owners) || i.Pinned != (len(owners) > 0) {
				t.Errorf("%s is pinned by %v (%v), want %v", tag, i.Owners, i.Pinned, owners)
			}
			delete(want, tag)
		}
		if len(want) > 0 {
			t.Errorf("there is no image %v", want)
		}
	}
	expect(map[string][]string{"old": {running}, "both": {running, staged}, "new": {staged}})
	if out := k.pulled(host.Pull{Images: []host.Image{both, next}, Owner: running, Replace: true}); out.There != 2 || out.Bytes != 0 {
		t.Errorf("%+v", out)
	}
	expect(map[string][]string{"old": nil, "both": {running, staged}, "new": {running, staged}})
	k.must(k.runtime.Unpin(t.Context(), staged))
	k.must(k.runtime.Unpin(t.Context(), staged))
	expect(map[string][]string{"old": nil, "both": {running}, "new": {running}})
	k.must(k.runtime.Unpin(t.Context(), running))
	expect(map[string][]string{"old": nil, "both": nil, "new": nil})
	if labels := k.labels(old.Name); len(labels) != 1 || labels["io.cri-containerd.image"] != "managed" {
		t.Errorf("labels %v are left", labels)
	}
}

// A pin that the runtime has set itself stays when the last owner goes.
func TestPinOfOthers(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	i := k.index(k.name, "1", newLayer(100))
	k.pulled(host.Pull{Images: []host.Image{i}, Owner: k.name})
	k.must(k.runtime.Unpin(t.Context(), k.name))
	c, ctx := k.client()
	_, err := c.ImageService().Update(ctx, images.Image{Name: i.Name, Labels: map[string]string{"io.cri-containerd.pinned": "pinned"}}, "labels.io.cri-containerd.pinned")
	k.must(err)
	k.pulled(host.Pull{Images: []host.Image{i}, Owner: k.name})
	k.must(k.runtime.Unpin(t.Context(), k.name))
	if l := k.labels(i.Name); l["io.cri-containerd.pinned"] != "pinned" {
		t.Errorf("labels %v", l)
	}
}

// A name moves only when the pull says so; what is staged is there by its digest.
func TestMove(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	one := k.index(k.name, "1", newLayer(100))
	k.pulled(host.Pull{Images: []host.Image{one}, Owner: k.name + "/running", Move: true})
	two := k.index(k.name, "1", newLayer(100))
	stands := func(want host.Image) {
		t.Helper()
		c, ctx := k.client()
		i, err := c.ImageService().Get(ctx, k.name+":1")
		if err != nil || i.Target.Digest != want.Digest {
			t.Errorf("the name is of %s, want %s: %v", i.Target.Digest, want.Digest, err)
		}
	}
	k.pulled(host.Pull{Images: []host.Image{two}, Owner: k.name + "/staged", Replace: true})
	stands(one)
	if l := k.labels(k.name + ":1"); l["landfall.dev/pin."+k.name+"/staged"] != "" {
		t.Errorf("the staged owner has pinned the old image: %v", l)
	}
	if l := k.labels(k.name + "@" + two.Digest.String()); l["landfall.dev/pin."+k.name+"/staged"] == "" {
		t.Errorf("the staged image is not pinned: %v", l)
	}
	k.pulled(host.Pull{Images: []host.Image{two}, Owner: k.name + "/running", Move: true, Replace: true})
	stands(two)
	// The way back needs nothing of the source, though its name has moved on.
	k.must(k.runtime.Unpin(t.Context(), k.name+"/staged"))
	if out := k.pulled(host.Pull{Images: []host.Image{one}, Owner: k.name + "/running", Move: true, Replace: true}); out.Bytes != 0 {
		t.Errorf("the way back: %+v", out)
	}
	stands(one)
}

// What goes wrong is told by kind, with what it concerns, and names no image.
func TestErrors(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	good := k.index(k.name, "1", newLayer(1000))
	gone := host.Image{Name: k.name + ":gone", Digest: good.Digest[:len(good.Digest)-4] + "0000"}
	changed := host.Image{Name: good.Name, Digest: gone.Digest}
	other := k.manifest(registry.Ref{Repository: k.name, Tag: "other"}, "application/vnd.oci.image.index.v1+json", map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []registry.Descriptor{k.image(k.name, "s390x", newLayer(10))}})
	chart := k.manifest(registry.Ref{Repository: k.name, Tag: "chart"}, "application/vnd.oci.image.manifest.v1+json", map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []any{},
		"config": k.put(k.name, "application/vnd.cncf.helm.config.v1+json", []byte("{}"))})
	dead := host.Source{URL: "http://127.0.0.1:1"}
	for name, c := range map[string]struct {
		pull host.Pull
		kind error
		text []string
	}{
		"gone":     {host.Pull{Images: []host.Image{good, gone}}, registry.ErrNotFound, []string{gone.Name}},
		"changed":  {host.Pull{Images: []host.Image{changed}}, registry.ErrDigest, []string{changed.Name, good.Digest.String(), changed.Digest.String()}},
		"platform": {host.Pull{Images: []host.Image{{Name: k.name + ":other", Digest: other.Digest}}}, registry.ErrNotFound, []string{"nothing for linux/"}},
		"chart":    {host.Pull{Images: []host.Image{{Name: k.name + ":chart", Digest: chart.Digest}}}, registry.ErrInvalid, []string{"no manifest of an image"}},
		"dead":     {host.Pull{Images: []host.Image{good}, Source: dead}, registry.ErrUnreachable, []string{"127.0.0.1:1"}},
		"no url":   {host.Pull{Images: []host.Image{good}, Source: host.Source{User: "x", URL: "ftp://x"}}, registry.ErrInvalid, []string{"ftp://x"}},
		"ca":       {host.Pull{Images: []host.Image{good}, Source: host.Source{URL: "https://x", CA: []byte("x")}}, registry.ErrInvalid, []string{"certificate"}},
		"name":     {host.Pull{Images: []host.Image{{Name: "UPPER/x:1", Digest: good.Digest}}}, nil, []string{"UPPER/x"}},
		"digest":   {host.Pull{Images: []host.Image{{Name: good.Name, Digest: "sha256:1"}}}, registry.ErrInvalid, []string{"sha256:1"}},
		"rate":     {host.Pull{Images: []host.Image{good}, Rate: -1}, registry.ErrInvalid, []string{"-1"}},
		"owner":    {host.Pull{Images: []host.Image{good}, Owner: "a b"}, registry.ErrInvalid, []string{"a b"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := k.pull(c.pull)
			if err == nil || c.kind != nil && !errors.Is(err, c.kind) {
				t.Fatalf("%v, want %v", err, c.kind)
			}
			for _, text := range c.text {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q does not say %q", err, text)
				}
			}
		})
	}
	if k.labels(good.Name) != nil {
		t.Error("an image of a failed pull has a name")
	}
}

// Bytes that are not a blob's are refused, and the next pull gets the right ones.
func TestDamaged(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	l := newLayer(200_000)
	i := k.index(k.name, "1", l)
	bad := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") || strings.Contains(r.Header.Get("Range"), "bytes=") {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(l.content)))
		w.Write(make([]byte, len(l.content)))
		return true
	}
	// Only the layer: the configuration has another size.
	k.asked.set(func(w http.ResponseWriter, r *http.Request) bool {
		return strings.Contains(r.URL.Path, digestOf(l)) && bad(w, r)
	})
	if _, err := k.pull(host.Pull{Images: []host.Image{i}}); !errors.Is(err, registry.ErrDigest) || !strings.Contains(err.Error(), digestOf(l)) {
		t.Errorf("damaged: %v", err)
	}
	if k.labels(i.Name) != nil {
		t.Error("the damaged image has a name")
	}
	k.asked.set(nil)
	k.pulled(host.Pull{Images: []host.Image{i}})
}

// A part that was damaged while it waited comes anew.
func TestDamagedPart(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	l := newLayer(1_000_000)
	i := k.index(k.name, "1", l)
	k.plant(l, make([]byte, 300_000))
	k.pulled(host.Pull{Images: []host.Image{i}})
}
