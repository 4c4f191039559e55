package remote

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	ggcr "github.com/google/go-containerregistry/pkg/registry"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
)

// filled is a registry with the fixture's content, below a prefix.
func filled(t *testing.T, prefix string) (*registrytest.Fixture, http.Handler) {
	t.Helper()
	f, h := registrytest.NewFixture(t), quiet()
	r := open(t, h)
	for _, n := range f.Graph.Names {
		g, err := registry.Walk(t.Context(), f, []registry.Ref{n.Ref}, registry.WalkOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := registry.Copy(t.Context(), &below{r, prefix}, f, g, registry.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return f, h
}

func quiet() http.Handler { return ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0))) }

// below writes names without their host, under a prefix.
type below struct {
	*Registry
	prefix string
}

func (b *below) name(repository string) string {
	return b.prefix + strings.TrimPrefix(repository, "registry.example/")
}

func (b *below) Exists(ctx context.Context, repository string, d registry.Descriptor) (bool, error) {
	return b.Registry.Exists(ctx, b.name(repository), d)
}

func (b *below) Mount(context.Context, string, string, registry.Descriptor) (bool, error) {
	return false, nil
}

func (b *below) PutBlob(ctx context.Context, repository string, d registry.Descriptor, r io.Reader) error {
	return b.Registry.PutBlob(ctx, b.name(repository), d, r)
}

func (b *below) PutManifest(ctx context.Context, ref registry.Ref, d registry.Descriptor, content []byte) error {
	ref.Repository = b.name(ref.Repository)
	return b.Registry.PutManifest(ctx, ref, d, content)
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// special is a Registry that knows something about registry.example.
func special(t *testing.T, h Host) *Registry {
	t.Helper()
	return newTest(t, Options{Hosts: map[string]Host{"registry.example": h}})
}

var v1 = registry.Ref{Repository: app, Tag: "v1"}

// A host is read at the first of its endpoints that works; what one has not the
// next may have. The names stay.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	f, h := filled(t, "hub/")
	good := serve(t, h) + "/hub"
	dead := httptest.NewServer(quiet())
	dead.Close()
	for name, endpoints := range map[string][]string{
		"dead first":   {dead.URL, good},
		"empty first":  {serve(t, quiet()), good},
		"broken first": {serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })), good},
		"alone":        {good},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := special(t, Host{Endpoints: endpoints})
			g, err := registry.Walk(t.Context(), r, f.Names, registry.WalkOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range g.Blobs {
				content, err := registry.ReadBlob(t.Context(), r, b.Repositories[0], b.Descriptor)
				if err != nil || !bytes.Equal(content, f.Content[b.Descriptor.Digest]) {
					t.Errorf("%s: %v", b.Descriptor.Digest, err)
				}
			}
		})
	}
}

// That nobody has it is certain only when everybody could be asked.
func TestEndpointsThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	dead := httptest.NewServer(quiet())
	dead.Close()
	r := special(t, Host{Endpoints: []string{dead.URL, serve(t, quiet())}})
	if _, err := r.Resolve(t.Context(), v1); !errors.Is(err, registry.ErrUnreachable) {
		t.Error(err)
	}
	r = special(t, Host{Endpoints: []string{serve(t, quiet()), serve(t, quiet())}})
	if _, err := r.Resolve(t.Context(), v1); !errors.Is(err, registry.ErrNotFound) {
		t.Error(err)
	}
}

// A blob that one endpoint cuts goes on at the next, from the byte that it has.
func TestBlobGoesOnElsewhere(t *testing.T) {
	t.Parallel()
	f, h := filled(t, "")
	var ranges atomic.Value
	cutting := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !strings.Contains(req.URL.Path, "/blobs/") {
			h.ServeHTTP(w, req)
			return
		}
		w.Header().Set("Content-Length", "70000")
		w.Write(f.Content[f.Layer.Digest][:30_000])
		panic(http.ErrAbortHandler)
	})
	whole := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.Contains(req.URL.Path, "/blobs/") {
			ranges.Store(req.Header.Get("Range"))
			http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(f.Content[f.Layer.Digest]))
			return
		}
		h.ServeHTTP(w, req)
	})
	r := special(t, Host{Endpoints: []string{serve(t, cutting), serve(t, whole)}})
	content, err := registry.ReadBlob(t.Context(), r, app, f.Layer)
	if err != nil || !bytes.Equal(content, f.Content[f.Layer.Digest]) {
		t.Fatal(err)
	}
	if got := ranges.Load(); got != "bytes=30000-69999" {
		t.Errorf("asked for %v", got)
	}
}

func TestCatalogOfAHost(t *testing.T) {
	t.Parallel()
	_, h := filled(t, "hub/")
	for name, endpoints := range map[string][]string{"prefix": {serve(t, h) + "/hub"}, "whole": {serve(t, h)}} {
		var got []string
		for repository, err := range special(t, Host{Endpoints: endpoints}).Catalog(t.Context(), "registry.example", "") {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, repository)
		}
		want := []string{"registry.example/team/app", "registry.example/team/tool"}
		if name == "whole" {
			want = []string{"registry.example/hub/team/app", "registry.example/hub/team/tool"}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Each way to say where credentials are leads to the same log-in.
func TestCredentialsOfAHost(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("docker-credential-test", "#!/bin/sh\nread host\nprintf '{\"ServerURL\":\"%s\",\"Username\":\"robot\",\"Secret\":\"pass\"}' \"$host\"\n", 0o755)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("TEST_PASSWORD", "pass")
	_, inner := filled(t, "")
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if user, password, _ := req.BasicAuth(); user != "robot" || password != "pass" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, req)
	}))
	host := strings.TrimPrefix(server, "http://")
	for name, c := range map[string]struct {
		Credentials
		want error
	}{
		"file":   {Credentials{Username: "robot", PasswordFile: write("secret", "pass\nand more\n", 0o600)}, nil},
		"env":    {Credentials{Username: "robot", PasswordEnv: "TEST_PASSWORD"}, nil},
		"helper": {Credentials{Helper: "test"}, nil},
		"docker": {Credentials{DockerConfig: write("config.json", `{"auths":{"`+host+`":{"auth":"cm9ib3Q6cGFzcw=="}}}`, 0o600)}, nil},
		"wrong":  {Credentials{Username: "robot", PasswordFile: write("other", "wrong", 0o600)}, registry.ErrDenied},
		"no env": {Credentials{Username: "robot", PasswordEnv: "TEST_MISSING"}, registry.ErrDenied},
		"empty":  {Credentials{Username: "robot", PasswordFile: write("empty", "", 0o600)}, registry.ErrDenied},
		"nobody": {Credentials{DockerConfig: write("none.json", `{}`, 0o600)}, registry.ErrDenied},
		"gone":   {Credentials{Helper: "missing"}, registry.ErrDenied},
	} {
		_, err := special(t, Host{Endpoints: []string{server}, Credentials: c.Credentials}).Resolve(t.Context(), v1)
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// Limits hold over the sum of what moves.
func TestLimits(t *testing.T) {
	t.Parallel()
	f, h := filled(t, "")
	began := time.Now()
	r := special(t, Host{Endpoints: []string{serve(t, h)}, Bytes: 256 << 10})
	for range 2 {
		if _, err := registry.ReadBlob(t.Context(), r, app, f.Layer); err != nil {
			t.Fatal(err)
		}
	}
	// The burst is free; the rest takes its time, whatever else the machine does.
	if took, least := time.Since(began), time.Duration(2*f.Layer.Size-burst)*time.Second/(256<<10); took < least {
		t.Errorf("%d bytes took %s, at least %s", 2*f.Layer.Size, took, least)
	}
	began = time.Now()
	r = special(t, Host{Endpoints: []string{serve(t, h)}, Requests: 20})
	for range 25 { // and one to begin with
		if _, err := r.Resolve(t.Context(), v1); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took < 5*time.Second/20 {
		t.Errorf("26 requests took %s", took)
	}
}

func TestBadHosts(t *testing.T) {
	t.Parallel()
	for want, h := range map[string]Host{
		"endpoint":           {Endpoints: []string{"ftp://x"}},
		"credentials":        {Endpoints: []string{"https://u:p@x"}},
		"repository's path":  {Endpoints: []string{"https://x/UPPER"}},
		"CA file":            {CAFile: "/missing"},
		"client certificate": {CertFile: "/missing", KeyFile: "/missing"},
	} {
		_, err := New(Options{Hosts: map[string]Host{"registry.example": h}})
		if !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestFetch(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("0123456789"), 1000)
	mux := http.NewServeMux()
	mux.HandleFunc("/f", func(w http.ResponseWriter, req *http.Request) {
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(content))
	})
	mux.HandleFunc("/whole", func(w http.ResponseWriter, _ *http.Request) { w.Write(content) })
	base := serve(t, mux)
	r := newTest(t, Options{})
	for _, c := range []struct {
		path   string
		offset int64
	}{{"/f", 0}, {"/f", 4321}, {"/whole", 4321}} {
		body, _, err := r.Fetch(t.Context(), base+c.path, c.offset)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		body.Close()
		if err != nil || !bytes.Equal(got, content[c.offset:]) {
			t.Errorf("%s from %d: %d bytes, %v", c.path, c.offset, len(got), err)
		}
	}
	if size, err := r.Size(t.Context(), base+"/f"); err != nil || size != int64(len(content)) {
		t.Error(size, err)
	}
	if _, _, err := r.Fetch(t.Context(), base+"/missing", 0); !errors.Is(err, registry.ErrNotFound) {
		t.Error(err)
	}
	if _, _, err := r.Fetch(t.Context(), "file:///etc/passwd", 0); !errors.Is(err, registry.ErrInvalid) {
		t.Error(err)
	}
}
