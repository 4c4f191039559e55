package mirror

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/test/faultproxy"
)

// deadHost is an address at which nobody answers: port 1 is for nobody.
const deadHost = "127.0.0.1:1"

// Nobody answers: the run says so, and makes no bundle.
func TestDeadUpstream(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"store", "distribution", "bundle"} {
		for choice, tags := range map[string]string{"listed": "tags: {regex: ['v.*']}", "named": "tags: {names: [v1]}"} {
			t.Run(choice+" to "+to, func(t *testing.T) {
				t.Parallel()
				d := newDestination(t, to)
				r := d.sync(t, mirrorFile(t, [][]string{settings(deadHost, "plainHTTP: true")},
					[]string{"name: all", "source: " + deadHost + "/team/app", tags}))
				if r.code != exitUnreachable || !strings.Contains(r.stderr, "connection refused") || !strings.Contains(r.stderr, deadHost) {
					t.Error(r)
				}
				if d.bundle != "" && len(folder(t, d.bundle)) > 0 {
					t.Errorf("it left %q", folder(t, d.bundle))
				}
			})
		}
	}
}

// One of two hosts is dead: what is on the other arrives.
func TestDeadHost(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"store", "distribution", "bundle"} {
		for choice, tags := range map[string]string{"listed": "tags: {regex: ['v.*']}", "named": "tags: {names: [v1]}"} {
			t.Run(choice+" to "+to, func(t *testing.T) {
				t.Parallel()
				u := newUpstream(t, "ggcr", newContent(fresh()))
				d := newDestination(t, to)
				r := d.sync(t, mirrorFile(t, [][]string{u.plain(), settings(deadHost, "plainHTTP: true")},
					u.choice("alive", u.content.repositories()),
					[]string{"name: dead", "source: " + deadHost + "/team/app", tags}))
				p := r.report(t)
				told := strings.Join(p.in("failed"), " ")
				for _, m := range p.Mirrors {
					if m.Problem != "" {
						told += m.Name + ": " + m.Problem
					}
				}
				if r.code != exitPartial || p.count("copied") != len(u.content.names()) || !strings.Contains(told, deadHost+"/team/app") {
					t.Error(r)
				}
				level(t, d.read(t), u.content, u.landed)
			})
		}
	}
}

// A host with several endpoints is level as long as each piece is at one of them.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"landfall", "distribution"} { // with a referrers API, and without
		for _, to := range []string{"store", "distribution", "bundle"} {
			for _, c := range firstEndpoints {
				t.Run(c.name+", "+from+" to "+to, func(t *testing.T) {
					t.Parallel()
					c.run(t, from, to)
				})
			}
		}
	}
}

// firstEndpoint is one that is worse than the second.
type firstEndpoint struct {
	name   string
	hit    func(v victim)
	ranges int // that the second is asked for, -1 for some
}

var firstEndpoints = []firstEndpoint{
	{name: "the first is dead", hit: func(v victim) { v.Close() }},
	{name: "the first refuses", hit: func(v victim) { v.Add(faultproxy.Rule{Action: faultproxy.Answer(403)}) }},
	{name: "the first is out of order", hit: func(v victim) { v.Add(faultproxy.Rule{Action: faultproxy.Answer(503)}) }},
	{name: "the first has nothing", hit: func(v victim) {
		v.Add(faultproxy.Rule{Path: "/(manifests|blobs|tags|referrers)/", Action: faultproxy.Answer(404)})
	}},
	{name: "the first lacks a blob", hit: func(v victim) { v.Add(faultproxy.Rule{Path: blob(v.blob), Action: faultproxy.Answer(404)}) }},
	{name: "the first lacks an image", hit: func(v victim) { v.Add(faultproxy.Rule{Path: manifest(v.image), Action: faultproxy.Answer(404)}) }},
	{name: "the first cuts blobs", hit: func(v victim) { v.Add(faultproxy.Rule{Path: "/blobs/", Action: faultproxy.Cut(5000)}) }, ranges: -1},
	{name: "the first cuts one, in the middle", hit: func(v victim) { v.Add(onBlob(0, faultproxy.Cut(third))(v)) }, ranges: 1},
}

func (c firstEndpoint) run(t *testing.T, from, to string) {
	const host = "registry.example.test"
	v := newVictim(t, from)
	second := newWay(t, v.place, v.content)
	c.hit(v)
	d := newDestination(t, to)
	var sources []string
	for _, r := range v.content.repositories() {
		sources = append(sources, host+"/"+r)
	}
	r := d.sync(t, mirrorFile(t, [][]string{settings(host, fmt.Sprintf("endpoints: [%s, %s]", v.URL(), second.URL()))},
		[]string{"name: all", fmt.Sprintf("source: [%s]", strings.Join(sources, ", "))}))
	if r.code != exitDone {
		t.Fatal(r)
	}
	if sum, want := v.Counts().BlobBytes+second.Counts().BlobBytes, v.content.blobBytes(); sum != want {
		t.Errorf("%d bytes of blobs were sent, want %d", sum, want)
	}
	if got := second.ranges("/blobs/"); c.ranges >= 0 && len(got) != c.ranges || c.ranges < 0 && len(got) == 0 {
		t.Errorf("the second endpoint was asked for the ranges %q", got)
	}
	level(t, d.read(t), v.content, func(repository string) string { return host + "/" + repository })
}

// A tag that moves while the run is under way: what was planned arrives, and the
// report says what the tag stands for since.
func TestMoved(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"store", "distribution", "bundle"} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, "distribution")
			d := newDestination(t, to)
			held := v.hold(t, http.MethodGet+" .*"+blob(v.blob))
			next := newImage(v.repository, "v1", "amd64", noise(1000))
			moved := make(chan error, 1)
			go func() {
				<-held.reached
				moved <- v.push(next)
				close(held.released)
			}()
			r := d.sync(t, v.file(t, "recheck: true"))
			if r.code != exitDone {
				t.Fatal(r)
			}
			if err := <-moved; err != nil {
				t.Fatal(err)
			}
			for _, i := range r.report(t).Images {
				want := ""
				if i.Source == v.source(v.name()) {
					want = next.digest()
				}
				if i.State != "copied" || i.Moved != want {
					t.Errorf("%+v; want moved %q", i, want)
				}
			}
			if to == "store" {
				d.mustSync(t, v.file(t))
				v.content[1] = next
			}
			level(t, d.read(t), v.content, v.landed)
		})
	}
}

// The tag moves, and what it stood for is gone before it came: the image fails, and
// the report says that the tag has moved.
func TestMovedAway(t *testing.T) {
	t.Parallel()
	v := newVictim(t, "distribution")
	d := newDestination(t, "store")
	held := v.hold(t, http.MethodGet+" .*"+blob(v.blob))
	next := newImage(v.repository, "v1", "amd64", noise(1000))
	moved := make(chan error, 1)
	go func() {
		<-held.reached
		v.Add(onBlob(0, faultproxy.Answer(404))(v))
		v.Add(faultproxy.Rule{Method: http.MethodGet, Path: "/manifests/" + v.digest(), Action: faultproxy.Answer(404)})
		moved <- v.push(next)
		close(held.released)
	}()
	v.Add(onBlob(1, faultproxy.Cut(third))(v))
	r := d.sync(t, v.file(t))
	if err := <-moved; err != nil {
		t.Fatal(err)
	}
	for _, i := range r.report(t).Images {
		if bad := i.Source == v.source(v.name()); bad != (i.State == "failed") || bad != (i.Moved == next.digest()) || bad && !strings.Contains(i.Error, "moved to "+next.digest()[7:19]) {
			t.Errorf("%+v", i)
		}
	}
	if r.code != exitPartial {
		t.Error(r)
	}
	d.mustSync(t, v.file(t))
	v.content[1] = next
	level(t, d.read(t), v.content, v.landed)
}
