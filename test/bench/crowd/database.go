package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/types"
	_ "modernc.org/sqlite" // the driver
)

// database is the store's, with all its tables there and nobody else in it.
type database struct {
	*sql.DB
	tx           *sql.Tx
	created      int64            // milliseconds since 1970: older than anything that the store spares for being new
	repositories map[string]int64 // path to row
	tags         map[string]bool  // those that were there
	tables       map[string]*table
}

// columns are named, so that columns with a default may be added to the schema.
var columns = map[string]string{
	"blobs":                "digest, size, created_at",
	"repository_blobs":     "repository_id, digest",
	"manifests":            "digest, media_type, artifact_type, annotations, content, created_at",
	"manifest_references":  "manifest, digest, kind",
	"repository_manifests": "repository_id, digest",
	"tags":                 "repository_id, name, digest, updated_at",
}

// open opens the database for one big transaction that no crash would survive:
// without a journal there is half the work.
func open(ctx context.Context, dir string) (*database, error) {
	pragmas := "?mode=rw&_pragma=locking_mode(EXCLUSIVE)&_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=cache_size(-1000000)"
	raw, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "landfall.db")+pragmas)
	if err != nil {
		return nil, err
	}
	raw.SetMaxOpenConns(1)
	db := &database{
		DB: raw, created: time.Now().Add(-90 * 24 * time.Hour).UnixMilli(),
		repositories: map[string]int64{}, tags: map[string]bool{}, tables: map[string]*table{},
	}
	if err := db.look(ctx); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	for name, columns := range columns {
		db.tables[name] = &table{tx: db.tx, name: name, columns: columns}
	}
	return db, nil
}

func (db *database) close() { _ = db.Close() }

// look begins the transaction and notes what is there.
func (db *database) look(ctx context.Context) (err error) {
	if db.tx, err = db.BeginTx(ctx, nil); err != nil {
		return err
	}
	rows, err := db.tx.QueryContext(ctx, `SELECT r.path, r.id, coalesce(t.name, '') FROM repositories r LEFT JOIN tags t ON t.repository_id = r.id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var path, tag string
		var id int64
		if err := rows.Scan(&path, &id, &tag); err != nil {
			return err
		}
		db.repositories[path], db.tags[path+":"+tag] = id, true
	}
	return rows.Err()
}

func (db *database) has(i *image) bool { return db.tags[i.repository+":"+i.tag] }

// insert writes the rows of an image, in the order of a push.
func (db *database) insert(ctx context.Context, i *image) error {
	id, known := db.repositories[i.repository]
	if !known {
		err := db.tx.QueryRowContext(ctx, `INSERT INTO repositories (path, name) VALUES (?, ?) RETURNING id`, i.repository, i.repository).Scan(&id)
		if err != nil {
			return err
		}
		db.repositories[i.repository] = id
	}
	var errs []error
	row := func(table string, values ...any) { errs = append(errs, db.tables[table].row(ctx, values...)) }
	for _, b := range i.blobs {
		row("blobs", b.Digest.String(), b.Size, db.created)
		row("repository_blobs", id, b.Digest.String())
		row("manifest_references", i.digest, b.Digest.String(), "blob")
	}
	row("manifests", i.digest, string(types.OCIManifestSchema1), string(types.OCIConfigJSON), "null", i.manifest, db.created)
	row("repository_manifests", id, i.digest)
	row("tags", id, i.tag, i.digest, db.created)
	return errors.Join(errs...)
}

// commit writes what the tables still hold.
func (db *database) commit(ctx context.Context) error {
	for _, t := range db.tables {
		if err := t.flush(ctx); err != nil {
			return err
		}
	}
	return db.tx.Commit()
}

// table inserts rows by the hundred: one statement costs as much as many rows.
type table struct {
	tx            *sql.Tx
	name, columns string
	full          *sql.Stmt
	rows          int
	values        []any
}

const rowsAtOnce = 100

func (t *table) row(ctx context.Context, values ...any) (err error) {
	t.rows++
	t.values = append(t.values, values...)
	if t.rows < rowsAtOnce {
		return nil
	}
	if t.full == nil {
		if t.full, err = t.tx.PrepareContext(ctx, t.statement()); err != nil {
			return err
		}
	}
	_, err = t.full.ExecContext(ctx, t.values...)
	t.rows, t.values = 0, t.values[:0]
	return err
}

func (t *table) flush(ctx context.Context) error {
	if t.rows == 0 {
		return nil
	}
	_, err := t.tx.ExecContext(ctx, t.statement(), t.values...)
	t.rows, t.values = 0, nil
	return err
}

// statement inserts as many rows as wait, and resets what is there to how it
// would be after a push.
func (t *table) statement() string {
	one := "(?" + strings.Repeat(", ?", strings.Count(t.columns, ",")) + ")"
	return fmt.Sprintf("INSERT OR REPLACE INTO %s (%s) VALUES %s%s", t.name, t.columns, one, strings.Repeat(", "+one, t.rows-1))
}
