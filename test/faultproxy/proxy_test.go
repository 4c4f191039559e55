package faultproxy

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// What goes through an idle proxy arrives unchanged, however clients have to
// ask for it.
func TestForwards(t *testing.T) {
	t.Parallel()
	for title, o := range map[string]Options{
		"plain":      {},
		"TLS":        {TLS: true},
		"basic":      {Username: "ann", Password: "secret"},
		"tokens":     {Tokens: &Tokens{}},
		"everything": {TLS: true, Username: "ann", Password: "secret", Tokens: &Tokens{Service: "here"}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			p := start(t, o)
			ann := remote.WithAuth(&authn.Basic{Username: "ann", Password: "secret"})
			trusting := remote.WithTransport(client(t, p).Transport)
			ref, image := reference(t, p), appended(t, noise(100_000), noise(7))
			if err := remote.Write(ref, image, ann, trusting); err != nil {
				t.Fatal(err)
			}
			got := must(remote.Image(ref, ann, trusting))(t)
			if must(got.Digest())(t) != must(image.Digest())(t) {
				t.Error("another manifest came back")
			}
			for i, l := range must(got.Layers())(t) {
				if !bytes.Equal(content(t, l), content(t, must(image.Layers())(t)[i])) {
					t.Error("another layer came back")
				}
			}
		})
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	p := start(t, Options{})
	layer := noise(50_000)
	ref, image := push(t, p, layer)
	if c := p.Counts(); c.Requests[PostUpload] != 2 || c.Requests[PutManifest] != 1 || c.BlobBytes != 0 {
		t.Errorf("pushing: %v, %d blob bytes", c, c.BlobBytes)
	}
	p.ResetCounts()
	ask(t, p, "GET", blobURL(t, p, layer))
	ask(t, p, "GET", blobURL(t, p, layer), "Range", "bytes=40000-49999")
	ask(t, p, "HEAD", blobURL(t, p, layer))
	ask(t, p, "GET", p.URL()+"/v2/bench/app/blobs/sha256:"+strings.Repeat("0", 64))
	for _, path := range []string{"/v2/", "/v2/_catalog", "/v2/bench/app/tags/list", "/v2/bench/app/manifests/v1", "/v2/bench/app/referrers/" + must(image.Digest())(t).String()} {
		ask(t, p, "GET", p.URL()+path)
	}
	c := p.Counts()
	want := "1 GET manifest, 3 GET blob, 1 HEAD blob, 1 catalog, 1 ping, 1 referrers, 1 tags"
	if c.Total() != 9 || len(c.Requests) != 7 || c.Requests[GetBlob] != 3 {
		t.Errorf("got %v; want %s", c, want)
	}
	if c.BlobBytes != 60_000 || c.ManifestBytes != must(image.Size())(t) {
		t.Errorf("got %d bytes of blobs and %d of manifests of %s", c.BlobBytes, c.ManifestBytes, ref)
	}
	p.ResetCounts()
	if c := p.Counts(); c.Total() != 0 || c.BlobBytes != 0 || c.Connections != 0 {
		t.Errorf("after reset: %v", c)
	}
}

// Names may contain what looks like a resource.
func TestKinds(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]Kind{
		"/v2/a/manifests/b/tags/list":         Tags,
		"/v2/blobs/blobs/sha256:0":            GetBlob,
		"/v2/a/blobs/uploads/":                GetUpload,
		"/v2/a/blobs/uploads/1-2":             GetUpload,
		"/v2/a/tags/manifests/manifests/v1.0": GetManifest,
		"/v2/a":                               Other,
		"/metrics":                            Other,
	} {
		if got := kindOf(httptest.NewRequest(http.MethodGet, path, nil)); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

// A client that follows links stays at the proxy.
func TestLocation(t *testing.T) {
	t.Parallel()
	var upstream *httptest.Server
	upstream = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := map[string]string{"/own": upstream.URL + "/x?y=1", "/asked": "http://" + r.Host + "/x?y=1", "/far": "http://far.example/x", "/short": "/x"}
		w.Header().Set("Location", to[r.URL.Path])
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(upstream.Close)
	p := must(Start(Options{Upstream: upstream.URL, TLS: true}))(t)
	t.Cleanup(p.Close)
	for path, want := range map[string]string{"/own": p.URL() + "/x?y=1", "/asked": p.URL() + "/x?y=1", "/far": "http://far.example/x", "/short": "/x"} {
		if answer, _, _ := ask(t, p, "POST", p.URL()+path); answer.Header.Get("Location") != want {
			t.Errorf("%s: got %q, want %q", path, answer.Header.Get("Location"), want)
		}
	}
}

// An upstream that is away is a bad gateway; an address without scheme an error.
func TestNoUpstream(t *testing.T) {
	t.Parallel()
	free := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	_ = free.Close()
	p := must(Start(Options{Upstream: "http://" + free.Addr().String()}))(t)
	t.Cleanup(p.Close)
	if answer, _, _ := ask(t, p, "GET", p.URL()+"/v2/"); answer.StatusCode != http.StatusBadGateway {
		t.Errorf("got %s", answer.Status)
	}
	if _, err := Start(Options{Upstream: free.Addr().String()}); err == nil {
		t.Error("no error without a scheme")
	}
}

// Close ends what waits for nothing, and nobody listens afterwards.
func TestClose(t *testing.T) {
	t.Parallel()
	p := start(t, Options{})
	layer := noise(1000)
	push(t, p, layer)
	p.Add(Rule{Path: "/blobs/", Action: Stall(10)})
	p.Add(Rule{Path: "/manifests/", Action: Delay(1 << 40)})
	answer := must(client(t, p).Do(request(t, "GET", blobURL(t, p, layer))))(t)
	defer answer.Body.Close()
	waiting := make(chan error)
	go func() {
		_, err := client(t, p).Do(request(t, "PUT", p.URL()+"/v2/bench/app/manifests/v2"))
		waiting <- err
	}()
	for p.Counts().Requests[PutManifest] < 2 {
		time.Sleep(time.Millisecond)
	}
	p.Close()
	if _, err := io.ReadAll(answer.Body); err == nil {
		t.Error("the stalled body has an end")
	}
	if err := <-waiting; err == nil {
		t.Error("the delayed answer came")
	}
	if _, err := net.Dial("tcp", p.Host()); err == nil {
		t.Error("somebody still listens")
	}
}
