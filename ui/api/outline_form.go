package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"os"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/landing"
)

// What bounds an outline: its bytes of the bundle, how many files of signatures
// there are and what is read of one, and the ranges with their text.
const (
	maxOutline        = 130 << 20
	maxSignatureFiles = 16
	maxSignatureFile  = 128<<10 + 1 // one more than such a file may have
	maxRanges         = 10_000
	maxText           = 1 << 20
	maxOutlineForm    = maxOutline + maxSignatureFiles*maxSignatureFile + 2*maxText
)

var errLarge = fmt.Errorf("an outline has at most %d bytes of a bundle: send the file, and inspect it then", maxOutline)

// outlineForm is an outline as it comes: a form whose parts are in any order.
type outlineForm struct {
	spool            spool
	seen             []string
	size, tailOffset int64
	ranges           []landing.Range
	files            map[string]*io.SectionReader // head, between and tail
	signatures       [][]byte
}

func faulty(field, format string, args ...any) error {
	return &FieldError{"body." + field, fmt.Errorf("%w: "+format, append([]any{registry.ErrInvalid}, args...)...)}
}

// read reads a request's body to its end.
func (f *outlineForm) read(r *http.Request) (o landing.Outline, err error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return o, huma.NewError(http.StatusUnsupportedMediaType, "want a form, multipart/form-data: "+err.Error())
	}
	f.files = map[string]*io.SectionReader{}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = f.part(part)
		}
		if err != nil {
			return o, f.explain(err)
		}
	}
	for _, name := range []string{"size", "head", "tailOffset", "tail"} {
		if !slices.Contains(f.seen, name) {
			return o, faulty(name, "it is missing")
		}
	}
	return f.outline()
}

// explain is the error for the client: its own, unless there is no room here.
func (f *outlineForm) explain(err error) error {
	large, field := (*http.MaxBytesError)(nil), (*FieldError)(nil)
	switch {
	case f.spool.failed != nil:
		return registry.DiskError(f.spool.failed)
	case errors.As(err, &large) || errors.Is(err, errLarge):
		return huma.NewError(http.StatusRequestEntityTooLarge, errLarge.Error())
	case errors.Is(err, os.ErrDeadlineExceeded):
		return huma.NewError(http.StatusRequestTimeout, fmt.Sprintf("the outline was not here within %v", outlineTime))
	case errors.As(err, &field):
		return err
	}
	return fmt.Errorf("%w: the form cannot be read: %w", registry.ErrInvalid, err)
}

// part takes one part of the form.
func (f *outlineForm) part(p *multipart.Part) (err error) {
	name := p.FormName()
	if name != "signatures" && slices.Contains(f.seen, name) {
		return faulty(name, "it is there twice")
	}
	f.seen = append(f.seen, name)
	switch name {
	case "size":
		f.size, err = readNumber(p)
	case "tailOffset":
		f.tailOffset, err = readNumber(p)
	case "ranges":
		err = f.readRanges(p)
	case "head", "between", "tail":
		start := f.spool.size
		_, err = io.Copy(&f.spool, p)
		f.files[name] = io.NewSectionReader(&f.spool, start, f.spool.size-start)
	case "signatures":
		if len(f.signatures) == maxSignatureFiles {
			return faulty(name, "more than %d files", maxSignatureFiles)
		}
		var content []byte
		content, err = io.ReadAll(io.LimitReader(p, maxSignatureFile))
		f.signatures = append(f.signatures, content)
	default:
		return &FieldError{"body", fmt.Errorf("%w: it has no field %.40q", registry.ErrInvalid, name)}
	}
	return err
}

// readNumber reads a part that is a number of bytes.
func readNumber(p *multipart.Part) (int64, error) {
	text, err := io.ReadAll(io.LimitReader(p, 32))
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(text), 10, 63)
	if err != nil {
		return 0, faulty(p.FormName(), "%.32q is no number of bytes", text)
	}
	return int64(n), nil
}

func (f *outlineForm) readRanges(p *multipart.Part) error {
	text, err := io.ReadAll(io.LimitReader(p, maxText))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &f.ranges); err != nil {
		return faulty("ranges", "want JSON, a list of objects with offset and size: %v", err)
	}
	if len(f.ranges) > maxRanges {
		return faulty("ranges", "more than %d", maxRanges)
	}
	return nil
}

// outline puts together what was read.
func (f *outlineForm) outline() (o landing.Outline, err error) {
	head, between, tail := f.files["head"], f.files["between"], f.files["tail"]
	add := func(offset int64, bytes *io.SectionReader) {
		o.Pieces = append(o.Pieces, landing.Piece{Range: landing.Range{Offset: offset, Size: bytes.Size()}, Bytes: bytes})
	}
	o.Size, o.Signatures = f.size, f.signatures
	add(0, head)
	at, all := int64(0), int64(0)
	if between != nil {
		all = between.Size()
	}
	for _, r := range f.ranges {
		if r.Offset < 0 || r.Offset > math.MaxInt64-maxOutline || r.Size < 1 || r.Size > all-at {
			return o, faulty("ranges", "%d bytes at %d: that is no range, or between has fewer bytes", r.Size, r.Offset)
		}
		add(r.Offset, io.NewSectionReader(between, at, r.Size))
		at += r.Size
	}
	if at != all {
		return o, faulty("between", "it has %d bytes, ranges are %d", all, at)
	}
	if end := f.tailOffset + tail.Size(); f.tailOffset > f.size || end != f.size {
		return o, faulty("tail", "it has %d bytes from %d on, the file ends at %d", tail.Size(), f.tailOffset, f.size)
	}
	add(f.tailOffset, tail)
	return o, nil
}
