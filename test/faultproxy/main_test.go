package faultproxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// start is a proxy before a registry of its own; both end with the test.
func start(t *testing.T, o Options) *Proxy {
	t.Helper()
	upstream := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(upstream.Close)
	o.Upstream = upstream.URL
	p := must(Start(o))(t)
	t.Cleanup(p.Close)
	return p
}

// noise is a layer of incompressible bytes.
func noise(n int) v1.Layer {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(b)
	return static.NewLayer(b, types.OCILayer)
}

// client trusts the proxy and lets redirects be.
func client(t *testing.T, p *Proxy) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(p.Authority())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func reference(t *testing.T, p *Proxy) name.Reference {
	t.Helper()
	return must(name.ParseReference(p.Host()+"/bench/app:v1", name.Insecure))(t)
}

func appended(t *testing.T, layers ...v1.Layer) v1.Image {
	t.Helper()
	return must(mutate.AppendLayers(empty.Image, layers...))(t)
}

// push puts an image of the layers to the proxy under app:v1.
func push(t *testing.T, p *Proxy, layers ...v1.Layer) (name.Reference, v1.Image) {
	t.Helper()
	ref, image := reference(t, p), appended(t, layers...)
	if err := remote.Write(ref, image, remote.WithTransport(client(t, p).Transport)); err != nil {
		t.Fatal(err)
	}
	return ref, image
}

// blobURL is where the proxy serves a layer of app.
func blobURL(t *testing.T, p *Proxy, l v1.Layer) string {
	t.Helper()
	return fmt.Sprintf("%s/v2/bench/app/blobs/%s", p.URL(), must(l.Digest())(t))
}

// request is one that the test's end breaks off.
func request(t *testing.T, method, url string, header ...string) *http.Request {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	r := must(http.NewRequestWithContext(ctx, method, url, nil))(t)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// ask makes a request and reads its answer as far as it goes.
func ask(t *testing.T, p *Proxy, method, url string, header ...string) (answer *http.Response, body []byte, broken error) {
	t.Helper()
	answer = must(client(t, p).Do(request(t, method, url, header...)))(t)
	defer answer.Body.Close()
	body, broken = io.ReadAll(answer.Body)
	return answer, body, broken
}

func content(t *testing.T, l v1.Layer) []byte {
	t.Helper()
	r := must(l.Compressed())(t)
	defer r.Close()
	return must(io.ReadAll(r))(t)
}
