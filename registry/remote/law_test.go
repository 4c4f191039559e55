package remote

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"

	"net"

	ggcr "github.com/google/go-containerregistry/pkg/registry"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
)

func TestLaw(t *testing.T) {
	t.Parallel()
	registrytest.Run(t, func(t *testing.T) registrytest.Registry { return open(t, &strict{}) })
}

// Over a registry that this project did not write, what it can hold of the
// fixture: it knows neither SHA-512 nor indexes without their children.
func TestForeignRegistry(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.Handler{
		"with the referrers API":    foreign(ggcr.WithReferrersSupport(true)),
		"without the referrers API": foreign(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := registrytest.NewFixture(t)
			r := open(t, h)
			for _, from := range []registry.Reader{f, r} {
				g, err := registry.Walk(t.Context(), from, f.Names[:1], registry.WalkOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if err := registry.Copy(t.Context(), r, from, g, registry.CopyOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			list, err := r.Referrers(t.Context(), registrytest.App, f.Index.Digest)
			if err != nil || len(list) != 1 || list[0].Digest != f.Signature.Digest {
				t.Errorf("Referrers = %+v, %v", list, err)
			}
			if err := r.Delete(t.Context(), f.Names[0]); err != nil {
				t.Error(err)
			}
			_, err = r.Resolve(t.Context(), f.Names[0])
			wantError(t, err, registry.ErrNotFound, f.Names[0].String())
		})
	}
}

func TestDirectByHost(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(http.Handler) *httptest.Server{"http": httptest.NewServer, "https": httptest.NewTLSServer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(foreign())
			defer s.Close()
			u, _ := url.Parse(s.URL)
			r := newTest(t, Options{})
			if name == "https" {
				r = newTest(t, Options{CAFile: caFile(t, s)})
			}
			content := bytesOf(1000)
			if err := r.PutBlob(t.Context(), u.Host+"/team/app", blobOf(content), reader(content)); err != nil {
				t.Fatal(err)
			}
			if got, err := registry.ReadBlob(t.Context(), r, u.Host+"/team/app", blobOf(content)); err != nil || len(got) != 1000 {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			for _, err := range r.Repositories(t.Context(), "") {
				wantError(t, err, registry.ErrInvalid, "no server")
			}
			_, err := r.Resolve(t.Context(), registry.Ref{Repository: "team/app", Tag: "v1"})
			wantError(t, err, registry.ErrInvalid, "no host", "team/app")
		})
	}
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(&strict{})
	s.Listener.Close()
	s.Listener = l
	s.Start()
	defer s.Close()
	r := newTest(t, Options{Server: "unix://" + socket})
	content := bytesOf(1000)
	if err := r.PutBlob(t.Context(), "10.0.0.5:5000/team/app", blobOf(content), reader(content)); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name, err := range r.Repositories(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if len(names) != 1 || names[0] != "10.0.0.5:5000/team/app" {
		t.Errorf("repositories %q", names)
	}
	_, err = r.Resolve(t.Context(), registry.Ref{Repository: app, Tag: "v1"})
	wantError(t, err, registry.ErrNotFound, "unix://"+socket)
}
