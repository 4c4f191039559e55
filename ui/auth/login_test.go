package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/auth/password"
)

func (s *site) check(name, secret, address string) error {
	_, err := s.CheckPassword(s.t.Context(), name, secret, address)
	return err
}

// Whether a name exists can be told neither from the answer nor from what it cost.
func TestUnknownUser(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	s.addUser("ann", Admin)
	off := s.addUser("off", Viewer)
	s.change(off.ID, UserPatch{Disabled: ptr(true)})
	if _, err := s.Federated(t.Context(), Identity{Issuer: "https://id.example", Subject: "1", Name: "elsewhere", Role: Viewer}); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct{ name, secret string }{
		{"ann", "wrong horse battery"}, {"nobody", goodPassword}, {"off", goodPassword}, {"elsewhere", goodPassword}, {"elsewhere", ""}, {"", ""}, {"a:b\x00", "x"},
	} {
		before := s.hasher.Computed()
		err := s.check(c.name, c.secret, fmt.Sprintf("192.0.2.%d", i))
		if !errors.Is(err, ErrUnauthenticated) || err.Error() != errCredentials.Error() {
			t.Errorf("%q: %v", c.name, err)
		}
		if n := s.hasher.Computed() - before; n != 1 {
			t.Errorf("%q cost %d hashes", c.name, n)
		}
	}
	err := s.check("ann", strings.Repeat("x", password.MaxBytes+1), "")
	wants(t, "endless", err, ErrUnauthenticated)
	s.audited("login ann denied by anonymous/anonymous/password")
	s.audited("login  denied by anonymous")
	for _, line := range s.entries() {
		if strings.Contains(line, "nobody") {
			t.Errorf("a name that may be a password is in the log: %s", line)
		}
	}
}

// A password that was right is not hashed again for a minute, unless the user
// changes.
func TestProven(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, Options{})
		u := s.addUser("ann", Admin)
		s.addUser("bob", Admin)
		cost := func(name, secret string) (int64, error) {
			before := s.hasher.Computed()
			err := s.check(name, secret, "192.0.2.1")
			return s.hasher.Computed() - before, err
		}
		want := func(what, name, secret string, hashes int64, kind error) {
			t.Helper()
			n, err := cost(name, secret)
			wants(t, what, err, kind)
			if n != hashes {
				t.Errorf("%s: %d hashes, want %d", what, n, hashes)
			}
		}
		want("first", "ann", goodPassword, 1, nil)
		want("again", "ann", goodPassword, 0, nil)
		want("in capitals", "ANN", goodPassword, 0, nil)
		want("wrong", "ann", goodPassword+"x", 1, ErrUnauthenticated)
		want("another's", "bob", goodPassword, 1, nil)
		time.Sleep(provenFor)
		want("after a minute", "ann", goodPassword, 1, nil)
		s.change(u.ID, UserPatch{Disabled: ptr(true)})
		want("disabled", "ann", goodPassword, 1, ErrUnauthenticated)
		s.change(u.ID, UserPatch{Disabled: ptr(false)})
		want("enabled", "ann", goodPassword, 0, nil)
		s.change(u.ID, UserPatch{Password: ptr("another good password")})
		want("the old one", "ann", goodPassword, 1, ErrUnauthenticated)
		want("the new one", "ann", "another good password", 1, nil)
		if err := s.RemoveUser(t.Context(), u.ID, 4); err != nil {
			t.Fatal(err)
		}
		want("removed", "ann", "another good password", 1, ErrUnauthenticated)
		for i := range maxProven + 10 {
			s.proven.add([32]byte{byte(i), byte(i >> 8), 1})
		}
		if len(s.proven.until) > maxProven {
			t.Errorf("%d remembered", len(s.proven.until))
		}
	})
}

// Fifty hosts that pull at once with one password cost one hash and are no attack.
func TestOneFlight(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Passwords: password.Params{}})
	s.addUser("ann", Viewer)
	before := s.hasher.Computed()
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			if err := s.check("ann", goodPassword, fmt.Sprintf("192.0.2.%d", i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := s.hasher.Computed() - before; n != 1 {
		t.Errorf("%d hashes", n)
	}
}

// A password is kept with the costs of today, once it is known.
func TestRehash(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	u := s.addUser("ann", Viewer)
	before, _ := s.UserByName(t.Context(), "ann")
	s.hasher = password.NewHasher(password.Params{Memory: 128, Time: 1, Threads: 1})
	if err := s.check("ann", goodPassword, ""); err != nil {
		t.Fatal(err)
	}
	after, _ := s.UserByName(t.Context(), "ann")
	if after.password == before.password || !strings.Contains(after.password, "m=128,") || after.Version != u.Version || after.epoch != before.epoch {
		t.Errorf("%q became %q", before.password, after.password)
	}
	if err := s.check("ann", goodPassword, ""); err != nil {
		t.Error(err)
	}
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	u := s.addUser("ann", Viewer)
	elsewhere, here := s.as("ann"), s.as("ann")
	_, _, err := s.ChangePassword(here, "wrong horse battery", "another good password")
	wants(t, "without the old one", err, ErrUnauthenticated)
	_, _, err = s.ChangePassword(here, goodPassword, "short")
	wants(t, "a bad one", err, registry.ErrInvalid)
	_, text := s.addToken(NewToken{Owner: u.ID})
	byToken, _ := s.CheckToken(t.Context(), text, "")
	_, _, err = s.ChangePassword(WithSubject(t.Context(), byToken), goodPassword, "another good password")
	wants(t, "with a token", err, registry.ErrDenied)
	_, _, err = s.ChangePassword(context.Background(), goodPassword, "another good password")
	wants(t, "by nobody", err, registry.ErrDenied)
	cookie, subject, err := s.ChangePassword(here, goodPassword, "another good password")
	if err != nil || cookie.Value == "" || !subject.May(ContentRead) {
		t.Fatalf("%v, %v", subject, err)
	}
	wants(t, "its other session", s.Check(elsewhere), ErrUnauthenticated)
	wants(t, "the session of before", s.Check(here), ErrUnauthenticated)
	wants(t, "the session of now", s.Check(WithSubject(t.Context(), subject)), nil)
	s.audited("user.password ann ok by ann/user/session")
	s.hides(goodPassword, "another good password")
}
