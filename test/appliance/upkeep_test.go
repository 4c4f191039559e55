package appliance

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// land imports a bundle into a site, as a command on its machine does.
func (s *site) land(c content) {
	s.t.Helper()
	run(s.t, landfall("bundle", "import", c.bundle, "--data", s.data)...)
	if got := s.local.names(); !slices.Equal(got, c.names) {
		s.t.Fatalf("names %v, want %v", got, c.names)
	}
}

// A scrub that is killed goes on where it was, as the same job, and reads
// everything once.
func TestKilledScrub(t *testing.T) {
	t.Parallel()
	c := newContent(t, 2, 2, 240, 8<<10)
	s := newSite(t)
	s.land(c)
	id := s.local.startJob("content/scrub", object{"rate": 2 << 20}).ID
	const blobs = 2*240 + 2 // with the configs
	const page = 64         // blobs that are read between two notes of where it is
	var read int64
	for k := range 3 {
		at := s.local.follow("job").job("reads", func(j job) bool {
			return j.ID == id && (j.State == "running" && j.Attempt == k+1 && j.Progress.Items >= read+page || j.ended())
		})
		t.Logf("kill %d: %s", k+1, at)
		read = at.Progress.Items
		s.restart()
	}
	j := s.local.done(id)
	did := decode[struct {
		Resumed bool
		Blobs   int64
		Damaged []any
	}](t, string(j.Result))
	t.Logf("%s %s", j, j.Result)
	if !did.Resumed || did.Blobs != blobs || len(did.Damaged) > 0 || j.Attempt != 4 {
		t.Errorf("it read %d blobs of %d: %s", did.Blobs, blobs, j.Result)
	}
	s.expectOnce(id)
}

// A bundle that is made, killed again and again, is byte by byte the one that is
// made without.
func TestKilledExport(t *testing.T) {
	t.Parallel()
	c := newContent(t, 3, 2, 12, 1<<20)
	s := prepareSite(t)
	exports := filepath.Join(s.data, "exports")
	if err := os.MkdirAll(exports, 0o700); err != nil {
		t.Fatal(err)
	}
	g := newGate(t, exports)
	g.writes = true
	s.start()
	s.land(c)
	var names []string
	for _, n := range c.names {
		name, _, _ := strings.Cut(n, " ")
		names = append(names, name)
	}
	held := g.hold(c.bytes / 4)
	made, other := s.startTwins("bundles/exports", object{"names": names, "sign": true})
	const kills = 4
	for k := range kills {
		await(t, "the export is held up", held)
		t.Logf("kill %d after %.1f MiB: %s", k+1, float64(g.count())/(1<<20), get[job](s.local, "jobs/"+made))
		s.kill()
		if held = g.hold(c.bytes / 4); k == kills-1 {
			g.open()
		}
		s.start()
	}
	j, whole := s.local.done(made), s.local.done(other)
	t.Logf("%s; of %d bytes, about %d were written, and the other", j, c.bytes, g.count()-c.bytes)
	if again := g.count() - 2*c.bytes; again > kills*4<<20 {
		t.Errorf("%d bytes were written again", again)
	}
	if j.Attempt != kills+1 || whole.Attempt != 1 {
		t.Errorf("attempts %d and %d", j.Attempt, whole.Attempt)
	}
	type bundle struct{ ID, File string }
	a, b := decode[bundle](t, string(j.Result)), decode[bundle](t, string(whole.Result))
	if a.ID != b.ID {
		t.Errorf("bundle %s, want %s", a.ID, b.ID)
	}
	path := filepath.Join(t.TempDir(), "made.bundle")
	if err := os.WriteFile(path, []byte(s.local.want(200, "GET", "/api/v1/bundles/exports/"+made+"/content", nil).body), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, landfall("bundle", "verify", path)...)
	if got, want := sumOf(t, path), sumOf(t, filepath.Join(g.backing, b.File)); got != want {
		t.Errorf("the files are not the same: %s and %s", got, want)
	}
	held = g.hold(c.bytes / 4)
	unwanted := s.local.startJob("bundles/exports", object{"names": names}).ID
	await(t, "the export is held up", held)
	s.local.want(200, "POST", "/api/v1/jobs/"+unwanted+"/cancel", nil)
	g.open()
	s.local.await(unwanted, "is cancelled", func(j job) bool { return j.State == "cancelled" })
	if left := must(os.ReadDir(g.backing))(t); len(left) != 2 {
		t.Errorf("beside the bundles: %v", left)
	}
	s.expectOnce(made)
}

// startTwins starts two jobs that are the same, down to the second in which they
// were started.
func (s *site) startTwins(path string, args object) (first, second string) {
	s.t.Helper()
	for range 20 {
		a, b := s.local.startJob(path, args), s.local.startJob(path, args)
		if a.Created.Unix() == b.Created.Unix() {
			return a.ID, b.ID
		}
		for _, id := range []string{a.ID, b.ID} {
			s.local.want(200, "POST", "/api/v1/jobs/"+id+"/cancel", nil)
			s.local.await(id, "cancelled", job.ended)
			s.local.do("DELETE", "/api/v1/bundles/exports/"+id, nil) // what there is of it, if any
		}
	}
	s.t.Fatal("each time the second has changed in between")
	return "", ""
}

func sumOf(t *testing.T, path string) string {
	t.Helper()
	f := must(os.Open(path))(t)
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// A collection that is killed as soon as it was asked for is done after the next
// start; what is pinned by a name stays.
func TestKilledCollect(t *testing.T) {
	t.Parallel()
	c := newContent(t, 4, 4, 30, 4<<10)
	s := newSite(t, "--lease", "0")
	s.land(c)
	for _, n := range c.names[1:] {
		name, _, _ := strings.Cut(n, " ")
		run(t, landfall("content", "rm", name, "--data", s.data)...)
	}
	id := s.local.startJob("content/collect", object{"now": true}).ID
	s.restart()
	j := s.local.done(id)
	t.Logf("%s %s", j, j.Result)
	if got := s.local.names(); !slices.Equal(got, c.names[:1]) {
		t.Errorf("names %v, want %v", got, c.names[:1])
	}
	fresh := s.local.startJob("content/scrub", object{"fresh": true})
	if did := decode[struct{ Damaged []any }](t, string(s.local.done(fresh.ID).Result)); len(did.Damaged) > 0 {
		t.Errorf("damaged: %v", did.Damaged)
	}
	s.expectOnce(id)
}

// A run of a mirror that is killed goes on as the same job, and fetches no layer
// again that it has.
func TestKilledSync(t *testing.T) {
	t.Parallel()
	const layers = 40
	ref, digest := upstreamPush(t, "team5/level", noiseImage(t, 5_0000, layers, 256<<10))
	way := newWay(t)
	file := filepath.Join(t.TempDir(), "mirror.yaml")
	text := fmt.Sprintf("version: 1\nregistries:\n- host: %[1]s\n  plainHTTP: true\nmirrors:\n- name: level\n  source: %[1]s/team5/level\n", way.host)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, "--mirror", file)
	held := way.hold(10)
	id := decode[struct{ ID string }](t, s.local.want(202, "POST", "/api/v1/mirrors/run", object{}).body).ID
	const kills = 4
	for k := range kills {
		await(t, "the run is held up", held)
		t.Logf("kill %d: %s", k+1, s.local.await(id, "runs", func(j job) bool { return j.State == "running" && j.Attempt == k+1 }))
		if names := s.local.names(); len(names) > 0 {
			t.Errorf("names before all is there: %v", names)
		}
		s.kill()
		if held = way.hold(8); k == kills-1 {
			way.hold(1000)
		}
		s.start()
	}
	j := s.local.done(id)
	t.Logf("%s: %d blobs were asked for\n%s", j, way.count(), s.local.lines(id))
	if got, want := s.local.names(), strings.Replace(ref, upstreamName, way.host, 1)+" "+digest; len(got) != 1 || got[0] != want {
		t.Errorf("names %v, want %s", got, want)
	}
	if n := way.count(); n > layers+1+kills*8 {
		t.Errorf("%d blobs were asked for", n)
	}
	s.expectOnce(id)
}

// way is a way to the upstream that holds up blobs.
type way struct {
	gate
	host string
}

func newWay(t *testing.T) *way {
	t.Helper()
	needUpstream(t)
	w := &way{gate: gate{change: make(chan struct{})}}
	w.hold(1 << 40)
	proxy := httputil.NewSingleHostReverseProxy(must(url.Parse("http://" + upstreamName))(t))
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") && w.pass(r.Context(), 1) != 0 {
			return
		}
		r.Host = upstreamName
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(func() {
		w.shatter()
		server.Close()
	})
	w.host = strings.TrimPrefix(server.URL, "http://")
	return w
}
