package mirroring

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ggcr "github.com/google/go-containerregistry/pkg/registry"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/remote"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/jobs"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// upstream is a real registry with the fixture's content, whose blobs can be held up.
type upstream struct {
	*registrytest.Fixture
	address string

	mu   sync.Mutex
	held chan struct{} // nil: blobs are sent; else until it is closed
	came chan struct{} // gets a value when a blob is held up
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	u := &upstream{Fixture: registrytest.NewFixture(t), came: make(chan struct{}, 100)}
	inner := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)), ggcr.WithReferrersSupport(true))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		held := u.held
		u.mu.Unlock()
		if held != nil && r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			u.came <- struct{}{}
			select {
			case <-held:
			case <-r.Context().Done():
				return
			}
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	u.address = server.Listener.Addr().String()
	dst, err := remote.New(remote.Options{Server: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	if err := registry.Copy(t.Context(), dst, u.Fixture, u.Graph, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	return u
}

// hold keeps blobs from being sent until release is called.
func (u *upstream) hold() (release func()) {
	held := make(chan struct{})
	u.mu.Lock()
	u.held = held
	u.mu.Unlock()
	return func() {
		u.mu.Lock()
		u.held = nil
		u.mu.Unlock()
		close(held)
	}
}

// clock is the time of a test.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func newClock(t *testing.T, at string) *clock {
	c := &clock{}
	c.set(t, at)
	return c
}

// set moves the time to one of a week in 2100 that begins on Monday: "1 12:30".
func (c *clock) set(t *testing.T, at string) {
	t.Helper()
	var day, hour, minute int
	if _, err := fmt.Sscanf(at, "%d %d:%d", &day, &hour, &minute); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = time.Date(2100, 3, day, hour, minute, 0, 0, time.Local)
}

// kit is a Mirroring over a store, with a clock and a file of the test's own.
type kit struct {
	*Mirroring
	t     *testing.T
	up    *upstream
	clock *clock
	dir   string
	file  string
	stop  func()
}

// newKit begins with a file; UP in it stands for the upstream.
func newKit(t *testing.T, at, file string) *kit {
	t.Helper()
	k := &kit{t: t, up: newUpstream(t), clock: newClock(t, at), dir: t.TempDir(), file: filepath.Join(t.TempDir(), "mirror.yaml")}
	k.write(file)
	k.open()
	t.Cleanup(func() { k.close() })
	return k
}

func (k *kit) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// write changes the file; its size tells that it changed.
func (k *kit) write(file string) {
	k.t.Helper()
	k.must(os.WriteFile(k.file, []byte(strings.ReplaceAll(file, "UP", k.up.address)), 0o600))
}

func (k *kit) open() {
	k.t.Helper()
	s, err := store.Open(k.t.Context(), k.dir, store.Options{})
	k.must(err)
	pool, err := jobs.New(k.t.Context(), s, jobs.Options{})
	k.must(err)
	k.Mirroring, err = newAt(k.t.Context(), s, pool, k.file, options{now: k.clock.now})
	k.must(err)
	ctx, stop := context.WithCancel(context.Background())
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		pool.Keep(ctx)
	}()
	k.stop = func() {
		stop()
		<-kept
	}
}

// close ends the appliance in order.
func (k *kit) close() {
	k.stop()
	k.must(k.store.Close())
}

// restart ends the appliance and starts it again.
func (k *kit) restart() {
	k.t.Helper()
	k.close()
	k.open()
}

func (k *kit) begin(mirrors ...string) Run {
	k.t.Helper()
	run, err := k.Start(k.t.Context(), mirrors, "")
	k.must(err)
	return run
}

// settle waits for all runs that have begun.
func (k *kit) settle() {
	k.t.Helper()
	list, err := k.pool.List(k.t.Context(), jobs.Filter{Live: true})
	k.must(err)
	for _, j := range list {
		_, err := k.pool.Await(k.t.Context(), j.ID)
		k.must(err)
	}
}

// goes waits until a run does.
func (k *kit) goes(id string) {
	k.t.Helper()
	for {
		run, err := k.Run(k.t.Context(), id)
		k.must(err)
		if run.State != Waiting {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// finish is settle, and returns one of the runs.
func (k *kit) finish(id string) Run {
	k.t.Helper()
	k.settle()
	run, err := k.Run(k.t.Context(), id)
	k.must(err)
	return run
}

// tick lets the appliance look at a time, and waits for what it begins.
func (k *kit) tick(at string) {
	k.t.Helper()
	k.clock.set(k.t, at)
	k.look(k.t.Context())
	k.settle()
}

// ran are the runs in the history, the oldest first: "1 schedule done a,b".
func (k *kit) ran() (list []string) {
	k.t.Helper()
	runs, err := k.Runs(k.t.Context(), "", 0)
	k.must(err)
	slices.Reverse(runs)
	for n, r := range runs {
		list = append(list, fmt.Sprintf("%d %s %s %s", n+1, r.Trigger, r.State, strings.Join(r.Mirrors, ",")))
	}
	return list
}

func (k *kit) status(mirror string) Status {
	k.t.Helper()
	l, err := k.List(context.Background())
	k.must(err)
	for _, s := range l.Mirrors {
		if s.Name == mirror {
			return s
		}
	}
	k.t.Fatalf("%s is not listed", mirror)
	return Status{}
}

// has proves that the store has an image of the fixture.
func (k *kit) has(ref registry.Ref, want registry.Descriptor) {
	k.t.Helper()
	ref.Repository = k.up.address + "/" + ref.Repository
	if d, err := k.store.Resolve(k.t.Context(), ref); err != nil || d.Digest != want.Digest {
		k.t.Errorf("%s is %s, %v", ref, d.Digest, err)
	}
}

// plain are two mirrors without schedules.
const plain = `version: 1
registries: [{host: "UP", plainHTTP: true}]
mirrors:
- {name: app, source: "UP/registry.example/team/app", tags: {names: [v1]}}
- {name: tool, source: "UP/registry.example/team/tool", tags: {names: [v2]}}
`
