package audit

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry/store"
)

// TagChange is what an entry says of one tag.
type TagChange struct {
	ID     int64 // of the entry
	At     time.Time
	Actor  Actor
	Kind   store.ChangeKind
	Before digest.Digest // empty: it pointed at nothing, or that was not looked up
	After  digest.Digest // empty: it points at nothing any more
}

// tagKinds is how the kinds of changes begin that are about tags.
const tagKinds = "tag."

// noteNames notes which names the last entry is about, so that History finds the
// tags among them.
func (l *Log) noteNames(ctx context.Context, tx *sql.Tx, kind store.ChangeKind, names ...string) error {
	if !strings.HasPrefix(string(kind), tagKinds) {
		return nil
	}
	list, err := json.Marshal(names)
	if err == nil {
		_, err = tx.ExecContext(context.WithoutCancel(ctx), `INSERT OR IGNORE INTO audit_names (name, id)
			SELECT value, (SELECT entries FROM audit_head) FROM json_each(?)`, string(list))
	}
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}

const historyQuery = `SELECT ` + columns + ` FROM audit WHERE id IN
	(SELECT id FROM audit_names WHERE name = ? AND id < ? ORDER BY id DESC LIMIT ?) ORDER BY id DESC`

// History returns what was done to a tag, the newest first: at most limit changes,
// before the entry of an id when that is not 0. The name is as the site lists it. It
// proves nothing: see Verify.
func (l *Log) History(ctx context.Context, name string, before int64, limit int) ([]TagChange, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	rows, err := l.db.Read.QueryContext(ctx, historyQuery, name, before, limit)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	defer rows.Close()
	list := []TagChange{}
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, r.tagChange(name))
	}
	return list, rows.Err()
}

// tagChange is what the record says of one tag.
func (r *Record) tagChange(name string) TagChange {
	c := TagChange{ID: r.ID, At: r.At, Actor: r.Actor, Kind: store.ChangeKind(r.Action)}
	if !strings.HasPrefix(string(r.After), listStart) {
		c.Before, c.After = digestIn(r.Before), digestIn(r.After)
		return c
	}
	var all []listed
	_ = json.Unmarshal(r.After, &all) // what is no list tells of nothing
	all = slices.DeleteFunc(all, func(one listed) bool { return one.Name != name })
	if len(all) > 0 { // several, when one transaction has changed it more than once
		c.Before, c.After = digestIn(all[0].Before), digestIn(all[len(all)-1].After)
	}
	return c
}

// digestIn is a digest that was kept as JSON; empty for anything else.
func digestIn(content json.RawMessage) digest.Digest {
	var text string
	if json.Unmarshal(content, &text) != nil || digest.Digest(text).Validate() != nil {
		return ""
	}
	return digest.Digest(text)
}
