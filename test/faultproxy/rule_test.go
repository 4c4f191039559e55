package faultproxy

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

const sized = 100_000

// got is what a client has of a layer of sized bytes.
type got struct {
	*http.Response
	body, whole []byte
	broken      error
}

// Each action does its one thing, as often as its rule says, and then the
// layer is to be had.
func TestActions(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		action Action
		header []string // of the request
		want   func(got) bool
	}{
		"answer": {Answer(429, "Retry-After", "2"), nil, func(g got) bool {
			return g.StatusCode == 429 && g.Header.Get("Retry-After") == "2"
		}},
		"cut": {Cut(70_001), nil, func(g got) bool {
			return g.StatusCode == 200 && g.broken != nil && bytes.Equal(g.body, g.whole[:70_001])
		}},
		"cut of a shorter body": {Cut(sized), nil, func(g got) bool {
			return g.broken == nil && bytes.Equal(g.body, g.whole)
		}},
		"flip": {Flip(99_999), nil, func(g got) bool {
			return g.broken == nil && len(g.body) == sized && bytes.Equal(g.body[:99_999], g.whole[:99_999]) && g.body[99_999] != g.whole[99_999]
		}},
		"flip in a range": {Flip(1), []string{"Range", "bytes=10-19"}, func(g got) bool {
			return g.StatusCode == 206 && len(g.body) == 10 && g.body[0] == g.whole[10] && g.body[1] != g.whole[11]
		}},
		"shorter length": {ContentLength(90_000), nil, func(g got) bool {
			return g.ContentLength == 90_000 && g.broken == nil && bytes.Equal(g.body, g.whole[:90_000])
		}},
		"longer length": {ContentLength(sized + 1), nil, func(g got) bool {
			return g.ContentLength == sized+1 && g.broken != nil && bytes.Equal(g.body, g.whole)
		}},
		"another range": {ContentRange("bytes 0-9/10"), []string{"Range", "bytes=10-19"}, func(g got) bool {
			return g.Header.Get("Content-Range") == "bytes 0-9/10" && bytes.Equal(g.body, g.whole[10:20])
		}},
		"no ranges": {IgnoreRange(), []string{"Range", "bytes=10-19"}, func(g got) bool {
			return g.StatusCode == 200 && bytes.Equal(g.body, g.whole)
		}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			p, layer := start(t, Options{}), noise(sized)
			push(t, p, layer)
			whole := content(t, layer)
			f := p.Add(Rule{Method: "GET", Path: "/blobs/", Times: 2, Action: c.action})
			for range 2 {
				answer, body, broken := ask(t, p, "GET", blobURL(t, p, layer), c.header...)
				if !c.want(got{answer, body, whole, broken}) {
					t.Errorf("got %s, %d bytes, %v", answer.Status, len(body), broken)
				}
			}
			if _, body, err := ask(t, p, "GET", blobURL(t, p, layer)); err != nil || !bytes.Equal(body, whole) {
				t.Errorf("the third time: %d bytes, %v", len(body), err)
			}
			if f.Hits() != 2 {
				t.Errorf("%d hits", f.Hits())
			}
		})
	}
}

// A stalled client has what was sent before, and its leaving ends the answer.
func TestStall(t *testing.T) {
	t.Parallel()
	p, layer := start(t, Options{}), noise(sized)
	push(t, p, layer)
	p.ResetCounts()
	p.Add(Rule{Path: "/blobs/", Action: Stall(70_001)})
	answer := must(client(t, p).Do(request(t, "GET", blobURL(t, p, layer))))(t)
	if n, err := io.CopyN(io.Discard, answer.Body, 70_001); err != nil {
		t.Errorf("%d bytes, then %v", n, err)
	}
	_ = answer.Body.Close()
	if n := p.Counts().BlobBytes; n != 70_001 {
		t.Errorf("%d bytes counted", n)
	}
	p.Close() // returns
}

// Rules that make time pass; no upper bounds, for tests run beside others.
func TestLate(t *testing.T) {
	t.Parallel()
	p, layer := start(t, Options{}), noise(sized)
	push(t, p, layer)
	p.Add(SlowHead("/blobs/", 150*time.Millisecond))
	p.Add(Rule{Method: "GET", Path: "/blobs/", Action: Rate(5 * sized)})
	for _, method := range []string{"HEAD", "GET"} {
		began := time.Now()
		answer, body, err := ask(t, p, method, blobURL(t, p, layer))
		if took := time.Since(began); took < 150*time.Millisecond || err != nil || answer.ContentLength != sized {
			t.Errorf("%s: %s, %d bytes in %v, %v", method, answer.Status, len(body), took, err)
		}
	}
}

// Registries that lack something.
func TestLacking(t *testing.T) {
	t.Parallel()
	p := start(t, Options{})
	_, image := push(t, p, noise(sized))
	for _, c := range []struct {
		rule        Rule
		method, url string
		want        int
	}{
		{RefuseHead("/manifests/"), "HEAD", p.URL() + "/v2/bench/app/manifests/v1", 405},
		{NoReferrers(), "GET", p.URL() + "/v2/bench/app/referrers/" + must(image.Digest())(t).String(), 404},
	} {
		f := p.Add(c.rule)
		if answer, _, _ := ask(t, p, c.method, c.url); answer.StatusCode != c.want || f.Hits() != 1 {
			t.Errorf("%s %s: %s, %d hits", c.method, c.url, answer.Status, f.Hits())
		}
		f.Remove()
		if answer, _, _ := ask(t, p, c.method, c.url); answer.StatusCode == c.want {
			t.Errorf("%s %s: %s without the rule", c.method, c.url, answer.Status)
		}
	}
}

// A registry that does not mount is not told from where; one that does is.
func TestNoMount(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Query", r.URL.RawQuery)
	}))
	t.Cleanup(upstream.Close)
	p := must(Start(Options{Upstream: upstream.URL}))(t)
	t.Cleanup(p.Close)
	f := p.Add(NoMount())
	for _, want := range []string{"digest=d", "digest=d&from=bench/app&mount=m"} {
		answer, _, _ := ask(t, p, "POST", p.URL()+"/v2/bench/other/blobs/uploads/?digest=d&from=bench/app&mount=m")
		if got := answer.Header.Get("Query"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		f.Remove()
	}
}

// The first rule that matches is the only one.
func TestOrder(t *testing.T) {
	t.Parallel()
	p := start(t, Options{})
	ref, _ := push(t, p)
	p.Add(Rule{Method: "GET", Path: "/manifests/v1$", Times: 1, Action: Answer(500)})
	p.Add(Rule{Path: "/manifests/", Action: Answer(503)})
	for _, want := range []int{500, 503, 503} {
		if answer, _, _ := ask(t, p, "GET", p.URL()+"/v2/bench/app/manifests/v1"); answer.StatusCode != want {
			t.Errorf("got %s, want %d", answer.Status, want)
		}
	}
	p.Clear()
	if _, err := remote.Image(ref); err != nil {
		t.Error(err)
	}
}
