package agent

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/remote"
)

// fetch brings a blob onto the disk, proven, and returns its file, which is the
// caller's. What came of it before, in an earlier process too, is not asked for again.
func (t *task) fetch(ctx context.Context, b *host.Blob) (string, error) {
	d := registry.Descriptor{Digest: b.Digest, Size: b.Size}
	if _, err := registry.ParseDigest(string(b.Digest)); err != nil {
		return "", err
	}
	if b.Size < 0 {
		return "", fmt.Errorf("%s: %w: a size of %d bytes", b.Digest, registry.ErrInvalid, b.Size)
	}
	r, err := t.openSource(&b.Source)
	if err != nil {
		return "", err
	}
	defer r.Close()
	repository := registry.RepositoryPath(b.Repository)
	if b.Source.Prefix != "" {
		repository = b.Source.Prefix + "/" + repository
	}
	// One operation at a time goes on with a part; another that wants the same blob has
	// one of its own.
	part := filepath.Join(t.data, "blobs", b.Digest.Encoded()+".part")
	unlock := lockPart(part)
	defer unlock()
	whole := filepath.Join(t.data, "blobs", fmt.Sprintf("%s.%s", b.Digest.Encoded(), t.id))
	open := func(offset int64) (io.ReadCloser, error) { return r.BlobFrom(ctx, repository, d, offset) }
	for {
		resumed, err := t.transfer(ctx, part, d, open)
		if err == nil {
			return whole, registry.DiskError(durable.Rename(part, whole))
		}
		if registry.WrongBytes(err) {
			os.Remove(part)
			if resumed {
				continue // what was there before may be what is wrong
			}
		}
		return "", fmt.Errorf("blob %s of %s from %s: %w", b.Digest, b.Repository, b.Source.URL, registry.DiskError(err))
	}
}

var parts sync.Map // of *sync.Mutex by path: who goes on with a part

func lockPart(path string) (unlock func()) {
	m, _ := parts.LoadOrStore(path, &sync.Mutex{})
	m.(*sync.Mutex).Lock()
	return m.(*sync.Mutex).Unlock
}

// openSource is the registry that a source means. Its authority becomes a file, as it
// is no secret.
func (t *task) openSource(s *host.Source) (*remote.Registry, error) {
	o := remote.Options{Server: s.URL, Keychain: remote.Credentials{Username: s.User, Password: s.Password}}
	if len(s.CA) > 0 {
		o.CAFile = filepath.Join(t.data, "ca", fmt.Sprintf("%x.pem", sha256.Sum256(s.CA)))
		if err := durable.WriteFile(o.CAFile, s.CA, 0o644); err != nil {
			return nil, registry.DiskError(err)
		}
	}
	if s.URL == "" {
		return nil, fmt.Errorf("source: %w: it has no URL", registry.ErrInvalid)
	}
	return remote.New(o)
}

// transfer fills a part up and proves the whole. resumed says that some of it was there.
func (t *task) transfer(ctx context.Context, part string, d registry.Descriptor, open func(int64) (io.ReadCloser, error)) (resumed bool, err error) {
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	have := min(info.Size(), d.Size)
	if free, err := durable.Free(part); err == nil && free < d.Size-have {
		return false, fmt.Errorf("%w: %d more bytes are needed in %s, and %d are free", registry.ErrNoSpace, d.Size-have, t.data, free)
	}
	body, err := open(have)
	if err != nil {
		return false, err
	}
	defer body.Close()
	all := io.MultiReader(io.LimitReader(f, have), &appending{file: f, at: have, from: body, tell: t.tell, total: d.Size})
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, &untilDone{ctx, registry.NewVerifyReader(all, d)}, make([]byte, durable.BufferSize)); err != nil {
		return have > 0, err
	}
	// Not synced: what the power's end has taken of a part is found by its digest.
	return have > 0, f.Truncate(d.Size)
}

// appending writes what it reads to the end of a file.
type appending struct {
	file  *os.File
	at    int64
	total int64
	from  io.Reader
	tell  func(host.Progress)
}

func (a *appending) Read(p []byte) (int, error) {
	n, err := a.from.Read(p)
	if n > 0 {
		if _, werr := a.file.WriteAt(p[:n], a.at); werr != nil {
			return 0, werr
		}
		a.at += int64(n)
		a.tell(host.Progress{Text: "fetching content", Bytes: a.at, TotalBytes: a.total})
	}
	return n, err
}

// untilDone ends a reader with its context.
type untilDone struct {
	ctx  context.Context
	from io.Reader
}

func (u *untilDone) Read(p []byte) (int, error) {
	if err := context.Cause(u.ctx); err != nil {
		return 0, err
	}
	return u.from.Read(p)
}

// writeStream writes a file of the data folder as a whole, durably.
func writeStream(path string, from io.Reader) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".writing-*")
	if err != nil {
		return registry.DiskError(err)
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
			err = registry.DiskError(err)
		}
	}()
	if _, err = io.Copy(f, from); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	return durable.Rename(f.Name(), path)
}
