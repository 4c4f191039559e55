package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/time/rate"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/parallel"
	"github.com/landfall-dev/landfall/registry"
)

// ScrubOptions of a scrub. The zero value goes on with a pass that was
// interrupted, or begins one, as fast as the disk reads.
type ScrubOptions struct {
	Fresh bool  // begin a new pass even if the last one was interrupted
	Rate  int64 // bytes per second at most; 0: no limit
	// Found is called for each thing that is damaged, by one goroutine at a time.
	Found func(Damage)
}

// Scrubbed is what a pass found.
type Scrubbed struct {
	Started  time.Time `json:"started"` // of the pass, perhaps by an earlier call
	Resumed  bool      `json:"resumed,omitempty"`
	Finished time.Time `json:"finished,omitzero"`
	Blobs    int64     `json:"blobs"`
	Bytes    int64     `json:"bytes"`
	Damaged  []Damage  `json:"damaged"` // all that is in quarantine now, found by whomever
}

// pass is a scrub as it is remembered.
type pass struct {
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished,omitzero"`
	Cursor   int64     `json:"cursor"` // row of the last blob that was read
	Blobs    int64     `json:"blobs"`
	Bytes    int64     `json:"bytes"`
	Damaged  int64     `json:"damaged"`
}

// blobCost is what a blob counts on top of its bytes, for the work of finding
// it: a pace that is gentle on large blobs is so on a million small ones.
const blobCost = 16 << 10

// scrubDocument is where a pass is remembered.
const scrubDocument = "scrub"

// scrubPage is how many blobs are read before the pass is remembered.
const scrubPage = 64

// Scrub reads every blob and manifest and proves its digest. What is damaged
// goes into quarantine at once. A call while a scrub runs takes its place and
// goes on where it is: the earlier call returns ErrConflict.
func (s *Store) Scrub(ctx context.Context, opts ScrubOptions) (*Scrubbed, error) {
	ctx, done := s.scrubbing.takeOver(ctx)
	defer done()
	c := &scrubber{Store: s, opts: opts, limit: pace(opts.Rate)}
	if err := c.begin(ctx); err != nil {
		return nil, fmt.Errorf("scrub: %w", err)
	}
	defer c.scrubbing.stop()
	if err := c.run(ctx); err != nil {
		return nil, fmt.Errorf("scrub: %w", cmp.Or(context.Cause(ctx), err))
	}
	damaged, err := s.Damaged(ctx)
	p := c.pass
	return &Scrubbed{Started: p.Started, Resumed: c.resumed, Finished: p.Finished, Blobs: p.Blobs, Bytes: p.Bytes, Damaged: append(damaged, c.stuck...)}, err
}

// errScrubTaken ends a scrub whose place another one takes.
var errScrubTaken = fmt.Errorf("%w: another scrub goes on with this pass", registry.ErrConflict)

// scrubber is one call of Scrub.
type scrubber struct {
	*Store
	opts    ScrubOptions
	limit   *rate.Limiter
	pass    pass
	resumed bool
	mu      sync.Mutex // held around opts.Found, and protects pass and stuck while blobs are read
	stuck   []Damage   // what could not be put into quarantine
}

// pace limits bytes per second; the burst is one read.
func pace(bytes int64) *rate.Limiter {
	if bytes <= 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(bytes), durable.BufferSize)
}

// begin goes on with the last pass unless that is finished.
func (c *scrubber) begin(ctx context.Context) error {
	found, err := c.document(ctx, scrubDocument, &c.pass)
	if err != nil {
		return err
	}
	c.resumed = found && c.pass.Finished.IsZero() && c.pass.Cursor > 0 && !c.opts.Fresh
	if !c.resumed {
		c.pass = pass{Started: time.Now().UTC()}
	}
	c.scrubbing.set(c.pass, true)
	return nil
}

func (c *scrubber) run(ctx context.Context) error {
	if err := c.scrubManifests(ctx); err != nil {
		return err
	}
	for more := true; more; {
		var page []scrubbed
		var b scrubbed
		err := each(ctx, c.db.Read, []any{&b.row, &b.digest, &b.size}, func() { page = append(page, b) },
			`SELECT rowid, digest, size FROM blobs WHERE rowid > ? ORDER BY rowid LIMIT ?`, c.pass.Cursor, scrubPage)
		if err == nil {
			err = parallel.Do(ctx, c.jobs(), page, c.scrubBlob)
		}
		if err != nil {
			return err
		}
		if more = len(page) > 0; more {
			c.pass.Cursor = page[len(page)-1].row
		} else {
			c.pass.Finished = time.Now().UTC()
		}
		c.scrubbing.set(c.pass, more)
		// A disk that takes no writes can still be read: the pass is worth its
		// answer even if it cannot be remembered.
		_ = c.putDocument(ctx, scrubDocument, c.pass)
	}
	return nil
}

// jobs: as fast as it can means all processors; paced means one file at a time.
func (c *scrubber) jobs() int {
	if c.opts.Rate > 0 {
		return 1
	}
	return runtime.GOMAXPROCS(0)
}

// scrubbed is a blob to be read.
type scrubbed struct {
	row, size int64
	digest    digest.Digest
}

func (c *scrubber) scrubBlob(ctx context.Context, b scrubbed) error {
	cause, f, err := c.examine(ctx, b)
	if f != nil {
		defer f.Close()
	}
	if err != nil {
		return err
	}
	bad, stuck := false, error(nil)
	if cause != nil {
		if bad, stuck = c.quarantine(ctx, b.digest, f, cause); stuck != nil {
			bad, cause = true, fmt.Errorf("%w; %w", cause, stuck)
		}
	}
	return c.note(ctx, b, bad, stuck != nil, cause)
}

// note counts a blob that was read, and tells of it if it was bad.
func (c *scrubber) note(ctx context.Context, b scrubbed, bad, stuck bool, cause error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pass.Blobs++
	c.pass.Bytes += b.size
	if bad {
		c.pass.Damaged++
	}
	c.scrubbing.set(c.pass, true)
	if !bad {
		return nil
	}
	names, more, err := c.namesOver(ctx, b.digest)
	damage := Damage{Digest: b.digest, Kind: "blob", Size: b.size, Cause: causeText(b.digest, cause), Found: time.Now().UTC(), Breaks: names, More: more}
	if stuck {
		c.stuck = append(c.stuck, damage)
	}
	if c.opts.Found != nil {
		c.opts.Found(damage)
	}
	return err
}

// examine reads a blob from the disk, not from memory, and returns what is
// wrong with it, and the file that is.
func (c *scrubber) examine(ctx context.Context, b scrubbed) (cause error, f *os.File, err error) {
	f, err = os.Open(c.blobPath(b.digest))
	if errors.Is(err, fs.ErrNotExist) {
		if c.damageOf(ctx, b.digest) != "" {
			return nil, nil, nil // in quarantine since before
		}
		return errors.New("its file is missing"), nil, nil
	}
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return nil, nil, err
	}
	if err != nil {
		return withoutPath(err), nil, nil
	}
	if info, err := f.Stat(); err != nil || info.Size() != b.size {
		f.Close()
		return cmp.Or(withoutPath(err), sizeError(info, b.size)), nil, nil
	}
	if err := wait(ctx, c.limit, blobCost); err != nil {
		return nil, f, err
	}
	durable.Forget(f)
	v := registry.NewVerifyReader(&pacedReader{ctx, f, c.limit}, registry.Descriptor{Digest: b.digest, Size: b.size})
	err = durable.Copy(ctx, io.Discard, v)
	if ctx.Err() != nil {
		return nil, f, context.Cause(ctx)
	}
	durable.Forget(f)
	return withoutPath(err), f, nil
}

// withoutPath is the operating system's complaint alone.
func withoutPath(err error) error {
	if pathErr := (*os.PathError)(nil); errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// pacedReader reads no faster than its limit.
type pacedReader struct {
	ctx   context.Context
	r     io.Reader
	limit *rate.Limiter
}

func (p *pacedReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	return n, cmp.Or(err, wait(p.ctx, p.limit, n))
}

// wait spends bytes of a limit, in steps that it allows.
func wait(ctx context.Context, limit *rate.Limiter, bytes int) error {
	for ; bytes > 0; bytes -= durable.BufferSize {
		if err := limit.WaitN(ctx, min(bytes, durable.BufferSize)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// scrubManifests proves the manifests, which are in the database.
func (c *scrubber) scrubManifests(ctx context.Context) error {
	for last, more := int64(0), true; more; {
		var bad []digest.Digest
		var d digest.Digest
		var content []byte
		bytes := 0
		more = false
		err := each(ctx, c.db.Read, []any{&last, &d, &content}, func() {
			more = true
			bytes += len(content)
			if d.Algorithm().FromBytes(content) != d {
				bad = append(bad, d)
			}
		}, `SELECT rowid, digest, content FROM manifests WHERE rowid > ? ORDER BY rowid LIMIT ?`, last, scrubPage)
		for _, d := range bad {
			if err == nil && c.damageOf(ctx, d) == "" {
				err = c.badManifest(ctx, d)
			}
		}
		if err = cmp.Or(err, wait(ctx, c.limit, bytes)); err != nil {
			return err
		}
	}
	return nil
}

func (c *scrubber) badManifest(ctx context.Context, d digest.Digest) error {
	if err := c.noteDamage(ctx, d, "manifest", errManifestBytes); err != nil {
		return err
	}
	c.pass.Damaged++
	names, more, err := c.namesOver(ctx, d)
	if c.opts.Found != nil {
		c.opts.Found(Damage{Digest: d, Kind: "manifest", Cause: errManifestBytes.Error(), Found: time.Now().UTC(), Breaks: names, More: more})
	}
	return err
}

var errManifestBytes = fmt.Errorf("%w: its bytes in the database are not those of its digest", registry.ErrDigest)
