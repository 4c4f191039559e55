// Package send uploads a file to an appliance, as the client of package upload: in
// parallel parts, through broken connections and restarts of either side, without
// sending much twice. It keeps no state of its own. Who calls it again with the same
// file goes on where the appliance is, which it asks for uploads with the file's
// fingerprint. At the end it compares the appliance's digest with the file's.
package send

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/upload"
)

// Options of Send. File and URL have no defaults.
type Options struct {
	File   string
	URL    string       // of all uploads, like https://site:5443/api/v1/uploads
	Client *http.Client // http.DefaultClient when nil
	Token  string       // for a header Authorization: Bearer; none when empty

	Name  string      // for people; the file's when empty
	Kind  upload.Kind // when empty, the appliance finds out
	Parts int         // sent at the same time; when 0, one for each 256 MiB, up to four
	// Patience is how long it goes on trying when nothing moves; 5 minutes when 0.
	Patience time.Duration
}

// Progress is how far an upload is.
type Progress struct {
	Offset int64 // of the file's bytes, what the appliance has, or is on its way there
	Total  int64
	Sent   int64 // what this call has sent, also twice
	Checks bool  // all is there; the appliance joins and hashes it
}

// Result is an upload that is whole.
type Result struct {
	upload.Upload
	Sent  int64 // bytes that this call has sent
	Found int64 // bytes that the appliance had before
}

const (
	partFrom     = 256 << 20 // bytes for each part, unless it was said how many
	defaultParts = 4
	partAlign    = 1 << 20
	sampleSize   = 1 << 20 // of the file's start and end, in its fingerprint
	maxRestarts  = 3       // when what was sent is gone
)

// Send uploads a file and returns when the appliance has all of it, and has found its
// digest to be the file's. tell, which may be nil, is told now and then, by one at a
// time. Errors are those of package registry: ErrUnreachable when patience ends,
// ErrNoSpace, ErrDenied, ErrDigest, ErrConflict when the file changed meanwhile.
func Send(ctx context.Context, opts Options, tell func(Progress)) (*Result, error) {
	s, err := open(opts, tell)
	if err != nil {
		return nil, err
	}
	defer s.file.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer s.hashing.Wait()
	defer cancel(nil)
	s.hashing.Go(func() { s.hash(ctx) })
	for n := 1; ; n++ {
		up, err := s.send(ctx)
		if errors.Is(err, errGone) && n < maxRestarts {
			continue
		}
		if err == nil {
			err = s.verify(ctx, up)
		}
		if err != nil {
			return nil, fmt.Errorf("upload %s: %w", opts.File, err)
		}
		return &Result{*up, s.sent.Load(), s.found.Load()}, nil
	}
}

// open reads what there is to know of the file.
func open(opts Options, tell func(Progress)) (*sender, error) {
	f, err := os.Open(opts.File)
	if err != nil {
		return nil, err
	}
	s := &sender{opts: withDefaults(opts), file: f, tell: tell, hashed: make(chan struct{})}
	if s.info, err = f.Stat(); err == nil && !s.info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w: not a regular file", opts.File, registry.ErrInvalid)
	}
	if err == nil {
		s.size = s.info.Size()
		s.fingerprint, err = s.takeFingerprint()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

func withDefaults(o Options) Options {
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	if o.Name == "" {
		o.Name = filepath.Base(o.File)
	}
	if o.Patience == 0 {
		o.Patience = 5 * time.Minute
	}
	return o
}

// takeFingerprint stands for the file, as long as nobody changes it: its name, size
// and time, its first and its last bytes. Browsers know milliseconds only; the Local UI
// makes the same fingerprint, so that one goes on with what the other has begun.
func (s *sender) takeFingerprint() (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%q %d %d\n", s.opts.Name, s.size, s.info.ModTime().UnixMilli())
	sample := min(s.size, sampleSize)
	for _, at := range []int64{0, s.size - sample} {
		if _, err := io.Copy(h, io.NewSectionReader(s.file, at, sample)); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// hash hashes the whole file while it is sent.
func (s *sender) hash(ctx context.Context) {
	defer close(s.hashed)
	h := sha256.New()
	if s.hashErr = durable.Copy(ctx, h, io.NewSectionReader(s.file, 0, s.size)); s.hashErr == nil {
		s.digest = digest.NewDigest(digest.SHA256, h)
	}
}

// local is the file's digest, once it is known.
func (s *sender) local(ctx context.Context) (digest.Digest, error) {
	select {
	case <-s.hashed:
		return s.digest, s.hashErr
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// unchanged is an error when somebody has changed the file.
func (s *sender) unchanged() error {
	now, err := s.file.Stat()
	if err == nil && (now.Size() != s.size || !now.ModTime().Equal(s.info.ModTime())) {
		err = fmt.Errorf("%w: the file was changed while it was sent", registry.ErrConflict)
	}
	return err
}

// verify compares digests. What is not the file is deleted from the appliance.
func (s *sender) verify(ctx context.Context, up *upload.Upload) error {
	want, err := s.local(ctx)
	if err != nil {
		return err
	}
	if err = s.unchanged(); err == nil && up.Digest != want {
		err = fmt.Errorf("%w: the appliance has %s, the file is %s; send it again", registry.ErrDigest, up.Digest, want)
	}
	if err != nil {
		return errors.Join(err, s.delete(ctx, up.ID))
	}
	return nil
}

// progress counts what was sent, and tells of it.
type progress struct {
	mu   sync.Mutex // protects the fields below, and is held while tell is called
	at   map[string]int64
	told time.Time
}

// tellEvery is the time between two calls of tell.
const tellEvery = 100 * time.Millisecond

// move notes where a part is.
func (s *sender) move(id string, at int64) {
	s.progress.mu.Lock()
	defer s.progress.mu.Unlock()
	if s.progress.at == nil {
		s.progress.at = map[string]int64{}
	}
	s.progress.at[id] = at
	if s.tell == nil || time.Since(s.progress.told) < tellEvery && at > 0 {
		return
	}
	s.progress.told = time.Now()
	s.tell(Progress{Offset: s.sum(), Total: s.size, Sent: s.sent.Load()})
}

// sum is how many bytes of the file are there or on their way.
func (s *sender) sum() (n int64) {
	for _, at := range s.progress.at {
		n += at
	}
	return n
}

// forget begins counting again.
func (s *sender) forget() {
	s.progress.mu.Lock()
	defer s.progress.mu.Unlock()
	s.progress.at = nil
}

// checking tells that the appliance has all and checks it.
func (s *sender) checking() {
	s.progress.mu.Lock()
	defer s.progress.mu.Unlock()
	if s.tell != nil {
		s.tell(Progress{Offset: s.size, Total: s.size, Sent: s.sent.Load(), Checks: true})
	}
}
