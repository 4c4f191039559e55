package link_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/host/link"
	"github.com/landfall-dev/landfall/registry"
)

// nowhere finds no appliance.
func nowhere(context.Context, string) ([]string, error) { return nil, nil }

func options(s *site, server string) link.Options {
	return link.Options{Settings: link.Settings{Find: nowhere}, Server: server, Token: s.token, Name: "edge7", Version: "1"}
}

// linked is a host that is linked to a site.
func linked(t *testing.T, s *site, server string) (dir string, c *link.Client) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "agent")
	c, err := link.Link(t.Context(), dir, options(s, server))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return dir, c
}

func reopen(t *testing.T, dir string, settings link.Settings) *link.Client {
	t.Helper()
	if settings.Find == nil {
		settings.Find = nowhere
	}
	c, err := link.OpenWith(dir, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// A token makes a link, which works at once and after a restart, until it is taken back.
func TestLink(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.work = host.Work{Ops: []host.Op{{ID: "op1", Unpin: &host.Unpin{Owner: "a"}}}}
	server, _ := s.serve(t)
	dir, c := linked(t, s, server)
	for range 2 {
		if w, err := c.Work(t.Context()); err != nil || len(w.Ops) != 1 {
			t.Fatalf("work %+v, %v", w, err)
		}
		if err := errors.Join(c.SendInventory(t.Context(), host.Inventory{}), c.Report(t.Context(), host.Result{ID: "op1", State: host.Done}), c.Renew(t.Context())); err != nil {
			t.Fatal(err)
		}
		c = reopen(t, dir, link.Settings{})
	}
	if i := c.Info(); i.ID != "h1" || i.Name != "edge7" || i.Site != "s1" || i.Server != server || i.Registry == "" || i.Expires.Before(time.Now()) {
		t.Errorf("info %+v", i)
	}
	if s.renews != 0 || len(s.results) != 2 || !strings.HasSuffix(s.seen[0], "HTTP/1.1") {
		t.Errorf("renewed %d times, results %v, seen %v", s.renews, s.results, s.seen)
	}
	for _, name := range []string{"host.key", "link.json"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if _, err := link.Link(t.Context(), dir, options(s, server)); !errors.Is(err, registry.ErrConflict) || !strings.Contains(err.Error(), "edge7") {
		t.Errorf("linked twice: %v", err)
	}
	if err := c.Unlink(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rest, _ := os.ReadDir(dir); len(rest) > 0 {
		t.Errorf("left %v", rest)
	}
	if _, err := link.Open(dir); !errors.Is(err, registry.ErrNotFound) || !s.gone {
		t.Errorf("opened after it was unlinked: %v", err)
	}
}

// The answer to a link is lost: the same token, with the same key, is the same link.
func TestLinkThatIsInterrupted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.cut = 1
	server, _ := s.serve(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".host.key.123"), []byte("half a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := link.Link(t.Context(), dir, options(s, server)); !errors.Is(err, registry.ErrUnreachable) {
		t.Fatalf("cut link: %v", err)
	}
	if _, err := link.Open(dir); !errors.Is(err, registry.ErrNotFound) {
		t.Fatalf("half linked: %v", err)
	}
	c, err := link.Link(t.Context(), dir, options(s, server))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Work(t.Context()); err != nil {
		t.Error(err)
	}
	if rests, _ := filepath.Glob(filepath.Join(dir, ".*")); len(rests) > 0 {
		t.Errorf("left %v", rests)
	}
	if _, err := link.Link(t.Context(), t.TempDir(), options(s, server)); !errors.Is(err, registry.ErrDenied) {
		t.Errorf("another host used the token again: %v", err)
	}
}

// Many link at the same time in one folder: one of them does.
func TestLinkAtTheSameTime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server, _ := s.serve(t)
	dir := t.TempDir()
	var all sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		all.Go(func() {
			c, err := link.Link(t.Context(), dir, options(s, server))
			if errs[i] = err; err == nil {
				c.Close()
			}
		})
	}
	all.Wait()
	good := 0
	for _, err := range errs {
		if err == nil {
			good++
		} else if !errors.Is(err, registry.ErrConflict) {
			t.Error(err)
		}
	}
	if good != 1 || s.links != 1 {
		t.Errorf("%d linked, the appliance answered %d", good, s.links)
	}
}

// Nothing is sent to who does not prove to be the appliance, and nothing is left linked.
func TestLinkToWhoIsNot(t *testing.T) {
	t.Parallel()
	right, other := newSite(t), newSite(t)
	forged := newSite(t) // shows the right authority, without its key
	forged.authority = right.authority
	client := newSite(t) // a host of the site, which has a certificate for clients
	client.renewLeaf(t, x509.ExtKeyUsageClientAuth)
	client.token = link.NewToken(client.authority)
	for name, test := range map[string]struct {
		at    *site
		token link.Token
		want  error
	}{
		"another authority":       {other, right.token, registry.ErrUntrusted},
		"forged":                  {forged, right.token, registry.ErrUntrusted},
		"no server's certificate": {client, client.token, registry.ErrUntrusted},
		"wrong token":             {right, link.NewToken(right.authority), registry.ErrDenied},
	} {
		server, _ := test.at.serve(t)
		opts := options(right, server)
		opts.Token = test.token
		dir := t.TempDir()
		_, err := link.Link(t.Context(), dir, opts)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), strings.Split(test.token.String(), ".")[1]) {
			t.Errorf("%s: the error tells the secret: %v", name, err)
		}
		if test.want == registry.ErrUntrusted && len(test.at.seen) > 0 {
			t.Errorf("%s: was sent %v", name, test.at.seen)
		}
		if _, err := link.Open(dir); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What answers is no appliance, or nothing does.
func TestLinkToNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: http.NotFoundHandler()}
	var serving sync.WaitGroup
	serving.Go(func() { _ = web.Serve(plain) })
	defer serving.Wait()
	defer web.Close()
	_, stop := s.serve(t)
	closed, stopped := s.serve(t)
	stopped()
	stop()
	for server, want := range map[string]error{
		"https://" + plain.Addr().String(): registry.ErrInvalid, closed: registry.ErrUnreachable, "": registry.ErrUnreachable,
		"http://10.0.0.5:5444": registry.ErrInvalid, "https://": registry.ErrInvalid, "https://u:p@a": registry.ErrInvalid, "https://a/b": registry.ErrInvalid, "a b": registry.ErrInvalid,
	} {
		if _, err := link.Link(t.Context(), t.TempDir(), options(s, server)); !errors.Is(err, want) {
			t.Errorf("server %q: %v", server, err)
		}
	}
}

// Without an address the appliance is looked for, and only the one that the token is of
// is linked to.
func TestLinkWhereFound(t *testing.T) {
	t.Parallel()
	s, other := newSite(t), newSite(t)
	server, _ := s.serve(t)
	wrong, _ := other.serve(t)
	opts := options(s, "")
	opts.Find = func(_ context.Context, hash string) ([]string, error) {
		if hash != link.HashOf(s.authority) {
			t.Errorf("looked for %s", hash)
		}
		return []string{wrong, server}, nil
	}
	c, err := link.Link(t.Context(), t.TempDir(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Info().Server != server || len(other.seen) > 0 {
		t.Errorf("linked to %s", c.Info().Server)
	}
}

// The appliance comes to another address: it is found, and remembered there.
func TestAddressChanges(t *testing.T) {
	t.Parallel()
	s, other := newSite(t), newSite(t)
	first, stop := s.serve(t)
	dir, _ := linked(t, s, first)
	stop()
	wrong, _ := other.serve(t)
	second, _ := s.serve(t)
	c := reopen(t, dir, link.Settings{Find: func(context.Context, string) ([]string, error) { return []string{first, wrong, second}, nil }})
	if _, err := c.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	c = reopen(t, dir, link.Settings{})
	if _, err := c.Work(t.Context()); err != nil || c.Info().Server != second {
		t.Errorf("after a restart at %s: %v", c.Info().Server, err)
	}
	if len(other.seen) > 0 {
		t.Errorf("somebody else was sent %v", other.seen)
	}
}

// Nobody answers: it is said so, and looked for the appliance once within a minute.
func TestAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server, stop := s.serve(t)
	dir, _ := linked(t, s, server)
	stop()
	looked := 0
	c := reopen(t, dir, link.Settings{Find: func(context.Context, string) ([]string, error) { looked++; return nil, nil }})
	for range 3 {
		if _, err := c.Work(t.Context()); !errors.Is(err, registry.ErrUnreachable) {
			t.Errorf("work: %v", err)
		}
	}
	if looked != 1 {
		t.Errorf("looked %d times", looked)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("over"))
	if _, err := c.Work(ctx); err == nil || err.Error() != "over" {
		t.Errorf("cancelled: %v", err)
	}
}

// Another appliance has got the address: it is told nothing.
func TestAddressOfAnother(t *testing.T) {
	t.Parallel()
	s, other := newSite(t), newSite(t)
	server, _ := s.serve(t)
	dir, _ := linked(t, s, server)
	s.set(func() { s.leaf = other.leaf })
	before := len(s.seen)
	if err := reopen(t, dir, link.Settings{}).SendInventory(t.Context(), host.Inventory{}); !errors.Is(err, registry.ErrUntrusted) || len(s.seen) != before {
		t.Errorf("inventory was sent: %v", err)
	}
}

// A host that the appliance does not know any more is denied, and can leave.
func TestUnknown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server, _ := s.serve(t)
	_, c := linked(t, s, server)
	s.set(func() { s.gone = true })
	if _, err := c.Work(t.Context()); !errors.Is(err, registry.ErrDenied) {
		t.Errorf("work: %v", err)
	}
	if err := c.Unlink(t.Context()); err != nil {
		t.Error(err)
	}
}

// Clocks that are wrong do not keep a host out, as far as they can be; else it is said
// which clock says what.
func TestClocks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		off  time.Duration
		want error
	}{
		"10 minutes behind":  {-10 * time.Minute, nil},
		"a year behind":      {-364 * 24 * time.Hour, nil},
		"57 years behind":    {-57 * 365 * 24 * time.Hour, nil},
		"10 days ahead":      {10 * 24 * time.Hour, nil},
		"a year ahead":       {365 * 24 * time.Hour, registry.ErrUntrusted},
		"40 years ahead":     {40 * 365 * 24 * time.Hour, nil},
		"as the appliance's": {0, nil},
	} {
		s := newSite(t)
		server, _ := s.serve(t)
		var said bytes.Buffer
		opts := options(s, server)
		opts.Now = func() time.Time { return time.Now().Add(test.off) }
		opts.Log = slog.New(slog.NewTextHandler(&said, nil))
		c, err := link.Link(t.Context(), t.TempDir(), opts)
		if !errors.Is(err, test.want) || err != nil && !strings.Contains(err.Error(), "clock") {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		if _, err := c.Work(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.Renew(t.Context()); err != nil || s.renews > 0 {
			t.Errorf("%s: renewed %d times: %v", name, s.renews, err)
		}
		c.Close()
		if warned := strings.Contains(said.String(), "clock"); warned != (test.off != 0) {
			t.Errorf("%s: log %s", name, said.String())
		}
	}
}

// A certificate is renewed after a third of its life by the appliance's clock, with the
// same key, and when that clock was set back.
func TestRenew(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server, _ := s.serve(t)
	dir, c := linked(t, s, server)
	key, err := os.ReadFile(filepath.Join(dir, "host.key"))
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		after time.Duration
		want  int
	}{{29 * 24 * time.Hour, 0}, {31 * 24 * time.Hour, 1}, {32 * 24 * time.Hour, 1}, {0, 2}, {time.Hour, 2}} {
		s.set(func() { s.now = func() time.Time { return time.Now().Add(step.after) } })
		if _, err := c.Work(t.Context()); err != nil { // tells the time
			t.Fatal(err)
		}
		if err := c.Renew(t.Context()); err != nil || s.renews != step.want {
			t.Fatalf("step %d: renewed %d times, %v", i, s.renews, err)
		}
	}
	if _, err := c.Work(t.Context()); err != nil {
		t.Error(err)
	}
	if after, err := os.ReadFile(filepath.Join(dir, "host.key")); err != nil || !bytes.Equal(key, after) {
		t.Errorf("another key: %v", err)
	}
	if _, err := reopen(t, dir, link.Settings{}).Work(t.Context()); err != nil {
		t.Error(err)
	}
}

// A folder that is damaged is said to be so, and not taken for one of a host that is not
// linked.
func TestDamage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server, _ := s.serve(t)
	dir, c := linked(t, s, server)
	whole, err := os.ReadFile(filepath.Join(dir, "link.json"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, content := range []string{"", "{", "{}", "null", string(whole[:len(whole)/2]), strings.Replace(string(whole), `"servers"`, `"s"`, 1)} {
		write("link.json", content)
		if _, err := link.Open(dir); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("link.json %.20q: %v", content, err)
		}
		if _, err := link.Link(t.Context(), dir, options(s, server)); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("linked over it: %v", err)
		}
	}
	write("link.json", string(whole))
	write("host.key", "no key")
	if _, err := link.Open(dir); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("no key: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "host.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := link.Open(dir); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("key lost: %v", err)
	}
	if err := errors.Join(c.Forget(), c.Forget()); err != nil {
		t.Errorf("forget twice: %v", err)
	}
}
