package mirror

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/parallel"
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

// measure finds out which blobs the destination is without, and so what moves.
func (p *planner) measure(ctx context.Context) error {
	wanted := map[string][]registry.Descriptor{} // by repository of the destination
	for k := range p.plan.Images {
		i := &p.plan.Images[k]
		if i.Action != Copy {
			continue
		}
		for _, n := range i.graph.Blobs {
			t := p.plan.transfers[n.Descriptor.Digest]
			if t == nil {
				t = &transfer{descriptor: n.Descriptor, have: map[string]bool{}}
				p.plan.transfers[n.Descriptor.Digest] = t
			}
			for _, r := range n.Repositories {
				to := i.repository(r)
				if at, found := slices.BinarySearch(t.needs, to); !found {
					t.needs = slices.Insert(t.needs, at, to)
					wanted[to] = append(wanted[to], n.Descriptor)
				}
			}
		}
	}
	if err := p.present(ctx, wanted); err != nil {
		return err
	}
	p.add()
	return nil
}

// present asks the destination what it has.
func (p *planner) present(ctx context.Context, wanted map[string][]registry.Descriptor) error {
	if p.dst == nil {
		return nil
	}
	var mu sync.Mutex // protects what is noted
	ask := func(ctx context.Context, repository string) error {
		missing, err := p.missing(ctx, repository, wanted[repository])
		if err != nil {
			return registry.DestinationError(repository, err)
		}
		absent := map[digest.Digest]bool{}
		for _, d := range missing {
			absent[d.Digest] = true
		}
		mu.Lock()
		defer mu.Unlock()
		for _, d := range wanted[repository] {
			if !absent[d.Digest] {
				t := p.plan.transfers[d.Digest]
				t.have[repository], t.anywhere = true, true
			}
		}
		return nil
	}
	if err := parallel.Do(ctx, requests, slices.Sorted(maps.Keys(wanted)), ask); err != nil {
		return err
	}
	return p.elsewhere(ctx)
}

// missing asks in one go where the destination can, else blob by blob.
func (p *planner) missing(ctx context.Context, repository string, blobs []registry.Descriptor) (missing []registry.Descriptor, err error) {
	if c, ok := p.dst.(registry.Checker); ok {
		return c.Missing(ctx, repository, blobs)
	}
	var mu sync.Mutex // protects missing
	err = parallel.Do(ctx, requests, blobs, func(ctx context.Context, d registry.Descriptor) error {
		ok, err := p.dst.Exists(ctx, repository, d)
		if err == nil && !ok {
			mu.Lock()
			missing = append(missing, d)
			mu.Unlock()
		}
		return err
	})
	return missing, err
}

// elsewhere finds blobs in repositories that do not need them.
func (p *planner) elsewhere(ctx context.Context) error {
	var unknown []registry.Descriptor
	var bytes int64
	for _, t := range p.plan.transfers {
		if !t.anywhere {
			unknown = append(unknown, t.descriptor)
			bytes += t.descriptor.Size
		}
	}
	switch dst := p.dst.(type) {
	case near:
		missing, err := dst.MissingBlobs(ctx, unknown)
		if err != nil {
			return registry.DestinationError("", err)
		}
		for _, d := range unknown {
			p.plan.transfers[d.Digest].anywhere = true
		}
		for _, d := range missing {
			p.plan.transfers[d.Digest].anywhere = false
		}
	case registry.Reader:
		if bytes >= worthLooking {
			return p.neighbours(ctx, dst)
		}
	}
	return nil
}

// worthLooking is from how many bytes on that would move the images that are level
// are read at a remote destination: they may have them.
const worthLooking = 1 << 20

// neighbours notes what images have that are level.
func (p *planner) neighbours(ctx context.Context, dst registry.Reader) error {
	var level []*Image
	for k := range p.plan.Images {
		if i := &p.plan.Images[k]; i.Action == Skip {
			level = append(level, i)
		}
	}
	at := newSource(reading{dst})
	var mu sync.Mutex // protects transfers
	return parallel.Do(ctx, requests, level, func(ctx context.Context, i *Image) error {
		g, err := registry.Walk(ctx, at, []registry.Ref{i.to}, registry.WalkOptions{NoReferrers: true, Sparse: true})
		if err != nil {
			return ctx.Err() // then it comes from the source
		}
		mu.Lock()
		defer mu.Unlock()
		for _, n := range g.Blobs {
			if t := p.plan.transfers[n.Descriptor.Digest]; t != nil && !t.anywhere {
				t.have[i.to.Repository], t.anywhere = true, true
			}
		}
		return nil
	})
}

// reading is a destination that is read.
type reading struct{ registry.Reader }

func (reading) BlobFrom(context.Context, string, registry.Descriptor, int64) (io.ReadCloser, error) {
	return nil, errors.ErrUnsupported
}

func (reading) Tags(context.Context, string, string) iter.Seq2[string, error] {
	return registry.NoNames(errors.ErrUnsupported)
}

// add counts each blob that moves with the first image that names it, and takes
// images out that turn out to be there.
func (p *planner) add() {
	counted := map[digest.Digest]bool{}
	for k := range p.plan.Images {
		i := &p.plan.Images[k]
		if i.Action != Copy {
			continue
		}
		for _, n := range i.graph.Blobs {
			t := p.plan.transfers[n.Descriptor.Digest]
			if !counted[n.Descriptor.Digest] && !t.anywhere {
				counted[n.Descriptor.Digest] = true
				i.Bytes += n.Descriptor.Size
				p.plan.Blobs++
			}
		}
		p.plan.Bytes += i.Bytes
	}
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
	if errors.Is(err, registry.ErrDigest) || errors.Is(err, registry.ErrSize) {
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
