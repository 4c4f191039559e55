// Package audit keeps who changed what at the site: an append-only log whose
// entries are chained by their hashes, each written in the transaction of the
// change that it tells of, so that both are there after a crash, or neither. It
// does not decide who may do what, and it is no log of requests: what was only
// read is not in it.
//
// Nouns. An entry is what an actor did; a record is an entry as it is kept, with
// its place in the chain. The head says how many records there are and the hash
// of the last one. An export is all records in a file, and ends with a
// checkpoint: the head, signed with the site's key.
//
// What the chain proves. An edit, a record that is missing, added or moved, and
// an end that was cut off are found by Verify. Who may write the whole database
// can make all records anew, with right hashes and a right head; and the site's
// key is in that database, so that they can sign, too. What they cannot change is
// a checkpoint that was carried away before: the record that it names has another
// hash then, or is missing, and VerifyAgainst says so. So exports belong elsewhere,
// as often as one wants to be sure.
//
// A record takes about 320 bytes of the database where before and after are
// digests, and nothing is ever taken out: a million of them is 320 MB.
package audit

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/observe"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Entry is what an actor did. Who that is, and by which request, is taken from
// the context. It must tell no secret.
type Entry struct {
	Action  string // like user.create; required
	Target  string // what it was done to
	Before  any    // as JSON; nil: nothing
	After   any    // as JSON; nil: nothing
	Outcome string // ok when empty
}

// Log is the audit log of a site.
type Log struct {
	db *sqldb.DB
}

// Open opens the log in a database.
func Open(ctx context.Context, db sqldb.Home) (*Log, error) {
	content, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	tables, err := db.Tables(ctx, "audit", content)
	if err != nil {
		return nil, registry.DiskError(err)
	}
	return &Log{db: tables}, nil
}

// Append adds an entry within the transaction of what it tells of. Texts longer
// than 4 KiB are cut, and a Before or After that is longer than 64 KiB as JSON is
// replaced by its length and SHA-256. ErrInvalid when there is no action, or what
// cannot be JSON.
func (l *Log) Append(ctx context.Context, tx *sql.Tx, e Entry) error {
	r, err := newRecord(ctx, e)
	if err == nil {
		err = r.add(context.WithoutCancel(ctx), tx) // to watch for its end costs more than the queries
	}
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}

// Note adds an entry about what changed nothing, durable when it returns.
func (l *Log) Note(ctx context.Context, e Entry) error {
	return registry.DiskError(l.db.Write(ctx, func(tx *sql.Tx) error { return l.Append(ctx, tx, e) }))
}

func newRecord(ctx context.Context, e Entry) (*Record, error) {
	if e.Action == "" {
		return nil, fmt.Errorf("%w: an entry without an action", registry.ErrInvalid)
	}
	before, err := value(e.Before)
	if err != nil {
		return nil, err
	}
	after, err := value(e.After)
	if err != nil {
		return nil, err
	}
	if e.Outcome == "" {
		e.Outcome = "ok"
	}
	a := ActorOf(ctx)
	return &Record{
		At:     time.UnixMilli(time.Now().UnixMilli()).UTC(),
		Actor:  Actor{clip(a.Name), clip(a.Kind), clip(a.Address), clip(a.Via)},
		Action: clip(e.Action), Target: clip(e.Target), Before: before, After: after,
		Outcome: clip(e.Outcome), Request: clip(observe.RequestID(ctx)),
	}, nil
}

// add gives the record its place at the end of the chain.
func (r *Record) add(ctx context.Context, tx *sql.Tx) error {
	var previous []byte
	if err := tx.QueryRowContext(ctx, `SELECT entries, hash FROM audit_head`).Scan(&r.ID, &previous); err != nil {
		return fmt.Errorf("its head: %w", err)
	}
	r.ID++
	r.Previous = fmt.Sprintf("%x", previous)
	hash := r.sum()
	_, err := tx.ExecContext(ctx, `INSERT INTO audit (`+columns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.ID, r.At.UnixMilli(), r.Actor.Name, r.Actor.Kind, r.Actor.Address, r.Actor.Via, r.Action, r.Target,
		string(r.Before), string(r.After), r.Outcome, r.Request, previous, hash[:])
	if err == nil {
		_, err = tx.ExecContext(ctx, `UPDATE audit_head SET entries = ?, hash = ?`, r.ID, hash[:])
	}
	return err
}
