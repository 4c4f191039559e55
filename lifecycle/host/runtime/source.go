package runtime

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/time/rate"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/remote"
)

// chunk is how many bytes move at once.
const chunk = 256 << 10

// source is where the bytes of a pull come from. It counts them, and keeps their rate
// over all that are moved at the same time.
type source struct {
	remote *remote.Registry
	prefix string
	limit  *rate.Limiter // nil: none

	mu       sync.Mutex // protects the rest, and lets one call of progress be made at a time
	moved    int64      // bytes over the network
	total    int64      // and those that will be; 0 until that is known
	progress func(done, total int64)
}

// openSource dials nobody yet. ErrInvalid names what is wrong with the source.
func openSource(s host.Source, perSecond int64, folder string) (*source, error) {
	if s.URL == "" {
		return nil, fmt.Errorf("source: %w: it has no URL: want https://HOST[:PORT]", registry.ErrInvalid)
	}
	if perSecond < 0 {
		return nil, fmt.Errorf("source %s: %w: a rate of %d bytes per second", s.URL, registry.ErrInvalid, perSecond)
	}
	o := remote.Options{Server: s.URL, Keychain: remote.Credentials{Username: s.User, Password: s.Password}}
	if len(s.CA) > 0 {
		name, err := writeCA(folder, s.CA)
		if err != nil {
			return nil, err
		}
		defer os.Remove(name) // it is read at once
		o.CAFile = name
	}
	r, err := remote.New(o)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", s.URL, err)
	}
	from := &source{remote: r, prefix: s.Prefix}
	if perSecond > 0 {
		from.limit = rate.NewLimiter(rate.Limit(perSecond), int(min(perSecond, chunk)))
	}
	return from, nil
}

func writeCA(folder string, pem []byte) (name string, err error) {
	f, err := os.CreateTemp(folder, "landfall-ca-*.pem")
	if err != nil {
		return "", registry.DiskError(err)
	}
	_, err = f.Write(pem)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return f.Name(), registry.DiskError(err)
}

func (s *source) close() { s.remote.Close() }

// repository is what an original name is called there.
func (s *source) repository(name string) string {
	path := registry.RepositoryPath(name)
	if s.prefix != "" {
		path = strings.Trim(s.prefix, "/") + "/" + path
	}
	return path
}

// manifest is a manifest by its digest, proven.
func (s *source) manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	ref.Repository = s.repository(ref.Repository)
	d, body, err := s.remote.Manifest(ctx, ref)
	if err == nil {
		err = s.count(ctx, len(body))
	}
	return d, body, err
}

// named is what a name means there.
func (s *source) named(ctx context.Context, ref registry.Ref) (registry.Descriptor, error) {
	ref.Repository = s.repository(ref.Repository)
	return s.remote.Resolve(ctx, ref)
}

// blob opens a blob from an offset on. Its bytes are not proven.
func (s *source) blob(ctx context.Context, repository string, d registry.Descriptor, offset int64) (io.ReadCloser, error) {
	body, err := s.remote.BlobFrom(ctx, s.repository(repository), d, offset)
	if err != nil {
		return nil, err
	}
	return &counted{ReadCloser: body, s: s, ctx: ctx}, nil
}

// count notes bytes that have moved, and waits until so many were allowed.
func (s *source) count(ctx context.Context, n int) error {
	s.mu.Lock()
	s.moved += int64(n)
	if s.progress != nil && s.total > 0 {
		s.progress(s.moved, s.total)
	}
	s.mu.Unlock()
	for left := n; s.limit != nil && left > 0; {
		now := min(left, s.limit.Burst())
		if err := s.limit.WaitN(ctx, now); err != nil {
			return err
		}
		left -= now
	}
	return nil
}

// expect says how many more bytes will move.
func (s *source) expect(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total = s.moved + n
	if s.progress != nil && s.total > 0 {
		s.progress(s.moved, s.total)
	}
}

func (s *source) bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.moved
}

// counted is the body of a blob.
type counted struct {
	io.ReadCloser
	s   *source
	ctx context.Context //nolint:containedctx // of the transfer that it is a part of
}

// Read implements io.Reader.
func (c *counted) Read(b []byte) (int, error) {
	if c.s.limit != nil {
		b = b[:min(len(b), c.s.limit.Burst())]
	}
	n, err := c.ReadCloser.Read(b)
	if e := c.s.count(c.ctx, n); e != nil && err == nil {
		err = e
	}
	return n, err
}
