package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// What an archive may be at most, with all that are within it.
const (
	maxArchive  = 64 << 20  // bytes, packed
	maxUnpacked = 256 << 20 // bytes
	maxFiles    = 20_000
)

// budget is what may still be unpacked.
type budget struct {
	bytes int64
	files int
}

func newBudget() *budget { return &budget{maxUnpacked, maxFiles} }

// entry is a file or link of an archive.
type entry struct {
	name    string // clean, with slashes, not leading out
	link    string // what it points at; "" for a file
	content []byte // never nil
}

// tarError is an error of an archive with its name.
func tarError(archive, format string, args ...any) error {
	return fmt.Errorf("%s: %w: %s", archive, registry.ErrInvalid, fmt.Sprintf(format, args...))
}

// readTar reads all files and links of a gzipped tar, in its order. Names that lead
// out, that are there twice, and what is neither file, folder nor link are errors.
func readTar(archive string, content []byte, left *budget, visit func(entry) error) error {
	if len(content) > maxArchive {
		return tarError(archive, "larger than %d MiB", maxArchive>>20)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return tarError(archive, "not a gzipped archive: %v", err)
	}
	seen := map[string]bool{}
	for r := tar.NewReader(unzipped); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return tarError(archive, "the archive is damaged: %v", err)
		}
		e, err := readEntry(archive, r, header, left)
		switch {
		case err != nil:
			return err
		case e == nil:
			continue
		case seen[e.name]:
			return tarError(archive, "%.200q is there twice", e.name)
		}
		seen[e.name] = true
		if err := visit(*e); err != nil {
			return err
		}
	}
}

// readEntry is nil for what has no content of its own.
func readEntry(archive string, r *tar.Reader, header *tar.Header, left *budget) (*entry, error) {
	if left.files--; left.files < 0 {
		return nil, tarError(archive, "more than %d files", maxFiles)
	}
	if header.Typeflag == tar.TypeXGlobalHeader {
		return nil, nil
	}
	name, err := safeName(header.Name)
	if err != nil {
		return nil, tarError(archive, "%.200q %v", header.Name, err)
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return nil, nil
	case tar.TypeSymlink:
		return &entry{name, header.Linkname, []byte{}}, nil
	case tar.TypeReg, '\x00': // the second is of the format before 1988
	case tar.TypeLink:
		return nil, tarError(archive, "%.200q is a hard link; archives have files only", header.Name)
	default:
		return nil, tarError(archive, "%.200q is neither file nor folder", header.Name)
	}
	b, err := io.ReadAll(io.LimitReader(r, left.bytes+1))
	if err != nil {
		return nil, tarError(archive, "%.200q: the archive is damaged: %v", header.Name, err)
	}
	if left.bytes -= int64(len(b)); left.bytes < 0 {
		return nil, tarError(archive, "%.200q: more than %d MiB when it is unpacked", header.Name, maxUnpacked>>20)
	}
	return &entry{name, "", b}, nil
}

var drive = regexp.MustCompile(`^[a-zA-Z]:`)

// safeName is a name of an archive, without "./" and doubled slashes.
func safeName(name string) (string, error) {
	switch {
	case strings.ContainsAny(name, "\\\x00"):
		return "", errors.New("has a backslash or zero byte in its name")
	case path.IsAbs(name), drive.MatchString(name):
		return "", errors.New("is an absolute path")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", errors.New("leads out of the archive")
		}
	}
	return path.Clean(name), nil
}
