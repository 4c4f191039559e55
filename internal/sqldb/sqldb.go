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
	"os"
	"path/filepath"
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

	path    string
	writing sync.Mutex // one transaction at a time: waiting here is cheaper than in SQLite
	suspect bool       // a sync failed; protected by writing
	full    *sql.DB    // one connection, synchronous=FULL
	normal  *sql.DB    // one connection, synchronous=NORMAL
}

// Open opens or makes the database and applies the migrations.
func Open(ctx context.Context, path string, migrations fs.FS) (*DB, error) {
	db := &DB{path: path}
	keepPrivate(path)
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
		options := "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)&" + c.options
		if *c.to, err = sql.Open("sqlite", dsn(path, options)); err != nil {
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
		(*c.to).SetMaxOpenConns(c.conns)
		(*c.to).SetMaxIdleConns(c.conns)
	}
	if err := db.migrate(ctx, goose.DefaultTablename, migrations); err != nil {
		return nil, errors.Join(fmt.Errorf("open %w", db.translate(err)), db.Close())
	}
	if err := db.countWrites(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %w", db.translate(err)), db.Close())
	}
	return db, nil
}

// keepPrivate makes the file its owner's alone; its companions take that over.
// Where that fails, opening it will tell.
func keepPrivate(path string) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Mode().Perm()&0o077 != 0 {
		_ = f.Chmod(0o600)
	}
}

// Home gives packages tables of their own in a database that it has; a *store.Store
// is one, and so is a *DB by itself, which has no backups. The migrations are counted
// under the owner's name; prune are SQL statements that take from a backup what is
// only of use here.
type Home interface {
	Tables(ctx context.Context, owner string, migrations fs.FS, prune ...string) (*DB, error)
}

// Tables brings the tables of another owner up to date: see Home.
func (db *DB) Tables(ctx context.Context, owner string, migrations fs.FS, _ ...string) (*DB, error) {
	db.writing.Lock()
	defer db.writing.Unlock()
	if err := db.migrate(ctx, "goose_"+owner, migrations); err != nil {
		return nil, fmt.Errorf("tables of %s: %w", owner, db.translate(err))
	}
	return db, nil
}

func (db *DB) migrate(ctx context.Context, table string, migrations fs.FS) error {
	p, err := goose.NewProvider(goose.DialectSQLite3, db.full, migrations, goose.WithTableName(table))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

func (db *DB) countWrites(ctx context.Context) error {
	_, err := db.full.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS sqldb_writes (n INTEGER NOT NULL)`)
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

// Writes is how many times Write has succeeded since the database was made.
func (db *DB) Writes() (n int64, err error) {
	err = db.Read.QueryRow(`SELECT n FROM sqldb_writes`).Scan(&n)
	return n, db.translate(err)
}

// WriteSoon runs fn in a transaction that everybody sees when it returns, and
// that a power cut may take back until the next Write.
func (db *DB) WriteSoon(ctx context.Context, fn func(*sql.Tx) error) error {
	return db.transaction(ctx, db.normal, fn)
}

func (db *DB) transaction(ctx context.Context, on *sql.DB, fn func(*sql.Tx) error) error {
	db.writing.Lock()
	defer db.writing.Unlock()
	if err := db.renewLog(ctx); err != nil {
		return db.translate(err)
	}
	tx, err := on.BeginTx(ctx, nil)
	if err != nil {
		return db.translate(err)
	}
	defer tx.Rollback()
	if err = fn(tx); err == nil {
		err = tx.Commit()
	}
	if e := (*sqlite.Error)(nil); errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_IOERR {
		db.suspect = true
	}
	return db.translate(err)
}

// renewLog begins the log anew after a sync of it failed. The kernel reports
// lost pages once: later syncs succeed, and what they promise would stand
// behind a gap at which recovery stops. The checkpoint writes all pages to the
// database, from memory, and syncs that.
func (db *DB) renewLog(ctx context.Context) error {
	if !db.suspect {
		return nil
	}
	var busy, pages, moved int
	if err := db.full.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved); err != nil {
		return err
	}
	if busy != 0 {
		return errors.New("the database's log cannot be begun anew after a sync that failed: it is being read")
	}
	db.suspect = false
	return nil
}

// Close closes all connections; the last one folds the log into the database.
func (db *DB) Close() error {
	return errors.Join(db.Read.Close(), db.normal.Close(), db.full.Close())
}

// translate names the file, and makes a full or read-only disk look the same
// whoever found it.
func (db *DB) translate(err error) error {
	e := (*sqlite.Error)(nil)
	if !errors.As(err, &e) {
		return err
	}
	cause := error(nil)
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		cause = syscall.ENOSPC
	case sqlite3.SQLITE_READONLY:
		cause = syscall.EROFS
	case sqlite3.SQLITE_IOERR:
		if path := (*os.PathError)(nil); errors.As(db.whyBroken(), &path) {
			cause = path.Err // the file is named below
		}
	}
	if cause != nil {
		return fmt.Errorf("%s: %w: %w", db.path, cause, err)
	}
	return fmt.Errorf("%s: %w", db.path, err)
}

// whyBroken asks the file system what SQLite has forgotten, with a write of its
// own.
func (db *DB) whyBroken() error {
	f, err := os.CreateTemp(filepath.Dir(db.path), ".probe-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(make([]byte, 4096)); err != nil {
		return err
	}
	return f.Sync()
}

// Check looks for damage in the whole database and returns what it finds, the
// first complaints, or nothing.
func (db *DB) Check(ctx context.Context) (complaints []string, err error) {
	rows, err := db.Read.QueryContext(ctx, `PRAGMA quick_check(10)`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		if text != "ok" {
			complaints = append(complaints, text)
		}
	}
	return complaints, rows.Err()
}

// Snapshot writes a copy of the database as it is at one moment to a new file,
// and prunes it with SQL statements. The database is used meanwhile. The copy
// is not synced.
func (db *DB) Snapshot(ctx context.Context, path string, prune ...string) error {
	source, err := sql.Open("sqlite", dsn(db.path, "_pragma=busy_timeout(10000)"))
	if err != nil {
		return err
	}
	defer source.Close()
	if _, err := source.ExecContext(ctx, `VACUUM INTO ?`, path); err != nil {
		return db.translate(err)
	}
	target, err := sql.Open("sqlite", dsn(path, "_pragma=journal_mode(DELETE)&_pragma=synchronous(OFF)"))
	if err != nil {
		return err
	}
	defer target.Close()
	for _, statement := range prune {
		if _, err := target.ExecContext(ctx, statement); err != nil {
			return db.translate(err)
		}
	}
	return target.Close()
}

// OpenSnapshot opens a copy for reading; it writes nothing beside it.
func OpenSnapshot(path string) (*sql.DB, error) {
	return sql.Open("sqlite", dsn(path, "mode=ro&immutable=1"))
}

func dsn(path, options string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + options
}
