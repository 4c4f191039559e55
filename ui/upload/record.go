package upload

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// State is what becomes of an upload.
type State string

// The states of an upload.
const (
	Receiving State = "receiving"
	Checking  State = "checking" // a final upload's parts are joined and hashed
	Whole     State = "whole"
	Consumed  State = "consumed" // its bytes are gone
	Failed    State = "failed"   // so are they
	Gone      State = "gone"     // it was deleted or has expired; told in events only
)

// Upload is what is told of an upload.
type Upload struct {
	ID          string        `json:"id"`
	Name        string        `json:"name" doc:"For people; never a path"`
	Kind        Kind          `json:"kind,omitempty" doc:"As declared; as found, once it is whole"`
	State       State         `json:"state" enum:"receiving,checking,whole,consumed,failed,gone"`
	Size        int64         `json:"size"`
	Offset      int64         `json:"offset" doc:"So many bytes are on the disk; while checking, were checked"`
	Digest      digest.Digest `json:"digest,omitempty"`
	Reason      string        `json:"reason,omitempty" doc:"Why it failed"`
	ReasonKind  string        `json:"reasonKind,omitempty" doc:"Like the kind of a problem"`
	Partial     bool          `json:"partial,omitempty" doc:"To be joined with others"`
	Part        *Part         `json:"part,omitempty"`
	Fingerprint string        `json:"fingerprint,omitempty" doc:"By which the client finds it again"`
	Job         string        `json:"job,omitempty" doc:"What works with it"`
	Owner       string        `json:"owner"`
	Created     time.Time     `json:"created"`
	Expires     time.Time     `json:"expires"`
}

// Part says where the bytes of a partial upload belong.
type Part struct {
	Group  string `json:"group"`
	Offset int64  `json:"offset"`
	Total  int64  `json:"total"`
}

// record is an upload as the table has it.
type record struct {
	Upload
	concat   string
	file     string // name of the data file, without suffix
	base     int64  // where in it the bytes begin
	hash     []byte // state after Offset bytes; nil: none was kept
	reserved int64
	places   []place
	metadata string
	wanted   digest.Digest
}

// place is a data file that becomes a part of a final upload.
type place struct {
	File   string `json:"file"`
	Length int64  `json:"length"`
}

// hashed reports whether the digest of the bytes so far is wanted: of a part from
// the middle of a file it is of no use.
func (r *record) hashed() bool { return r.base == 0 }

// open reports whether bytes are still to come.
func (r *record) open() bool { return r.State == Receiving && (r.Offset < r.Size || r.Partial) }

const columns = `id, owner, state, concat, file, base, length, received, hash, reserved, places, part_group, part_total,
	kind, name, metadata, wanted, fingerprint, digest, reason, reason_kind, job, created_at, expires_at`

// querier is a *sql.DB or a *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// list reads the records of a condition with what follows it.
func list(ctx context.Context, q querier, condition string, args ...any) (found []*record, err error) {
	rows, err := q.QueryContext(ctx, `SELECT `+columns+` FROM upload_files WHERE `+condition, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, rows.Err()
}

func scan(rows *sql.Rows) (*record, error) {
	r := &record{}
	var places, group string
	var total, created, expires int64
	err := rows.Scan(&r.ID, &r.Owner, &r.State, &r.concat, &r.file, &r.base, &r.Size, &r.Offset, &r.hash, &r.reserved, &places, &group, &total,
		&r.Kind, &r.Name, &r.metadata, &r.wanted, &r.Fingerprint, &r.Digest, &r.Reason, &r.ReasonKind, &r.Job, &created, &expires)
	if err != nil {
		return nil, err
	}
	if places != "" {
		if err := json.Unmarshal([]byte(places), &r.places); err != nil {
			return nil, fmt.Errorf("upload %s: %w", r.ID, err)
		}
	}
	if group != "" {
		r.Part = &Part{group, r.base, total}
	}
	r.Partial = r.concat == concatPartial
	r.Created, r.Expires = time.UnixMilli(created), time.UnixMilli(expires)
	return r, nil
}

// get reads one record; ErrNotFound when there is none.
func get(ctx context.Context, q querier, id string) (*record, error) {
	found, err := list(ctx, q, `id = ?`, id)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("upload %.64q: %w", id, registry.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// insert writes a new record.
func insert(ctx context.Context, tx *sql.Tx, r *record) error {
	places := ""
	if r.places != nil {
		content, err := json.Marshal(r.places)
		if err != nil {
			return err
		}
		places = string(content)
	}
	part := Part{}
	if r.Part != nil {
		part = *r.Part
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO upload_files (`+columns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.ID, r.Owner, r.State, r.concat, r.file, r.base, r.Size, r.Offset, r.hash, r.reserved, places, part.Group, part.Total,
		r.Kind, r.Name, r.metadata, r.wanted, r.Fingerprint, r.Digest, r.Reason, r.ReasonKind, r.Job, r.Created.UnixMilli(), r.Expires.UnixMilli())
	return err
}

// moveTo takes a record to another state, if it is in one of the states from.
func moveTo(ctx context.Context, tx *sql.Tx, r *record, from State) error {
	done, err := tx.ExecContext(ctx, `UPDATE upload_files SET state = ?1, kind = ?2, received = ?3, hash = ?4, digest = ?5, reason = ?6,
		reason_kind = ?7, job = ?8, expires_at = ?9, reserved = ?10 WHERE id = ?11 AND state = ?12`,
		r.State, r.Kind, r.Offset, r.hash, r.Digest, r.Reason, r.ReasonKind, r.Job, r.Expires.UnixMilli(), r.reserved, r.ID, from)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, fmt.Errorf("upload %s: %w: it is not %s any more", r.ID, registry.ErrConflict, from))
	}
	return nil
}
