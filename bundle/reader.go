package bundle

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// Reader is a bundle being read: a registry.Reader and Lister over its
// content. It trusts nothing but its own reading: blobs and manifests are
// proven, and so are the bytes between them.
type Reader struct {
	*layout
	name   string // of the file, for messages
	source io.ReaderAt
	file   *os.File        // nil when the source is somebody else's
	direct *durable.Source // the source again, for payloads that are read once
	closer io.Closer       // nil when the source is somebody else's

	signed     []byte // the header's bytes
	signatures []trust.Signature

	places map[digest.Digest]*entry
	tags   map[registry.Ref]digest.Digest // by repository and tag
	byHash map[digest.Digest]*Manifest    // of the header
	graph  *registry.Graph                // what is carried
	closed *registry.Graph                // with the blobs that it needs at the site; of loose content, not of names
}

var (
	_ registry.Reader = (*Reader)(nil)
	_ registry.Lister = (*Reader)(nil)
)

// Open opens a bundle file and proves its header, its manifests and its length.
// Blobs and what stands around them are proven when they are read, all of them
// by Verify. ErrFormat when it is no bundle, ErrSize when it is truncated or
// goes on after its end, ErrDigest when a manifest is damaged.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return OpenFile(path, f)
}

// OpenFile is Open for a file that is open already, under any name for messages.
// It is the reader's now, and closed when it is none.
func OpenFile(path string, f *os.File) (*Reader, error) {
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w: not a regular file", path, ErrFormat)
	}
	var r *Reader
	if err == nil {
		r, err = NewReader(path, f, info.Size())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	r.useFile(f, f)
	return r, nil
}

// useFile reads payloads from a file; closer ends it.
func (r *Reader) useFile(f *os.File, closer io.Closer) {
	r.file, r.direct, r.closer = f, durable.NewSource(f), closer
}

// Medium is a file that is reached in its own way, like one on a drive.
type Medium interface {
	io.ReaderAt
	io.Closer
	Name() string // for messages
	Size() int64  // bytes
	OS() *os.File // the file itself; nil when it is read without the kernel's help
}

// OpenMedium is Open for what is on a medium. It is the reader's now, and closed
// when it is none.
func OpenMedium(m Medium) (*Reader, error) {
	r, err := NewReader(m.Name(), m, m.Size())
	if err != nil {
		m.Close()
		return nil, err
	}
	r.closer = m
	if f := m.OS(); f != nil {
		r.useFile(f, m)
	}
	return r, nil
}

// NewReader is Open for bytes that are not a file of their own.
func NewReader(name string, source io.ReaderAt, size int64) (*Reader, error) {
	r := &Reader{name: name, source: source}
	if err := r.open(size); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

func (r *Reader) open(size int64) error {
	var err error
	if r.layout, r.signed, err = readTo(r.source, size); err != nil {
		return err
	}
	if err := r.openSignatures(size); err != nil {
		return err
	}
	r.lookUps()
	return r.link()
}

// readTo reads and proves everything before the first blob.
func readTo(source io.ReaderAt, size int64) (l *layout, header []byte, err error) {
	h, header, err := readPreamble(source, size)
	if err != nil {
		return nil, nil, err
	}
	if l, err = readLayout(h); err != nil {
		return nil, nil, err
	}
	return l, header, compareAt(source, 0, l.preamble, "the entries before the first blob")
}

func truncation(have, want int64) string {
	if have < want {
		return "it was cut off; copy it again"
	}
	return "something was appended to it"
}

// readPreamble finds and parses the header; what stands around it is compared
// by the caller, which then knows what it has to be.
func readPreamble(source io.ReaderAt, size int64) (*Header, []byte, error) {
	start := plainEntry(layoutEntry, []byte(layoutContent))
	have := make([]byte, len(start))
	n, err := source.ReadAt(have, 0)
	if err != nil && err != io.EOF {
		return nil, nil, err
	}
	if !bytes.Equal(have[:n], start[:n]) || n == 0 {
		return nil, nil, fmt.Errorf("%w: it does not start like one: another kind of file, or damaged", ErrFormat)
	}
	if n < len(start) {
		return nil, nil, truncated(io.ErrUnexpectedEOF)
	}
	pos := int64(len(start))
	if _, err := readPlain(source, indexEntry, &pos, size); err != nil {
		return nil, nil, err // its content follows from the header, and is compared with it later
	}
	content, err := readPlain(source, headerEntry, &pos, size)
	if err != nil {
		return nil, nil, err
	}
	sum, err := readPlain(source, sumEntry, &pos, size)
	if err != nil {
		return nil, nil, err
	}
	if want := checksumLine(content); !bytes.Equal(sum, want) {
		return nil, nil, fmt.Errorf("%s: %w: the checksum beside it does not match; the file is damaged, copy it again", headerEntry, registry.ErrDigest)
	}
	h, err := parseHeader(content)
	return h, content, err
}

// readPlain reads one small entry whose name is known and moves pos behind it.
func readPlain(source io.ReaderAt, name string, pos *int64, limit int64) ([]byte, error) {
	head := make([]byte, block)
	if err := readFull(source, head, *pos); err != nil {
		return nil, fmt.Errorf("%s: %w", name, truncated(err))
	}
	size, err := strconv.ParseInt(strings.TrimRight(string(head[124:136]), "\x00"), 8, 64)
	if err != nil || size < 0 || size > maxHeader || !bytes.Equal(head, tarHeader(name, size, '0')) {
		return nil, fmt.Errorf("%w: no %s where it has to be", ErrFormat, name)
	}
	if *pos+block+size > limit {
		return nil, fmt.Errorf("%s: %w", name, truncated(io.ErrUnexpectedEOF))
	}
	content := make([]byte, size)
	if err := readFull(source, content, *pos+block); err != nil {
		return nil, fmt.Errorf("%s: %w", name, truncated(err))
	}
	*pos += block + roundUp(size, block)
	return content, nil
}

// readFull fills p or fails; a source may report its end with the last bytes.
func readFull(source io.ReaderAt, p []byte, offset int64) error {
	n, err := source.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	return cmp.Or(err, io.ErrUnexpectedEOF)
}

// truncated turns the end of a file into what it means for a bundle.
func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the file ends here; it was cut off, copy it again", registry.ErrSize)
	}
	return err
}

// places lists where the header says that payloads are.
func (h *Header) places() (list []entry) {
	for _, b := range h.Blobs {
		list = append(list, entry{digest: b.Digest, size: b.Size, offset: b.Offset})
	}
	for _, m := range h.Manifests {
		list = append(list, entry{digest: m.Digest, size: m.Size, offset: m.Offset})
	}
	return list
}

// compare proves bytes that follow from the header.
func (r *Reader) compare(offset int64, want []byte, what string) error {
	return compareAt(r.source, offset, want, what)
}

func compareAt(source io.ReaderAt, offset int64, want []byte, what string) error {
	have := make([]byte, len(want))
	if err := readFull(source, have, offset); err != nil {
		return fmt.Errorf("%s: %w", what, truncated(err))
	}
	if !bytes.Equal(have, want) {
		return fmt.Errorf("%w: %s at byte %d: not what FORMAT.md puts there; the file is damaged, copy it again", ErrFormat, what, offset)
	}
	return nil
}

// compareFrame proves the headers before a payload and the padding behind it.
func (r *Reader) compareFrame(e *entry) error {
	if err := r.compare(e.frame, r.frame(e), "headers of "+e.digest.String()); err != nil {
		return err
	}
	return r.compare(e.offset+e.size, make([]byte, e.end()-e.offset-e.size), "padding behind "+e.digest.String())
}

func (r *Reader) lookUps() {
	r.places = make(map[digest.Digest]*entry, len(r.entries))
	for i := range r.entries {
		r.places[r.entries[i].digest] = &r.entries[i]
	}
	r.byHash = make(map[digest.Digest]*Manifest, len(r.header.Manifests))
	for i := range r.header.Manifests {
		r.byHash[r.header.Manifests[i].Digest] = &r.header.Manifests[i]
	}
}

// Header is what the bundle says of itself. It must not be changed.
func (r *Reader) Header() *Header { return r.header }

// Attachable reports whether blobs can be read from a file, by OpenBlob.
func (r *Reader) Attachable() bool { return r.file != nil }

// OpenBlob opens the bundle's file anew for the caller, who can read a blob there
// from offset on; its headers are proven, its bytes are not. ErrNotFound for
// what is not carried.
func (r *Reader) OpenBlob(d digest.Digest) (f *os.File, offset int64, err error) {
	e := r.places[d]
	if e == nil || r.file == nil {
		return nil, 0, fmt.Errorf("%s: blob %s: %w", r.name, d, registry.ErrNotFound)
	}
	if err := r.compareFrame(e); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", r.name, err)
	}
	f, err = os.OpenFile("/proc/self/fd/"+strconv.Itoa(int(r.file.Fd())), os.O_RDONLY, 0)
	return f, e.offset, err
}

// EntryOf is where in the file a blob or manifest is, with its headers and padding.
func (r *Reader) EntryOf(d digest.Digest) (offset, size int64, carried bool) {
	e := r.places[d]
	if e == nil {
		return 0, 0, false
	}
	return e.frame, e.end() - e.frame, true
}

// Size is the file's length in bytes.
func (r *Reader) Size() int64 { return r.size }

// Graph is what the bundle carries of the closure of its names, blobs in file
// order: all of it, unless the bundle is thin.
func (r *Reader) Graph() *registry.Graph { return r.graph }

// Close closes the file.
func (r *Reader) Close() error {
	if r.closer == nil {
		return nil
	}
	if r.direct == nil {
		return r.closer.Close()
	}
	return errors.Join(r.direct.Close(), r.closer.Close())
}

// Resolve implements registry.Reader.
func (r *Reader) Resolve(_ context.Context, ref registry.Ref) (registry.Descriptor, error) {
	d := ref.Digest
	if d == "" {
		d = r.tags[ref]
	}
	m := r.byHash[d]
	if m == nil || !m.in(ref.Repository) {
		return registry.Descriptor{}, fmt.Errorf("%s: %s: %w", r.name, ref, registry.ErrNotFound)
	}
	return m.descriptor(), nil
}

// Manifest implements registry.Reader.
func (r *Reader) Manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	d, err := r.Resolve(ctx, ref)
	if err != nil {
		return d, nil, err
	}
	content, err := r.content(d)
	if err != nil {
		err = fmt.Errorf("%s: %w", r.name, err)
	}
	return d, content, err
}

// content reads and proves a manifest.
func (r *Reader) content(d registry.Descriptor) ([]byte, error) {
	e := r.places[d.Digest]
	if err := r.compareFrame(e); err != nil {
		return nil, err
	}
	content, err := io.ReadAll(registry.NewVerifyReader(r.section(e), d))
	return content, truncated(err)
}

func (r *Reader) section(e *entry) *io.SectionReader {
	return io.NewSectionReader(r.source, e.offset, e.size)
}

// Blob implements registry.Reader.
func (r *Reader) Blob(_ context.Context, repository string, d registry.Descriptor) (io.ReadCloser, error) {
	e := r.places[d.Digest]
	if e == nil {
		return nil, fmt.Errorf("%s: %s@%s: %w", r.name, repository, d.Digest, registry.ErrNotFound)
	}
	if e.size != d.Size {
		return nil, fmt.Errorf("%s: %s: %w: %d bytes, want %d", r.name, d.Digest, registry.ErrSize, e.size, d.Size)
	}
	if err := r.compareFrame(e); err != nil {
		return nil, fmt.Errorf("%s: %w", r.name, err)
	}
	var payload io.Reader = io.NewSectionReader(r.source, e.offset, e.size)
	if r.direct != nil {
		payload = r.direct.Section(e.offset, e.size)
	}
	return verified{registry.NewVerifyReader(payload, d)}, nil
}

// verified is a payload on its way, which holds nothing to be closed.
type verified struct{ *registry.VerifyReader }

func (verified) Close() error { return nil }

// Referrers implements registry.Reader.
func (r *Reader) Referrers(_ context.Context, repository string, subject digest.Digest) ([]registry.Descriptor, error) {
	return referrersIn(r.graph, repository, subject), nil
}

func referrersIn(g *registry.Graph, repository string, subject digest.Digest) (list []registry.Descriptor) {
	for _, n := range g.Manifests {
		s := n.Manifest.Subject
		if s != nil && s.Digest == subject && slices.Contains(n.Repositories, repository) {
			d := n.Descriptor
			d.ArtifactType, d.Annotations = n.Manifest.ArtifactType, n.Manifest.Annotations
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b registry.Descriptor) int { return cmp.Compare(a.Digest, b.Digest) })
	return list
}

// Repositories implements registry.Lister.
func (r *Reader) Repositories(_ context.Context, after string) iter.Seq2[string, error] {
	var names []string
	for _, m := range r.header.Manifests {
		names = append(names, m.Repositories...)
	}
	return registry.Names(names, after)
}

// Tags implements registry.Lister.
func (r *Reader) Tags(_ context.Context, repository, after string) iter.Seq2[string, error] {
	known := slices.ContainsFunc(r.header.Manifests, func(m Manifest) bool { return m.in(repository) })
	if !known {
		return registry.NoNames(fmt.Errorf("%s: repository %s: %w", r.name, repository, registry.ErrNotFound))
	}
	var tags []string
	for tag := range r.tags {
		if tag.Repository == repository && tag.Tag != "" {
			tags = append(tags, tag.Tag)
		}
	}
	return registry.Names(tags, after)
}
