package engine

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry/attach"
	"github.com/landfall-dev/landfall/registry/store"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestReadBlob(t *testing.T) {
	s := newSite(t, Options{})
	content := bytes.Repeat([]byte("0123456789"), 1000)
	d := s.pushBlob("x", content).Digest
	path, tag, other := "/v2/x/blobs/"+d.String(), `"`+d.String()+`"`, `"`+digest.FromString("").String()+`"`
	for _, c := range []struct {
		headers []string
		status  int
		body    []byte
	}{
		{nil, 200, content},
		{[]string{"Range", "bytes=10-19"}, 206, content[10:20]},
		{[]string{"Range", "bytes=9990-"}, 206, content[9990:]},
		{[]string{"Range", "bytes=-5"}, 206, content[9995:]},
		{[]string{"Range", "bytes=0-1,5-6"}, 200, content},
		{[]string{"Range", "bytes=10-19", "If-Range", tag}, 206, content[10:20]},
		{[]string{"Range", "bytes=10-19", "If-Range", other}, 200, content},
		{[]string{"Range", "bytes=10-19", "If-Range", "Sun, 22 Nov 2026 09:28:40 GMT"}, 200, content},
		{[]string{"If-None-Match", tag}, 304, nil},
		{[]string{"If-None-Match", d.String()}, 304, nil},
		{[]string{"If-None-Match", other + ", W/" + tag}, 304, nil},
		{[]string{"If-None-Match", "*"}, 304, nil},
		{[]string{"If-None-Match", other}, 200, content},
	} {
		a := s.want(c.status, "GET", path, nil, c.headers...)
		if !bytes.Equal(a.body, c.body) {
			t.Errorf("%v: other bytes", c.headers)
		}
		h := a.Header
		if h.Get("Docker-Content-Digest") != d.String() || h.Get("ETag") != tag ||
			c.status != 304 && (h.Get("Content-Type") != "application/octet-stream" || a.ContentLength != int64(len(c.body))) {
			t.Errorf("%v: %s", c.headers, a.Header)
		}
	}
	if a := s.want(206, "GET", path, nil, "Range", "bytes=10-19"); a.Header.Get("Content-Range") != "bytes 10-19/10000" {
		t.Error(a.Header)
	}
	if a := s.want(416, "GET", path, nil, "Range", "bytes=10000-"); a.Header.Get("Content-Range") != "bytes */10000" {
		t.Error(a)
	}
	a := s.want(200, "HEAD", path, nil)
	if a.ContentLength != 10000 || a.Header.Get("Docker-Content-Digest") != d.String() || a.Header.Get("Accept-Ranges") != "bytes" {
		t.Error(a)
	}
	s.want(304, "HEAD", path, nil, "If-None-Match", tag)
}

func TestReadManifest(t *testing.T) {
	s := newSite(t, Options{})
	content, d := s.pushImage("x", "v1", "layer")
	for _, ref := range []string{"v1", d.String()} {
		for _, method := range []string{"GET", "HEAD"} {
			a := s.want(200, method, "/v2/x/manifests/"+ref, nil, "Accept", "text/plain")
			if method == "GET" && !bytes.Equal(a.body, content) || a.ContentLength != int64(len(content)) ||
				a.Header.Get("Docker-Content-Digest") != d.String() || a.Header.Get("Content-Type") != ocispec.MediaTypeImageManifest {
				t.Error(a)
			}
			s.want(304, method, "/v2/x/manifests/"+ref, nil, "If-None-Match", a.Header.Get("ETag"))
		}
	}
}

// A file that is shorter than its row, noticed too late for a status, cuts
// the connection.
func TestShortBlobIsNeverWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "blob")
	if err := os.WriteFile(path, make([]byte, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	e := New(st, Options{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(path)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		if err := e.sendBlob(w, r, attach.Blob{File: f, Size: 200_000, Digest: digest.FromString("x")}); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	for _, header := range []string{"", "bytes=50000-"} {
		r, _ := http.NewRequest("GET", server.URL, nil)
		r.Header.Set("Range", header)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); err != io.ErrUnexpectedEOF {
			t.Errorf("%q: %v, want a cut", header, err)
		}
		resp.Body.Close()
	}
}

// 64 KiB, as http.FileServer does it: the engine is to reach 0.8 of that.
func BenchmarkBlob(b *testing.B) {
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "blob"), make([]byte, 64<<10), 0o600); err != nil {
		b.Fatal(err)
	}
	e := New(nil, Options{})
	handlers := map[string]http.Handler{
		"FileServer": http.FileServer(http.Dir(dir)),
		"Engine": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f, err := os.Open(filepath.Join(dir, "blob"))
			if err != nil {
				b.Error(err)
				return
			}
			defer f.Close()
			_ = e.sendBlob(w, r, attach.Blob{File: f, Size: 64 << 10, Digest: digest.FromString("x")})
		}),
	}
	for name, handler := range handlers {
		b.Run(name, func(b *testing.B) {
			server := httptest.NewServer(handler)
			defer server.Close()
			b.SetBytes(64 << 10)
			b.ReportAllocs()
			for b.Loop() {
				resp, err := http.Get(server.URL + "/blob")
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
}
