// Package sitevalues keeps what a site says to the variables that definitions leave
// open: apart from the defaults, which stay the definition's, so that an upgrade can
// show what is the site's own and what is new. Each value keeps the rules of the
// definition; sensitive ones are sealed at rest and are given to nobody who only
// looks. It does not render anything, and knows no clusters.
//
// Nouns. A scope is whose values they are: the name of a definition, whatever its
// version. A given value is one that the site has said; a variable without one has its
// default. A sealed value is kept encrypted, and stays so when a later definition does
// not call the variable sensitive any more. A scope that is locked is in use: its
// immutable variables do not change.
package sitevalues

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
	"unicode"

	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Hidden is what stands for a value that is not shown.
const Hidden = "set"

// Bounds of what is kept.
const (
	maxScope = 512      // bytes
	maxValue = 64 << 10 // bytes of JSON
)

// The kinds of changes.
const (
	ChangeSet    = "values.set"
	ChangeLock   = "values.lock"
	ChangeUnlock = "values.unlock"
)

// Change is what was done to a scope. It tells no sealed value: Hidden stands for it.
type Change struct {
	Kind          string
	Scope         string
	Before, After map[string]any // the variables that changed; absent: no value was given
}

// Options of Values.
type Options struct {
	// KeyFile is where the key is that seals values: required. It is made, for its
	// owner alone, when the first value is sealed.
	KeyFile string
	// Record is told of each change in its transaction; when it fails, nothing is
	// changed. Nil: nobody is told.
	Record func(ctx context.Context, tx *sql.Tx, c Change) error
}

// Values are those of one site.
type Values struct {
	db     *sqldb.DB
	keys   *keyring
	record func(ctx context.Context, tx *sql.Tx, c Change) error
}

// Open opens the values in a database.
func Open(ctx context.Context, home sqldb.Home, opts Options) (*Values, error) {
	content, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	db, err := home.Tables(ctx, "sitevalues", content)
	if err != nil {
		return nil, registry.DiskError(err)
	}
	v := &Values{db: db, keys: &keyring{path: opts.KeyFile}, record: opts.Record}
	if v.record == nil {
		v.record = func(context.Context, *sql.Tx, Change) error { return nil }
	}
	return v, nil
}

// checkScope is ErrInvalid for what cannot be a scope.
func checkScope(scope string) error {
	odd := func(c rune) bool { return !unicode.IsPrint(c) || c == ' ' }
	if scope == "" || len(scope) > maxScope || strings.ContainsFunc(scope, odd) {
		return fmt.Errorf("%w: %.80q is no scope of values: want the name of a definition", registry.ErrInvalid, scope)
	}
	return nil
}

// Lock keeps the immutable variables of a scope as they are from now on.
func (v *Values) Lock(ctx context.Context, scope string) error { return v.setLock(ctx, scope, true) }

// Unlock ends Lock.
func (v *Values) Unlock(ctx context.Context, scope string) error {
	return v.setLock(ctx, scope, false)
}

func (v *Values) setLock(ctx context.Context, scope string, lock bool) error {
	if err := checkScope(scope); err != nil {
		return err
	}
	err := v.db.Write(ctx, func(tx *sql.Tx) error {
		now, err := readScope(ctx, tx, scope)
		if err != nil || now.locked == lock {
			return err
		}
		at, kind := sql.NullInt64{}, ChangeUnlock
		if lock {
			at, kind = sql.NullInt64{Int64: time.Now().UnixMilli(), Valid: true}, ChangeLock
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO site_scopes (scope, revision, locked_at) VALUES (?, 0, ?)
			ON CONFLICT (scope) DO UPDATE SET locked_at = excluded.locked_at`, scope, at)
		if err != nil {
			return err
		}
		return v.record(ctx, tx, Change{Kind: kind, Scope: scope})
	})
	return registry.DiskError(err)
}

// Locked reports whether a scope is locked.
func (v *Values) Locked(ctx context.Context, scope string) (bool, error) {
	now, err := readScope(ctx, v.db.Read, scope)
	return now.locked, err
}

// scopeState is what is known of a scope.
type scopeState struct {
	revision int64
	locked   bool
}

// queryer is a database or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func readScope(ctx context.Context, q queryer, scope string) (now scopeState, err error) {
	err = q.QueryRowContext(ctx, `SELECT revision, locked_at IS NOT NULL FROM site_scopes WHERE scope = ?`, scope).Scan(&now.revision, &now.locked)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return now, registry.DiskError(err)
}

// Given are the values that the site has said, sealed ones opened: for who renders
// with them, not for who looks. ErrInvalid names those that cannot be opened.
func (v *Values) Given(ctx context.Context, scope string) (map[string]any, error) {
	list, err := v.rows(ctx, v.db.Read, scope)
	if err != nil {
		return nil, err
	}
	given := map[string]any{}
	var errs []error
	for _, r := range list {
		if given[r.name], err = v.open(scope, r); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return given, nil
}

// Resolve are the values of all variables of a definition: those that are given, and
// defaults. All that breaks a rule is told, joined.
func (v *Values) Resolve(ctx context.Context, scope string, d *definition.Definition) (map[string]any, error) {
	given, err := v.Given(ctx, scope)
	if err != nil {
		return nil, err
	}
	return variable.Resolve(d.Variables, given)
}

// row is a given value as it is kept.
type row struct {
	name    string
	text    sql.NullString
	sealed  []byte
	changed time.Time
}

// rows are a scope's, by name.
func (v *Values) rows(ctx context.Context, q queryer, scope string) (list []row, err error) {
	if err := checkScope(scope); err != nil {
		return nil, err
	}
	found, err := q.QueryContext(ctx, `SELECT name, value, sealed, changed_at FROM site_values WHERE scope = ? ORDER BY name`, scope)
	if err != nil {
		return nil, registry.DiskError(err)
	}
	defer found.Close()
	for found.Next() {
		var r row
		var at int64
		if err := found.Scan(&r.name, &r.text, &r.sealed, &at); err != nil {
			return nil, registry.DiskError(err)
		}
		r.changed = time.UnixMilli(at).UTC()
		list = append(list, r)
	}
	return list, registry.DiskError(found.Err())
}

// open is the value of a row.
func (v *Values) open(scope string, r row) (any, error) {
	text := []byte(r.text.String)
	if r.sealed != nil {
		var err error
		if text, err = v.keys.open(r.sealed, scope, r.name); err != nil {
			return nil, fmt.Errorf("value of %s: %w", r.name, err)
		}
	}
	value, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("value of %s: %w: what is kept is no JSON", r.name, registry.ErrInvalid)
	}
	return value, nil
}
