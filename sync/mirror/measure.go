package mirror

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/parallel"
	"github.com/landfall-dev/landfall/registry"
)

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
