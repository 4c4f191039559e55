package api_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/attach"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/jobs"
	"github.com/landfall-dev/landfall/ui/landing"
)

// newBundle makes a bundle of the fixture's content.
func newBundle(t *testing.T, f *registrytest.Fixture) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.bundle")
	w, err := bundle.Create(t.Context(), path, f.Graph, bundle.CreateOptions{Created: time.Unix(0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := registry.Copy(t.Context(), w, f, f.Graph, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	return path
}

// newEmptySite is an appliance without content, on a socket and on TCP.
func newEmptySite(t *testing.T) (s *store.Store, local, far *api.Client) {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := jobs.New(t.Context(), s, jobs.Options{Describe: api.DescribeFailure})
	if err != nil {
		t.Fatal(err)
	}
	lander := landing.New(s, attach.NewView(s), pool, landing.Options{})
	keeping, stop := context.WithCancel(context.Background())
	var kept sync.WaitGroup
	kept.Go(func() { pool.Keep(keeping) })
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	handler := api.New(api.Options{Site: s, Lander: lander, Jobs: pool})
	servers := []*httptest.Server{{Listener: l, Config: &http.Server{Handler: handler}}, httptest.NewUnstartedServer(handler)}
	for _, server := range servers {
		server.Start()
	}
	t.Cleanup(func() {
		for _, server := range servers {
			server.Close()
		}
		stop()
		kept.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, newClient(t, api.ClientOptions{Server: "unix://" + socket}), newClient(t, api.ClientOptions{Server: servers[1].URL})
}

// An appliance imports a file of its own machine, and says what it did.
func TestImportBundle(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	path := newBundle(t, f)
	s, local, _ := newEmptySite(t)
	var told []landing.Progress
	done, err := local.ImportBundle(t.Context(), path, landing.Request{}, func(at landing.Progress) { told = append(told, at) })
	if must(t, done, err); done.Moved == 0 || done.Moved != done.Total || done.Present != 0 || len(told) == 0 || done.Verdict == nil {
		t.Errorf("%+v, told %+v", done, told)
	}
	if d, err := s.Resolve(t.Context(), app); err != nil || d.Digest != f.Index.Digest {
		t.Errorf("%+v, %v", d, err)
	}
	again, err := local.ImportBundle(t.Context(), path, landing.Request{}, nil)
	if must(t, again, err); again.Moved != 0 || again.Present == 0 {
		t.Errorf("%+v the second time", again)
	}
}

// What an appliance cannot see, must not read, or finds damaged is refused, and
// nothing becomes visible.
func TestImportBundleRefused(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	whole := newBundle(t, f)
	content, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	s, local, far := newEmptySite(t)
	file := func(content []byte) string {
		path := filepath.Join(t.TempDir(), "x.bundle")
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	flipped := bytes.Clone(content)
	flipped[bytes.Index(content, f.Content[f.Layer.Digest])] ^= 1
	for _, c := range []struct {
		name   string
		client *api.Client
		path   string
		want   error
	}{
		{"over the network", far, whole, registry.ErrDenied},
		{"not there", local, filepath.Join(t.TempDir(), "nosuch"), os.ErrNotExist},
		{"another kind of file", local, file([]byte("hello")), bundle.ErrFormat},
		{"cut off", local, file(content[:len(content)-512]), registry.ErrSize},
		{"damaged", local, file(flipped), registry.ErrDigest},
	} {
		if _, err := c.client.ImportBundle(t.Context(), c.path, landing.Request{}, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	for name, err := range s.Repositories(t.Context(), "") {
		t.Errorf("%s is visible, %v", name, err)
	}
}

// A path that means another file there, as in a container, is not believed;
// then the content can be sent.
func TestImportBundleUnseen(t *testing.T) {
	t.Parallel()
	s, _, _ := newEmptySite(t)
	handler := api.New(api.Options{Site: s, Lander: landing.New(s, attach.NewView(s), newPool(t, s), landing.Options{})})
	for body, want := range map[string]int{
		`{"path":"/etc/passwd","device":1,"inode":1}`: 404, `{"path":"a.bundle"}`: 400, `{"path":"/a","b":1}`: 422, `{}`: 400,
	} {
		r := httptest.NewRequest(http.MethodPost, "/api/v1/bundles/import", strings.NewReader(body))
		local := &net.UnixAddr{Name: "s", Net: "unix"}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r.WithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, local)))
		if answer.Code != want {
			t.Errorf("%s: %d, want %d: %s", body, answer.Code, want, answer.Body)
		}
	}
}

func newPool(t *testing.T, s *store.Store) *jobs.Pool {
	t.Helper()
	pool, err := jobs.New(t.Context(), s, jobs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return pool
}
