package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
)

// spool makes a place that keeps no half blobs a registry.Resumer: what passes on
// its way there is kept in files until it has arrived. They are no journal: what
// they hold is proven with the rest.
type spool struct {
	registry.Writer
	folder string
}

const (
	// spooledFrom is the size, in bytes, from which on a blob is kept.
	spooledFrom = 1 << 20
	// What comes faster than so many bytes in a second, for a second, is sooner
	// had again than kept.
	fastRate  = 64 << 20
	fastAfter = time.Second
	// spoolExpiry is for how long what nobody came back for is kept.
	spoolExpiry = 14 * 24 * time.Hour
)

// newSpool removes what nobody came back for. A folder that cannot be had is none.
func newSpool(dst registry.Writer, folder string) *spool {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil
	}
	list, err := os.ReadDir(folder)
	if err != nil {
		return nil
	}
	for _, e := range list {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > spoolExpiry {
			os.Remove(filepath.Join(folder, e.Name()))
		}
	}
	return &spool{dst, folder}
}

// ResumeBlob implements registry.Resumer.
func (s *spool) ResumeBlob(ctx context.Context, repository string, d registry.Descriptor, from func(int64) (io.ReadCloser, error)) error {
	if d.Size < spooledFrom {
		err := s.stream(ctx, repository, d, from, nil)
		if registry.WrongBytes(err) {
			err = s.stream(ctx, repository, d, from, nil)
		}
		return err
	}
	path := filepath.Join(s.folder, d.Digest.Algorithm().String()+"-"+d.Digest.Encoded())
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		defer f.Close()
		if mine, lockErr := durable.Lock(f); lockErr != nil || !mine {
			f = nil // another run is at it
		}
	}
	if err != nil || f == nil {
		return s.stream(ctx, repository, d, from, nil)
	}
	err = s.stream(ctx, repository, d, from, f)
	if registry.WrongBytes(err) {
		if truncErr := f.Truncate(0); truncErr == nil {
			err = s.stream(ctx, repository, d, from, f)
		}
	}
	if err == nil || registry.WrongBytes(err) {
		os.Remove(path)
	}
	return err
}

// stream sends what is kept and then the rest, which it keeps.
func (s *spool) stream(ctx context.Context, repository string, d registry.Descriptor, from func(int64) (io.ReadCloser, error), kept *os.File) error {
	p := &passing{size: d.Size, from: from, kept: kept, began: time.Now()}
	defer p.close()
	if kept != nil {
		info, err := kept.Stat()
		if err != nil {
			return fmt.Errorf("%s: %w", kept.Name(), err)
		}
		if info.Size() > d.Size {
			return fmt.Errorf("%s: %w: more than %d bytes", kept.Name(), registry.ErrSize, d.Size)
		}
		p.had = info.Size()
	}
	return s.PutBlob(ctx, repository, d, p)
}

// passing reads a blob: from the file what that has, then from the source.
type passing struct {
	size  int64
	from  func(int64) (io.ReadCloser, error)
	kept  *os.File // nil: nothing is kept
	had   int64    // bytes that kept has had from the start
	at    int64
	rest  io.ReadCloser
	began time.Time
}

func (p *passing) Read(b []byte) (n int, err error) {
	if p.at < p.had {
		n, err = p.kept.ReadAt(b[:min(int64(len(b)), p.had-p.at)], p.at)
		p.at += int64(n)
		if errors.Is(err, io.EOF) && n > 0 {
			err = nil
		}
		return n, err
	}
	if p.rest == nil {
		if p.at == p.size {
			return 0, io.EOF
		}
		if p.rest, err = p.from(p.at); err != nil {
			return 0, err
		}
	}
	n, err = p.rest.Read(b)
	p.keep(b[:n])
	p.at += int64(n)
	return n, err
}

// keep gives up what is too fast to be kept, and what the disk has no room for.
func (p *passing) keep(b []byte) {
	if p.kept == nil || len(b) == 0 {
		return
	}
	_, err := p.kept.WriteAt(b, p.at)
	moved, took := p.at-p.had, time.Since(p.began)
	if err != nil || took > fastAfter && moved > int64(took.Seconds()*fastRate) {
		_ = p.kept.Truncate(0)
		p.kept = nil
	}
}

func (p *passing) close() {
	if p.rest != nil {
		p.rest.Close()
	}
}
