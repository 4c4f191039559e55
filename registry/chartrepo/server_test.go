package chartrepo_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/chartrepo"
)

// server is a chart repository below /stable. What it holds is changed before it
// is asked only, or with set.
type server struct {
	*httptest.Server
	name string // of the repositories, without the chart's

	mu     sync.Mutex        // protects the fields below
	files  map[string]string // by path below /stable; "403" denies, "cut" hangs up
	noHead bool              // no sizes
	count  map[string]int    // requests by method and path
}

func newServer(t *testing.T, files map[string]string) *server {
	t.Helper()
	s := &server{files: files, count: map[string]int{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	s.name = strings.TrimPrefix(s.URL, "http://") + "/stable"
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/stable/")
	s.mu.Lock()
	s.count[r.Method+" "+path]++
	content, ok := s.files[path]
	noHead := s.noHead
	s.mu.Unlock()
	switch {
	case !ok:
		http.NotFound(w, r)
	case content == "403":
		w.WriteHeader(http.StatusForbidden)
	case content == "cut":
		panic(http.ErrAbortHandler)
	case noHead && r.Method == http.MethodHead:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case noHead:
		for _, c := range []byte(content) { // flushed, so without a length
			_, _ = w.Write([]byte{c})
			w.(http.Flusher).Flush()
		}
	default:
		http.ServeContent(w, r, "", modified, strings.NewReader(content))
	}
}

func (s *server) set(path, content string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = content
}

func (s *server) requests(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[what]
}

func (s *server) open(t *testing.T) *chartrepo.Repository {
	t.Helper()
	r, err := chartrepo.Open(t.Context(), fetcher{}, s.URL+"/stable")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fetcher is the smallest one that keeps the promise.
type fetcher struct{}

func (f fetcher) Fetch(ctx context.Context, url string, offset int64) (io.ReadCloser, int64, error) {
	resp, err := f.do(ctx, http.MethodGet, url, fmt.Sprintf("bytes=%d-", offset))
	if err != nil {
		return nil, 0, err
	}
	size := resp.ContentLength
	if resp.StatusCode == http.StatusPartialContent && size >= 0 {
		size += offset
	} else if _, err := io.CopyN(io.Discard, resp.Body, offset); err != nil {
		return nil, 0, err
	}
	return resp.Body, size, nil
}

func (f fetcher) Size(ctx context.Context, url string) (int64, error) {
	resp, err := f.do(ctx, http.MethodHead, url, "")
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.ContentLength, nil
}

func (fetcher) do(ctx context.Context, method, url, span string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	if span != "" && span != "bytes=0-" {
		req.Header.Set("Range", span)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", registry.ErrUnreachable, err)
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusPartialContent:
		return resp, nil
	case http.StatusNotFound:
		err = registry.ErrNotFound
	case http.StatusForbidden:
		err = registry.ErrDenied
	default:
		err = errors.New(resp.Status)
	}
	resp.Body.Close()
	return nil, err
}

func hexOf(content string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(content))) }

// wantError holds an error against its kind and what it has to name.
func wantError(t *testing.T, err, kind error, words ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("error %v, want %v", err, kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%v: does not say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %v", err)
	}
}
