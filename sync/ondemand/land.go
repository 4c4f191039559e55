package ondemand

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/parallel"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/trust"
)

// maxNesting is how many indexes may be over an image.
const maxNesting = 8

// landing is a root on its way into the store, with what is wanted below it.
type landing struct {
	place  *place
	root   *known
	wanted map[digest.Digest]bool // the root, and the way down to what was asked for
}

// want begins to bring what a client needs of a manifest, unless that is under way
// or done. Of an index only what is asked for later is needed.
func (u *Upstream) want(p *place, k *known, here bool) {
	if len(k.manifest.Children) > 0 {
		return
	}
	for _, l := range u.landingsOf(p, k) {
		if !here || u.lacks(l, k) {
			u.begin(l)
		}
	}
}

// attachedFor is for how long nobody asks what else was attached to an image since:
// images are signed, and scanned, after they were pulled first.
const attachedFor = time.Hour

// lacks reports whether there is something to bring of a manifest that the site has:
// names; or what is attached to it, unless it is itself in an attached bundle only.
func (u *Upstream) lacks(l *landing, k *known) bool {
	var named, due bool
	u.memory.locked(func() {
		named = len(l.root.names) > 0
		since := u.now().Sub(k.tried)
		due = since >= attachedFor || !k.attached && since >= l.place.refresh()
	})
	if named || !due || l.place.mirrors[0].Referrers.None || u.link(l.place) != nil {
		return named
	}
	_, err := u.store.Resolve(u.ctx, registry.Ref{Repository: l.place.repository, Digest: k.descriptor.Digest})
	return err == nil
}

// landingsOf are the ways up from a manifest to the names that need it.
func (u *Upstream) landingsOf(p *place, k *known) []*landing {
	var list []*landing
	var up func(k *known, below map[digest.Digest]bool)
	up = func(k *known, below map[digest.Digest]bool) {
		wanted := maps.Clone(below)
		wanted[k.descriptor.Digest] = true
		parents := u.memory.parents(k.at)
		if len(parents) == 0 || len(below) == maxNesting {
			list = append(list, &landing{p, k, wanted})
			return
		}
		for _, above := range parents {
			if !wanted[above.descriptor.Digest] {
				up(above, wanted)
			}
		}
		u.memory.locked(func() {
			if len(k.names) > 0 { // a name of its own
				list = append(list, &landing{p, k, wanted})
			}
		})
	}
	up(k, map[digest.Digest]bool{})
	return list
}

// key tells landings apart.
func (l *landing) key() string {
	text := l.root.at.path + " " + l.root.at.reference
	for _, d := range slices.Sorted(maps.Keys(l.wanted)) {
		text += " " + d.String()
	}
	return text
}

// begin lands in the background, unless that is under way.
func (u *Upstream) begin(l *landing) {
	u.mu.Lock()
	defer u.mu.Unlock()
	id := l.key()
	if u.landings[id] {
		return
	}
	u.landings[id] = u.goes(func(ctx context.Context) {
		defer func() {
			u.mu.Lock()
			defer u.mu.Unlock()
			delete(u.landings, id)
		}()
		if err := u.land(ctx, l); err != nil {
			u.warn(ctx, "what was pulled did not come whole", l.place, err, "digest", l.root.descriptor.Digest)
		} else if err := u.bringAttached(ctx, l); err != nil {
			u.warn(ctx, "what is attached to an image did not come", l.place, err, "digest", l.root.descriptor.Digest)
		}
	})
}

// land brings all that is wanted into the store, and then the names that wait for
// it. It goes on while names come.
func (u *Upstream) land(ctx context.Context, l *landing) error {
	release, err := u.store.Hold(ctx, store.HoldImport) // what came first has no name for long
	if err != nil {
		return err
	}
	defer release()
	src := &source{u, l.place, u.unwanted(l, false)}
	root := registry.Ref{Repository: l.place.repository, Digest: l.root.descriptor.Digest}
	g, err := registry.Walk(ctx, src, []registry.Ref{root}, registry.WalkOptions{NoReferrers: true, Sparse: true})
	if err == nil {
		err = l.complete(g)
	}
	if err == nil {
		err = u.bringBlobs(ctx, l.place, g)
	}
	for first := true; err == nil; first = false {
		var more bool
		if more, err = u.name(ctx, l, g, src, first); !more {
			break
		}
	}
	return err
}

// complete is ErrNotFound unless all is in the graph that is wanted: a walk leaves out
// what an upstream does not have any more.
func (l *landing) complete(g *registry.Graph) error {
	missing := maps.Clone(l.wanted)
	for _, m := range g.Manifests {
		delete(missing, m.Descriptor.Digest)
	}
	for d := range missing {
		return fmt.Errorf("%s@%s: %w upstream any more", l.place.repository, d, registry.ErrNotFound)
	}
	return nil
}

// bringBlobs brings what the graph needs, a few at once.
func (u *Upstream) bringBlobs(ctx context.Context, p *place, g *registry.Graph) error {
	return parallel.Do(ctx, u.jobs(p), g.Blobs, func(ctx context.Context, n registry.Node) error {
		return u.bring(ctx, p, n.Descriptor)
	})
}

// name puts the manifests and makes names visible, with what was found out about
// them; false when there were none. What was asked for by its digest alone is a name
// by that, unless it is attached to something.
func (u *Upstream) name(ctx context.Context, l *landing, g *registry.Graph, src registry.Reader, first bool) (bool, error) {
	u.naming.Lock()
	defer u.naming.Unlock()
	names := u.memory.waiting(l.root)
	if len(names) == 0 && !first {
		return false, nil
	}
	g.Names = nil
	for _, ref := range names {
		g.Names = append(g.Names, registry.Name{Ref: ref, Descriptor: l.root.descriptor})
	}
	root := registry.Ref{Repository: l.place.repository, Digest: l.root.descriptor.Digest}
	if _, err := u.store.Resolve(ctx, root); len(names) == 0 && errors.Is(err, registry.ErrNotFound) && u.memory.subject(l.root) == nil {
		g.Names = append(g.Names, registry.Name{Ref: root, Descriptor: l.root.descriptor})
	}
	opts := registry.CopyOptions{Jobs: u.jobs(l.place), BeforeCommit: func(b registry.Batch) { u.remember(b, l.root) }}
	err := registry.Copy(ctx, u.store, src, g, opts)
	if err == nil {
		u.memory.settle(l.root, names)
	}
	return len(names) > 0, err
}

// remember lets the site note what was found out about an image.
func (u *Upstream) remember(b registry.Batch, root *known) {
	r, ok := b.(trust.Rememberer)
	var verdicts []trust.ImageVerdict
	u.memory.locked(func() { verdicts = slices.Clone(root.verdicts) })
	if ok && len(verdicts) > 0 {
		r.Remember(nil, verdicts)
	}
}

// unwanted are the children of the indexes on the way that nobody asked for.
// Attestations in an index are of what is attached to the images.
func (u *Upstream) unwanted(l *landing, attestations bool) map[digest.Digest]bool {
	hidden := map[digest.Digest]bool{}
	for d := range l.wanted {
		k := u.memory.get(l.place.at(d.String()))
		if k == nil {
			continue
		}
		for _, c := range k.manifest.Children {
			attests := attestations && l.wanted[digest.Digest(c.Annotations[registry.AttestationSubject])]
			hidden[c.Digest] = hidden[c.Digest] || !l.wanted[c.Digest] && !attests
		}
	}
	return hidden
}

// bringAttached brings what is attached to what has landed.
func (u *Upstream) bringAttached(ctx context.Context, l *landing) error {
	p, filter := l.place, l.place.mirrors[0].Referrers
	if filter.None {
		return nil
	}
	u.each(l, func(k *known) { k.tried = u.now() })
	root := registry.Ref{Repository: p.repository, Digest: l.root.descriptor.Digest}
	src := &source{u, p, u.unwanted(l, true)}
	g, err := registry.Walk(ctx, src, []registry.Ref{root}, registry.WalkOptions{Sparse: true,
		Referrer: func(d registry.Descriptor) bool { return filter.Match(d.ArtifactType) }})
	if err == nil {
		err = u.bringBlobs(ctx, p, g)
	}
	if err != nil {
		return err
	}
	g.Names = slices.DeleteFunc(g.Names, func(n registry.Name) bool { return n.Ref.Tag == "" })
	u.naming.Lock()
	defer u.naming.Unlock()
	if err := registry.Copy(ctx, u.store, src, g, registry.CopyOptions{Jobs: u.jobs(p)}); err != nil {
		return err
	}
	u.each(l, func(k *known) { k.attached = true })
	return nil
}

// each changes what is known of a root and what is wanted below it.
func (u *Upstream) each(l *landing, change func(*known)) {
	for d := range l.wanted {
		if k := u.memory.get(l.place.at(d.String())); k != nil {
			u.memory.locked(func() { change(k) })
		}
	}
}
