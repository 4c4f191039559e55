package upload

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/landfall-dev/landfall/registry"
)

// isTar reports whether a file starts like a tar file of POSIX or GNU.
func isTar(head []byte) bool {
	const at = 257
	return len(head) >= at+5 && bytes.Equal(head[at:at+5], []byte("ustar"))
}

// maxEntries is how many entries of a tar file are looked at.
const maxEntries = 100_000

// archive is what a tar file of images has at its top.
type archive struct {
	docker, layout, index, bundle bool
}

// archive looks through a tar file to its end. Payloads are passed over.
func (e examined) archive() (a archive, err error) {
	r := tar.NewReader(io.NewSectionReader(e.file, 0, e.size))
	for range maxEntries {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return a, nil
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return a, fmt.Errorf("%w: the tar file was cut off; send it again from a good copy", registry.ErrSize)
		}
		if err != nil {
			return a, fmt.Errorf("%w: the tar file is damaged: %w", ErrKind, err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		switch path.Clean(h.Name) {
		case "manifest.json":
			a.docker = true
		case "oci-layout":
			a.layout = true
		case "index.json":
			a.index = true
		case "landfall/bundle.json":
			a.bundle = true
		}
	}
	return a, fmt.Errorf("%w: a tar file of more than %d entries", ErrKind, maxEntries)
}
