package password

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/registry"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// cheap keeps tests quick.
var cheap = Params{Memory: 64, Time: 1, Threads: 1}

func TestVerify(t *testing.T) {
	t.Parallel()
	h := NewHasher(cheap)
	phc, err := h.Hash(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	if other, _ := h.Hash(t.Context(), "correct horse battery"); other == phc {
		t.Error("two hashes have the same salt")
	}
	for _, c := range []struct {
		phc, password string
		right         bool
	}{
		{phc, "correct horse battery", true},
		{phc, "correct horse batterY", false},
		{phc, "", false},
		{"", "correct horse battery", false},
		{"", "", false},
	} {
		before := h.Computed()
		right, stale, err := h.Verify(t.Context(), c.phc, c.password)
		if err != nil || right != c.right || stale {
			t.Errorf("%q: %v, %v, %v", c.password, right, stale, err)
		}
		if h.Computed() != before+1 {
			t.Errorf("%q: %d hashes computed, want one whether somebody has the password or not", c.password, h.Computed()-before)
		}
	}
	if _, _, err := h.Verify(t.Context(), "$argon2id$v=19$m=1048576,t=2,p=1$c2FsdHNhbHQ$"+strings.Repeat("A", 43), "x"); err == nil {
		t.Error("a hash that costs a GiB was computed")
	}
}

// What an older site has hashed is right, and to be made anew.
func TestStale(t *testing.T) {
	t.Parallel()
	phc, err := NewHasher(cheap).Hash(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	dearer := cheap
	dearer.Time = 2
	right, stale, err := NewHasher(dearer).Verify(t.Context(), phc, "correct horse battery")
	if !right || !stale || err != nil {
		t.Errorf("%v, %v, %v", right, stale, err)
	}
}

// More than two hashes are never computed at once, and who would have to wait for
// too many is refused.
func TestBounded(t *testing.T) {
	t.Parallel()
	h := NewHasher(cheap)
	for range width {
		h.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range waiting {
		all.Go(func() {
			if _, err := h.Hash(ctx, "x"); !errors.Is(err, context.Canceled) {
				t.Errorf("who waited: %v", err)
			}
		})
	}
	for h.queued.Load() < waiting {
		runtime.Gosched()
	}
	h.queued.Add(width) // those that compute
	if _, err := h.Hash(ctx, "x"); !errors.Is(err, ErrBusy) {
		t.Errorf("one more: %v", err)
	}
	cancel()
	all.Wait()
	if h.Computed() != 0 {
		t.Errorf("%d computed", h.Computed())
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for password, good := range map[string]bool{
		"correct horse battery":          true,
		"Zwölf Boxkämpfer":               true,
		"elevenchars":                    false,
		"ÄÖÜäöüÄÖÜäöü":                   false, // three letters in small
		"aaaaaaaaaaaaaaaa":               false,
		"ababababababab":                 false,
		"123456789012":                   false,
		"098765432109":                   false,
		"Passwordpassword":               false,
		"password12345":                  false,
		"Admin-2026-2026":                false,
		"landfall landfall":              false,
		"Marguerite12":                   false,
		"marguerite-marguerite":          false,
		"marguerite eats radishes":       true,
		"\xff\xfe invalid utf8 here":     false,
		strings.Repeat("abcdefghij", 26): false, // too long
		strings.Repeat("qazwsxedcr", 25): true,
	} {
		err := Check("Marguerite", password)
		if (err == nil) != good {
			t.Errorf("%q: %v, want good: %v", password, err, good)
		}
		if err != nil && !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%q: %v is not ErrInvalid", password, err)
		}
		if err != nil && strings.Contains(err.Error(), password) {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

// What is read is canonical and bounded.
func FuzzParse(f *testing.F) {
	phc, err := NewHasher(cheap).Hash(f.Context(), "x")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(phc)
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=+1,t=02,p=1$$")
	f.Add("$argon2i$v=19$m=1,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parse(s)
		if err != nil {
			return
		}
		if h.String() != s {
			t.Errorf("%q is read as %q", s, h)
		}
		if h.Memory > maxMemory || h.Time > maxTime || h.Threads == 0 || h.Time == 0 || len(h.key) > maxBytes || len(h.salt) > maxBytes {
			t.Errorf("%q costs %+v", s, h.Params)
		}
	})
}

// BenchmarkHash is what a login costs.
func BenchmarkHash(b *testing.B) {
	h := NewHasher(Default)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Hash(b.Context(), "correct horse battery"); err != nil {
			b.Fatal(err)
		}
	}
}

// What hashes took is given back at once: an appliance whose users have signed in
// is as small as before. It runs alone, since it measures the whole program.
func TestGivesBack(t *testing.T) {
	if _, err := NewHasher(Default).Hash(t.Context(), "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if took := m.HeapInuse + m.HeapIdle - m.HeapReleased; took >= uint64(Default.Memory)<<10 {
		t.Errorf("%d MiB are kept, as much as a hash takes", took>>20)
	}
}
