// Package sqldb opens the embedded SQL database and brings its schema up to
// date. It knows nothing of what the tables mean.
package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"sync"
	"syscall"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// DB is one SQLite database in WAL mode: any number of readers beside one
// writer, with two degrees of durability.
type DB struct {
	// Read serves queries; it refuses to write.
	Read *sql.DB

	writing sync.Mutex // one transaction at a time: waiting here is cheaper than in SQLite
	full    *sql.DB    // one connection, synchronous=FULL
	normal  *sql.DB    // one connection, synchronous=NORMAL
}

// Open opens or makes the database and applies the migrations.
func Open(ctx context.Context, path string, migrations fs.FS) (*DB, error) {
	db := &DB{}
	var err error
	for _, c := range []struct {
		to      **sql.DB
		options string
		conns   int
	}{
		{&db.full, "_pragma=synchronous(FULL)&_txlock=immediate", 1},
		{&db.normal, "_pragma=synchronous(NORMAL)&_txlock=immediate", 1},
		{&db.Read, "_pragma=query_only(1)", 8},
	} {
		dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
			"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)&" + c.options
		if *c.to, err = sql.Open("sqlite", dsn); err != nil {
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
		(*c.to).SetMaxOpenConns(c.conns)
		(*c.to).SetMaxIdleConns(c.conns)
	}
	if err := db.migrate(ctx, migrations); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, translate(err)), db.Close())
	}
	return db, nil
}

func (db *DB) migrate(ctx context.Context, migrations fs.FS) error {
	p, err := goose.NewProvider(goose.DialectSQLite3, db.full, migrations)
	if err != nil {
		return err
	}
	if _, err = p.Up(ctx); err != nil {
		return err
	}
	_, err = db.full.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS sqldb_writes (n INTEGER NOT NULL)`)
	if err == nil {
		_, err = db.full.ExecContext(ctx, `INSERT INTO sqldb_writes SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM sqldb_writes)`)
	}
	return err
}

// Write runs fn in a transaction that is on the disk when Write returns,
// together with all that WriteSoon committed before.
func (db *DB) Write(ctx context.Context, fn func(*sql.Tx) error) error {
	return db.transaction(ctx, db.full, func(tx *sql.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		// A transaction without a change would not be synced.
		_, err := tx.ExecContext(ctx, `UPDATE sqldb_writes SET n = n + 1`)
		return err
	})
}

// WriteSoon runs fn in a transaction that everybody sees when it returns, and
// that a power cut may take back until the next Write.
func (db *DB) WriteSoon(ctx context.Context, fn func(*sql.Tx) error) error {
	return db.transaction(ctx, db.normal, fn)
}

func (db *DB) transaction(ctx context.Context, on *sql.DB, fn func(*sql.Tx) error) error {
	db.writing.Lock()
	defer db.writing.Unlock()
	tx, err := on.BeginTx(ctx, nil)
	if err != nil {
		return translate(err)
	}
	defer tx.Rollback()
	if err := fn(tx); err != nil {
		return translate(err)
	}
	return translate(tx.Commit())
}

// Close closes all connections; the last one folds the log into the database.
func (db *DB) Close() error {
	return errors.Join(db.Read.Close(), db.normal.Close(), db.full.Close())
}

// translate makes a full disk look the same whoever found it.
func translate(err error) error {
	if e := (*sqlite.Error)(nil); errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_FULL {
		return fmt.Errorf("%w: %w", syscall.ENOSPC, err)
	}
	return err
}
