package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/parallel"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// partialSuffix marks a bundle that is being filled. It becomes the bundle by
// being renamed when every byte is proven and on the disk.
const (
	partialSuffix = ".partial"
	asideSuffix   = ".partial.old"  // a partial file for other content
	swapSuffix    = ".partial.swap" // while the two change names
)

// Writer is a bundle being made: laid out first, then filled at known offsets
// in any order. It is a registry.Writer that takes exactly the content of its
// graph. What an interrupted run left in the partial file is used.
type Writer struct {
	*layout
	path  string
	keys  []*trust.PrivateKey
	file  *os.File // locked
	fresh bool     // this run made the partial file: it holds nothing of an earlier one

	places  map[digest.Digest]*entry
	carried *registry.Graph // what of the graph it takes

	mu    sync.Mutex // protects whole
	whole map[digest.Digest]bool
}

var (
	_ registry.Writer  = (*Writer)(nil)
	_ registry.Mounter = (*Writer)(nil)
)

// Create lays the bundle of a graph out in path+".partial" and reserves its
// space: ErrNoSpace comes before the first byte is fetched. ErrConflict when
// another process fills the same file. The caller copies the graph into the
// Writer and then calls Finish, or Close to leave it for the next run.
func Create(ctx context.Context, path string, g *registry.Graph, opts CreateOptions) (*Writer, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	w := &Writer{path: path, keys: opts.Keys, carried: opts.without(g), whole: map[digest.Digest]bool{}}
	h := newHeader(g, w.carried, opts)
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("%s: %w: this content does not fit into a bundle: %w", path, registry.ErrInvalid, err)
	}
	if err := w.layFor(h); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w: it exists and is not a file", path, registry.ErrInvalid)
	}
	if err := w.prepare(ctx); err != nil {
		if w.fresh {
			os.Remove(w.path + partialSuffix) // nothing in it is of use to the next run
		}
		w.Close()
		return nil, fmt.Errorf("%s: %w", path, registry.DiskError(err))
	}
	return w, nil
}

// layFor lays a header out and signs it.
func (w *Writer) layFor(h *Header) error {
	l, err := newLayout(h)
	if err != nil {
		return err
	}
	content, err := canonical(h)
	if err != nil {
		return err
	}
	var list []trust.Signature
	for _, k := range w.keys {
		s, err := k.Sign(content)
		if err != nil {
			return err
		}
		list = append(list, s)
	}
	l.sign(list)
	w.layout = l
	return nil
}

// prepare takes the partial file, finds out what it has, and lays the rest out.
func (w *Writer) prepare(ctx context.Context) error {
	resumed, err := w.openPartial()
	if err != nil {
		return err
	}
	w.places = make(map[digest.Digest]*entry, len(w.entries))
	for i := range w.entries {
		w.places[w.entries[i].digest] = &w.entries[i]
	}
	if resumed {
		if err := w.findWhole(ctx); err != nil {
			return err
		}
	}
	if err := w.layOut(); err != nil {
		return err
	}
	return w.salvage(ctx)
}

// openPartial takes the partial file for this process alone, and reports
// whether it is an earlier run's of the same content: then everything has the
// same place, but for the time of creation, which stays the earlier one. A
// partial file of other content is put aside, to be salvaged; one that was put
// aside comes back when its content is wanted again.
func (w *Writer) openPartial() (resumed bool, err error) {
	partial, aside := w.path+partialSuffix, w.path+asideSuffix
	if err := w.lock(partial); err != nil {
		return false, err
	}
	here, there := headerIn(partial), headerIn(aside)
	switch {
	case w.fits(here):
		return true, w.goOn(here)
	case w.fits(there):
		if err := w.exchange(partial, aside); err != nil {
			return false, err
		}
		w.file.Close()
		if err := w.lock(partial); err != nil {
			return false, err
		}
		return true, w.goOn(there)
	case here != nil:
		if err := os.Rename(partial, aside); err != nil {
			return false, err
		}
		w.file.Close()
		return false, w.lock(partial)
	}
	return false, nil
}

// lock opens the file, makes it when it is not there, and keeps others out.
func (w *Writer) lock(path string) error {
	_, err := os.Stat(path)
	w.fresh = false
	isNew := errors.Is(err, os.ErrNotExist)
	if w.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return err
	}
	ok, err := durable.Lock(w.file)
	if err == nil && ok { // another process may have given it its final name meanwhile
		ok, err = durable.IsAt(w.file, path)
	}
	if err == nil && !ok {
		err = fmt.Errorf("%w: another process is making it", registry.ErrConflict)
	}
	w.fresh = isNew && err == nil
	return err
}

// fits reports whether a partial file is of the same content in the same places.
func (w *Writer) fits(old *Header) bool {
	if old == nil || old.ID != w.header.ID {
		return false
	}
	l, err := newLayout(w.header.createdAt(old.Created))
	return err == nil && slices.Equal(l.header.places(), old.places())
}

// goOn keeps the earlier run's time of creation.
func (w *Writer) goOn(old *Header) error { return w.layFor(w.header.createdAt(old.Created)) }

// createdAt is a copy with another time.
func (h *Header) createdAt(created string) *Header {
	c := *h
	c.Created, c.Blobs, c.Manifests = created, slices.Clone(h.Blobs), slices.Clone(h.Manifests)
	return &c
}

// headerIn is the header of a bundle that need not be whole; nil when the file
// has none.
func headerIn(path string) *Header {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	h, _, err := readPreamble(f, info.Size())
	if err != nil {
		return nil
	}
	return h
}

// exchange gives two files each other's name.
func (w *Writer) exchange(a, b string) error {
	between := w.path + swapSuffix
	if err := os.Rename(a, between); err != nil {
		return err
	}
	if err := os.Rename(b, a); err != nil {
		return err
	}
	return os.Rename(between, b)
}

// findWhole proves what is already in the file. The file is the only journal:
// nothing is believed that does not hash to its digest.
func (w *Writer) findWhole(ctx context.Context) error {
	var entries []*entry
	for i := range w.entries {
		if e := &w.entries[i]; durable.Written(w.file, e.offset, e.size) {
			entries = append(entries, e)
		}
	}
	return parallel.Do(ctx, runtime.GOMAXPROCS(0), entries, func(ctx context.Context, e *entry) error {
		d := registry.Descriptor{Digest: e.digest, Size: e.size}
		if err := durable.Copy(ctx, io.Discard, registry.NewVerifyReader(io.NewSectionReader(w.file, e.offset, e.size), d)); err == nil {
			w.mark(e.digest)
		}
		return ctx.Err()
	})
}

// salvage takes over what earlier files hold of this content: the bundle that
// is about to be replaced, and a partial file for other names.
func (w *Writer) salvage(ctx context.Context) error {
	for _, path := range []string{w.path, w.path + asideSuffix} {
		if err := w.salvageFrom(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) salvageFrom(ctx context.Context, path string) error {
	old := headerIn(path)
	if old == nil {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return parallel.Do(ctx, runtime.GOMAXPROCS(0), old.places(), func(ctx context.Context, from entry) error {
		to := w.places[from.digest]
		if to == nil || to.size != from.size || w.isWhole(from.digest) || !durable.Written(f, from.offset, from.size) {
			return ctx.Err()
		}
		d := registry.Descriptor{Digest: from.digest, Size: from.size}
		source := &salvageReader{r: io.NewSectionReader(f, from.offset, from.size)}
		if err := w.PutBlob(ctx, "", d, source); err != nil && !source.failed && !errors.Is(err, registry.ErrDigest) && !errors.Is(err, registry.ErrSize) {
			return err
		}
		return ctx.Err()
	})
}

// salvageReader notes that it was the old file that could not be read: then
// the blob comes from elsewhere.
type salvageReader struct {
	r      io.Reader
	failed bool
}

func (s *salvageReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.failed = s.failed || err != nil && err != io.EOF
	return n, err
}

// layOut writes everything that is not payload.
func (w *Writer) layOut() error {
	if err := w.file.Truncate(w.size); err != nil {
		return err
	}
	free, err := durable.Free(filepath.Dir(w.path)) // before the attempt, which may fill the disk
	if err != nil {
		return err
	}
	if err := durable.Allocate(w.file, w.size); err != nil {
		err = fmt.Errorf("a bundle of %d bytes, %d are free: %w", w.size, free, err)
		if old, statErr := os.Stat(w.path + asideSuffix); statErr == nil {
			err = fmt.Errorf("%w (%s holds %d bytes of an earlier list: remove it if that is given up)", err, w.path+asideSuffix, old.Size())
		}
		return err
	}
	if _, err = w.file.WriteAt(w.preamble, 0); err != nil {
		return err
	}
	for i := range w.entries {
		e := &w.entries[i]
		if _, err := w.file.WriteAt(w.frame(e), e.frame); err != nil {
			return err
		}
		if _, err := w.file.WriteAt(make([]byte, e.end()-e.offset-e.size), e.offset+e.size); err != nil {
			return err
		}
	}
	end := slices.Concat(w.tail, make([]byte, trailer))
	_, err = w.file.WriteAt(end, w.size-int64(len(end)))
	return err
}

func (w *Writer) mark(d digest.Digest) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.whole[d] = true
}

func (w *Writer) isWhole(d digest.Digest) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.whole[d]
}

// Exists implements registry.Writer: what is whole in the file is whole for
// every repository.
func (w *Writer) Exists(_ context.Context, _ string, d registry.Descriptor) (bool, error) {
	return w.isWhole(d.Digest), nil
}

// Mount implements registry.Mounter.
func (w *Writer) Mount(_ context.Context, _, _ string, d registry.Descriptor) (bool, error) {
	return w.isWhole(d.Digest), nil
}

// PutBlob implements registry.Writer.
func (w *Writer) PutBlob(ctx context.Context, repository string, d registry.Descriptor, r io.Reader) error {
	e := w.places[d.Digest]
	if e == nil || e.size != d.Size {
		return fmt.Errorf("%s: %w: %s@%s is not in its layout", w.path, registry.ErrInvalid, repository, d.Digest)
	}
	to := durable.NewWriter(w.file, e.offset)
	err := registry.Prove(registry.Unverified(r, d), d, func(r io.Reader, proof io.Writer) error { return to.Fill(ctx, r, proof, nil) })
	if err != nil {
		return registry.DiskError(err)
	}
	to.Flush()
	w.mark(d.Digest)
	return nil
}

// PutManifest implements registry.Writer. Tags are in the layout already.
func (w *Writer) PutManifest(ctx context.Context, ref registry.Ref, d registry.Descriptor, content []byte) error {
	m, err := registry.CheckManifest(ref, d, content)
	if err != nil {
		return err
	}
	for _, b := range m.Blobs {
		if e := w.places[b.Digest]; e != nil && e.size != b.Size {
			return fmt.Errorf("%s: %w: %s has %d bytes, the manifest says %d", ref, registry.ErrSize, b.Digest, e.size, b.Size)
		}
		if !w.isWhole(b.Digest) && !w.header.requires(b.Digest) {
			return fmt.Errorf("%s: %w: missing %s", ref, registry.ErrIncomplete, b.Digest)
		}
	}
	if w.isWhole(d.Digest) {
		return nil
	}
	return w.PutBlob(ctx, ref.Repository, d, bytes.NewReader(content))
}

// Finish gives the bundle its name once everything is in it and on the disk.
// What an earlier list left is removed then.
// ErrIncomplete names what is missing.
func (w *Writer) Finish() error {
	for _, e := range w.entries {
		if !w.isWhole(e.digest) {
			return fmt.Errorf("%s: %w: missing %s", w.path, registry.ErrIncomplete, e.digest)
		}
	}
	err := w.file.Sync()
	if err == nil {
		err = durable.Rename(w.path+partialSuffix, w.path)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", w.path, registry.DiskError(err))
	}
	os.Remove(w.path + asideSuffix)
	os.Remove(w.path + swapSuffix) // a crash may have left it
	return nil
}

// Carried is what of the graph has to be copied into the bundle.
func (w *Writer) Carried() *registry.Graph { return w.carried }

// Header is what the bundle says of itself.
func (w *Writer) Header() *Header { return w.header }

// Close lets go of the file. Without Finish the partial file stays, for the
// next Create of the same content.
func (w *Writer) Close() error {
	if w.file == nil {
		return nil
	}
	return w.file.Close()
}
