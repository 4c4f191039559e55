package mirror_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/memory"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/sync/mirror"
)

var (
	app  = ref(registrytest.App, "v1")
	tool = ref(registrytest.Tool, "v2")
)

// What is planned is what is moved, each blob once; then nothing is left to do,
// and finding that out takes one question for each tag.
func TestLevel(t *testing.T) {
	t.Parallel()
	k := newKit(t, all)
	p := k.plan(mirror.Options{})
	if p.Count(mirror.Copy) != 2 || p.Mirrors[0].Tags != 2 {
		t.Errorf("%+v", p)
	}
	var unique int64
	for _, b := range k.up.Graph.Blobs {
		unique += b.Descriptor.Size
	}
	if p.Bytes != unique || p.Blobs != len(k.up.Graph.Blobs) {
		t.Errorf("%d bytes in %d blobs are planned, there are %d in %d", p.Bytes, p.Blobs, unique, len(k.up.Graph.Blobs))
	}
	r := k.run(mirror.Options{})
	k.want(r, "copied "+app.String(), "copied "+tool.String())
	k.must(r.Err())
	k.equal(app, app)
	k.equal(tool, tool)
	if k.up.blobs != unique {
		t.Errorf("%d bytes were read of %d", k.up.blobs, unique)
	}
	k.up.reset()
	again := k.run(mirror.Options{})
	k.want(again, "present "+app.String(), "present "+tool.String())
	// Two images, and the signature that has a tag.
	if a := k.up.asked; a["resolve"] != 3 || a["manifest"]+a["blob"] != 0 || a["tags"] != 2 || a["catalog"] != 1 {
		t.Errorf("asked for %v", a)
	}
}

func TestChoosesPlatformsAndReferrers(t *testing.T) {
	t.Parallel()
	k := newKit(t, all+"    platforms: linux/arm64\n    referrers: none\n    tags: {names: v1}\n")
	k.want(k.run(mirror.Options{}), "copied "+app.String(), "failed "+registrytest.Tool+":v1")
	has := func(d registry.Descriptor) bool {
		there, err := k.dst.Exists(t.Context(), registrytest.App, d)
		k.must(err)
		return there
	}
	if !has(k.up.Images["arm64"]) || has(k.up.Images["amd64"]) || has(k.up.Signature) {
		t.Error("other platforms or referrers came")
	}
	// More is chosen later: the digest is the same, what is below is not.
	k.configure(all + "    platforms: [linux/arm64, linux/amd64]\n    tags: {names: v1}\n")
	k.want(k.run(mirror.Options{Recheck: true}), "copied "+app.String(), "failed "+registrytest.Tool+":v1")
	k.equal(app, app)
}

func TestLandsUnderPrefix(t *testing.T) {
	t.Parallel()
	k := newKit(t, all+"    destination: site/apps\n")
	k.want(k.run(mirror.Options{}), "copied site/apps/team/app:v1", "copied site/apps/team/tool:v2")
	k.equal(app, ref("site/apps/team/app", "v1"))
	k.want(k.run(mirror.Options{}), "present site/apps/team/app:v1", "present site/apps/team/tool:v2")
}

// Two sources cannot have one name; the first in the file has it.
func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	k := newKit(t, `mirrors:
  - {name: a, source: registry.example/team/app, destination: {prefix: x}}
  - {name: b, source: other.example/team/app, destination: {prefix: x}, tags: {names: v1}}
  - {name: c, source: registry.example/team/app, destination: {prefix: x}}
`)
	r := k.run(mirror.Options{})
	k.want(r, "copied x/team/app:v1", "failed x/team/app:v1")
	if !errors.Is(r.Err(), mirror.ErrPartial) || !strings.Contains(r.Images[1].Error, "has this name already") {
		t.Error(r.Err(), r.Images)
	}
}

// One bad image stops nobody; what came of it is kept.
func TestOneBadImage(t *testing.T) {
	t.Parallel()
	k := newKit(t, all)
	lost := k.up.Graph.Blobs[len(k.up.Graph.Blobs)-1].Descriptor // of tool only
	k.up.broken[lost.Digest.String()] = registry.ErrNotFound
	r := k.run(mirror.Options{})
	k.want(r, "copied "+app.String(), "failed "+tool.String())
	if !errors.Is(r.Err(), mirror.ErrPartial) || !strings.Contains(r.Images[1].Error, lost.Digest.String()) {
		t.Error(r.Err(), r.Images[1].Error)
	}
	if _, err := k.dst.Resolve(t.Context(), tool); !errors.Is(err, registry.ErrNotFound) {
		t.Error("half an image has a name")
	}
	delete(k.up.broken, lost.Digest.String())
	k.up.reset()
	k.want(k.run(mirror.Options{}), "present "+app.String(), "copied "+tool.String())
	k.equal(tool, tool)
	if k.up.blobs != lost.Size {
		t.Errorf("%d bytes were read again", k.up.blobs-lost.Size)
	}
}

func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	k := newKit(t, all)
	k.up.broken["catalog"] = registry.ErrUnreachable
	if err := k.run(mirror.Options{}).Err(); !errors.Is(err, registry.ErrUnreachable) {
		t.Error(err)
	}
	k.configure(all[:strings.Index(all, "source")] + "source: [registry.example/team/app, registry.example/team/*]\n")
	if err := k.run(mirror.Options{}).Err(); !errors.Is(err, mirror.ErrPartial) {
		t.Error(err)
	}
}

// A tag that moves between plan and naming lands as it was planned, and is told of.
func TestMovedMeanwhile(t *testing.T) {
	t.Parallel()
	k := newKit(t, all)
	p := k.plan(mirror.Options{})
	before := k.up.Index.Digest
	after := k.up.AddImage(app, ocispec.MediaTypeImageManifest, nil, k.up.Layer)
	r, err := p.Run(t.Context(), k.cfg, k.dst, mirror.Options{})
	k.must(err)
	if i := r.Images[0]; i.State != mirror.Copied || i.Digest != before || i.Moved != after.Digest {
		t.Errorf("%+v", i)
	}
	k.must(r.Err())
	if d, err := k.dst.Resolve(t.Context(), app); err != nil || d.Digest != before {
		t.Error(d, err)
	}
	again := k.plan(mirror.Options{})
	if i := again.Images[0]; i.Action != mirror.Copy || i.Was != before || !strings.HasPrefix(i.Reason, "moved from ") {
		t.Errorf("%+v", i)
	}
}

// A lock brings the same content later, signatures included, whatever the tags
// stand for and whatever was signed since.
func TestLock(t *testing.T) {
	t.Parallel()
	k := newKit(t, all)
	k.run(mirror.Options{})
	l := k.plan(mirror.Options{Locking: true}).Locked() // although nothing is to be copied
	path := filepath.Join(t.TempDir(), "lock.yaml")
	k.must(l.Write(path))
	text, err := os.ReadFile(path)
	k.must(err)
	if l, err = mirror.ParseLock(path, text); err != nil || l.Len() != 2 || string(l.Marshal()) != string(text) {
		t.Fatalf("%v: %s", err, text)
	}
	then := k.dst
	k.up.AddImage(app, ocispec.MediaTypeImageManifest, nil, k.up.Layer)
	k.up.AddImage(ref(registrytest.App, "v9"), ocispec.MediaTypeImageManifest, nil, k.up.Layer)
	late := k.up.AddImage(registry.Ref{Repository: registrytest.App}, ocispec.MediaTypeImageManifest, &k.up.Index, k.up.AddBlob(registrytest.App, 77))
	k.dst = k.store()
	k.up.reset()
	k.want(k.run(mirror.Options{Lock: l}), "copied "+app.String(), "copied "+tool.String())
	for _, name := range []registry.Ref{app, tool, ref(registrytest.App, registry.SignatureTag(k.up.Index.Digest))} {
		want, err := then.Resolve(t.Context(), name)
		k.must(err)
		if got, err := k.dst.Resolve(t.Context(), name); err != nil || got.Digest != want.Digest {
			t.Errorf("%s: %v, %v, want %v", name, got.Digest, err, want.Digest)
		}
	}
	if there, err := k.dst.Exists(t.Context(), registrytest.App, k.up.Signature); !there || err != nil {
		t.Error("a locked signature did not come", err)
	}
	if there, err := k.dst.Exists(t.Context(), registrytest.App, late); there || err != nil {
		t.Error("a signature came that is not locked", err)
	}
	if a := k.up.asked; a["tags"]+a["catalog"]+a["resolve"] != 0 {
		t.Errorf("with a lock there was no need to ask for %v", a)
	}
}

// Each mirror gets what it chose, not what another chose of the same repository;
// one that the lock does not know gets nothing.
func TestLockOfSeveralMirrors(t *testing.T) {
	t.Parallel()
	k := newKit(t, all+"  - {name: one, source: registry.example/team/tool, tags: {names: v2}, destination: one}\n")
	k.up.AddImage(ref(registrytest.Tool, "v3"), ocispec.MediaTypeImageManifest, nil, k.up.Layer)
	l := k.plan(mirror.Options{Locking: true}).Locked()
	want := []string{"copied " + app.String(), "copied one/team/tool:v2", "copied " + tool.String(), "copied " + registrytest.Tool + ":v3"}
	k.want(k.run(mirror.Options{Lock: l}), want...)
	k.configure(all + "  - {name: other, source: registry.example/team/tool, destination: other}\n")
	r := k.run(mirror.Options{Lock: l})
	if !strings.Contains(r.Mirrors[1].Problem, "mirror other is not in the lock") || len(r.Images) != 3 || r.Err() == nil {
		t.Errorf("%+v", r)
	}
}

func TestBadLocks(t *testing.T) {
	t.Parallel()
	d := digest.FromString("x").String()
	for text, want := range map[string]string{
		"":                                 "it is empty",
		"version: 2":                       "not a version",
		"version: 1":                       "mirrors is missing",
		"version: 1\nmirrors: {m: {a: b}}": "neither tag nor digest",
		"version: 1\nmirrors: {m: {'h.io/a:v1': latest}}":                                               "digest",
		"version: 1\nmirrors: {m: {'h.io/a:v1': '" + d + "'}}\nbeside: {'h.io/b:v1': ['" + d + "']}":    "not among the images",
		"version: 1\nmirrors: {m: {'h.io/a:v1': '" + d + "'}}\nbeside: {'h.io/a:v1': ['v2@" + d + "']}": "not a tag that is made from a digest",
	} {
		if _, err := mirror.ParseLock("lock.yaml", []byte(text)); err == nil || !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// names are the tags of a repository at the destination.
func (k *kit) names(repository string) (list []string) {
	k.Helper()
	for tag, err := range k.dst.Tags(k.Context(), repository, "") {
		k.must(err)
		list = append(list, tag)
	}
	return list
}

func TestDeletes(t *testing.T) {
	t.Parallel()
	k := newKit(t, all)
	for _, tag := range []string{"v3", "v4", "v5", "v10", "local"} {
		k.up.AddImage(ref(registrytest.Tool, tag), ocispec.MediaTypeImageManifest, nil, k.up.Layer)
	}
	k.run(mirror.Options{})
	pinned := ref(registrytest.Tool, "v4")
	_, err := k.dst.Pin(t.Context(), pinned, "test", "a cluster runs it")
	k.must(err)
	for _, tag := range []string{"v3", "v4", "local"} {
		k.must(k.up.Delete(t.Context(), ref(registrytest.Tool, tag)))
	}
	k.must(k.up.Delete(t.Context(), app)) // with its signature at the destination

	k.configure(all + "    tags: {regex: ^v}\n    delete: gone\n")
	r := k.run(mirror.Options{})
	if len(r.Deleted) != 0 || !errors.Is(r.Err(), mirror.ErrPartial) || !strings.Contains(r.Mirrors[0].Problem, "maxShare") {
		t.Errorf("%+v, %v", r.Deleted, r.Mirrors)
	}
	k.configure(all + "    tags: {regex: ^v}\n    delete: {when: gone, maxShare: 60%}\n")
	r = k.run(mirror.Options{})
	if got := k.names(registrytest.Tool); !slices.Equal(got, []string{"local", "v10", "v2", "v4", "v5"}) {
		t.Errorf("left: %v", got)
	}
	if got := k.names(registrytest.App); len(got) != 0 {
		t.Errorf("left of an image that is gone: %v", got)
	}
	kept := 0
	for _, d := range r.Deleted {
		if d.Error != "" {
			kept++
			if d.Name != pinned.String() {
				t.Errorf("%+v", d)
			}
		}
	}
	if kept != 1 || len(r.Deleted) != 4 { // v3, v4, app:v1 and its signature
		t.Errorf("%+v", r.Deleted)
	}
	k.configure(all + "    tags: {regex: ^v}\n    delete: {keep: 2, maxShare: 100%}\n")
	k.run(mirror.Options{})
	// What is still chosen stays, or it would come back with the next run.
	if got := k.names(registrytest.Tool); !slices.Contains(got, "v2") || !slices.Contains(got, "v4") {
		t.Errorf("left: %v", got)
	}
}

// What is not signed by those who have to does not come.
func TestVerifies(t *testing.T) {
	t.Parallel()
	k := newKit(t, all)
	key, err := trust.Generate(trust.ECDSA)
	k.must(err)
	dir := t.TempDir()
	k.must(os.WriteFile(filepath.Join(dir, "key.pub"), key.Key.PEM(), 0o600))
	rules := all + "    verify:\n      - {repositories: [registry.example/team/tool], keys: [" + filepath.Join(dir, "key.pub") + "]%s}\n"
	k.configure(strings.Replace(rules, "%s", "", 1))
	r := k.run(mirror.Options{})
	k.want(r, "copied "+app.String(), "refused "+tool.String())
	if !errors.Is(r.Err(), registry.ErrUntrusted) || !strings.Contains(r.Images[1].Error, "no signature") {
		t.Error(r.Err(), r.Images[1])
	}
	k.configure(strings.Replace(rules, "%s", ", unsigned: record", 1))
	k.want(k.run(mirror.Options{}), "present "+app.String(), "copied "+tool.String())
	if v, err := k.dst.ImageVerdict(t.Context(), registrytest.Tool, k.up.Tool.Digest); err != nil || v.Verified {
		t.Errorf("%+v, %v", v, err)
	}
}

// The link is used in its windows only: what is under way when one ends is kept.
func TestWindows(t *testing.T) {
	t.Parallel()
	k := newKit(t, "registries:\n  - {host: registry.example, windows: {times: 22:00-06:00, zone: UTC}}\n"+all)
	at := func(hour int) func() time.Time {
		return func() time.Time { return time.Date(2026, 11, 27, hour, 30, 0, 0, time.UTC) }
	}
	r := k.run(mirror.Options{Now: at(12)})
	if len(k.up.asked) != 0 || r.Mirrors[0].Deferred == nil || r.Mirrors[0].Deferred.Hour() != 22 || !errors.Is(r.Err(), mirror.ErrPartial) {
		t.Errorf("%v %+v", k.up.asked, r)
	}
	p := k.plan(mirror.Options{Now: at(23)})
	r, err := p.Run(t.Context(), k.cfg, k.dst, mirror.Options{Now: at(7)})
	k.must(err)
	k.want(r, "deferred "+app.String(), "deferred "+tool.String())
	if k.up.asked["blob"] != 0 {
		t.Error("blobs moved over a closed link")
	}
}

// A mirror over several links does what the open ones let it, and deletes nothing.
func TestOneOfTwoLinks(t *testing.T) {
	t.Parallel()
	k := newKit(t, `registries:
  - {host: registry.example, windows: {times: 22:00-06:00, zone: UTC}}
  - {host: other.example, windows: {times: 12:00-13:00, zone: UTC}}
mirrors:
  - {name: team, source: [registry.example/team/*, other.example/a], tags: {regex: .*}, delete: gone}
`)
	r := k.run(mirror.Options{Now: func() time.Time { return time.Date(2026, 11, 27, 23, 0, 0, 0, time.UTC) }})
	k.want(r, "copied "+app.String(), "copied "+tool.String())
	if d := r.Mirrors[0].Deferred; d == nil || d.Hour() != 12 || !errors.Is(r.Err(), mirror.ErrPartial) {
		t.Errorf("%+v, %v", r.Mirrors, r.Err())
	}
}

// counting is a store that counts the batches that are open, and takes no manifest.
type counting struct {
	*store.Store
	open atomic.Int32
}

type countedBatch struct {
	registry.Batch
	of *counting
}

func (c *counting) Batch(ctx context.Context) (registry.Batch, error) {
	b, err := c.Store.Batch(ctx)
	c.open.Add(1)
	return &countedBatch{b, c}, err
}

func (b *countedBatch) PutManifest(context.Context, registry.Ref, registry.Descriptor, []byte) error {
	return registry.ErrNoSpace
}

func (b *countedBatch) Close() error {
	b.of.open.Add(-1)
	return b.Batch.Close()
}

// An image that fails holds nothing at the destination.
func TestLetsGo(t *testing.T) {
	t.Parallel()
	k := newKit(t, all)
	dst := &counting{Store: k.dst}
	p, err := mirror.MakePlan(t.Context(), k.cfg, k.up, dst, mirror.Options{})
	k.must(err)
	r, err := p.Run(t.Context(), k.cfg, dst, mirror.Options{})
	k.must(err)
	k.want(r, "failed "+app.String(), "failed "+tool.String())
	if n := dst.open.Load(); n != 0 {
		t.Errorf("%d batches are open", n)
	}
}

func TestOfflineAndOnDemand(t *testing.T) {
	t.Parallel()
	k := newKit(t, all+"    offline: true\n  - {name: hub, source: docker.io/library/*, onDemand: true}\n")
	r := k.run(mirror.Options{})
	if len(k.up.asked)+len(r.Images) != 0 || !r.Mirrors[1].OnDemand {
		t.Errorf("%v %+v", k.up.asked, r)
	}
	if _, err := mirror.MakePlan(t.Context(), k.cfg, k.up, k.dst, mirror.Options{Mirrors: []string{"nobody"}}); !errors.Is(err, registry.ErrInvalid) {
		t.Error(err)
	}
}

// A run that is broken off goes on: what came is not read again.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	k := newKit(t, all)
	ctx, cancel := context.WithCancel(t.Context())
	opts := mirror.Options{Jobs: 1, Progress: func(e registry.Event) {
		if e.Kind == registry.Finished {
			cancel()
		}
	}}
	p := k.plan(opts)
	r, err := p.Run(ctx, k.cfg, k.dst, opts)
	if !errors.Is(err, context.Canceled) || r.Count(mirror.Unbegun) == 0 {
		t.Fatal(err, r)
	}
	k.run(mirror.Options{})
	if k.equal(app, app); k.up.blobs != p.Bytes {
		t.Errorf("%d bytes were read of %d", k.up.blobs, p.Bytes)
	}
}

// A place that can do nothing but be written to gets each blob from where it is
// there already, when it cannot mount.
func TestPlainDestination(t *testing.T) {
	t.Parallel()
	k := newKit(t, all)
	dst := &memory.Registry{}
	p, err := mirror.MakePlan(t.Context(), k.cfg, k.up, dst, mirror.Options{})
	k.must(err)
	r, err := p.Run(t.Context(), k.cfg, struct {
		registry.Writer
		registry.Reader
	}{dst, dst}, mirror.Options{})
	k.must(errors.Join(err, r.Err()))
	if k.up.blobs != p.Bytes {
		t.Errorf("%d bytes were read of %d", k.up.blobs, p.Bytes)
	}
	g, err := registry.Walk(t.Context(), dst, []registry.Ref{app, tool}, registry.WalkOptions{})
	if k.must(err); len(g.Blobs) != len(k.up.Graph.Blobs) || len(g.Manifests) != len(k.up.Graph.Manifests) {
		t.Errorf("%d blobs, %d manifests", len(g.Blobs), len(g.Manifests))
	}
}

// The graph of a plan is what a bundle is made of: the closure of all that can be
// had.
func TestGraph(t *testing.T) {
	t.Parallel()
	k := newKit(t, all)
	p, err := mirror.MakePlan(t.Context(), k.cfg, k.up, nil, mirror.Options{})
	k.must(err)
	g := p.Graph()
	if len(g.Blobs) != len(k.up.Graph.Blobs) || len(g.Manifests) != len(k.up.Graph.Manifests) || len(g.Names) != len(k.up.Graph.Names) {
		t.Errorf("%d blobs, %d manifests, %d names", len(g.Blobs), len(g.Manifests), len(g.Names))
	}
	less := p.Without([]string{tool.String()}).Graph()
	if slices.ContainsFunc(less.Names, func(n registry.Name) bool { return n.Ref.Repository == registrytest.Tool }) || len(less.Names) != len(g.Names)-1 {
		t.Errorf("%v", less.Names)
	}
}

func FuzzLock(f *testing.F) {
	d := digest.FromString("x").String()
	f.Add([]byte("version: 1\nmirrors: {m: {'h.io/a:v1': '" + d + "'}}\nbeside: {'h.io/a:v1': ['" + d + "']}"))
	f.Add([]byte("version: 1\nmirrors: {}\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		l, err := mirror.ParseLock("lock.yaml", content)
		if err != nil {
			return
		}
		again, err := mirror.ParseLock("lock.yaml", l.Marshal())
		if err != nil || string(again.Marshal()) != string(l.Marshal()) {
			t.Errorf("%v: %s", err, l.Marshal())
		}
	})
}
