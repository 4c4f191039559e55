package hosts_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/host/link"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/certs"
	"github.com/landfall-dev/landfall/ui/hosts"
)

// site is an appliance's side of hosts, answering on loopback.
type site struct {
	*hosts.Hosts
	certs *certs.Certs
	at    string
	stop  func()
}

func open(t *testing.T, dir string) *site {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(dir, "data"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := certs.Open(filepath.Join(dir, "tls"), certs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := hosts.Open(t.Context(), s, hosts.Options{Certs: c, Refuse: func(w http.ResponseWriter, err error) { api.Refuse(w, err) },
		Registry: func(name string) string { return "https://" + name + ":5443" }})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() {
		if err := h.Serve(ctx, l); err != nil {
			t.Error(err)
		}
	})
	served.Go(func() { h.Keep(ctx) })
	up := &site{Hosts: h, certs: c, at: "https://" + l.Addr().String()}
	up.stop = sync.OnceFunc(func() {
		cancel()
		served.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(up.stop)
	up.await(t)
	return up
}

// await waits until tokens say where hosts link.
func (s *site) await(t *testing.T) {
	t.Helper()
	for {
		if _, err := s.MakeToken(t.Context(), 0); err == nil {
			return
		} else if !errors.Is(err, registry.ErrConflict) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

func (s *site) token(t *testing.T) link.Token {
	t.Helper()
	made, err := s.MakeToken(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	token, err := link.ParseToken(made.Secret)
	if err != nil || made.Server != s.at || !strings.Contains(made.Command, made.Secret) {
		t.Fatalf("%+v: %v", made, err)
	}
	return token
}

func (s *site) link(t *testing.T, dir, name string, token link.Token) (*link.Client, error) {
	t.Helper()
	return link.Link(t.Context(), dir, link.Options{Server: s.at, Token: token, Name: name, Version: "1", Inventory: host.Inventory{At: time.Now(), Platform: "linux/amd64", MachineID: "m-" + name}})
}

// A token links one host, once; with its certificate the host is known.
func TestLink(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	token := s.token(t)
	c, err := s.link(t, t.TempDir(), "edge1", token)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.link(t, t.TempDir(), "edge2", token); !errors.Is(err, registry.ErrDenied) {
		t.Errorf("a token that was used: %v", err)
	}
	if _, err := s.link(t, t.TempDir(), "edge1", s.token(t)); !errors.Is(err, registry.ErrConflict) || !strings.Contains(err.Error(), "m-edge1") {
		t.Errorf("a name that is taken: %v", err)
	}
	if err := c.SendInventory(t.Context(), host.Inventory{At: time.Now(), Platform: "linux/arm64"}); err != nil {
		t.Fatal(err)
	}
	list, err := s.List(t.Context())
	if err != nil || len(list) != 1 || !list[0].Online || list[0].Address != "127.0.0.1" || list[0].Inventory.Platform != "linux/arm64" {
		t.Errorf("%+v, %v", list, err)
	}
	if i := c.Info(); i.Name != "edge1" || i.ID != list[0].ID || i.Registry != "https://127.0.0.1:5443" {
		t.Errorf("%+v", i)
	}
}

// Whoever has another site's token, or another authority, learns nothing.
func TestForeign(t *testing.T) {
	t.Parallel()
	s, other := open(t, t.TempDir()), open(t, t.TempDir())
	if _, err := s.link(t, t.TempDir(), "edge1", other.token(t)); !errors.Is(err, registry.ErrUntrusted) {
		t.Errorf("another appliance's token: %v", err)
	}
	parts := strings.Split(s.token(t).String(), ".")
	wrong, err := link.ParseToken(parts[0] + "." + strings.Repeat("a", len(parts[1])) + "." + parts[2])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.link(t, t.TempDir(), "edge1", wrong); !errors.Is(err, registry.ErrDenied) {
		t.Errorf("a wrong secret: %v", err)
	}
}

// An operation is given to the agent, and its end to who waits; asked for again with the
// same id while it runs, it is the same one.
func TestDo(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	c, err := s.link(t, t.TempDir(), "edge1", s.token(t))
	if err != nil {
		t.Fatal(err)
	}
	op := host.Op{ID: "run-1", Unit: &host.Unit{Name: "a.service", Act: host.Start}}
	var waiting sync.WaitGroup
	for range 2 {
		waiting.Go(func() {
			r, err := s.Do(t.Context(), "edge1", op, nil)
			if err != nil || r.State != host.Failed || r.Error.Message != "no" {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	var work host.Work
	for len(work.Ops) == 0 {
		if work, err = c.Work(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(work.Ops) != 1 || work.Ops[0].Unit.Name != "a.service" {
		t.Errorf("%+v", work)
	}
	if err := c.Report(t.Context(), host.Result{ID: "run-1", State: host.Failed, Error: &host.Failure{Message: "no"}}); err != nil {
		t.Fatal(err)
	}
	waiting.Wait()
	if err := c.Report(t.Context(), host.Result{ID: "run-1", State: host.Done}); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("an end that nobody waits for: %v", err)
	}
	if _, err := s.Do(t.Context(), "edge9", op, nil); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a host that is not there: %v", err)
	}
}

// A host that is unlinked is told so, and then has no access any more; one of a cluster
// is not unlinked unless it is forced.
func TestUnlink(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	c, err := s.link(t, t.TempDir(), "edge1", s.token(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetCluster(t.Context(), "edge1", "shop"); err != nil {
		t.Fatal(err)
	}
	if err := s.SetCluster(t.Context(), "edge1", "other"); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("a host of another cluster: %v", err)
	}
	if err := s.Unlink(t.Context(), "edge1", false); !errors.Is(err, registry.ErrConflict) || !strings.Contains(err.Error(), "shop") {
		t.Errorf("%v", err)
	}
	if err := s.Unlink(t.Context(), "edge1", true); err != nil {
		t.Fatal(err)
	}
	work, err := c.Work(t.Context())
	if err != nil || !work.Gone {
		t.Fatalf("%+v, %v", work, err)
	}
	if err := c.SendInventory(t.Context(), host.Inventory{}); !errors.Is(err, registry.ErrDenied) {
		t.Errorf("its certificate is good still: %v", err)
	}
	if _, err := s.link(t, t.TempDir(), "edge1", s.token(t)); err != nil {
		t.Errorf("its name is not free: %v", err)
	}
}

// What is linked stays so when the appliance starts again, and its address may change.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.link(t, t.TempDir(), "edge1", s.token(t)); err != nil {
		t.Fatal(err)
	}
	s.stop()
	again := open(t, dir)
	h, err := again.Get(t.Context(), "edge1")
	if err != nil || h.Inventory.MachineID != "m-edge1" || h.Online {
		t.Errorf("%+v, %v", h, err)
	}
	platforms, err := again.Platforms(t.Context())
	if err != nil || len(platforms) != 1 {
		t.Errorf("%v, %v", platforms, err)
	}
}

// A host sends and gets what is expected from it, and from nobody else.
func TestTransfer(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	c, err := s.link(t, t.TempDir(), "edge1", s.token(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	other, err := s.link(t, t.TempDir(), "edge2", s.token(t))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	content := strings.Repeat("state ", 300_000)
	took := ""
	release := s.Expect("one", host.Transfer{Host: "edge1",
		Take: func(from io.Reader) error {
			b, err := io.ReadAll(from)
			took = string(b)
			return err
		},
		Give: func(to io.Writer) error {
			_, err := io.WriteString(to, content)
			return err
		}})
	if err := c.SendFile(t.Context(), "one", strings.NewReader(content), int64(len(content))); err != nil || took != content {
		t.Errorf("%d bytes of %d came: %v", len(took), len(content), err)
	}
	var got strings.Builder
	take := func(from io.Reader) error {
		_, err := io.Copy(&got, from)
		return err
	}
	if err := c.ReceiveFile(t.Context(), "one", take); err != nil || got.String() != content {
		t.Errorf("%d bytes of %d came: %v", got.Len(), len(content), err)
	}
	if err := errors.Join(other.SendFile(t.Context(), "one", strings.NewReader("x"), 1)); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("another host: %v", err)
	}
	broken := s.Expect("broken", host.Transfer{Host: "edge1", Give: func(to io.Writer) error {
		_, _ = io.WriteString(to, content)
		return registry.ErrUnreachable
	}})
	defer broken()
	if err := c.ReceiveFile(t.Context(), "broken", take); err == nil {
		t.Error("what has broken off was taken for whole")
	}
	if err := c.SendFile(t.Context(), "broken", strings.NewReader("x"), 1); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("sent where nothing is expected: %v", err)
	}
	release()
	if err := c.ReceiveFile(t.Context(), "one", take); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("after nobody waits any more: %v", err)
	}
}
