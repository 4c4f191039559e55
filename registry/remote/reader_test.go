package remote

import (
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
)

// HEAD that is not supported, or says too little, is followed by GET.
func TestResolveByGet(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	for name, head := range map[string]func(http.ResponseWriter){
		"405":              func(w http.ResponseWriter) { w.WriteHeader(http.StatusMethodNotAllowed) },
		"without a digest": func(w http.ResponseWriter) { w.Header().Set("Content-Type", f.Tool.MediaType) },
		"without a type":   func(w http.ResponseWriter) { w.Header().Set("Docker-Content-Digest", f.Tool.Digest.String()) },
	} {
		r := open(t, v2(func(w http.ResponseWriter, req *http.Request) {
			if req.Method == http.MethodHead {
				head(w)
				return
			}
			if accept := req.Header.Get("Accept"); accept != strings.Join(registry.ManifestTypes, ", ") {
				t.Errorf("Accept %q", accept)
			}
			w.Header().Set("Content-Type", f.Tool.MediaType+"; charset=utf-8")
			w.Write(f.Content[f.Tool.Digest])
		}))
		d, err := r.Resolve(t.Context(), registry.Ref{Repository: app, Tag: "v1"})
		if err != nil || d.Digest != f.Tool.Digest || d.Size != f.Tool.Size || d.MediaType != f.Tool.MediaType {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}

func TestUnknownManifest(t *testing.T) {
	t.Parallel()
	r := open(t, foreign())
	for _, ref := range []registry.Ref{{Repository: app, Tag: "v1"}, {Repository: app, Digest: digest.FromString("x")}} {
		_, err := r.Resolve(t.Context(), ref)
		wantError(t, err, registry.ErrNotFound, ref.String())
		_, _, err = r.Manifest(t.Context(), ref)
		wantError(t, err, registry.ErrNotFound, ref.String(), "NAME_UNKNOWN")
	}
}

func TestNotAManifest(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]http.HandlerFunc{
		"a portal's page": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>Please log in")) },
		"schema 1": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v1+json")
			w.Write([]byte("{}"))
		},
		"endless": func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, registry.MaxManifestSize+1)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := open(t, v2(serve)).Resolve(t.Context(), registry.Ref{Repository: app, Tag: "v1"})
			wantError(t, err, registry.ErrInvalid, app+":v1")
		})
	}
}

func TestDockerHubIsDialledAtItsAPI(t *testing.T) {
	t.Parallel()
	target, err := newTest(t, Options{}).target("docker.io/library/nginx")
	if err != nil || target.host.endpoints[0].registry.RegistryStr() != "index.docker.io" || target.host.name != "docker.io" || target.path != "library/nginx" {
		t.Errorf("%+v, %v", target, err)
	}
}
