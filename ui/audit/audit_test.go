package audit

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/registry"
)

// An entry is kept with who did it, and comes back as it was.
func TestAppend(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.must(k.Note(t.Context(), Entry{Action: "system.start"}))
	anna := Actor{"anna", "user", "10.0.0.7", "session"}
	k.must(k.db.Write(t.Context(), func(tx *sql.Tx) error {
		return k.Append(WithActor(t.Context(), anna), tx, Entry{Action: "user.create", Target: "ben", After: map[string]string{"role": "viewer"}, Outcome: "denied"})
	}))
	list, err := k.List(t.Context(), Filter{})
	k.must(err)
	if len(list) != 2 || list[1].Actor.Name != "system" || list[1].Outcome != "ok" || list[1].Before != nil {
		t.Fatalf("%+v", list)
	}
	got := list[0]
	if age := time.Since(got.At); age < 0 || age > time.Minute || got.Previous != list[1].Hash || list[1].Previous != noHash {
		t.Errorf("%+v", got)
	}
	want := Record{ID: 2, At: got.At, Actor: anna, Action: "user.create", Target: "ben", After: json.RawMessage(`{"role":"viewer"}`),
		Outcome: "denied", Previous: got.Previous, Hash: got.Hash}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := k.Note(t.Context(), Entry{}); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("no action: %v", err)
	}
	if err := k.Note(t.Context(), Entry{Action: "x", After: make(chan int)}); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("no JSON: %v", err)
	}
	k.whole(2)
}

// Texts from outside are kept as they came, as far as they are texts, and none is
// so long that the log would fill up with it.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for _, c := range []struct{ given, kept string }{
		{"\x1b[2Jclear\r\n\x00end", "\x1b[2Jclear\r\n\x00end"},
		{"bad \xff\xfe bytes", "bad \uFFFD bytes"},
		{"\u202egnp.exe", "\u202egnp.exe"},
		{strings.Repeat("é", 4<<10), strings.Repeat("é", 2046) + "…"},
		{"'); DROP TABLE audit; --", "'); DROP TABLE audit; --"},
	} {
		actor := Actor{c.given, c.given, c.given, c.given}
		k.must(k.Note(WithActor(t.Context(), actor), Entry{c.given, c.given, c.given, json.RawMessage(`"\u003cx>` + "\u2028" + `"`), c.given}))
		list, err := k.List(t.Context(), Filter{Limit: 1})
		k.must(err)
		r := list[0]
		for _, text := range []string{r.Actor.Name, r.Actor.Kind, r.Actor.Address, r.Actor.Via, r.Action, r.Target, r.Outcome} {
			if text != c.kept {
				t.Errorf("%.40q was kept as %.40q, want %.40q", c.given, text, c.kept)
			}
		}
	}
	k.whole(5)
	content, key := k.export()
	if cp, err := VerifyExport(strings.NewReader(content), key.ID()); err != nil || cp.Entries != 5 {
		t.Errorf("export: %v, %+v", err, cp)
	}
}

// A value that is too long is replaced by what identifies it.
func TestLongValues(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	fits, long := strings.Repeat("x", maxValue-2), strings.Repeat("x", maxValue-1)
	k.must(k.Note(t.Context(), Entry{Action: "policy.set", Before: fits, After: long}))
	list, err := k.List(t.Context(), Filter{})
	k.must(err)
	if want := `"` + fits + `"`; string(list[0].Before) != want {
		t.Errorf("before has %d bytes, want %d", len(list[0].Before), len(want))
	}
	var after struct {
		Truncated bool
		SHA256    string
		Bytes     int
	}
	k.must(json.Unmarshal(list[0].After, &after))
	if !after.Truncated || after.Bytes != len(long)+2 || len(after.SHA256) != 64 {
		t.Errorf("after: %s", list[0].After)
	}
	k.whole(1)
}

// What a filter asks for is what comes, the newest first, in pages.
func TestList(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	anna := WithActor(t.Context(), Actor{Name: "anna", Kind: "user"})
	for i, e := range []struct {
		ctx context.Context
		e   Entry
	}{
		{anna, Entry{Action: "tag.set", Target: "docker.io/library/nginx:1.27"}},
		{anna, Entry{Action: "tag.delete", Target: "docker.io/library/nginx:1.26"}},
		{t.Context(), Entry{Action: "tagger.run", Target: "100%_nginx"}},
		{anna, Entry{Action: "login", Outcome: "denied"}},
		{t.Context(), Entry{Action: "tag.set", Target: "2 names", After: []listed{{Name: "a/b:v1"}, {Name: "a/b:v2"}}}},
		{t.Context(), Entry{Action: "policy.set", After: "a/b:v1 is told of here, too"}},
	} {
		k.must(k.Note(e.ctx, e.e))
		k.unclock(int64(i + 1))
	}
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	for _, c := range []struct {
		f    Filter
		want string
	}{
		{Filter{}, "[6 5 4 3 2 1]"},
		{Filter{Limit: 2}, "[6 5]"},
		{Filter{Limit: 2, Before: 5}, "[4 3]"},
		{Filter{Actor: "anna"}, "[4 2 1]"},
		{Filter{Actor: "ann"}, "[]"},
		{Filter{Action: "tag."}, "[5 2 1]"},
		{Filter{Action: "tag.set"}, "[5 1]"},
		{Filter{Action: "%"}, "[]"},
		{Filter{Target: "nginx"}, "[3 2 1]"},
		{Filter{Target: "%_"}, "[3]"},
		{Filter{Target: "a/b:v1"}, "[5]"},
		{Filter{Outcome: "denied"}, "[4]"},
		{Filter{Since: at(3)}, "[6 5 4 3]"},
		{Filter{Until: at(3)}, "[2 1]"},
		{Filter{Since: at(2), Until: at(4), Actor: "anna"}, "[2]"},
	} {
		list, err := k.List(t.Context(), c.f)
		k.must(err)
		ids := []int64{}
		for _, r := range list {
			ids = append(ids, r.ID)
		}
		if got := fmt.Sprint(ids); got != c.want {
			t.Errorf("%+v: %s, want %s", c.f, got, c.want)
		}
	}
}

// unclock makes an entry one of so many seconds after 1970.
func (k *kit) unclock(id int64) {
	k.t.Helper()
	for _, statement := range []string{`DROP TRIGGER IF EXISTS audit_update`, fmt.Sprintf(`UPDATE audit SET at = id * 1000 WHERE id = %d`, id)} {
		k.exec(statement)
	}
}

// Entries of all who write at the same time form one chain, also while it is
// followed and exported.
func TestConcurrentAppends(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	key := newKey(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 25 {
				write := k.db.Write
				if j%2 == 0 {
					write = k.db.WriteSoon
				}
				if err := write(t.Context(), func(tx *sql.Tx) error {
					return errors.Join(k.Append(t.Context(), tx, Entry{Action: "a", Target: fmt.Sprint(i)}), k.Append(t.Context(), tx, Entry{Action: "b"}))
				}); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			var b strings.Builder
			if err := k.Export(t.Context(), &b, key); err != nil {
				t.Error(err)
			} else if _, err := VerifyExport(strings.NewReader(b.String()), key.ID()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	k.whole(400)
}

// An entry goes with its transaction, and the next one takes its place.
func TestUndone(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.fill(2)
	undo := errors.New("undo")
	err := k.db.Write(t.Context(), func(tx *sql.Tx) error {
		return errors.Join(k.Append(t.Context(), tx, Entry{Action: "never"}), undo)
	})
	if !errors.Is(err, undo) {
		t.Fatal(err)
	}
	k.whole(2)
	k.fill(1)
	k.whole(3)
}

// A clock that is set back makes no entry invalid.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := newRecord(t.Context(), Entry{Action: "a"})
		if err != nil || !r.At.Equal(time.Now()) {
			t.Fatal(r, err)
		}
		c := newChain()
		for _, at := range []time.Time{r.At, r.At.Add(-time.Hour), time.UnixMilli(-1)} {
			next := *r
			next.ID, next.Previous, next.At = c.Entries+1, c.Hash, at
			sum := next.sum()
			next.Hash = fmt.Sprintf("%x", sum)
			if err := c.follow(&next); err != nil {
				t.Error(err)
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	k := newKit(b)
	ctx := WithActor(b.Context(), Actor{"anna", "user", "10.0.0.7", "token"})
	digest := "sha256:" + noHash
	for _, soon := range []bool{true, false} {
		b.Run(fmt.Sprint("synced=", !soon), func(b *testing.B) {
			write := k.db.Write
			if soon {
				write = k.db.WriteSoon
			}
			for b.Loop() {
				k.must(write(ctx, func(tx *sql.Tx) error {
					return k.Append(ctx, tx, Entry{Action: "tag.set", Target: "docker.io/library/nginx:1.27", Before: digest, After: digest})
				}))
			}
		})
	}
}
