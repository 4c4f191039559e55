package auth

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

func (s *site) setup() (secret string) {
	s.t.Helper()
	link, err := s.Setup(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	path, secret, ok := strings.Cut(link, "#")
	if !ok || path != SetupPath || len(secret) != 43 {
		s.t.Fatalf("link %q", link)
	}
	return secret
}

func TestSetup(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	if needs, err := s.NeedsSetup(t.Context()); !needs || err != nil {
		t.Errorf("a new site needs no setup: %v", err)
	}
	first := s.setup()
	s.restart()
	second := s.setup()
	// Whoever calls: the secret is what counts.
	ctx := WithSubject(context.WithValue(t.Context(), clientKey{}, Client{Address: "192.0.2.1"}), s.anonymous("192.0.2.1"))
	for _, wrong := range []string{"", first, second[:42], second + "A", strings.Repeat("A", 43), "\x00"} {
		_, err := s.CompleteSetup(ctx, wrong, "root", goodPassword)
		wants(t, wrong, err, registry.ErrDenied)
	}
	if n := s.hasher.Computed(); n != 0 {
		t.Errorf("wrong secrets cost %d hashes", n)
	}
	_, err := s.CompleteSetup(ctx, second, "root", "short")
	wants(t, "a bad password", err, registry.ErrInvalid)
	u, err := s.CompleteSetup(ctx, second, "root", goodPassword)
	if err != nil || u.Role != Admin || u.Disabled || u.Restricted {
		t.Fatalf("%+v, %v", u, err)
	}
	_, err = s.CompleteSetup(ctx, second, "other", goodPassword)
	wants(t, "again", err, registry.ErrDenied)
	if link, err := s.Setup(t.Context()); link != "" || err != nil {
		t.Errorf("with a user there is a link: %q, %v", link, err)
	}
	if needs, _ := s.NeedsSetup(t.Context()); needs {
		t.Error("setup is needed still")
	}
	if _, _, err := s.Login(ctx, "root", goodPassword); err != nil {
		t.Errorf("the first login: %v", err)
	}
	s.audited("setup.offer  ok by system")
	s.audited("setup.complete  denied by anonymous")
	s.audited("setup.complete root ok by anonymous")
	s.hides(first, second, goodPassword)
}

// The machine's own way to a user closes the link.
func TestSetupClosed(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	secret := s.setup()
	u := s.addUser("ann", Viewer)
	_, err := s.CompleteSetup(t.Context(), secret, "eve", goodPassword)
	wants(t, "with a user", err, registry.ErrDenied)
	if err := s.RemoveUser(t.Context(), u.ID, u.Version); err != nil {
		t.Fatal(err)
	}
	_, err = s.CompleteSetup(t.Context(), secret, "eve", goodPassword)
	wants(t, "with the user gone", err, registry.ErrDenied)
}

// Of a hundred at once, one makes an administrator.
func TestSetupRace(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	secret := s.setup()
	var all sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 100 {
		all.Go(func() {
			_, err := s.CompleteSetup(t.Context(), secret, "admin", goodPassword)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, registry.ErrDenied) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	users, err := s.Users(t.Context(), "", 10)
	if err != nil || won != 1 || len(users) != 1 {
		t.Errorf("%d won, users %v, %v", won, users, err)
	}
	if n := s.hasher.Computed(); n != 1 {
		t.Errorf("%d passwords hashed", n)
	}
}

func TestSetupExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, Options{})
		secret := s.setup()
		time.Sleep(setupLife - time.Millisecond)
		_, err := s.CompleteSetup(t.Context(), secret, "root", "short")
		wants(t, "at the end of its life", err, registry.ErrInvalid)
		time.Sleep(time.Millisecond)
		_, err = s.CompleteSetup(t.Context(), secret, "root", goodPassword)
		wants(t, "expired", err, registry.ErrDenied)
		if _, err := s.CompleteSetup(t.Context(), s.setup(), "root", goodPassword); err != nil {
			t.Errorf("another link: %v", err)
		}
	})
}
