package registry

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/parallel"
)

// CopyOptions says how content is copied. The zero value is the default.
type CopyOptions struct {
	// Jobs is how many blobs or manifests move at once; DefaultJobs when 0.
	Jobs int
	// Progress is told what happens; nil for silence. It is called from
	// several goroutines and must not block.
	Progress func(Event)
	// BeforeCommit is called with the batch of a destination that makes all names
	// visible at once, just before it does; nil for nothing.
	BeforeCommit func(Batch)
}

// EventKind tells what an Event reports.
type EventKind int

// What can happen to content on its way.
const (
	Planned  EventKind = iota // Bytes: the size of all content; Count: how many blobs and manifests
	Advanced                  // Bytes more of Descriptor were moved
	Finished                  // Descriptor is at the destination
	Skipped                   // Descriptor was there already: nothing moved
	Landed                    // an image is at the destination, under its name
)

// Event is one step of a copy.
type Event struct {
	Kind       EventKind
	Descriptor Descriptor
	Bytes      int64
	Count      int
}

// Copy makes the destination hold what the graph lists: all blobs first, then
// manifests, children before parents, and the names last. What is present is
// not moved again; a blob that the destination holds in another repository is
// mounted. A destination that can batch makes all names visible at once; one
// that can tell whether the bytes fit is asked before the first is moved.
func Copy(ctx context.Context, dst Writer, src Reader, g *Graph, opts CopyOptions) error {
	if opts.Progress == nil {
		opts.Progress = func(Event) {}
	}
	batcher, ok := dst.(Batcher)
	if !ok {
		return newCopier(dst, src, opts).copy(ctx, g)
	}
	batch, err := batcher.Batch(ctx)
	if err != nil {
		return DestinationError("", err)
	}
	defer batch.Close()
	if err := newCopier(batch, src, opts).copy(ctx, g); err != nil {
		return err
	}
	if opts.BeforeCommit != nil {
		opts.BeforeCommit(batch)
	}
	return DestinationError("", batch.Commit(ctx))
}

func newCopier(dst Writer, src Reader, opts CopyOptions) *copier {
	opts.Jobs = cmp.Or(opts.Jobs, DefaultJobs)
	c := &copier{dst: dst, src: src, opts: opts}
	c.mounter, _ = dst.(Mounter)
	return c
}

func (c *copier) copy(ctx context.Context, g *Graph) error {
	blobs, err := c.plan(ctx, g)
	if err != nil {
		return err
	}
	if err := parallel.Do(ctx, c.opts.Jobs, blobs, c.blob); err != nil {
		return err
	}
	for group := range levels(g.Manifests) {
		if err := parallel.Do(ctx, c.opts.Jobs, group, c.manifest); err != nil {
			return err
		}
	}
	return c.names(ctx, g)
}

// transfer is a blob that some repositories of the destination are without.
type transfer struct {
	node    *Node
	missing []string // ascending
}

// plan asks the destination what it has, and whether the rest fits.
func (c *copier) plan(ctx context.Context, g *Graph) ([]*transfer, error) {
	all := make([]*transfer, len(g.Blobs))
	for i := range g.Blobs {
		all[i] = &transfer{node: &g.Blobs[i]}
	}
	if err := c.findMissing(ctx, all); err != nil {
		return nil, err
	}
	if err := parallel.Do(ctx, c.opts.Jobs, all, c.mountAny); err != nil {
		return nil, err
	}
	var needed []*transfer
	var bytes int64
	for _, t := range all {
		if len(t.missing) > 0 {
			needed = append(needed, t)
		}
		if t.absent() {
			bytes += t.node.Descriptor.Size
		}
	}
	c.opts.Progress(Event{Kind: Planned, Bytes: bytes, Count: len(g.Blobs) + len(g.Manifests)})
	for _, t := range all {
		if len(t.missing) == 0 {
			c.done(t.node.Descriptor, false)
		}
	}
	if r, ok := c.dst.(Reserver); ok {
		return needed, DestinationError("", r.Reserve(ctx, bytes))
	}
	return needed, nil
}

// absent: no repository of the destination has the blob, as far as is known.
func (t *transfer) absent() bool { return len(t.missing) == len(t.node.Repositories) }

// findMissing fills in which repositories miss which blobs.
func (c *copier) findMissing(ctx context.Context, all []*transfer) error {
	wanted := map[string][]Descriptor{}
	byDigest := map[digest.Digest]*transfer{}
	for _, t := range all {
		byDigest[t.node.Descriptor.Digest] = t
		for _, repository := range t.node.Repositories {
			wanted[repository] = append(wanted[repository], t.node.Descriptor)
		}
	}
	for _, repository := range slices.Sorted(maps.Keys(wanted)) {
		missing, err := c.missing(ctx, repository, wanted[repository])
		if err != nil {
			return DestinationError(repository, err)
		}
		for _, d := range missing {
			t := byDigest[d.Digest]
			t.missing = append(t.missing, repository)
		}
	}
	return nil
}

// missing asks in one go where the destination can, else blob by blob.
func (c *copier) missing(ctx context.Context, repository string, blobs []Descriptor) (missing []Descriptor, err error) {
	if checker, ok := c.dst.(Checker); ok {
		return checker.Missing(ctx, repository, blobs)
	}
	var mu sync.Mutex // protects missing
	err = parallel.Do(ctx, c.opts.Jobs, blobs, func(ctx context.Context, d Descriptor) error {
		ok, err := c.dst.Exists(ctx, repository, d)
		if err == nil && !ok {
			mu.Lock()
			missing = append(missing, d)
			mu.Unlock()
		}
		return err
	})
	return missing, err
}

// mountAny tries whether an absent blob is there under a name that the graph
// does not know.
func (c *copier) mountAny(ctx context.Context, t *transfer) error {
	if !t.absent() {
		return nil
	}
	mounted, err := c.mount(ctx, t.missing[0], "", t.node.Descriptor)
	if mounted {
		t.missing = t.missing[1:]
	}
	return DestinationError(t.node.Descriptor.Digest.String(), err)
}

// levels yields the manifests in groups, each naming only earlier groups.
func levels(manifests []Node) iter.Seq[[]*Node] {
	return func(yield func([]*Node) bool) {
		for level, left := 0, len(manifests); left > 0; level++ {
			var group []*Node
			for i, m := range manifests {
				if m.Level == level {
					group = append(group, &manifests[i])
				}
			}
			if left -= len(group); !yield(group) {
				return
			}
		}
	}
}

type copier struct {
	dst     Writer
	mounter Mounter // nil when dst cannot mount
	src     Reader
	opts    CopyOptions
}

// blob brings one blob into the repositories that miss it; its bytes move once
// where the destination can mount.
func (c *copier) blob(ctx context.Context, t *transfer) error {
	d, moved, have := t.node.Descriptor, false, t.present()
	for _, repository := range t.missing {
		mounted, err := c.mount(ctx, repository, have, d)
		if err != nil {
			return DestinationError(repository+"@"+d.Digest.String(), err)
		}
		if !mounted {
			if err := c.put(ctx, repository, t.node); err != nil {
				return err
			}
			moved = true
		}
		have = repository
	}
	c.done(d, moved)
	return nil
}

// present is a repository of the destination that has the blob, or none.
func (t *transfer) present() string {
	for _, repository := range t.node.Repositories {
		if !slices.Contains(t.missing, repository) {
			return repository
		}
	}
	return ""
}

func (c *copier) done(d Descriptor, moved bool) {
	kind := Skipped
	if moved {
		kind = Finished
	}
	c.opts.Progress(Event{Kind: kind, Descriptor: d})
}

func (c *copier) mount(ctx context.Context, repository, from string, d Descriptor) (bool, error) {
	if c.mounter == nil {
		return false, nil
	}
	return c.mounter.Mount(ctx, repository, from, d)
}

func (c *copier) put(ctx context.Context, repository string, n *Node) error {
	what := repository + "@" + n.Descriptor.Digest.String()
	r, err := c.open(ctx, repository, n)
	if err != nil {
		return SourceError(what, err)
	}
	defer r.Close()
	counted := &countingReader{r: r, what: what, advanced: func(bytes int64) {
		c.opts.Progress(Event{Kind: Advanced, Descriptor: n.Descriptor, Bytes: bytes})
	}}
	err = c.dst.PutBlob(ctx, repository, n.Descriptor, counted)
	if WrongBytes(err) {
		return SourceError(what, err) // the writer proved it, the source sent it
	}
	return DestinationError(what, err)
}

// open reads a blob from the repository, or from another one of the node's: a
// sparse source may hold it in one of them only.
func (c *copier) open(ctx context.Context, repository string, n *Node) (io.ReadCloser, error) {
	r, err := c.src.Blob(ctx, repository, n.Descriptor)
	for _, other := range n.Repositories {
		if !errors.Is(err, ErrNotFound) {
			break
		}
		if other != repository {
			r, err = c.src.Blob(ctx, other, n.Descriptor)
		}
	}
	return r, err
}

// manifest brings one manifest into all its repositories, by digest.
func (c *copier) manifest(ctx context.Context, n *Node) error {
	moved := false
	for _, repository := range n.Repositories {
		ref := Ref{Repository: repository, Digest: n.Descriptor.Digest}
		ok, err := c.dst.Exists(ctx, repository, n.Descriptor)
		if err == nil && !ok {
			moved = true
			err = c.putManifest(ctx, ref, n)
		}
		if err != nil {
			return DestinationError(ref.String(), err)
		}
	}
	c.done(n.Descriptor, moved)
	return nil
}

// putManifest takes the bytes from the source when the graph is without them.
func (c *copier) putManifest(ctx context.Context, ref Ref, n *Node) error {
	content := n.Content
	if content == nil {
		var err error
		if _, content, err = c.src.Manifest(ctx, Ref{Repository: ref.Repository, Digest: n.Descriptor.Digest}); err != nil {
			return SourceError(ref.String(), err)
		}
	}
	return c.dst.PutManifest(ctx, ref, n.Descriptor, content)
}

// names points the tags at their manifests, last of all. A digest is a name by
// itself; who wants to know is told.
func (c *copier) names(ctx context.Context, g *Graph) error {
	nodes := map[string]*Node{}
	for i, m := range g.Manifests {
		nodes[m.Descriptor.Digest.String()] = &g.Manifests[i]
	}
	for _, name := range g.Names {
		if name.Ref.Tag == "" {
			if namer, ok := c.dst.(Namer); ok {
				ref := Ref{Repository: name.Ref.Repository, Digest: name.Descriptor.Digest}
				if err := namer.PutName(ctx, ref); err != nil {
					return DestinationError(ref.String(), err)
				}
			}
			continue
		}
		ref := Ref{Repository: name.Ref.Repository, Tag: name.Ref.Tag}
		if err := c.putManifest(ctx, ref, nodes[name.Descriptor.Digest.String()]); err != nil {
			return DestinationError(ref.String(), err)
		}
	}
	return nil
}

// countingReader reports progress, and marks the errors of the source so that
// the destination that meets them is not blamed.
type countingReader struct {
	r        io.Reader
	what     string
	advanced func(int64)
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if n > 0 {
		c.advanced(int64(n))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = SourceError(c.what, err)
	}
	return n, err
}

// Unverified lets a writer that proves d itself skip the source's own proof.
func (c *countingReader) Unverified(d Descriptor) io.Reader {
	return &countingReader{r: Unverified(c.r, d), what: c.what, advanced: c.advanced}
}

// CloneTo implements Cloner, if what it counts can.
func (c *countingReader) CloneTo(f *os.File) (bool, error) {
	from, ok := c.r.(Cloner)
	if !ok {
		return false, nil
	}
	done, err := from.CloneTo(f)
	if done {
		if info, err := f.Stat(); err == nil {
			c.advanced(info.Size())
		}
	}
	return done, err
}

// Proven implements Cloner.
func (c *countingReader) Proven() bool {
	from, ok := c.r.(Cloner)
	return ok && from.Proven()
}

// ReadBlob reads a whole blob into memory; for blobs known to be small.
func ReadBlob(ctx context.Context, src Reader, repository string, d Descriptor) ([]byte, error) {
	r, err := src.Blob(ctx, repository, d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(r)
	return b.Bytes(), err
}
