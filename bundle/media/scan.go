package media

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/bundle"
)

const (
	maxDepth      = 4    // of a file: 1 is in the root folder
	maxCandidates = 1000 // of a drive
	smallest      = 2048 // bytes of a bundle
)

// scan looks for candidates in a tree.
type scan struct {
	tree    tree
	options Options
	known   []hit  // from the look before
	left    int    // entries that may still be looked at
	cut     string // why not all was looked at
	hits    []hit
}

// hit is a candidate with its file.
type hit struct {
	Candidate
	at node
}

// run finds candidates. What is named like one comes first, so that it is found
// also on a drive that is full of other things. An error is about the tree's root.
func (s *scan) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.MaxTime, errSlow)
	defer cancel()
	s.left = s.options.MaxEntries
	files, err := s.files(ctx)
	if err != nil && !errors.Is(err, errSlow) {
		return err
	}
	var others []found
	for _, f := range files {
		if form := formOf(f.name); form != "" {
			s.add(ctx, f, form)
		} else if f.size >= smallest {
			others = append(others, f)
		}
	}
	for _, f := range others {
		if ctx.Err() == nil && s.begins(ctx, f) {
			s.add(ctx, f, Bundle)
		}
	}
	if errors.Is(context.Cause(ctx), errSlow) {
		s.cut = cmp.Or(s.cut, errSlow.Error())
	}
	slices.SortFunc(s.hits, func(a, b hit) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

var errSlow = errors.New("looking through it takes too long")

// found is a file with its path.
type found struct {
	node
	path string
}

// files lists the files of a tree, those of upper folders first.
func (s *scan) files(ctx context.Context) (list []found, err error) {
	level := []found{{node: s.tree.root()}}
	for depth := 1; depth <= maxDepth && len(level) > 0; depth++ {
		var next []found
		for _, folder := range level {
			for n, err := range s.tree.list(ctx, folder.node) {
				if err != nil && (depth == 1 || ctx.Err() != nil) {
					return list, err
				}
				if err != nil {
					s.cut = cmp.Or(s.cut, Printable(fmt.Sprintf("folder %s: %v", folder.path, err)))
					break
				}
				if s.left--; s.left < 0 {
					s.cut = fmt.Sprintf("there are more than %d files and folders", s.options.MaxEntries)
					return list, nil
				}
				f := found{n, strings.TrimPrefix(folder.path+"/"+n.name, "/")}
				if n.folder {
					next = append(next, f)
				} else {
					list = append(list, f)
				}
			}
		}
		level = next
	}
	return list, nil
}

// formOf is what a file's name makes of it; empty for nothing.
func formOf(name string) Form {
	name = strings.ToLower(name)
	switch {
	case strings.HasPrefix(name, "._"): // what macOS leaves beside each file
		return ""
	case strings.HasSuffix(name, ".bundle"), strings.HasSuffix(name, ".bun"): // cut to three letters
		return Bundle
	case strings.HasSuffix(name, ".sig"), strings.HasSuffix(name, ".sigstore.json"):
		return Signature
	}
	return ""
}

// begins reports whether a file begins as a bundle does: a tar whose first entry
// is oci-layout.
func (s *scan) begins(ctx context.Context, f found) bool {
	c, err := s.tree.open(ctx, f.node)
	if err != nil {
		return false
	}
	defer c.file.Close()
	head := make([]byte, 512)
	n, _ := c.ReadAt(head, 0)
	return n == len(head) && string(head[:11]) == "oci-layout\x00" && string(head[257:262]) == "ustar"
}

func (s *scan) add(ctx context.Context, f found, form Form) {
	if len(s.hits) >= maxCandidates {
		s.cut = fmt.Sprintf("there are more than %d candidates", maxCandidates)
		return
	}
	h := hit{Candidate{ID: s.id(f.path), Name: Printable(f.path), Form: form, Size: f.size, Modified: f.modified}, f.node}
	i := slices.IndexFunc(s.known, func(old hit) bool { return old.ID == h.ID })
	if i >= 0 && f.stamp != "" && s.known[i].at.stamp == f.stamp && s.known[i].Header != nil {
		h.Header = s.known[i].Header
	} else if form == Bundle {
		s.inspect(ctx, &h)
	}
	s.hits = append(s.hits, h)
}

// id is made of a file's path, and tells files of the same path apart: a damaged
// or hostile folder can have them.
func (s *scan) id(path string) string {
	for {
		sum := sha256.Sum256([]byte(path))
		id := hex.EncodeToString(sum[:8])
		if !slices.ContainsFunc(s.hits, func(h hit) bool { return h.ID == id }) {
			return id
		}
		path += "\x00"
	}
}

// inspect reads a bundle's header.
func (s *scan) inspect(ctx context.Context, c *hit) {
	file, err := s.tree.open(ctx, c.at)
	if err != nil {
		c.Problem = Printable(err.Error())
		return
	}
	defer file.file.Close()
	r, err := bundle.NewReader(c.Name, endable{ctx, file}, file.size)
	if err != nil {
		c.Problem = Printable(err.Error())
		return
	}
	h := r.Header()
	c.Header = &Header{
		Bundle: h.ID, Channel: h.Channel, Sequence: h.Sequence, Created: h.Created, Expires: h.Expires, For: h.For,
		Names: len(h.Names), Requires: len(h.Requires),
	}
	for _, b := range h.Blobs {
		c.Header.Content += b.Size
	}
	for _, m := range h.Manifests {
		c.Header.Content += m.Size
	}
	for _, sig := range r.Signatures() {
		c.Header.Signers = append(c.Header.Signers, sig.KeyID)
	}
}

// endable fails when its context has ended.
type endable struct {
	ctx context.Context //nolint:containedctx // io.ReaderAt has none
	io.ReaderAt
}

func (e endable) ReadAt(p []byte, offset int64) (int, error) {
	if e.ctx.Err() != nil {
		return 0, context.Cause(e.ctx)
	}
	return e.ReaderAt.ReadAt(p, offset)
}
