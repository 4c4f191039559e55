package upload

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// File is an upload that is whole. It stays until it is consumed, or deleted or
// expires while no job has bound it.
type File struct {
	ID     string
	Name   string // for people
	Kind   Kind
	Path   string
	Size   int64
	Digest digest.Digest
	Owner  string
}

func (u *Uploads) file(r *record) File {
	return File{r.ID, r.Name, r.Kind, u.dataPath(r.file), r.Size, r.Digest, r.Owner}
}

// Whole finds an upload that is whole. ErrNotFound when there is none of this id,
// ErrConflict when it is not whole, or not any more.
func (u *Uploads) Whole(ctx context.Context, id string) (File, error) {
	rec, err := get(ctx, u.db.Read, id)
	if err == nil && rec.State != Whole {
		err = fmt.Errorf("upload %s: %w: it is %s", id, registry.ErrConflict, rec.State)
	}
	if err != nil {
		return File{}, err
	}
	return u.file(rec), nil
}

// Bind keeps a whole upload for a job until Release or Consume, also when the process
// ends meanwhile. To bind it again for the same job changes nothing; ErrConflict when
// another job has it.
func (u *Uploads) Bind(ctx context.Context, id, job string) (File, error) {
	rec, err := u.change(ctx, id, func(tx *sql.Tx, rec *record) error {
		if rec.Job != "" && rec.Job != job {
			return fmt.Errorf("upload %s: %w: job %s works with it", id, registry.ErrConflict, rec.Job)
		}
		rec.Job = job
		return moveTo(ctx, tx, rec, Whole)
	})
	if err != nil {
		return File{}, err
	}
	return u.file(rec), nil
}

// Release lets go of an upload that was bound, which is kept for a while.
func (u *Uploads) Release(ctx context.Context, id string) error {
	_, err := u.change(ctx, id, func(tx *sql.Tx, rec *record) error {
		rec.Job, rec.Expires = "", time.Now().Add(u.limits.Load().WholeExpiry)
		return moveTo(ctx, tx, rec, Whole)
	})
	return err
}

// Consume removes the bytes of an upload whose content is elsewhere now. One that is
// consumed already is no error.
func (u *Uploads) Consume(ctx context.Context, id string) error {
	if rec, err := get(ctx, u.db.Read, id); err == nil && rec.State == Consumed {
		return nil
	}
	rec, err := u.change(ctx, id, func(tx *sql.Tx, rec *record) error {
		rec.State, rec.Job, rec.Expires, rec.reserved = Consumed, "", u.expiry(), 0
		return errors.Join(moveTo(ctx, tx, rec, Whole), u.enter(ctx, tx, "upload.consume", rec, ""))
	})
	if err != nil {
		return err
	}
	os.Remove(u.dataPath(rec.file))
	u.tell(rec)
	return nil
}

// change changes a whole upload in a durable transaction.
func (u *Uploads) change(ctx context.Context, id string, do func(tx *sql.Tx, rec *record) error) (rec *record, err error) {
	err = u.write(ctx, func(tx *sql.Tx) error {
		if rec, err = get(ctx, tx, id); err != nil {
			return err
		}
		if rec.State != Whole {
			return fmt.Errorf("upload %s: %w: it is %s", id, registry.ErrConflict, rec.State)
		}
		return do(tx, rec)
	})
	return rec, err
}

// Set lists the parts of a file that was cut, with the part of this id, in the order
// of their numbers: those of its owner that are whole and have its name, the newest of
// each number. ErrIncomplete when a number is missing before the last; which is the
// last, only the content tells.
func (u *Uploads) Set(ctx context.Context, id string) ([]File, error) {
	f, err := u.Whole(ctx, id)
	if err != nil {
		return nil, err
	}
	base, _, ok := numbered(f)
	if !ok {
		return nil, fmt.Errorf("upload %s, %s: %w: it is not a part", id, f.Name, registry.ErrInvalid)
	}
	found, err := list(ctx, u.db.Read, `owner = ? AND state = ? AND kind = ? ORDER BY created_at`, f.Owner, Whole, BundlePart)
	if err != nil {
		return nil, err
	}
	byNumber := map[int]File{}
	for _, rec := range found {
		if other, n, ok := numbered(u.file(rec)); ok && other == base {
			byNumber[n] = u.file(rec)
		}
	}
	var set []File
	for k, n := range slices.Sorted(maps.Keys(byNumber)) {
		if k == 0 && n > 1 || k > 0 && byNumber[n-1].ID == "" {
			return nil, fmt.Errorf("%s: %w: the part before %03d is missing", base, registry.ErrIncomplete, n)
		}
		set = append(set, byNumber[n])
	}
	return set, nil
}

// numbered is the name and number of a part.
func numbered(f File) (base string, n int, ok bool) {
	match := partName.FindStringSubmatch(f.Name)
	if match == nil || f.Kind != BundlePart {
		return "", 0, false
	}
	n, err := strconv.Atoi(match[2])
	return match[1], n, err == nil
}

// Parts are files that follow each other, read as one.
type Parts struct {
	files []*os.File
	ends  []int64 // where each ends, ascending
}

var _ io.ReaderAt = (*Parts)(nil)

// OpenParts opens files to be read as one.
func OpenParts(list []File) (*Parts, error) {
	p := &Parts{}
	end := int64(0)
	for _, part := range list {
		f, err := os.Open(part.Path)
		if err != nil {
			p.Close()
			return nil, err
		}
		end += part.Size
		p.files, p.ends = append(p.files, f), append(p.ends, end)
	}
	return p, nil
}

// Size is how many bytes they have together.
func (p *Parts) Size() int64 {
	if len(p.ends) == 0 {
		return 0
	}
	return p.ends[len(p.ends)-1]
}

// ReadAt implements io.ReaderAt.
func (p *Parts) ReadAt(b []byte, offset int64) (n int, err error) {
	if offset < 0 {
		return 0, fmt.Errorf("%w: offset %d", registry.ErrInvalid, offset)
	}
	k, _ := slices.BinarySearchFunc(p.ends, offset, func(end, at int64) int { return cmp.Compare(end, at+1) })
	for ; n < len(b) && k < len(p.files); k++ {
		start := int64(0)
		if k > 0 {
			start = p.ends[k-1]
		}
		at := offset + int64(n)
		want := b[n:min(int64(len(b)), int64(n)+p.ends[k]-at)]
		m, err := p.files[k].ReadAt(want, at-start)
		n += m
		if m < len(want) {
			return n, cmp.Or(err, io.ErrUnexpectedEOF)
		}
	}
	if n < len(b) {
		err = io.EOF
	}
	return n, err
}

// Close closes the files.
func (p *Parts) Close() error {
	var err error
	for _, f := range p.files {
		err = errors.Join(err, f.Close())
	}
	return err
}
