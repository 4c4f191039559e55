package audit

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// BrokenError says where a log or an export is not what was written. It is an
// ErrDigest.
type BrokenError struct {
	Entry int64 // id; 0 when it is not about one
	Fault string
}

func (e *BrokenError) Error() string {
	if e.Entry == 0 {
		return "the audit log is broken: " + e.Fault
	}
	return fmt.Sprintf("the audit log is broken at entry %d: %s", e.Entry, e.Fault)
}

// Is makes the error an ErrDigest.
func (e *BrokenError) Is(target error) bool { return target == registry.ErrDigest }

// Verdict is what was proven of a log: so many entries, from the first on, follow
// each other as they were written.
type Verdict struct {
	Entries int64     `json:"entries"`
	Hash    string    `json:"hash"`          // of the last of them
	Last    time.Time `json:"last,omitzero"` // when it was written
}

// chain is how far a log has been followed.
type chain struct {
	Verdict
}

func newChain() *chain { return &chain{Verdict{Hash: noHash}} }

// follow takes the next record, or says in a *BrokenError why it is not that.
func (c *chain) follow(r *Record) error {
	want := c.Entries + 1
	switch sum := r.sum(); {
	case r.ID > want:
		return &BrokenError{want, fmt.Sprintf("it is missing; the next one is %d", r.ID)}
	case r.ID < want:
		return &BrokenError{r.ID, fmt.Sprintf("it stands where entry %d has to be", want)}
	case r.Hash != hex.EncodeToString(sum[:]):
		return &BrokenError{r.ID, "it is not what its hash was made of: it was changed"}
	case r.Previous != c.Hash && want == 1:
		return &BrokenError{r.ID, "something was before it"}
	case r.Previous != c.Hash:
		return &BrokenError{r.ID, fmt.Sprintf("it does not follow entry %d: one of them was put in another's place", c.Entries)}
	}
	c.Entries, c.Hash, c.Last = want, r.Hash, r.At
	return nil
}

// ends compares the chain with what is said of its end.
func (c *chain) ends(entries int64, hash, says string) error {
	switch {
	case c.Entries < entries:
		return &BrokenError{c.Entries + 1, fmt.Sprintf("it is missing; %s has %d entries", says, entries)}
	case c.Entries > entries:
		return &BrokenError{entries + 1, fmt.Sprintf("it was added; %s has %d entries", says, entries)}
	case c.Hash != hash:
		return &BrokenError{entries, fmt.Sprintf("it is not the last one that %s names", says)}
	}
	return nil
}

// Verify follows the chain of the whole log; what is added meanwhile is in it,
// too. A *BrokenError names the first entry that is not as it was written; the
// verdict is about those before. It does not find a log that was made anew by
// somebody who may write the database: see VerifyAgainst.
func (l *Log) Verify(ctx context.Context) (Verdict, error) {
	return l.walk(ctx, func(*Record) error { return nil })
}

// VerifyAgainst is Verify, and compares the log with the checkpoint of an earlier
// export, which VerifyExport has proven: a *BrokenError also when entries that
// there were then are now others, or missing.
func (l *Log) VerifyAgainst(ctx context.Context, c Checkpoint) (Verdict, error) {
	says := "the checkpoint of " + c.Time.UTC().Format(time.RFC3339)
	v, err := l.walk(ctx, func(r *Record) error {
		if r.ID == c.Entries && r.Hash != c.Hash {
			return &BrokenError{r.ID, fmt.Sprintf("it is another one than %s names: the log was made anew", says)}
		}
		return nil
	})
	if err == nil && v.Entries < c.Entries {
		err = &BrokenError{v.Entries + 1, fmt.Sprintf("it is missing; %s has %d entries", says, c.Entries)}
	}
	return v, err
}

// walk follows the chain and visits each record, oldest first.
func (l *Log) walk(ctx context.Context, visit func(*Record) error) (Verdict, error) {
	c := newChain()
	for from, more := int64(math.MinInt64), true; more; {
		p, err := l.page(ctx, from)
		if err != nil {
			return c.Verdict, err
		}
		for _, r := range p.records {
			if err := c.follow(r); err != nil {
				return c.Verdict, err
			}
			if err := visit(r); err != nil {
				return c.Verdict, err
			}
			from = r.ID + 1
		}
		if p.broken != nil {
			return c.Verdict, p.broken
		}
		if more = len(p.records) == pageSize; !more {
			return c.Verdict, c.ends(p.entries, p.hash, "its head")
		}
	}
	return c.Verdict, nil
}

// pageSize is how many records are read at once. Between the pages no query is
// open, so that the database's log can be folded in.
const pageSize = 128

// page is some records with the head of the same moment.
type page struct {
	records []*Record
	broken  error // what follows them
	entries int64
	hash    string
}

func (l *Log) page(ctx context.Context, from int64) (*page, error) {
	tx, err := l.db.Read.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	p := &page{}
	var tables int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('audit', 'audit_head')`).Scan(&tables); err != nil {
		return nil, err
	}
	if tables < 2 {
		return nil, &BrokenError{Fault: "its table is gone"}
	}
	if err := p.readHead(ctx, tx); err != nil {
		return nil, err
	}
	return p, p.read(ctx, tx, from)
}

func (p *page) readHead(ctx context.Context, tx *sql.Tx) error {
	var entries, hash any
	err := tx.QueryRowContext(ctx, `SELECT entries, hash FROM audit_head WHERE one = 1`).Scan(&entries, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return &BrokenError{Fault: "its head is gone"}
	}
	if err == nil && (!take(&p.entries, entries, "entries") || !take(&p.hash, hash, "hash")) {
		return &BrokenError{Fault: "its head is of another type than was written"}
	}
	return err
}

// read stops at a record that cannot be one.
func (p *page) read(ctx context.Context, tx *sql.Tx, from int64) error {
	rows, err := tx.QueryContext(ctx, `SELECT `+columns+` FROM audit WHERE id >= ? ORDER BY id LIMIT ?`, from, pageSize)
	if err != nil {
		return err
	}
	defer rows.Close()
	for p.broken == nil && rows.Next() {
		r, err := scan(rows)
		if broken := (*BrokenError)(nil); errors.As(err, &broken) {
			p.broken = broken
		} else if err != nil {
			return err
		} else {
			p.records = append(p.records, r)
		}
	}
	return rows.Err()
}
