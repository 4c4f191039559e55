package ondemand

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/engine"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/sync/config"
)

const team = "team/app" // app at its origin

// The first pull gets the bytes of a layer while the rest is still on its way; the
// next one is answered by the store, also when the upstream is gone.
func TestFirstPullStreams(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	layer := o.layer(team, 4<<20)
	one, other := o.image(team, "", layer), o.image(team, "", o.layer(team, 1000))
	root := o.index(team, "v1", one, other)
	s := oneSite(t, o, Options{})

	if got := s.want(200, "HEAD", app, "manifests/v1").digest(); got != root.Digest {
		t.Fatalf("v1 is %s, want %s", got, root.Digest)
	}
	s.want(200, "GET", app, "manifests/"+root.Digest.String())
	h := o.held("GET blobs/"+layer.Digest.String(), 3<<20)
	s.want(200, "GET", app, "manifests/"+one.Digest.String())
	resp := s.open("GET", app, "blobs/"+layer.Digest.String())
	defer resp.Body.Close()
	got := make([]byte, 1900<<10) // the store takes pieces of 1 MiB
	if _, err := io.ReadFull(resp.Body, got); err != nil {
		t.Fatal(err) // it hangs unless the bytes come before the rest is let through
	}
	if s.stored(app, "v1") != "" {
		t.Error("the tag is visible before its image is whole")
	}
	if a := s.want(200, "HEAD", app, "blobs/"+layer.Digest.String()); a.ContentLength != layer.Size {
		t.Errorf("HEAD says %d bytes", a.ContentLength)
	}
	a := s.want(206, "GET", app, "blobs/"+layer.Digest.String(), "Range", "bytes=100-199")
	if string(a.body) != string(got[100:200]) || a.Header.Get("Content-Range") != "bytes 100-199/4194304" {
		t.Errorf("a range: %s, %d bytes", a.Header.Get("Content-Range"), len(a.body))
	}
	s.want(416, "GET", app, "blobs/"+layer.Digest.String(), "Range", "bytes=4194304-")
	close(h.release)
	rest, err := io.ReadAll(resp.Body)
	if err != nil || digest.FromBytes(append(got, rest...)) != layer.Digest {
		t.Fatalf("other bytes: %v", err)
	}
	s.settled()
	if s.stored(app, "v1") != root.Digest || !s.has(app, one) || s.has(app, other) {
		t.Errorf("stored: tag %s, image %t, other image %t", s.stored(app, "v1"), s.has(app, one), s.has(app, other))
	}

	o.server.CloseClientConnections()
	o.server.Close()
	s.later(time.Hour)
	s.pull(app, "v1", 0)
	a = s.want(503, "GET", app, "manifests/"+other.Digest.String())
	if !strings.Contains(string(a.body), host) {
		t.Errorf("who does not answer? %s", a.body)
	}
	if n := o.times("GET blobs/" + layer.Digest.String()); n != 1 {
		t.Errorf("the layer was fetched %d times", n)
	}
}

// An image that many pull at once comes once.
func TestOneForAll(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	layers := []registry.Descriptor{o.layer(team, 1<<20), o.layer(team, 1<<20), o.layer(team, 100)}
	o.index(team, "v1", o.image(team, "", layers...))
	s := oneSite(t, o, Options{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { s.pull(app, "v1", 0) })
	}
	all.Wait()
	s.settled()
	for _, l := range layers {
		if n := o.times("GET blobs/" + l.Digest.String()); n != 1 {
			t.Errorf("a layer was fetched %d times", n)
		}
	}
	if ok, err := o.store.Mount(t.Context(), "team/copy", team, layers[0]); !ok || err != nil {
		t.Fatal(ok, err)
	}
	o.image("team/copy", "v1", layers[0])
	s.pull(host+"/team/copy", "v1", 0)
	s.settled()
	if n := o.times("GET blobs/" + layers[0].Digest.String()); n != 1 {
		t.Errorf("a layer that the site has was fetched for another repository")
	}
	if s.stored(host+"/team/copy", "v1") == "" {
		t.Error("it has not landed")
	}
}

// A tag that moves is found out after the time to refresh, and moves at the site
// when what was asked for is whole; children that did not change count, too.
func TestTagMoves(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	same := o.image(team, "", o.layer(team, 1000))
	first := o.index(team, "v1", same, o.image(team, "", o.layer(team, 1000)))
	s := oneSite(t, o, Options{})
	if got := s.pull(app, "v1", 0); got != first.Digest {
		t.Fatalf("v1 is %s", got)
	}
	s.settled()
	changed := o.image(team, "", o.layer(team, 1000))
	second := o.index(team, "v1", same, changed)
	if got := s.pull(app, "v1", 0); got != first.Digest {
		t.Errorf("v1 was asked for again at once")
	}
	s.settled()
	s.later(2 * time.Minute)
	if got := s.want(200, "HEAD", app, "manifests/v1").digest(); got != second.Digest {
		t.Fatalf("v1 is %s, want %s", got, second.Digest)
	}
	if s.settled(); s.stored(app, "v1") != first.Digest {
		t.Error("the tag has moved although nobody has pulled")
	}
	if got := s.pull(app, "v1", 0); got != second.Digest {
		t.Errorf("v1 is %s, want %s", got, second.Digest)
	}
	if s.settled(); s.stored(app, "v1") != second.Digest || s.has(app, changed) {
		t.Errorf("stored: %s, the other image %t", s.stored(app, "v1"), s.has(app, changed))
	}
	s.pull(app, "v1", 1)
	if s.settled(); !s.has(app, changed) {
		t.Error("the other image has not landed")
	}
}

// What the upstream has now is no reason to fail a read of what is here.
func TestKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	first := o.image(team, "v1", o.layer(team, 1000))
	s := oneSite(t, o, Options{})
	s.pull(app, "v1", 0)
	s.settled()
	for _, status := range []int{404, 403, 500, 400} {
		second := o.image(team, "v1", o.layer(team, 1000))
		o.answers("GET manifests/"+second.Digest.String(), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		s.later(2 * time.Minute)
		if got := s.pull(app, "v1", 0); got != first.Digest {
			t.Errorf("%d: v1 is %s", status, got)
		}
	}
	asked := o.times("HEAD manifests/v1")
	s.pull(app, "v1", 0)
	if o.times("HEAD manifests/v1") != asked {
		t.Error("it was asked again at once")
	}
	if err := o.store.Delete(t.Context(), registry.Ref{Repository: team, Tag: "v1"}); err != nil {
		t.Fatal(err)
	}
	s.later(2 * time.Minute)
	if got := s.pull(app, "v1", 0); got != first.Digest {
		t.Errorf("v1 is %s after it went upstream", got)
	}
	s.want(404, "GET", app, "manifests/v2")
	s.settled()
}

// An upstream that stalls holds nobody up who can be answered, and is left alone for
// a while.
func TestUpstreamStalls(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.image(team, "v1", o.layer(team, 1000))
	s := oneSite(t, o, Options{Patience: time.Millisecond})
	o.image(team, "v2", o.layer(team, 1000))
	s.pull(app, "v1", 0)
	s.settled()
	s.later(2 * time.Minute)
	stalled := make(chan struct{})
	o.answers("HEAD manifests/v1", func(_ http.ResponseWriter, r *http.Request) { close(stalled); <-r.Context().Done() })
	s.pull(app, "v1", 0)
	<-stalled
	for range 3 {
		s.pull(app, "v1", 0)
		s.want(503, "GET", app, "manifests/v2") // not here, and not asked for
	}
	if v1, v2 := o.times("HEAD manifests/v1"), o.times("HEAD manifests/v2"); v1 != 2 || v2 != 0 {
		t.Errorf("it was asked %d times, and %d times for another tag", v1, v2)
	}
	s.up.Close()
	s.pull(app, "v1", 0)
	s.want(503, "GET", app, "manifests/v2")
}

// Nobody is dialled for what is none of the mirrors' business, and nobody at all when
// they are offline or the link is closed.
func TestDialsNobody(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.image(team, "v1", o.layer(team, 1000))
	t.Cleanup(func() {
		if n := o.conns.Load(); n > 0 {
			t.Errorf("%d connections", n)
		}
	})
	for name, c := range map[string]struct {
		head, mirrors, repository, reference string
		status                               int
	}{
		"another repository": {mirrors: "source: " + host + "/team/other, onDemand: true", status: 404},
		"another host":       {repository: "other.example/team/app", status: 404},
		"no host":            {repository: "x/team/app", status: 404},
		"another tag":        {mirrors: "source: " + app + ", tags: {regex: 'v2.*'}, onDemand: true", status: 404},
		"not on demand":      {mirrors: "source: " + app, status: 404},
		"all is offline":     {head: "offline: true\n", status: 404},
		"it is offline":      {mirrors: "source: " + app + ", onDemand: true, offline: true", status: 404},
		"a digest offline":   {head: "offline: true\n", reference: digest.FromString("x").String(), status: 404},
		"a window":           {head: "window", status: 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mirrors := ""
			if c.mirrors != "" {
				mirrors = "- {name: m, " + c.mirrors + "}\n"
			}
			yaml := mirrorYAML(map[string]string{host: o.server.URL}, mirrors)
			if c.head == "window" {
				yaml = strings.Replace(yaml, `"]}`, `"], windows: {times: ["Mon 00:00-00:01"], zone: UTC}}`, 1)
				c.head = ""
			}
			s := newSite(t, t.TempDir(), c.head+yaml, Options{})
			s.clock = time.Date(2026, 1, 7, 12, 0, 0, 0, time.UTC)
			repository, reference := app, "v1"
			if c.repository != "" {
				repository = c.repository
			}
			if c.reference != "" {
				reference = c.reference
			}
			for _, method := range []string{"HEAD", "GET"} {
				s.want(c.status, method, repository, "manifests/"+reference)
				s.want(404, method, repository, "blobs/"+digest.FromString("x").String())
			}
			s.want(200, "GET", repository, "referrers/"+digest.FromString("x").String())
			s.want(404, "GET", repository, "tags/list")
		})
	}
}

// What is here is served offline; a file that is loaded again counts at once.
func TestGoesOffline(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.image(team, "v1", o.layer(team, 1000))
	s := oneSite(t, o, Options{})
	s.pull(app, "v1", 0)
	s.settled()
	o.server.CloseClientConnections()
	before := o.conns.Load()
	cfg, err := config.Parse("m.yaml", []byte("offline: true\n"+mirrorYAML(map[string]string{host: o.server.URL}, "")))
	if err != nil {
		t.Fatal(err)
	}
	s.up.SetConfig(cfg, s.remote)
	s.later(time.Hour)
	s.pull(app, "v1", 0)
	s.settled()
	if n := o.conns.Load(); n != before {
		t.Errorf("%d connections", n-before)
	}
}

// A client that leaves ends nothing.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	layer := o.layer(team, 4<<20)
	root := o.image(team, "v1", layer)
	s := oneSite(t, o, Options{})
	h := o.held("GET blobs/"+layer.Digest.String(), 3<<20)
	s.want(200, "GET", app, "manifests/v1")
	resp := s.open("GET", app, "blobs/"+layer.Digest.String())
	_, err := io.CopyN(io.Discard, resp.Body, 1<<20)
	resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	close(h.release)
	if s.settled(); s.stored(app, "v1") != root.Digest || o.times("GET blobs/"+layer.Digest.String()) != 1 {
		t.Error("it has not landed")
	}
}

// A tag that the site keeps where it is stays there.
func TestImmutableTag(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	first := o.image(team, "v1", o.layer(team, 1000))
	s := oneSite(t, o, Options{})
	if err := s.store.SetPolicy(t.Context(), []byte("version: 1\nrules:\n- repositories: ['"+host+"/**']\n  immutable: ['v.*']\n")); err != nil {
		t.Fatal(err)
	}
	s.pull(app, "v1", 0)
	s.settled()
	o.image(team, "v1", o.layer(team, 1000))
	s.later(defaultRefresh)
	if got := s.pull(app, "v1", 0); got != first.Digest || s.stored(app, "v1") != first.Digest {
		t.Errorf("v1 is %s", got)
	}
}

// medium is an attached bundle with what an origin has.
type medium struct {
	*store.Store
	graph *registry.Graph
}

func (m medium) Graph() *registry.Graph { return m.graph }

func (m medium) Manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	ref.Repository = team
	return m.Store.Manifest(ctx, ref)
}

func (m medium) OpenBlob(d digest.Digest) (*os.File, int64, error) {
	f, _, err := m.Store.OpenBlob(context.Background(), team, d)
	return f, 0, err
}

// Tags of an attached bundle count before what the upstream says, and what it has is
// not fetched.
func TestAttachedBundle(t *testing.T) {
	t.Parallel()
	o, bundled := newOrigin(t), newOrigin(t)
	bundled.layer(team, 5) // so that the contents differ
	root := bundled.image(team, "v1", bundled.layer(team, 1000))
	graph, err := registry.Walk(t.Context(), bundled.store, []registry.Ref{{Repository: team, Tag: "v1"}}, registry.WalkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]registry.Node{graph.Manifests, graph.Blobs} {
		for i := range list {
			list[i].Repositories = []string{app}
		}
	}
	graph.Names[0].Ref.Repository = app
	o.image(team, "v1", o.layer(team, 1000))
	s := oneSite(t, o, Options{})
	detach := s.up.view.Attach(medium{bundled.store, graph}, func(error) {})
	s.server.Config.Handler = engine.New(s.store, engine.Options{Upstream: s.up, View: s.up.view})
	if got := s.pull(app, "v1", 0); got != root.Digest || o.conns.Load() > 0 {
		t.Errorf("v1 is %s; %d connections", got, o.conns.Load())
	}
	detach()
	if got := s.pull(app, "v1", 0); got == root.Digest {
		t.Error("v1 is what was attached")
	}
	s.settled()
}

// The same path is another repository at another host.
func TestTwoUpstreams(t *testing.T) {
	t.Parallel()
	a, b := newOrigin(t), newOrigin(t)
	b.layer(team, 5) // so that the contents differ
	first, second := a.image(team, "v1", a.layer(team, 1000)), b.image(team, "v1", b.layer(team, 1000))
	yaml := mirrorYAML(map[string]string{"a.example": a.server.URL, "b.example:5000": b.server.URL},
		"- {name: a, source: a.example/**, onDemand: true}\n- {name: b, source: 'b.example:5000/team/*', onDemand: true}\n")
	s := newSite(t, t.TempDir(), yaml, Options{})
	for range 2 {
		if got := s.pull("a.example/team/app", "v1", 0); got != first.Digest {
			t.Errorf("a: %s", got)
		}
		if got := s.pull("b.example:5000/team/app", "v1", 0); got != second.Digest {
			t.Errorf("b: %s", got)
		}
		s.settled()
		a.server.CloseClientConnections()
		b.server.CloseClientConnections()
	}
	if s.stored("a.example/team/app", "v1") != first.Digest || s.stored("b.example:5000/team/app", "v1") != second.Digest {
		t.Error("they have not landed")
	}
}

// What is pulled by its digest alone has no tag, and stays all the same.
func TestDigestIsAName(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	root := o.index(team, "v1", o.image(team, "", o.layer(team, 1000)))
	s := oneSite(t, o, Options{})
	s.pull(app, root.Digest.String(), 0)
	s.settled()
	why, err := s.store.Why(t.Context(), root.Digest)
	if err != nil || !namedIn(why) || s.stored(app, "v1") != "" {
		t.Errorf("%+v, %v", why, err)
	}
	s.pull(app, "v1", 0)
	if s.settled(); s.stored(app, "v1") != root.Digest {
		t.Error("the tag is not there")
	}
}

func namedIn(e *store.Explanation) bool {
	for _, r := range e.Roots {
		if r.Kind == "name" {
			return true
		}
	}
	return false
}
