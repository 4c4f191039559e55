package mirror

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// transfer is one blob: it moves once, and is mounted into every other repository
// that needs it.
type transfer struct {
	descriptor registry.Descriptor
	needs      []string // repositories of the destination, ascending
	anywhere   bool     // some repository of the destination has it

	turn sync.Mutex      // held while it moves or is mounted
	have map[string]bool // repositories of the destination that have it
}

// mover brings transfers to the destination.
type mover struct {
	dst       registry.Writer
	mounter   registry.Mounter // nil when it cannot mount
	resumer   registry.Resumer // nil when it cannot resume
	unplanned bool             // it has to be asked what is there
	opts      Options
	all       chan struct{} // a slot for each blob that moves
	links     *links
}

// bring makes a blob appear in a repository of the destination. It moves at most
// once from the source, by whoever is first; the others mount it.
func (m *mover) bring(ctx context.Context, t *transfer, i *Image, from, to string) error {
	t.turn.Lock()
	defer t.turn.Unlock()
	if t.have[to] {
		return nil
	}
	there, err := m.mount(ctx, t, to)
	if err == nil && !there && m.unplanned {
		there, err = m.dst.Exists(ctx, to, t.descriptor)
	}
	if err == nil && !there {
		err = m.move(ctx, t, i, from, to)
	}
	if err != nil {
		return err
	}
	t.have[to] = true
	return nil
}

// mount takes a blob over from another repository of the destination.
func (m *mover) mount(ctx context.Context, t *transfer, to string) (bool, error) {
	if m.mounter == nil || !t.anywhere {
		return false, nil
	}
	for _, from := range append(slices.Sorted(maps.Keys(t.have)), "") {
		mounted, err := m.mounter.Mount(ctx, to, from, t.descriptor)
		if mounted || err != nil {
			return mounted, registry.DestinationError(to+"@"+t.descriptor.Digest.String(), err)
		}
		if from != "" {
			break // what it does not mount from one it does not from the next
		}
	}
	return false, nil
}

// move reads a blob from the destination itself, when another repository there has
// it that cannot be mounted from, and else from the source.
func (m *mover) move(ctx context.Context, t *transfer, i *Image, from, to string) error {
	select {
	case m.all <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-m.all }()
	if here, ok := m.dst.(registry.Reader); ok && len(t.have) > 0 {
		at := slices.Sorted(maps.Keys(t.have))[0]
		r, err := here.Blob(ctx, at, t.descriptor)
		if err == nil {
			defer r.Close()
			return registry.DestinationError(to+"@"+t.descriptor.Digest.String(), m.dst.PutBlob(ctx, to, t.descriptor, r))
		}
	}
	link := m.links.of(i)
	ctx, release, err := link.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	for attempt := 1; ; attempt++ {
		if err = m.put(ctx, t, i, from, to); err == nil {
			t.anywhere = true
		}
		if !hiccup(err) || attempt == putAttempts || !pause(ctx, time.Duration(attempt)*putPause) {
			return link.ended(ctx, err)
		}
	}
}

// A destination that fails to take a blob is tried again; reading is as patient by
// itself.
const (
	putAttempts = 3
	putPause    = time.Second
)

// hiccup reports whether the destination may well take the same bytes in a while.
func hiccup(err error) bool {
	side := (*registry.CopyError)(nil)
	return errors.Is(err, registry.ErrUnreachable) && errors.As(err, &side) && side.Side == "destination"
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// put moves the bytes from the source, those that are still missing where the
// destination keeps what came before.
func (m *mover) put(ctx context.Context, t *transfer, i *Image, from, to string) error {
	what := to + "@" + t.descriptor.Digest.String()
	if m.resumer != nil {
		open := i.source.from(ctx, from, t.descriptor)
		err := m.resumer.ResumeBlob(ctx, to, t.descriptor, func(offset int64) (io.ReadCloser, error) {
			r, err := open(offset)
			if err != nil {
				return nil, registry.SourceError(from+"@"+t.descriptor.Digest.String(), err)
			}
			return &counted{ReadCloser: r, mover: m, of: t.descriptor, what: from}, nil
		})
		return blame(what, err)
	}
	r, err := i.source.origin.Blob(ctx, from, t.descriptor)
	if err != nil {
		return registry.SourceError(from+"@"+t.descriptor.Digest.String(), err)
	}
	defer r.Close()
	return blame(what, m.dst.PutBlob(ctx, to, t.descriptor, &counted{ReadCloser: r, mover: m, of: t.descriptor, what: from}))
}

// blame: the writer proves bytes, but it was the source that sent them.
func blame(what string, err error) error {
	if registry.WrongBytes(err) {
		return registry.SourceError(what, err)
	}
	return registry.DestinationError(what, err)
}

// counted reports progress and marks the errors of the source.
type counted struct {
	io.ReadCloser
	mover *mover
	of    registry.Descriptor
	what  string
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if n > 0 {
		c.mover.opts.Progress(registry.Event{Kind: registry.Advanced, Descriptor: c.of, Bytes: int64(n)})
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = registry.SourceError(c.what+"@"+c.of.Digest.String(), err)
	}
	return n, err
}

// Unverified lets a writer that proves d itself skip the source's own proof.
func (c *counted) Unverified(d registry.Descriptor) io.Reader {
	inner := io.NopCloser(registry.Unverified(c.ReadCloser, d))
	return &counted{ReadCloser: inner, mover: c.mover, of: c.of, what: c.what}
}
