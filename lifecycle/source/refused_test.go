package source_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/source"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
)

// A source that cannot be used is refused with a word about what to do.
func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		begin  func(t *testing.T) place
		change func(p *place)
		kind   error
		texts  []string
	}{
		"wrong password":             {harbor, func(p *place) { p.password = "wrong" }, registry.ErrDenied, []string{robot, "secret"}},
		"no such project":            {harbor, func(p *place) { p.spec.Project = "other" }, registry.ErrNotFound, []string{`"other"`, "make it"}},
		"unknown authority":          {harbor, func(p *place) { p.spec.CA = "" }, registry.ErrUnreachable, []string{"certificate", "ca in the cluster's source"}},
		"no CA":                      {harbor, func(p *place) { p.spec.CA = "x" }, registry.ErrInvalid, []string{"PEM"}},
		"no Harbor":                  {distribution, func(p *place) { p.spec.Type, p.spec.Project = source.Harbor, "edge" }, registry.ErrNotFound, []string{"project"}},
		"nobody answers":             {harbor, func(p *place) { p.spec.URL = "https://127.0.0.1:1" }, registry.ErrUnreachable, []string{"127.0.0.1:1"}},
		"registry, wrong password":   {distribution, func(p *place) { p.password = "wrong" }, registry.ErrDenied, []string{storageUser, "password"}},
		"registry, no account":       {distribution, func(p *place) { p.spec.Username, p.password = "", "" }, registry.ErrDenied, []string{"--password-file"}},
		"registry, nobody there":     {landfall, func(p *place) { p.spec.URL = "http://127.0.0.1:1" }, registry.ErrUnreachable, []string{"127.0.0.1:1"}},
		"the appliance's own":        {landfall, func(p *place) { p.spec.Type = source.Embedded }, registry.ErrInvalid, nil},
		"registry, no URL's grammar": {landfall, func(p *place) { p.spec.URL += "/path" }, registry.ErrInvalid, []string{"/path"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := c.begin(t)
			c.change(&p)
			target, err := source.Open(p.spec, source.Options{Password: p.password})
			if err == nil {
				defer target.Close()
				err = target.Check(t.Context())
			}
			refused(t, err, c.kind, c.texts...)
		})
	}
}

// A source that can be used is not.
func TestCheckGood(t *testing.T) {
	t.Parallel()
	for name, begin := range at {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			k.must(k.open(begin(t)).Check(t.Context()))
		})
	}
}

// An account that may only pull is seen when something is pushed.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	p, k := harbor(t), newKit(t)
	p.spec.Username = reader
	k.must(k.open(p).Check(t.Context()))
	_, err := k.stage(p)
	refused(t, err, registry.ErrDenied, reader, "push and pull", app)
}

// What a Harbor's rules refuse is told with what to do. The words are Harbor's.
func TestRules(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path, code, message string
		kind                error
		texts               []string
	}{
		"quota":     {"/blobs/uploads/", "PRECONDITION", "adding 68.4 KiB of storage resource, which when updated to current usage of 9.9 MiB will exceed the configured upper limit of 10.0 MiB.", registry.ErrNoSpace, []string{"quota", "upper limit"}},
		"immutable": {"/manifests/v1", "PRECONDITION", "Failed to process request due to 'team/app:v1' configured as immutable.", registry.ErrConflict, []string{"immutable", app, "project edge"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, k := harbor(t), newKit(t)
			p.seen.set(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, c.path) {
					return false
				}
				say(w, http.StatusPreconditionFailed, c.code, c.message)
				return true
			})
			_, err := k.stage(p)
			refused(t, err, c.kind, c.texts...)
		})
	}
}

// A tag that stands for the image already is not put again: rules for immutable tags
// refuse that, too.
func TestImmutableTagThatIsRight(t *testing.T) {
	t.Parallel()
	p, k := harbor(t), newKit(t)
	k.staged(p)
	p.seen.set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			say(w, http.StatusPreconditionFailed, "PRECONDITION", "configured as immutable.")
		}
		return r.Method == http.MethodPut
	})
	k.staged(p)
}

// An index that lacks platforms, as a definition for one platform has it, is not taken
// by registries that want all of them.
func TestSparse(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	amd64 := k.up.Images["amd64"]
	i := k.image(app, "linux/amd64")
	var kept []definition.Manifest
	for _, m := range i.Manifests {
		if m.Digest != k.up.Images["arm64"].Digest {
			kept = append(kept, m)
		}
	}
	i.Manifests = kept
	k.define(i)
	p := distribution(t)
	_, err := k.stage(p)
	refused(t, err, registry.ErrIncomplete, app, "all platforms")
	p = landfall(t)
	k.staged(p)
	ok, err := k.reader(p).Exists(t.Context(), registrytest.App, amd64)
	if !ok || err != nil {
		t.Errorf("%t, %v", ok, err)
	}
	if ok, err = k.reader(p).Exists(t.Context(), registrytest.App, registry.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: k.up.Images["arm64"].Digest, Size: k.up.Images["arm64"].Size}); ok || err != nil {
		t.Errorf("another platform came along: %t, %v", ok, err)
	}
}

// A source that breaks off in between is tried again from where it is.
func TestHiccup(t *testing.T) {
	t.Parallel()
	p, k := landfall(t), newKit(t)
	cut := 0
	p.seen.set(func(_ http.ResponseWriter, r *http.Request) bool {
		p.seen.mu.Lock()
		defer p.seen.mu.Unlock()
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/blobs/uploads/") || cut > 0 {
			return false
		}
		cut++
		panic(http.ErrAbortHandler)
	})
	k.staged(p)
	if cut != 1 {
		t.Error("nothing was cut")
	}
}

// A Harbor's password goes to the Harbor alone.
func TestRedirect(t *testing.T) {
	t.Parallel()
	told := make(chan string, 1)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case told <- r.Header.Get("Authorization"):
		default:
		}
	}))
	t.Cleanup(other.Close)
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	t.Cleanup(server.Close)
	target, err := source.Open(source.Spec{Type: source.Harbor, URL: server.URL, Project: "edge", Username: robot}, source.Options{Password: robotSecret})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	refused(t, target.Check(t.Context()), registry.ErrUnreachable, "307", "is it a Harbor?")
	if len(told) > 0 {
		t.Errorf("another server was asked with %q", <-told)
	}
}
