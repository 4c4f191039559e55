package mirror

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/test/faultproxy"
)

// How a run ends that meets a fault.
const (
	ends   = "level"   // everything arrives
	spares = "partial" // all but the image that is hit arrives, and that is told
	either = "either"  // one of these
)

// fault is one thing that goes wrong on the way to the upstream.
type fault struct {
	name    string
	outcome string
	rules   []rule
	lines   []string // of the registry's entry
	words   string   // in the report
	ranges  int      // requests for a range of the blob, -1 for any number
	extra   int64    // bytes of blobs beyond those that are needed, in the first run
}

// rule makes a faultproxy.Rule for the image that is hit.
type rule func(v victim) faultproxy.Rule

// victim is an image with a blob of its own, among others that stay whole.
type victim struct {
	*upstream
	image
	blob []byte // in the middle of its layers
}

const victimSize = 1_200_000 // bytes; what came of so much is worth keeping

func onBlob(times int, a faultproxy.Action) rule {
	return func(v victim) faultproxy.Rule {
		return faultproxy.Rule{Method: http.MethodGet, Path: blob(v.blob), Times: times, Action: a}
	}
}

func onManifest(method string, times int, a faultproxy.Action) rule {
	return func(v victim) faultproxy.Rule {
		return faultproxy.Rule{Method: method, Path: manifest(v.image), Times: times, Action: a}
	}
}

func onTags(times int, a faultproxy.Action) rule {
	return func(v victim) faultproxy.Rule {
		return faultproxy.Rule{Path: "/" + v.repository + "/tags/list", Times: times, Action: a}
	}
}

func onAll(r faultproxy.Rule) rule { return func(victim) faultproxy.Rule { return r } }

// elsewhere sends those who want the blob to the registry itself, as registries
// with storage in the cloud do.
func elsewhere(v victim) faultproxy.Rule {
	to := "http://" + v.host + "/v2/" + v.repository + "/blobs/" + digestOf(v.blob)
	return faultproxy.Rule{Method: http.MethodGet, Path: blob(v.blob), Action: faultproxy.Answer(http.StatusTemporaryRedirect, "Location", to)}
}

const third = victimSize / 3

// faults are all that can happen on the way; each needs few attempts.
var faults = []fault{
	{name: "none", outcome: ends},
	{name: "blob: cut once", outcome: ends, rules: []rule{onBlob(1, faultproxy.Cut(third))}, ranges: 1},
	{name: "blob: cut after each third", outcome: ends, rules: []rule{onBlob(0, faultproxy.Cut(third))}, ranges: 2},
	{name: "blob: cut every time, at once", outcome: spares, rules: []rule{onBlob(0, faultproxy.Cut(0))}, words: "EOF"},
	{name: "blob: stalls once", outcome: ends, rules: []rule{onBlob(1, faultproxy.Stall(third))}, lines: []string{"timeout: 1s"}, ranges: 1},
	{name: "blob: slower than its timeout", outcome: ends, rules: []rule{onBlob(0, faultproxy.Rate(500_000))}, lines: []string{"timeout: 1s"}},
	{name: "blob: a bit is flipped once", outcome: either, rules: []rule{onBlob(1, faultproxy.Flip(third))}, words: "digest"},
	{name: "blob: a bit is flipped every time", outcome: spares, rules: []rule{onBlob(0, faultproxy.Flip(third))}, words: "digest"},
	{name: "blob: cut, then a bit is flipped", outcome: either, rules: []rule{onBlob(1, faultproxy.Cut(third)), onBlob(1, faultproxy.Flip(1))}, words: "digest", ranges: 1},
	{name: "blob: Content-Length too small", outcome: spares, rules: []rule{onBlob(0, faultproxy.ContentLength(victimSize-10))}, words: "states 1199990 bytes"},
	{name: "blob: Content-Length too large", outcome: spares, rules: []rule{onBlob(0, faultproxy.ContentLength(victimSize+10))}, words: "states 1200010 bytes"},
	{name: "blob: cut, then ranges are ignored", outcome: ends, rules: []rule{onBlob(1, faultproxy.Cut(third)), onBlob(0, faultproxy.IgnoreRange())}, ranges: 0, extra: third},
	{name: "blob: cut, then another range is sent", outcome: either, rules: []rule{onBlob(1, faultproxy.Cut(third)), onBlob(0, faultproxy.ContentRange("bytes 0-9/1200000"))}, words: "Content-Range", ranges: 1},
	{name: "blob: cut, then 416", outcome: either, rules: []rule{onBlob(1, faultproxy.Cut(third)), onBlob(1, faultproxy.Answer(416))}, words: "has nothing after byte 400000"},
	{name: "blob: 429 with Retry-After", outcome: ends, rules: []rule{onBlob(1, faultproxy.Answer(429, "Retry-After", "1"))}},
	{name: "blob: 500 twice", outcome: ends, rules: []rule{onBlob(2, faultproxy.Answer(500))}},
	{name: "blob: 503 in the middle", outcome: ends, rules: []rule{onBlob(1, faultproxy.Cut(third)), onBlob(1, faultproxy.Answer(503))}, ranges: 1},
	{name: "blob: 404", outcome: spares, rules: []rule{onBlob(0, faultproxy.Answer(404))}, words: "404"},
	{name: "blob: 403", outcome: spares, rules: []rule{onBlob(0, faultproxy.Answer(403))}, words: "403"},
	{name: "blob: elsewhere", outcome: ends, rules: []rule{elsewhere}, extra: -victimSize},
	{name: "HEAD is slow", outcome: ends, rules: []rule{onAll(faultproxy.SlowHead("", 300*time.Millisecond))}},
	{name: "HEAD is refused", outcome: ends, rules: []rule{onAll(faultproxy.RefuseHead(""))}},
	{name: "no referrers API", outcome: ends, rules: []rule{onAll(faultproxy.NoReferrers())}},
	{name: "manifest: 404", outcome: spares, rules: []rule{onManifest("", 0, faultproxy.Answer(404))}, words: "404"},
	{name: "manifest: 403", outcome: spares, rules: []rule{onManifest("", 0, faultproxy.Answer(403))}, words: "403"},
	{name: "manifest: 503 once", outcome: ends, rules: []rule{onManifest("GET", 1, faultproxy.Answer(503))}},
	{name: "manifest: 429 to HEAD", outcome: ends, rules: []rule{onManifest("HEAD", 1, faultproxy.Answer(429, "Retry-After", "1"))}},
	{name: "manifest: cut once", outcome: ends, rules: []rule{onManifest("GET", 1, faultproxy.Cut(100))}},
	{name: "manifest: cut every time", outcome: spares, rules: []rule{onManifest("GET", 0, faultproxy.Cut(100))}, words: "EOF"},
	{name: "manifest: ends early", outcome: spares, rules: []rule{onManifest("GET", 0, faultproxy.ContentLength(100))}, words: "digest"},
	{name: "manifest: a bit is flipped", outcome: spares, rules: []rule{onManifest("GET", 0, faultproxy.Flip(100))}, words: "digest"},
	{name: "tags: 500 twice", outcome: ends, rules: []rule{onTags(2, faultproxy.Answer(500))}},
	{name: "tags: cut once", outcome: ends, rules: []rule{onTags(1, faultproxy.Cut(5))}},
}

// Whatever happens on the way, everything arrives, or all but what was hit does, and
// the report names that and nothing else; the next run brings it.
func TestMatrix(t *testing.T) {
	t.Parallel()
	table := &table{}
	t.Run("faults", func(t *testing.T) {
		for _, f := range faults {
			for _, to := range []string{"store", "distribution", "bundle"} {
				t.Run(f.name+" to "+to, func(t *testing.T) {
					t.Parallel()
					f.run(t, to, table)
				})
			}
		}
	})
	t.Log("\n" + table.String())
}

func (f fault) run(t *testing.T, to string, table *table) {
	v := newVictim(t, "distribution")
	d := newDestination(t, to)
	for _, r := range f.rules {
		v.Add(r(v))
	}
	file := mirrorFile(t, [][]string{v.plain(f.lines...)}, v.choice("all", v.content.repositories()))
	r := d.sync(t, file)
	counts := v.Counts()
	table.add(f, to, r.code, counts, v.content.blobBytes())
	if f.outcome == ends || f.outcome == either && r.code == exitDone {
		f.arrives(t, v, d, r)
		return
	}
	f.isSpared(t, v, r)
	v.Clear()
	if to == "bundle" { // which has its name now
		p := d.read(t)
		level(t, p, v.whole(), v.landed)
		absent(t, p, v.image, v.landed(v.repository))
		d = newBundle(t)
	}
	d.mustSync(t, file)
	level(t, d.read(t), v.content, v.landed)
}

// newVictim is an upstream with an image that is hit.
func newVictim(t *testing.T, kind string) victim {
	prefix := fresh()
	base, own := noise(50_000), noise(victimSize)
	hit := newImage(prefix+"/bad", "v1", "amd64", base, own, noise(7_000))
	u := newUpstream(t, kind, content{
		newImage(prefix+"/good", "v1", "amd64", base, noise(20_000)),
		hit,
		newImage(prefix+"/good", "v2", "amd64", base, noise(30_000)),
	})
	return victim{u, hit, own}
}

// whole is the content without the victim.
func (v victim) whole() content {
	return v.content.without(func(i image) bool { return i.repository == v.repository })
}

// arrives: everything, and no byte more than the fault costs.
func (f fault) arrives(t *testing.T, v victim, d *destination, r result) {
	t.Helper()
	if r.code != exitDone || r.report(t).count("copied") != len(v.content) {
		t.Error(r)
	}
	got, want := v.Counts().BlobBytes, v.content.blobBytes()+f.extra
	if got != want && f.outcome == ends || got > want+victimSize {
		t.Errorf("%d bytes of blobs were sent, want %d", got, want)
	}
	if got := v.ranges(blob(v.blob)); len(got) != f.ranges {
		t.Errorf("ranges of the blob %q, want %d", got, f.ranges)
	}
	level(t, d.read(t), v.content, v.landed)
}

// isSpared: exactly the victim fails, for the reason.
func (f fault) isSpared(t *testing.T, v victim, r result) {
	t.Helper()
	p := r.report(t)
	want := v.landed(v.repository) + ":v1"
	failed := p.in("failed")
	for k := range failed {
		failed[k] = strings.Replace(failed[k], ":", "_", 1)
	}
	if r.code != exitPartial || !slices.Equal(failed, []string{want}) || p.count("copied") != len(v.content.names())-1 {
		t.Errorf("%q failed, want %s: %s", failed, want, r)
	}
	for _, i := range p.Images {
		if i.State == "failed" && !strings.Contains(i.Error, f.words) {
			t.Errorf("the report says %q, want %q", i.Error, f.words)
		}
	}
}

// table is what TestMatrix shows.
type table struct {
	mu    sync.Mutex // protects lines
	lines []string
}

func (t *table) add(f fault, to string, code int, c faultproxy.Counts, needed int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	place := slices.IndexFunc(faults, func(other fault) bool { return other.name == f.name })
	t.lines = append(t.lines, fmt.Sprintf("%03d| %s | %s | %s | %d | %d | %d | %+d |", place, f.name, to, ended(code), code, c.Total(), c.BlobBytes, c.BlobBytes-needed))
}

func ended(code int) string {
	switch code {
	case exitDone:
		return ends
	case exitPartial:
		return spares
	}
	return "?"
}

// String is a table in Markdown.
func (t *table) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	slices.Sort(t.lines)
	text := "| fault | destination | outcome | exit | requests | bytes of blobs | beyond what is needed |\n|---|---|---|---|---|---|---|\n"
	for _, line := range t.lines {
		text += line[3:] + "\n"
	}
	return text
}
