package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

const (
	maxMembers = 100_000
	maxName    = 255 // bytes of a member's name
	maxLinks   = 16  // that are followed
)

// member is a file in the archive: where its bytes are.
type member struct{ offset, size int64 }

// index passes over the tar's headers and notes where the members are.
func (a *Archive) index(ctx context.Context) error {
	section := io.NewSectionReader(a.source, 0, a.size)
	r := tar.NewReader(section)
	for n := 0; ; n++ {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, tar.ErrHeader) {
			return fmt.Errorf("%w: the tar file is damaged: %w", registry.ErrInvalid, err)
		}
		if err != nil {
			return cutOff(err)
		}
		if n == maxMembers {
			return fmt.Errorf("%w: the tar file has more than %d members", registry.ErrInvalid, maxMembers)
		}
		at, err := section.Seek(0, io.SeekCurrent)
		if err == nil {
			err = a.add(h, at)
		}
		if err != nil {
			return fmt.Errorf("member %.100q: %w", h.Name, err)
		}
	}
}

// add notes a member whose bytes begin at an offset. What such archives do not have,
// and somebody may want to be unpacked in a wrong place, is refused.
func (a *Archive) add(h *tar.Header, at int64) error {
	name, err := clean(h.Name)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir, tar.TypeXGlobalHeader:
		return nil
	case tar.TypeSymlink:
		return a.addLink(name, h.Linkname)
	case tar.TypeReg:
	default:
		return fmt.Errorf("%w: an entry of type %q, which archives of images do not have", registry.ErrInvalid, h.Typeflag)
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return fmt.Errorf("%w: a sparse file; make the archive without them", registry.ErrInvalid)
		}
	}
	m := member{at, h.Size}
	if m.size > a.size-m.offset {
		return cutOff(io.ErrUnexpectedEOF)
	}
	// Some tools write a layer twice; the first is as good, its digest proves it.
	if there, twice := a.members[name]; twice {
		if there.size != m.size || isDocument(name) {
			return fmt.Errorf("%w: it is there twice", registry.ErrInvalid)
		}
		return nil
	}
	if _, twice := a.links[name]; twice {
		return fmt.Errorf("%w: it is there twice", registry.ErrInvalid)
	}
	a.members[name] = m
	return nil
}

func isDocument(name string) bool {
	return name == dockerDocument || name == layoutDocument || name == indexDocument
}

// addLink notes a link as docker save has them: from a layer to the same one
// elsewhere in the archive.
func (a *Archive) addLink(name, target string) error {
	to, err := clean(path.Dir(name) + "/" + target)
	switch {
	case path.Base(name) != "layer.tar":
		return fmt.Errorf("%w: a link, and not one of layers", registry.ErrInvalid)
	case err != nil || path.IsAbs(target):
		return fmt.Errorf("%w: a link out of the archive, to %.100q", registry.ErrInvalid, target)
	case a.has(name):
		return fmt.Errorf("%w: it is there twice", registry.ErrInvalid)
	}
	a.links[name] = to
	return nil
}

func (a *Archive) has(name string) bool {
	_, file := a.members[name]
	_, link := a.links[name]
	return file || link
}

// clean is a member's name without detours.
func clean(name string) (string, error) {
	if len(name) > maxName {
		return "", fmt.Errorf("%w: a name of %d bytes", registry.ErrInvalid, len(name))
	}
	cleaned := path.Clean(name)
	if name == "" || path.IsAbs(name) || cleaned == ".." || strings.HasPrefix(cleaned, "../") {
		return "", fmt.Errorf("%w: a name that leads out of the archive", registry.ErrInvalid)
	}
	return cleaned, nil
}

// find is the member that a document names.
func (a *Archive) find(name string) (member, error) {
	at, err := clean(name)
	if err != nil {
		return member{}, fmt.Errorf("member %.100q: %w", name, err)
	}
	for range maxLinks {
		if m, ok := a.members[at]; ok {
			return m, nil
		}
		to, ok := a.links[at]
		if !ok {
			return member{}, fmt.Errorf("member %.100q: %w: it is not in the archive", name, registry.ErrIncomplete)
		}
		at = to
	}
	return member{}, fmt.Errorf("member %.100q: %w: links that lead nowhere", name, registry.ErrInvalid)
}

func (a *Archive) section(m member) *io.SectionReader {
	return io.NewSectionReader(a.source, m.offset, m.size)
}

// cutOff turns the end of a file into what it means for an archive.
func cutOff(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the file ends in the midst of it; it was cut off, copy it again", registry.ErrSize)
	}
	return err
}
