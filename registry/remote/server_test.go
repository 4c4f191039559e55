package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/memory"
)

// app is the repository of most tests.
const app = "registry.example/team/app"

// open serves a handler and returns a Registry for it that does not wait
// between attempts and has no credentials.
func open(t *testing.T, h http.Handler) *Registry {
	t.Helper()
	return openWith(t, h, Options{})
}

func openWith(t *testing.T, h http.Handler, opts Options) *Registry {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	opts.Server = s.URL
	return newTest(t, opts)
}

func newTest(t *testing.T, opts Options) *Registry {
	t.Helper()
	if opts.Keychain == nil {
		opts.Keychain = keychain{}
	}
	r, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	r.pause = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	t.Cleanup(func() { r.Close() })
	return r
}

// keychain has credentials by host; nobody else gets any.
type keychain map[string]authn.AuthConfig

func (k keychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	if c, ok := k[target.RegistryStr()]; ok {
		return authn.FromConfig(c), nil
	}
	return authn.Anonymous, nil
}

// foreign is a registry that this project did not write.
func foreign(opts ...ggcr.Option) http.Handler {
	return ggcr.New(append(opts, ggcr.Logger(log.New(io.Discard, "", 0)))...)
}

// counter counts requests by "METHOD path" with digests and ids cut off.
type counter struct {
	http.Handler
	mu   sync.Mutex
	seen []string
}

func (c *counter) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	c.mu.Lock()
	c.seen = append(c.seen, req.Method+" "+req.URL.RequestURI())
	c.mu.Unlock()
	c.Handler.ServeHTTP(w, req)
}

func (c *counter) count(prefix string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.seen {
		if strings.HasPrefix(s, prefix) {
			n++
		}
	}
	return n
}

// v2 serves /v2/ with 200 and everything else by the handler.
func v2(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/v2/" {
			h(w, req)
		}
	})
}

func blobOf(content []byte) registry.Descriptor {
	return registry.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: digest.FromBytes(content), Size: int64(len(content))}
}

func bytesOf(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// wantError checks the one sentinel of an error and what its text names.
func wantError(t *testing.T, err, sentinel error, texts ...string) {
	t.Helper()
	sentinels := []error{registry.ErrNotFound, registry.ErrInvalid, registry.ErrDigest, registry.ErrSize, registry.ErrIncomplete,
		registry.ErrDenied, registry.ErrUnreachable, registry.ErrNoSpace, registry.ErrConflict}
	for _, s := range sentinels {
		if errors.Is(err, s) != (s == sentinel) {
			t.Fatalf("error %v: want %q alone", err, sentinel)
		}
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q does not say %q", err, text)
		}
	}
}

// strict is /v2 over memory: a registry that keeps all of the contract, where
// go-containerregistry's accepts incomplete manifests, refuses sparse indexes
// and knows no SHA-512.
type strict struct {
	memory.Registry
	mu      sync.Mutex
	uploads int
}

func (s *strict) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	path := strings.TrimPrefix(req.URL.Path, "/v2/")
	for part, serve := range map[string]func(http.ResponseWriter, *http.Request, string, string) error{
		"/blobs/uploads/": s.upload, "/blobs/sha": s.blob, "/manifests/": s.manifest, "/tags/list": s.list, "/referrers/": s.referrers,
	} {
		if repository, rest, ok := strings.Cut(path, part); ok {
			if err := serve(w, req, repository, rest); err != nil {
				fail(w, err)
			}
			return
		}
	}
	if path == "_catalog" {
		s.list(w, req, "", "")
	}
}

func fail(w http.ResponseWriter, err error) {
	status, code := http.StatusBadRequest, "MANIFEST_INVALID"
	switch {
	case errors.Is(err, registry.ErrNotFound):
		status, code = http.StatusNotFound, "MANIFEST_UNKNOWN"
	case errors.Is(err, registry.ErrIncomplete):
		code = "MANIFEST_BLOB_UNKNOWN"
	}
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]string{"code": code, "message": err.Error()}}})
}

func (s *strict) upload(w http.ResponseWriter, req *http.Request, repository, _ string) error {
	s.mu.Lock()
	s.uploads++
	next := s.uploads
	s.mu.Unlock()
	q := req.URL.Query()
	switch req.Method {
	case http.MethodPost:
		ok, err := s.Mount(req.Context(), repository, q.Get("from"), registry.Descriptor{Digest: digest.Digest(q.Get("mount"))})
		if ok && err == nil && q.Get("mount") != "" {
			w.WriteHeader(http.StatusCreated)
			return nil
		}
		w.Header().Set("Location", "/v2/"+repository+"/blobs/uploads/"+strconv.Itoa(next)+"?_state=x%2Fy")
		w.WriteHeader(http.StatusAccepted)
	case http.MethodPut:
		d := registry.Descriptor{Digest: digest.Digest(q.Get("digest")), Size: req.ContentLength}
		if err := s.PutBlob(req.Context(), repository, d, req.Body); err != nil {
			return err
		}
		w.WriteHeader(http.StatusCreated)
	case http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	}
	return nil
}

func (s *strict) blob(w http.ResponseWriter, req *http.Request, repository, rest string) error {
	d := registry.Descriptor{Digest: digest.Digest("sha" + rest)}
	r, err := s.Blob(req.Context(), repository, d)
	if err != nil {
		return err
	}
	// memory does not tell a blob's size: it is read without proof to find out.
	content, err := io.ReadAll(registry.Unverified(r, d))
	if err == nil {
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(content))
	}
	return err
}

func (s *strict) manifest(w http.ResponseWriter, req *http.Request, repository, name string) error {
	ref := registry.Ref{Repository: repository, Tag: name}
	algorithm := digest.Canonical
	if d, err := digest.Parse(name); err == nil {
		ref, algorithm = ref.ByDigest(d), d.Algorithm()
	}
	switch req.Method {
	case http.MethodPut:
		content, _ := io.ReadAll(req.Body)
		d := registry.Describe(req.Header.Get("Content-Type"), content, algorithm)
		if err := s.PutManifest(req.Context(), ref, d, content); err != nil {
			return err
		}
		w.Header().Set("OCI-Subject", "noted")
		w.WriteHeader(http.StatusCreated)
	case http.MethodDelete:
		if err := s.Delete(req.Context(), ref); err != nil {
			return err
		}
		w.WriteHeader(http.StatusAccepted)
	default:
		d, content, err := s.Manifest(req.Context(), ref)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", d.MediaType)
		w.Header().Set("Docker-Content-Digest", d.Digest.String())
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(content))
	}
	return nil
}

func (s *strict) list(w http.ResponseWriter, req *http.Request, repository, _ string) error {
	names, key := s.Tags(req.Context(), repository, ""), "tags"
	if repository == "" {
		names, key = s.Repositories(req.Context(), ""), "repositories"
	}
	list := []string{}
	for name, err := range names {
		if err != nil {
			return err
		}
		list = append(list, name)
	}
	return json.NewEncoder(w).Encode(map[string]any{key: list})
}

func (s *strict) referrers(w http.ResponseWriter, req *http.Request, repository, subject string) error {
	list, err := s.Referrers(req.Context(), repository, digest.Digest(subject))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
	return json.NewEncoder(w).Encode(map[string]any{"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageIndex, "manifests": list})
}
