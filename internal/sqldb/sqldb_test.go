package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/landfall-dev/landfall/internal/sqldb"
)

var migrations = fstest.MapFS{"0001_t.sql": {Data: []byte("-- +goose Up\nCREATE TABLE t (n INTEGER PRIMARY KEY);\n")}}

func insert(n int) func(*sql.Tx) error {
	return func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO t (n) VALUES (?)`, n)
		return err
	}
}

func count(t *testing.T, db *sqldb.DB) (n int) {
	t.Helper()
	if err := db.Read.QueryRow(`SELECT count(*) FROM t`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Both kinds of transaction are seen at once by everybody, undone as a whole,
// and there after the next opening. Readers cannot write.
func TestTransactions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "with space & ?.db")
	db, err := sqldb.Open(t.Context(), path, migrations)
	if err != nil {
		t.Fatal(err)
	}
	undo := errors.New("undo")
	for i, write := range []func(context.Context, func(*sql.Tx) error) error{db.Write, db.WriteSoon} {
		if err := write(t.Context(), insert(i)); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db); n != i+1 {
			t.Errorf("%d rows, want %d", n, i+1)
		}
		err := write(t.Context(), func(tx *sql.Tx) error { return errors.Join(insert(10)(tx), undo) })
		if !errors.Is(err, undo) || count(t, db) != i+1 {
			t.Errorf("%v, %d rows: want the transaction undone", err, count(t, db))
		}
	}
	if _, err := db.Read.Exec(`DELETE FROM t`); err == nil {
		t.Error("a reader could write")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = sqldb.Open(t.Context(), path, migrations); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if n := count(t, db); n != 2 {
		t.Errorf("%d rows after opening again, want 2", n)
	}
}

// Writers wait for each other instead of failing.
func TestWritersTakeTurns(t *testing.T) {
	t.Parallel()
	db, err := sqldb.Open(t.Context(), filepath.Join(t.TempDir(), "db"), migrations)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var all sync.WaitGroup
	for i := range 64 {
		write := db.Write
		if i%2 == 0 {
			write = db.WriteSoon
		}
		all.Go(func() {
			if err := write(t.Context(), insert(i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := count(t, db); n != 64 {
		t.Errorf("%d rows, want 64", n)
	}
}
