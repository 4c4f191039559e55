package upload

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// maxParts bounds how many partial uploads make a final one.
const maxParts = 1000

// concatenate answers POST of a final upload: its parts become its, and are joined
// and checked behind. HEAD tells no offset until that has ended.
func (u *Uploads) concatenate(w http.ResponseWriter, r *http.Request, rec *record) error {
	if r.Header.Get(headerLength) != "" {
		return fmt.Errorf("%w: %s of a final upload: it follows from its parts", registry.ErrInvalid, headerLength)
	}
	ids, err := u.partIDs(rec.concat)
	if err != nil {
		return err
	}
	releaseAll, err := u.takeAll(r.Context(), ids)
	if err != nil {
		return err
	}
	defer releaseAll()
	rec.State = Checking
	err = u.write(r.Context(), func(tx *sql.Tx) error { return u.adopt(r.Context(), tx, rec, ids) })
	if err != nil {
		return err
	}
	for _, id := range ids {
		os.Remove(u.notePath(id))
	}
	u.checkBehind(r.Context(), rec.ID)
	w.Header().Set("Location", u.location(rec.ID))
	expires(w.Header(), rec)
	w.WriteHeader(http.StatusCreated)
	return nil
}

// partIDs reads the list of a final upload. Its URLs may name any host: proxies call
// this one as they like.
func (u *Uploads) partIDs(concat string) (ids []string, err error) {
	seen := map[string]bool{}
	for _, text := range strings.Fields(strings.TrimPrefix(concat, concatFinal)) {
		link, err := url.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %.100q is no URL", registry.ErrInvalid, headerConcat, text)
		}
		id, ok := u.idOf(link.Path)
		if !ok || id == "" || seen[id] || len(ids) == maxParts {
			return nil, fmt.Errorf("%w: %s: %.100q: want different uploads of this server, up to %d", registry.ErrInvalid, headerConcat, text, maxParts)
		}
		seen[id] = true
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%w: %s names no uploads", registry.ErrInvalid, headerConcat)
	}
	return ids, nil
}

// takeAll takes the turns of uploads, or none.
func (u *Uploads) takeAll(ctx context.Context, ids []string) (release func(), err error) {
	var releases []func()
	release = func() {
		for _, r := range releases {
			r()
		}
	}
	for _, id := range ids {
		r, err := u.take(ctx, id, nil)
		if err != nil {
			release()
			return nil, err
		}
		releases = append(releases, r)
	}
	return release, nil
}

// adopt replaces the records of parts by that of the final upload.
func (u *Uploads) adopt(ctx context.Context, tx *sql.Tx, rec *record, ids []string) error {
	parts := make([]*record, len(ids))
	for k, id := range ids {
		var err error
		if parts[k], err = get(ctx, tx, id); err != nil || parts[k].Owner != rec.Owner {
			return fmt.Errorf("%w: %s: there is no upload %.64q", registry.ErrInvalid, headerConcat, id)
		}
		if p := parts[k]; !p.Partial || p.State != Receiving {
			return fmt.Errorf("%w: %s: upload %s is not a partial one", registry.ErrInvalid, headerConcat, id)
		} else if p.Offset < p.Size {
			return fmt.Errorf("%w: part %s has %d of its %d bytes", registry.ErrConflict, id, p.Offset, p.Size)
		}
	}
	if err := u.arrange(rec, parts); err != nil {
		return err
	}
	if err := u.roomToJoin(ctx, tx, rec); err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := tx.ExecContext(ctx, `DELETE FROM upload_files WHERE id = ?`, p.ID); err != nil {
			return err
		}
	}
	return errors.Join(insert(ctx, tx, rec), u.enter(ctx, tx, "upload.join", rec, ""))
}

// arrange says how parts become the final upload: which data files follow each
// other. What the first has is hashed already.
func (u *Uploads) arrange(rec *record, parts []*record) error {
	first := parts[0]
	rec.file, rec.Offset, rec.hash = first.file, first.Size, first.hash
	for _, p := range parts {
		switch {
		case (p.Part == nil) != (first.Part == nil) || p.Part != nil && p.file != first.file:
			return fmt.Errorf("%w: %s: the parts are not of one group", registry.ErrInvalid, headerConcat)
		case p.Part != nil && p.base != rec.Size:
			return fmt.Errorf("%w: %s: part %s is for byte %d, the ones before it end at %d", registry.ErrInvalid, headerConcat, p.ID, p.base, rec.Size)
		case p.Part == nil:
			rec.places = append(rec.places, place{p.file, p.Size})
		}
		rec.Size += p.Size
		if rec.Size < p.Size {
			return fmt.Errorf("%w: %s: too many bytes", registry.ErrInvalid, headerConcat)
		}
	}
	if u.options.MaxSize > 0 && rec.Size > u.options.MaxSize {
		return tooLarge("the most that is taken", rec.Size, u.options.MaxSize)
	}
	if first.Part == nil {
		return nil
	}
	if rec.Size != first.Part.Total {
		return fmt.Errorf("%w: %s: the parts have %d of the group's %d bytes", registry.ErrInvalid, headerConcat, rec.Size, first.Part.Total)
	}
	rec.places = []place{{rec.file, rec.Size}}
	return nil
}

// roomToJoin checks that parts can be copied behind the first. The greatest of them
// is there twice for a while.
func (u *Uploads) roomToJoin(ctx context.Context, tx *sql.Tx, rec *record) error {
	greatest := int64(0)
	for _, p := range rec.places[1:] {
		greatest = max(greatest, p.Length)
	}
	if greatest == 0 {
		return nil
	}
	all, _, err := usageOf(ctx, tx, rec.Owner)
	if err != nil {
		return err
	}
	return u.fits(greatest, all.pending)
}
