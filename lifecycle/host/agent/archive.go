package agent

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
)

// item is a file, link or folder of an archive.
type item struct {
	Path   string        `json:"path"` // relative, clean
	Mode   fs.FileMode   `json:"mode,omitempty"`
	Folder bool          `json:"folder,omitempty"`
	Link   string        `json:"link,omitempty"` // a symbolic link to this
	Digest digest.Digest `json:"digest,omitempty"`
	Size   int64         `json:"size,omitempty"`
}

// Bounds of an archive, unpacked.
const (
	maxItems    = 100_000
	maxUnpacked = 16 << 30 // bytes
)

// unpackFile unpacks a tar+gzip into a folder that it makes anew, durably. Names that
// lead out of it, and what is neither file, folder nor link, are refused.
func (t *task) unpackFile(ctx context.Context, archive, folder string) (items []item, err error) {
	if err := os.RemoveAll(folder); err != nil {
		return nil, err
	}
	if err := durable.MkdirAll(folder, 0o700); err != nil {
		return nil, registry.DiskError(err)
	}
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	zipped, err := gzip.NewReader(&untilDone{ctx, f})
	if err != nil {
		return nil, fmt.Errorf("the archive: %w: %w", registry.ErrInvalid, err)
	}
	left := int64(maxUnpacked)
	for r := tar.NewReader(zipped); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("the archive: %w: %w", registry.ErrInvalid, err)
		}
		i, err := unpackOne(root, header, r, &left)
		if err != nil {
			return nil, fmt.Errorf("%s of the archive: %w", header.Name, registry.DiskError(err))
		}
		if i == nil {
			continue
		}
		if items = append(items, *i); len(items) > maxItems {
			return nil, fmt.Errorf("the archive: %w: it has more than %d files", registry.ErrInvalid, maxItems)
		}
	}
	if err := syncItems(root, items); err != nil {
		return nil, registry.DiskError(err)
	}
	return items, durable.SyncDir(folder)
}

// syncItems waits until the files are on the disk. The kernel has begun with each when
// it was unpacked, so that there is little left to wait for.
func syncItems(root *os.Root, items []item) error {
	for _, i := range items {
		if i.Folder || i.Link != "" {
			continue
		}
		f, err := root.Open(i.Path)
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unpackOne unpacks one entry; nil for the archive's own top.
func unpackOne(root *os.Root, header *tar.Header, r io.Reader, left *int64) (*item, error) {
	name := filepath.Clean(strings.TrimPrefix(header.Name, "./"))
	if name == "." {
		return nil, nil
	}
	if !filepath.IsLocal(name) {
		return nil, fmt.Errorf("%w: it leads out of the folder", registry.ErrInvalid)
	}
	i := &item{Path: name, Mode: fs.FileMode(header.Mode).Perm()}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		i.Folder = true
		return i, root.MkdirAll(name, 0o755)
	case tar.TypeSymlink:
		i.Link = header.Linkname
		return i, root.Symlink(header.Linkname, name)
	case tar.TypeReg:
		if *left -= header.Size; *left < 0 {
			return nil, fmt.Errorf("%w: it has more than %d bytes unpacked", registry.ErrInvalid, int64(maxUnpacked))
		}
		return i, i.write(root, r)
	}
	return nil, fmt.Errorf("%w: it is neither file, folder nor link", registry.ErrInvalid)
}

func (i *item) write(root *os.Root, r io.Reader) error {
	f, err := root.OpenFile(i.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := digest.Canonical.Digester()
	if i.Size, err = io.Copy(io.MultiWriter(f, sum.Hash()), r); err != nil {
		return err
	}
	i.Digest = sum.Digest()
	if i.Mode == 0 {
		i.Mode = defaultMode
	}
	_ = unix.SyncFileRange(int(f.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE) // a hint: see syncItems
	return f.Chmod(i.Mode)
}

// prove proves that an unpacked file is still what it was.
func (i *item) prove(folder string) error {
	path := filepath.Join(folder, i.Path)
	switch {
	case i.Folder:
		return nil
	case i.Link != "":
		target, err := os.Readlink(path)
		if err == nil && target != i.Link {
			err = fmt.Errorf("%s: %w", path, registry.ErrDigest)
		}
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	sum, err := digest.Canonical.FromReader(f)
	if err == nil && sum != i.Digest {
		err = fmt.Errorf("%s: %w", path, registry.ErrDigest)
	}
	return err
}
