package runtime_test

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/host/runtime"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/engine"
)

// none is a runtime that is not there: a canary needs none.
func none(t *testing.T) *runtime.Runtime {
	return runtime.New(runtime.Options{Endpoint: filepath.Join(t.TempDir(), "none")})
}

// A canary asks as containerd does, for the name it was given, and moves no layer.
func TestCanary(t *testing.T) {
	t.Parallel()
	k := newSite(t)
	l := newLayer(100_000)
	i := k.index(k.name, "1", l)
	for _, name := range []string{i.Name, strings.TrimPrefix(i.Name, "docker.io/library/"), k.name + "@" + i.Digest.String()} {
		k.must(none(t).Canary(t.Context(), k.source(), host.Image{Name: name, Digest: i.Digest}))
	}
	asked := k.asked.list()
	path := strings.TrimPrefix(k.name, "docker.io/")
	if !slices.Contains(asked, "HEAD /v2/"+path+"/manifests/1?ns=docker.io ") {
		t.Errorf("it did not ask for the name as a mirror is asked: %q", asked)
	}
	for _, a := range asked {
		if strings.Contains(a, digestOf(l)) || !strings.Contains(a, "?ns=docker.io") {
			t.Errorf("it asked %s", a)
		}
	}
}

func TestCanaryErrors(t *testing.T) {
	t.Parallel()
	k := newSite(t)
	i := k.index(k.name, "1", newLayer(100))
	other := k.index(k.name, "2", newLayer(100))
	damaged := k.index(k.name+"/damaged", "1", newLayer(100))
	k.asked.set(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.Contains(r.URL.Path, "/damaged/blobs/"):
			w.Write([]byte("{}"))
		case strings.Contains(r.URL.Path, "/secret/"):
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		case strings.Contains(r.URL.Path, "/broken/"):
			w.WriteHeader(http.StatusInternalServerError)
		default:
			return false
		}
		return true
	})
	for name, c := range map[string]struct {
		source host.Source
		image  host.Image
		kind   error
		text   []string
	}{
		"changed":   {k.source(), host.Image{Name: i.Name, Digest: other.Digest}, registry.ErrDigest, []string{i.Name, i.Digest.String(), other.Digest.String()}},
		"missing":   {k.source(), host.Image{Name: k.name + ":9", Digest: i.Digest}, registry.ErrNotFound, []string{k.name + ":9"}},
		"damaged":   {k.source(), damaged, registry.ErrSize, []string{damaged.Name}},
		"denied":    {k.source(), host.Image{Name: k.name + "/secret/x:1"}, registry.ErrDenied, nil},
		"broken":    {k.source(), host.Image{Name: k.name + "/broken/x:1"}, registry.ErrUnreachable, []string{"500"}},
		"dead":      {host.Source{URL: "http://127.0.0.1:1"}, i, registry.ErrUnreachable, []string{"127.0.0.1:1"}},
		"no url":    {host.Source{}, i, registry.ErrInvalid, []string{"https://HOST"}},
		"no ca":     {host.Source{URL: "https://127.0.0.1:1", CA: []byte("x")}, i, registry.ErrInvalid, []string{"CA"}},
		"bad image": {k.source(), host.Image{Name: "A B"}, registry.ErrInvalid, nil},
	} {
		t.Run(name, func(t *testing.T) {
			err := none(t).Canary(t.Context(), c.source, c.image)
			if !errors.Is(err, c.kind) {
				t.Fatalf("%v, want %v", err, c.kind)
			}
			for _, text := range c.text {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q does not say %q", err, text)
				}
			}
		})
	}
}

// secure serves the site over TLS, with an authority of its own.
func (k *kit) secure() host.Source {
	s := httptest.NewTLSServer(engine.New(k.store, engine.Options{}))
	k.t.Cleanup(s.Close)
	return host.Source{URL: s.URL, CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})}
}

func TestCanaryTLS(t *testing.T) {
	t.Parallel()
	k := newSite(t)
	i := k.index(k.name, "1", newLayer(100))
	s := k.secure()
	k.must(none(t).Canary(t.Context(), s, i))
	s.CA = nil
	if err := none(t).Canary(t.Context(), s, i); !errors.Is(err, registry.ErrUnreachable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a stranger's certificate: %v", err)
	}
}

// Below a project, where nobody understands ?ns=, names keep their host in the path.
func TestCanaryPrefix(t *testing.T) {
	t.Parallel()
	k := newSite(t)
	k.asked.set(func(_ http.ResponseWriter, r *http.Request) bool { r.URL.RawQuery = ""; return false })
	i := k.index("project/"+k.name, "1", newLayer(100))
	s := k.source()
	s.Prefix = "project"
	k.must(none(t).Canary(t.Context(), s, host.Image{Name: strings.TrimPrefix(i.Name, "project/"), Digest: i.Digest}))
}
