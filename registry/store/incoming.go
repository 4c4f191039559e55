package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/landfall-dev/landfall/registry"
)

// resumedFrom is the size, in bytes, from which on what came of a blob is worth
// keeping when its transfer breaks off.
const resumedFrom = 1 << 20

// Incoming is a blob on its way into the store. What has come of it is kept
// when that breaks off, and can be read before all is there.
type Incoming struct {
	store      *Store
	repository string
	descriptor registry.Descriptor
	ended      chan struct{} // closed after err was set
	err        error

	mu       sync.Mutex // protects the fields below
	upload   *Upload
	progress chan struct{} // closed when there may be more
}

// session is where the bytes are put.
func (in *Incoming) session() *Upload {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.upload
}

// Expect finds the blob on its way, or begins to expect it. Whoever is first has
// to call Fill, once.
func (s *Store) Expect(ctx context.Context, repository string, d registry.Descriptor) (in *Incoming, first bool, err error) {
	if _, err := registry.ParseDigest(d.Digest.String()); err != nil {
		return nil, false, err
	}
	s.incomingMu.Lock()
	defer s.incomingMu.Unlock()
	if in := s.incoming[d.Digest]; in != nil {
		return in, false, nil
	}
	in = &Incoming{store: s, repository: repository, descriptor: d, ended: make(chan struct{}), progress: make(chan struct{})}
	if in.upload, err = s.uploadOf(ctx, repository, d); err != nil {
		return nil, false, err
	}
	in.upload.advanced = in.announce
	s.incoming[d.Digest] = in
	return in, true, nil
}

// uploadOf is the session that an earlier transfer has left, or a new one.
func (s *Store) uploadOf(ctx context.Context, repository string, d registry.Descriptor) (*Upload, error) {
	var id, path string
	err := s.db.Read.QueryRowContext(ctx, `SELECT id, repository FROM uploads WHERE digest = ? ORDER BY written DESC, id LIMIT 1`, d.Digest.String()).Scan(&id, &path)
	if err == nil {
		var u *Upload
		if u, err = s.Upload(ctx, path, id); err == nil && u.Size() <= d.Size {
			return u, nil
		}
		if err == nil {
			err = u.Cancel(ctx)
		}
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) && !errors.Is(err, registry.ErrNotFound) {
		return nil, err
	}
	return s.startUpload(ctx, repository, d.Digest.Algorithm(), d.Digest)
}

// ResumeBlob implements registry.Resumer.
func (s *Store) ResumeBlob(ctx context.Context, repository string, d registry.Descriptor, from func(offset int64) (io.ReadCloser, error)) error {
	if d.Size < resumedFrom {
		err := s.putFrom(ctx, repository, d, from)
		if registry.WrongBytes(err) {
			err = s.putFrom(ctx, repository, d, from)
		}
		return err
	}
	for {
		in, first, err := s.Expect(ctx, repository, d)
		if err != nil {
			return err
		}
		if first {
			return in.Fill(ctx, from)
		}
		if err := in.Wait(ctx); ctx.Err() != nil {
			return err
		}
		if ok, err := s.Mount(ctx, repository, "", d); ok || err != nil {
			return err
		} // else it did not come: this one goes on
	}
}

func (s *Store) putFrom(ctx context.Context, repository string, d registry.Descriptor, from func(offset int64) (io.ReadCloser, error)) error {
	r, err := from(0)
	if err != nil {
		return err
	}
	defer r.Close()
	return s.PutBlob(ctx, repository, d, r)
}

// Fill brings what is missing. Nothing of it counts before all is proven.
func (in *Incoming) Fill(ctx context.Context, from func(offset int64) (io.ReadCloser, error)) error {
	err := in.fill(ctx, from)
	if registry.WrongBytes(err) { // a piece of it, or what was kept: once more from the start
		if err = in.restart(ctx); err == nil {
			err = in.fill(ctx, from)
		}
	}
	in.store.incomingMu.Lock()
	delete(in.store.incoming, in.descriptor.Digest)
	in.store.incomingMu.Unlock()
	in.err = err
	close(in.ended)
	return err
}

func (in *Incoming) restart(ctx context.Context) error {
	u, err := in.store.startUpload(ctx, in.repository, in.descriptor.Digest.Algorithm(), in.descriptor.Digest)
	if err != nil {
		return err
	}
	u.advanced = in.announce
	in.mu.Lock()
	in.upload = u
	in.mu.Unlock()
	in.announce()
	return nil
}

// fill forgets what turned out wrong.
func (in *Incoming) fill(ctx context.Context, from func(offset int64) (io.ReadCloser, error)) error {
	err := in.append(ctx, from)
	if err == nil {
		err = in.commit(ctx)
	}
	if registry.WrongBytes(err) {
		return errors.Join(err, in.session().Cancel(context.WithoutCancel(ctx)))
	}
	return err
}

func (in *Incoming) append(ctx context.Context, from func(offset int64) (io.ReadCloser, error)) error {
	d, u := in.descriptor, in.session()
	at := u.Size()
	if at == d.Size {
		return nil
	}
	r, err := from(at)
	if err != nil {
		return err
	}
	defer r.Close()
	size, err := u.Append(ctx, at, io.LimitReader(r, d.Size-at))
	if err == nil && size < d.Size {
		err = fmt.Errorf("%s: %w: %d bytes short of %d", d.Digest, registry.ErrSize, d.Size-size, d.Size)
	}
	return err
}

// commit links the blob to the repository that it was expected in, whichever the
// session was begun for.
func (in *Incoming) commit(ctx context.Context) error {
	u := in.session()
	if _, err := u.Commit(ctx, in.descriptor.Digest); err != nil || u.repository == registry.RepositoryPath(in.repository) {
		return err
	}
	_, err := in.store.Mount(ctx, in.repository, "", in.descriptor)
	return err
}

// announce tells those who read along that there may be more.
func (in *Incoming) announce() {
	in.mu.Lock()
	defer in.mu.Unlock()
	close(in.progress)
	in.progress = make(chan struct{})
}

// Wait waits until the blob is there, or will not come.
func (in *Incoming) Wait(ctx context.Context) error {
	select {
	case <-in.ended:
		return in.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// withheld is how many bytes of a blob on its way are given out last, once all
// are proven.
const withheld = 64 << 10

// Open reads the blob while it comes, from an offset on. The last bytes come only
// when all are proven; if they never are, reading ends with what went wrong.
func (in *Incoming) Open(ctx context.Context, offset int64) (io.ReadCloser, error) {
	u := in.session()
	f, err := os.Open(in.store.path(uploadsDir, u.id))
	if errors.Is(err, os.ErrNotExist) { // it has its name already
		f, err = os.Open(in.store.blobPath(in.descriptor.Digest))
	}
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", in.descriptor.Digest, err)
	}
	return &follower{ctx: ctx, in: in, upload: u, file: f, at: offset}, nil
}

// follower reads behind a transfer.
type follower struct {
	ctx    context.Context //nolint:containedctx // io.Reader has no other place for it
	in     *Incoming
	upload *Upload // that file is of
	file   *os.File
	at     int64
}

func (f *follower) Close() error { return f.file.Close() }

func (f *follower) Read(p []byte) (int, error) {
	for {
		f.in.mu.Lock()
		progress := f.in.progress
		f.in.mu.Unlock()
		readable, err := f.readable()
		if err != nil {
			return 0, err
		}
		if f.at >= f.in.descriptor.Size {
			return 0, io.EOF
		}
		if f.at < readable {
			n, err := f.file.ReadAt(p[:min(int64(len(p)), readable-f.at)], f.at)
			f.at += int64(n)
			return n, err
		}
		select {
		case <-progress:
		case <-f.in.ended:
		case <-f.ctx.Done():
			return 0, context.Cause(f.ctx)
		}
	}
}

// readable is up to where the bytes may be given out.
func (f *follower) readable() (int64, error) {
	select {
	case <-f.in.ended:
		return f.in.descriptor.Size, f.in.err
	default:
	}
	if f.in.session() != f.upload {
		return 0, fmt.Errorf("blob %s: %w: it turned out wrong and comes again", f.in.descriptor.Digest, registry.ErrDigest)
	}
	return min(f.upload.Size(), f.in.descriptor.Size-withheld), nil
}
