package upload

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

const (
	concatPartial = "partial"
	concatFinal   = "final;"
)

// newID makes a name that nobody can guess.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// create answers POST: it makes an upload, and takes the bytes that come along.
func (u *Uploads) create(w http.ResponseWriter, r *http.Request, c caller) error {
	m, err := parseMetadata(r.Header.Get(headerMetadata))
	if err != nil {
		return err
	}
	now := time.Now()
	rec := &record{metadata: m.raw, wanted: m.wanted, concat: r.Header.Get(headerConcat), Upload: Upload{ID: newID(), Name: m.name, Kind: m.kind, State: Receiving,
		Fingerprint: m.fingerprint, Owner: c.owner, Created: now, Expires: now.Add(u.limits.Load().Expiry)}}
	rec.file = rec.ID
	withBytes := r.ContentLength != 0
	switch {
	case strings.HasPrefix(rec.concat, concatFinal):
		return u.concatenate(w, r, rec)
	case rec.concat != "" && rec.concat != concatPartial:
		return fmt.Errorf("%w: %s %.40q: want partial, or final; and a list", registry.ErrInvalid, headerConcat, rec.concat)
	case withBytes && r.Header.Get("Content-Type") != typeBytes:
		return errType
	}
	if rec.Partial = rec.concat == concatPartial; !rec.Partial {
		m.part = nil
	}
	if rec.Size, err = u.lengthOf(r); err != nil {
		return err
	}
	rec.Part = m.part
	if err := u.makePart(r.Context(), rec); err != nil {
		return err
	}
	return u.begin(w, r, rec, withBytes)
}

// lengthOf is the length of an upload that is to be made.
func (u *Uploads) lengthOf(r *http.Request) (int64, error) {
	if r.Header.Get("Upload-Defer-Length") != "" {
		return 0, fmt.Errorf("%w: Upload-Defer-Length is not supported: say the length with %s", registry.ErrInvalid, headerLength)
	}
	n, err := parseSize(headerLength, r.Header.Get(headerLength))
	if err == nil && u.options.MaxSize > 0 && n > u.options.MaxSize {
		err = tooLarge("the most that is taken", n, u.options.MaxSize)
	}
	if err == nil && r.ContentLength > n {
		err = errTooLong
	}
	return n, err
}

// makePart writes a new upload's record. A partial upload of a group gets its place
// in the group's file.
func (u *Uploads) makePart(ctx context.Context, rec *record) error {
	// Nothing is lost when a power cut takes an upload back that has no bytes yet.
	err := u.db.WriteSoon(context.WithoutCancel(ctx), func(tx *sql.Tx) error {
		if err := u.admits(ctx, tx, rec); err != nil {
			return err
		}
		if rec.Part != nil {
			if err := u.place(ctx, tx, rec); err != nil {
				return err
			}
		}
		return errors.Join(insert(ctx, tx, rec), u.enter(ctx, tx, "upload.create", rec, ""))
	})
	return registry.DiskError(err)
}

// place finds the data file of a partial upload's group, and room for it there.
func (u *Uploads) place(ctx context.Context, tx *sql.Tx, rec *record) error {
	p := rec.Part
	if p.Offset > p.Total || rec.Size > p.Total-p.Offset {
		return fmt.Errorf("%w: a part of %d bytes at %d does not fit into %d bytes", registry.ErrInvalid, rec.Size, p.Offset, p.Total)
	}
	if u.options.MaxSize > 0 && p.Total > u.options.MaxSize {
		return tooLarge("the most that is taken", p.Total, u.options.MaxSize)
	}
	rec.base = p.Offset
	group, err := list(ctx, tx, `owner = ? AND part_group = ? AND state = ? AND concat = ?`, rec.Owner, p.Group, Receiving, concatPartial)
	if err != nil {
		return err
	}
	for _, other := range group {
		if other.Part.Total != p.Total {
			return fmt.Errorf("%w: group %s has a total of %d bytes", registry.ErrConflict, p.Group, other.Part.Total)
		}
		if rec.base < other.base+other.Size && other.base < rec.base+rec.Size {
			return fmt.Errorf("%w: group %s has a part at %d already", registry.ErrConflict, p.Group, other.base)
		}
		rec.file = other.file
	}
	return nil
}

// begin takes the first bytes of an upload, if there are any, and answers.
func (u *Uploads) begin(w http.ResponseWriter, r *http.Request, rec *record, withBytes bool) error {
	h := w.Header()
	h.Set("Location", u.location(rec.ID))
	expires(h, rec)
	if withBytes || rec.Size == 0 {
		now, err := u.receive(w, r, rec, 0)
		if now != nil {
			h.Set(headerOffset, strconv.FormatInt(now.Offset, 10))
			expires(h, now)
		}
		if err != nil {
			return err
		}
	}
	u.log.InfoContext(r.Context(), "an upload begins", "upload", rec.ID, "name", rec.Name, "size", rec.Size)
	w.WriteHeader(http.StatusCreated)
	return nil
}
