package landing

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// Range is a part of a file.
type Range struct {
	Offset int64 `json:"offset" minimum:"0" doc:"Of its first byte in the file"`
	Size   int64 `json:"size" minimum:"1" doc:"Bytes"`
}

func (r Range) end() int64 { return r.Offset + r.Size }

func (r Range) String() string { return fmt.Sprintf("bytes %d to %d", r.Offset, r.end()-1) }

// Piece is a range of a file with its bytes.
type Piece struct {
	Range
	Bytes io.ReaderAt
}

// Outline is what somebody sends of a bundle to ask about it before all of it comes:
// ranges of the file. Nothing of it is kept, and what lands is the file itself.
type Outline struct {
	Size       int64 // of the whole file, bytes
	Pieces     []Piece
	Signatures [][]byte // of files beside the bundle
}

// UnsentError is a registry.ErrIncomplete: the answer depends on ranges of the file
// that the outline is without.
type UnsentError struct{ Ranges []Range }

func (e *UnsentError) Error() string {
	text := fmt.Sprintf("%s of the file were not sent", e.Ranges[0])
	if more := len(e.Ranges) - 1; more > 0 {
		text += fmt.Sprintf(", nor %d more ranges", more)
	}
	return text + ", and the answer depends on them"
}

// Is makes the error a registry.ErrIncomplete.
func (e *UnsentError) Is(target error) bool { return target == registry.ErrIncomplete }

// InspectOutline is Inspect for a bundle of which an outline is there only. An
// *UnsentError says what it is without.
func (l *Landing) InspectOutline(ctx context.Context, o Outline) (*Inspection, error) {
	m, err := newOutlined(o)
	if err != nil {
		return nil, err
	}
	r, err := bundle.OpenMedium(m)
	if err != nil {
		return nil, err
	}
	c := bundleCargo(r)
	defer c.Close()
	keys, err := l.keys(ctx, Request{})
	if err != nil {
		return nil, err
	}
	for n, s := range o.Signatures {
		if _, err := r.AddSignatures(bytes.NewReader(s), keys); err != nil {
			return nil, fmt.Errorf("signature %d: %w", n+1, err)
		}
	}
	if err := l.suffices(ctx, r, m); err != nil {
		return nil, err
	}
	return l.inspect(ctx, c, nil)
}

// suffices is an *UnsentError when an inspection would read more than there is. It
// tells of everything at once, so that a client asks twice at most.
func (l *Landing) suffices(ctx context.Context, r *bundle.Reader, m *outlined) error {
	policy, err := l.store.TrustPolicy(ctx)
	if err != nil {
		return err
	}
	wanted := registry.PlatformConfigs(r.Graph())
	for _, n := range r.Graph().Manifests {
		if slices.ContainsFunc(n.Repositories, func(name string) bool { return policy.ImageRule(name) != nil }) {
			wanted = append(wanted, trust.SignatureLayers(n.Manifest)...)
		}
	}
	e, seen := &UnsentError{}, map[digest.Digest]bool{}
	for _, d := range wanted {
		offset, size, carried := r.EntryOf(d.Digest)
		if at := (Range{offset, size}); carried && !seen[d.Digest] && !m.has(at) {
			e.Ranges = append(e.Ranges, at)
		}
		seen[d.Digest] = true
	}
	if len(e.Ranges) == 0 {
		return nil
	}
	slices.SortFunc(e.Ranges, func(a, b Range) int { return cmp.Compare(a.Offset, b.Offset) })
	return e
}

// outlined is the medium of an outline: what was not sent cannot be read.
type outlined struct {
	size   int64
	pieces []Piece // ascending, and apart
}

var _ bundle.Medium = (*outlined)(nil)

// newOutlined checks that the pieces are some of one file.
func newOutlined(o Outline) (*outlined, error) {
	m := &outlined{size: o.Size}
	end := int64(0)
	for _, p := range o.Pieces {
		switch {
		case p.Offset < end:
			return nil, fmt.Errorf("%w: %s: what comes before ends at %d", registry.ErrInvalid, p.Range, end)
		case p.Size < 0 || p.end() < p.Offset || p.end() > o.Size:
			return nil, fmt.Errorf("%w: %s: not in a file of %d bytes", registry.ErrInvalid, p.Range, o.Size)
		case p.Size > 0:
			m.pieces = append(m.pieces, p)
		}
		end = p.end()
	}
	return m, nil
}

func (m *outlined) Name() string { return "the outline" }
func (m *outlined) Size() int64  { return m.size }
func (m *outlined) OS() *os.File { return nil }
func (m *outlined) Close() error { return nil }

// next is the first piece that ends behind an offset.
func (m *outlined) next(offset int64) int {
	return sort.Search(len(m.pieces), func(i int) bool { return m.pieces[i].end() > offset })
}

// has reports whether a range was sent.
func (m *outlined) has(r Range) bool {
	at := r.Offset
	for i := m.next(at); i < len(m.pieces) && m.pieces[i].Offset <= at && at < r.end(); i++ {
		at = m.pieces[i].end()
	}
	return at >= r.end()
}

// ReadAt implements io.ReaderAt.
func (m *outlined) ReadAt(p []byte, offset int64) (n int, err error) {
	for n < len(p) {
		at := offset + int64(n)
		if at >= m.size {
			return n, io.EOF
		}
		i := m.next(at)
		if i == len(m.pieces) || m.pieces[i].Offset > at {
			return n, &UnsentError{[]Range{m.gap(at, int64(len(p)-n), i)}}
		}
		piece := m.pieces[i]
		want := p[n:min(int64(len(p)), int64(n)+piece.end()-at)]
		got, err := piece.Bytes.ReadAt(want, at-piece.Offset)
		if n += got; got < len(want) {
			return n, fmt.Errorf("%s: %w", piece.Range, err)
		}
	}
	return n, nil
}

// gap is what is missing for a read, up to the piece of an index.
func (m *outlined) gap(at, size int64, next int) Range {
	size = min(size, m.size-at)
	if next < len(m.pieces) {
		size = min(size, m.pieces[next].Offset-at)
	}
	return Range{at, size}
}
