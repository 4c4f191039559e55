package auth

import (
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

const wrong = "wrong horse battery"

// limited is how long a login has to wait, 0 when it was looked at.
func (s *site) limited(name, secret, address string) time.Duration {
	s.t.Helper()
	err := s.check(name, secret, address)
	if l := (*LimitedError)(nil); errors.As(err, &l) {
		if !errors.Is(err, registry.ErrDenied) {
			s.t.Errorf("%v is not ErrDenied", err)
		}
		return l.RetryAfter()
	}
	return 0
}

// An account's attempts wait twice as long each time, up to a quarter of an hour,
// from wherever they come; then it is let in. A restart changes nothing.
func TestBackOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, Options{})
		s.addUser("ann", Admin)
		fail := 0
		from := func() string { fail++; return fmt.Sprintf("10.0.%d.%d", fail/250, fail%250) }
		for range freeOfAccount {
			if d := s.limited("ann", wrong, from()); d != 0 {
				t.Fatalf("attempt %d waits %s", fail, d)
			}
		}
		for want := time.Second; want < 16*time.Minute; want *= 2 {
			want := min(want, longestWait)
			hashes, entries := s.hasher.Computed(), len(s.entries())
			if d := s.limited("ANN", goodPassword, from()); d != want {
				t.Fatalf("after %d failures it waits %s, want %s", fail, d, want)
			}
			s.restart()
			if d := s.limited("ann", goodPassword, from()); d != want {
				t.Fatalf("after a restart it waits %s, want %s", d, want)
			}
			time.Sleep(want - time.Millisecond)
			if d := s.limited("ann", goodPassword, from()); d != time.Second {
				t.Fatalf("just before it waits %s", d)
			}
			if s.hasher.Computed() != 0 && s.hasher.Computed() != hashes || len(s.entries()) != entries {
				t.Fatal("what has to wait is hashed or recorded")
			}
			time.Sleep(time.Millisecond)
			if d := s.limited("ann", wrong, from()); d != 0 {
				t.Fatalf("after %s it waits %s more", want, d)
			}
		}
		time.Sleep(longestWait)
		if err := s.check("ann", goodPassword, from()); err != nil {
			t.Fatalf("the right password: %v", err)
		}
		for range freeOfAccount { // which starts anew by it
			if d := s.limited("ann", wrong, from()); d != 0 {
				t.Fatalf("after a login it waits %s", d)
			}
		}
		time.Sleep(forgetAfter + time.Second)
		for range freeOfAccount {
			if d := s.limited("ann", wrong, from()); d != 0 {
				t.Fatalf("after an hour it waits %s", d)
			}
		}
	})
}

// Nobody keeps others out: from where a user has logged in before, the failures of
// others do not count.
func TestNobodyLockedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, Options{})
		s.addUser("ann", Admin)
		if err := s.check("ann", goodPassword, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * provenFor)
		attack := func() {
			for i := range 100 {
				_ = s.check("ann", wrong, fmt.Sprintf("10.0.0.%d", i))
			}
		}
		attack()
		if d := s.limited("ann", goodPassword, "10.0.1.1"); d == 0 {
			t.Fatal("a hundred failures mean nothing")
		}
		if err := s.check("ann", goodPassword, "192.0.2.1"); err != nil {
			t.Errorf("from where she has been: %v", err)
		}
		if d := s.limited("ann", wrong, "10.0.1.1"); d == 0 {
			t.Error("that login lets others guess on")
		}
		time.Sleep(trustAddress + time.Hour)
		attack()
		if d := s.limited("ann", goodPassword, "192.0.2.1"); d == 0 {
			t.Error("an address is trusted for ever")
		}
		for i := range maxAddresses + 5 {
			time.Sleep(longestWait)
			if err := s.check("ann", goodPassword, fmt.Sprintf("10.1.0.%d", i)); err != nil {
				t.Fatal(err)
			}
		}
		var n int
		if err := s.db.Read.QueryRow(`SELECT count(*) FROM auth_addresses`).Scan(&n); err != nil || n != maxAddresses {
			t.Errorf("%d addresses are remembered, %v", n, err)
		}
	})
}

// An address that tries many accounts waits too, and having one of its own is no
// help; an IPv6 network is one address.
func TestAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, Options{})
		s.addUser("eve", Viewer)
		for _, addresses := range [][]string{{"192.0.2.7", "::ffff:192.0.2.7"}, {"2001:db8::1", "2001:db8::2"}} {
			for i := range freeOfAddress {
				if d := s.limited(fmt.Sprintf("user%d", i), wrong, addresses[i%2]); d != 0 {
					t.Fatalf("attempt %d waits %s", i, d)
				}
			}
			if d := s.limited("eve", goodPassword, addresses[0]); d != time.Second {
				t.Errorf("after %d failures it waits %s", freeOfAddress, d)
			}
			time.Sleep(time.Second)
			if err := s.check("eve", goodPassword, addresses[1]); err != nil {
				t.Errorf("the right password: %v", err)
			}
			if d := s.limited("ann", wrong, addresses[0]); d != 0 {
				t.Errorf("waits %s", d)
			}
			if d := s.limited("ann", wrong, addresses[0]); d != 2*time.Second {
				t.Errorf("with an own account it waits %s", d)
			}
			time.Sleep(time.Hour)
		}
		if d := s.limited("ann", wrong, "2001:db8:0:1::1"); d != 0 {
			t.Errorf("the neighbours wait %s", d)
		}
	})
}

// Many at once get no more attempts than one after the other.
func TestAttemptsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, Options{})
		s.addUser("ann", Admin)
		var all sync.WaitGroup
		for i := range 60 {
			all.Go(func() { _ = s.check("ann", fmt.Sprintf("wrong horse battery %d", i), fmt.Sprintf("10.0.0.%d", i)) })
		}
		all.Wait()
		if n := s.hasher.Computed() - 1; n != freeOfAccount {
			t.Errorf("%d passwords were looked at", n)
		}
	})
}

// A machine that is busy counts as nobody's failure.
func TestBusy(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	s.addUser("ann", Admin)
	release := s.hasher.Occupy()
	for range 2 * freeOfAccount {
		if d := s.limited("ann", goodPassword, "192.0.2.1"); d != time.Second {
			t.Errorf("waits %s", d)
		}
	}
	release()
	if err := s.check("ann", goodPassword, "192.0.2.1"); err != nil {
		t.Error(err)
	}
}

// Whoever tries however many names, the table stays small, and keeps those with
// the most failures.
func TestBoundedAttempts(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	now := time.Now().UnixMilli()
	err := s.db.WriteSoon(t.Context(), func(tx *sql.Tx) error {
		for i := range maxAttempts {
			if _, err := tx.Exec(`INSERT INTO auth_attempts (who, failures, until, last_at) VALUES (?, ?, 0, ?)`, fmt.Sprint("account ", i), 1+i%2*7, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		_ = s.check(fmt.Sprintf("user%d", i), wrong, "192.0.2.1")
	}
	var n, many int
	if err := s.db.Read.QueryRow(`SELECT count(*), count(CASE WHEN failures = 8 THEN 1 END) FROM auth_attempts`).Scan(&n, &many); err != nil || n > maxAttempts || many != maxAttempts/2 {
		t.Errorf("%d rows, %d of those with many failures, %v", n, many, err)
	}
}

// A clock that is set back locks nobody out for longer than any wait.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	s.addUser("ann", Admin)
	far := time.Now().AddDate(1, 0, 0).UnixMilli()
	err := s.db.WriteSoon(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO auth_attempts (who, failures, until, last_at) VALUES (?, 9, ?, ?)`, accountKey("ann"), far, far)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := s.limited("ann", goodPassword, ""); d != longestWait {
		t.Errorf("waits %s", d)
	}
}

// An end in the middle of a login costs one attempt, and no more.
func TestEndDuringAttempt(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	s.addUser("ann", Admin)
	for range freeOfAccount - 1 {
		name := "ann"
		if err := s.charge(t.Context(), s.attempt("192.0.2.1", &name)); err != nil {
			t.Fatal(err)
		}
		s.restart()
	}
	if err := s.check("ann", goodPassword, "192.0.2.1"); err != nil {
		t.Error(err)
	}
}
