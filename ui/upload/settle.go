package upload

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// settle judges an upload whose bytes are all durable: it becomes whole, or fails. An
// error of this machine leaves it as it is, to be tried again. The caller has its
// turn.
func (u *Uploads) settle(ctx context.Context, rec *record) error {
	from := rec.State
	reason := u.judge(ctx, rec)
	if ours(reason) {
		return registry.DiskError(reason)
	}
	action, outcome := "upload.finish", ""
	rec.State, rec.hash, rec.Expires = Whole, nil, time.Now().Add(u.limits.Load().WholeExpiry)
	if reason != nil {
		p := describe(reason)
		rec.State, rec.Reason, rec.ReasonKind, rec.Expires, rec.reserved = Failed, p.detail, p.kind, u.expiry(), 0
		outcome = "failed"
	}
	err := u.write(ctx, func(tx *sql.Tx) error {
		return errors.Join(moveTo(ctx, tx, rec, from), u.enter(ctx, tx, action, rec, outcome))
	})
	if err != nil {
		rec.State = from
		return err
	}
	os.Remove(u.notePath(rec.ID))
	u.tell(rec)
	if reason != nil {
		os.Remove(u.dataPath(rec.file))
		u.log.WarnContext(ctx, "an upload failed", "upload", rec.ID, "name", rec.Name, "reason", rec.Reason)
		return judgement{reason}
	}
	u.log.InfoContext(ctx, "an upload is whole", "upload", rec.ID, "name", rec.Name, "kind", rec.Kind, "digest", rec.Digest)
	if u.options.OnWhole != nil {
		u.options.OnWhole(context.WithoutCancel(ctx), u.file(rec))
	}
	return nil
}

// judgement is why an upload failed; that was said already.
type judgement struct{ error }

func (j judgement) Unwrap() error { return j.error }

// judge finds an upload's digest and kind, or what is wrong with it.
func (u *Uploads) judge(ctx context.Context, rec *record) error {
	f, err := os.Open(u.dataPath(rec.file))
	if err != nil {
		return err
	}
	defer f.Close()
	h, err := restoreHash(ctx, rec, f)
	if err != nil {
		return err
	}
	rec.Digest = digest.NewDigest(digest.SHA256, h)
	if rec.wanted != "" && rec.wanted != rec.Digest {
		return fmt.Errorf("%w: the bytes are %s, %s was announced", registry.ErrDigest, rec.Digest, rec.wanted)
	}
	kind, err := Examine(f.Name(), rec.Name, rec.Kind)
	if err != nil {
		if ours(err) {
			return err
		}
		return fmt.Errorf("not taken: %w", err)
	}
	rec.Kind = kind
	return nil
}

// ours reports whether an error is this machine's, and not the file's.
func ours(err error) bool {
	path, number := (*fs.PathError)(nil), syscall.Errno(0)
	return errors.As(err, &path) || errors.As(err, &number) || errors.Is(err, context.Canceled)
}

// checkBehind joins and checks an upload while its client waits for nothing.
func (u *Uploads) checkBehind(ctx context.Context, id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return // it goes on at the next start
	}
	u.running.Go(func() {
		err := u.check(ctx, id)
		if err != nil && u.ctx.Err() == nil && !errors.Is(err, errTakeOver) && !errors.As(err, &judgement{}) {
			u.log.ErrorContext(ctx, "an upload could not be checked; it will be tried again", "upload", id, "error", err)
		}
	})
}

// check joins what has to be joined, and judges an upload that has all its bytes.
// Who wants the upload's turn ends it.
func (u *Uploads) check(ctx context.Context, id string) error {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(u.ctx, func() { cancel(errClosing) })()
	release, err := u.take(ctx, id, cancel)
	if err != nil {
		return err
	}
	defer release()
	rec, err := get(ctx, u.db.Read, id)
	if err != nil || rec.State != Checking && rec.State != Receiving || rec.open() {
		return err
	}
	if rec.State == Checking {
		if err := u.join(ctx, rec); err != nil {
			return err
		}
	}
	return u.settle(ctx, rec)
}
