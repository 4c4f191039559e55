package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/registry"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// openPlain opens a log without a store. The table t is what entries tell of.
func openPlain(ctx context.Context, dir string) (*Log, error) {
	db, err := sqldb.Open(ctx, filepath.Join(dir, "landfall.db"), fstest.MapFS{"0001_t.sql": {Data: []byte("-- +goose Up\nCREATE TABLE t (n BIGINT);\n")}})
	if err != nil {
		return nil, err
	}
	return Open(ctx, db)
}

// kit is a log under test.
type kit struct {
	*Log
	t testing.TB
}

func newKit(t testing.TB) *kit {
	t.Helper()
	return openKit(t, t.TempDir())
}

func openKit(t testing.TB, dir string) *kit {
	t.Helper()
	l, err := openPlain(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.db.Close() })
	return &kit{l, t}
}

func (k *kit) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// fill adds entries of several shapes.
func (k *kit) fill(n int) {
	k.t.Helper()
	ctx := WithActor(k.t.Context(), Actor{"anna", "user", "10.0.0.7", "session"})
	for i := range n {
		k.must(k.Note(ctx, Entry{Action: "user.update", Target: fmt.Sprint("user ", i), Before: map[string]int{"n": i}, After: []string{"a<b", "é\u2028"}}))
	}
}

// exec changes the database as somebody does who may do anything.
func (k *kit) exec(query string, args ...any) {
	k.t.Helper()
	k.must(k.try(query, args...))
}

func (k *kit) try(query string, args ...any) error {
	return k.db.Write(k.t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	})
}

// unguard takes the triggers away.
func (k *kit) unguard() {
	k.t.Helper()
	for _, name := range []string{"audit_insert", "audit_update", "audit_delete", "audit_head_insert", "audit_head_update", "audit_head_delete"} {
		k.exec(`DROP TRIGGER ` + name)
	}
}

// whole proves that so many entries are there, and that the chain holds.
func (k *kit) whole(entries int64) {
	k.t.Helper()
	v, err := k.Verify(k.t.Context())
	k.must(err)
	if v.Entries != entries {
		k.t.Fatalf("%d entries, want %d", v.Entries, entries)
	}
}

// broken proves that the chain does not hold, and that the error says where and
// what.
func (k *kit) broken(what string, entry int64, fault string) {
	k.t.Helper()
	_, err := k.Verify(k.t.Context())
	isBroken(k.t, what, err, entry, fault)
}

func isBroken(t testing.TB, what string, err error, entry int64, fault string) {
	t.Helper()
	b := (*BrokenError)(nil)
	if !errors.As(err, &b) || !errors.Is(err, registry.ErrDigest) {
		t.Errorf("%s: %v, want a *BrokenError", what, err)
	} else if b.Entry != entry || !strings.Contains(b.Fault, fault) {
		t.Errorf("%s: %v, want entry %d, %q", what, err, entry, fault)
	}
}
