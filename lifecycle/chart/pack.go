package chart

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Packed is a folder as one archive, which is made again each time that it is read.
type Packed struct {
	Digest digest.Digest
	Size   int64 // bytes
	write  func(io.Writer) error
}

// Open reads the archive. A folder that changed meanwhile is registry.ErrDigest or
// ErrSize at the end. The caller closes it.
func (p Packed) Open() (io.ReadCloser, error) {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.CloseWithError(p.write(w))
	}()
	d := registry.Descriptor{Digest: p.Digest, Size: p.Size}
	return registry.VerifyReadCloser(&packReader{r, done}, d), nil
}

// packReader waits for who writes when it is closed.
type packReader struct {
	*io.PipeReader
	done chan struct{}
}

func (r *packReader) Close() error {
	err := r.PipeReader.Close()
	<-r.done
	return err
}

// Pack makes an archive of a folder: a gzipped tar, the same for the same files, their
// permissions and links. Times and owners are left out; of permissions it matters
// whether a file can be run and whether others can read it. registry.ErrInvalid names
// links that lead out of the folder or nowhere, and what is neither file nor folder.
func Pack(dir string) (Packed, error) { return pack(dir, gzip.DefaultCompression) }

// PackFast is Pack for folders with programs in them, of hundreds of megabytes: it
// compresses less, in a fraction of the time.
func PackFast(dir string) (Packed, error) { return pack(dir, gzip.BestSpeed) }

func pack(dir string, level int) (Packed, error) {
	return packed(func(w io.Writer) error {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return fmt.Errorf("%w: %w", registry.ErrInvalid, err)
		}
		defer root.Close()
		return writeTar(w, level, func(t *tar.Writer) error { return addFolder(t, root, dir, "") })
	})
}

func packed(write func(io.Writer) error) (Packed, error) {
	digester := digest.SHA256.Digester()
	count := &counter{w: digester.Hash()}
	if err := write(count); err != nil {
		return Packed{}, err
	}
	return Packed{digester.Digest(), count.n, write}, nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// writeTar writes a gzipped tar that says nothing about when and where it was made.
func writeTar(w io.Writer, level int, fill func(*tar.Writer) error) error {
	zipped, err := gzip.NewWriterLevel(w, level)
	if err != nil {
		return err
	}
	t := tar.NewWriter(zipped)
	return errors.Join(fill(t), t.Close(), zipped.Close())
}

// epoch is the time of all that is packed.
var epoch = time.Unix(0, 0).UTC()

// addFolder adds what is in a folder, in ascending order, below a path.
func addFolder(t *tar.Writer, root *os.Root, dir, below string) error {
	return fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		header := &tar.Header{Name: path.Join(below, name), ModTime: epoch, Format: tar.FormatPAX, Mode: mode(info)}
		switch {
		case info.Mode().IsRegular():
			return addFile(t, root, name, header, info.Size())
		case info.IsDir():
			header.Typeflag, header.Name = tar.TypeDir, header.Name+"/"
			return t.WriteHeader(header)
		case info.Mode()&fs.ModeSymlink == 0:
			return fmt.Errorf("%s/%s: %w: neither a file nor a folder", dir, name, registry.ErrInvalid)
		}
		header.Typeflag = tar.TypeSymlink
		if header.Linkname, err = root.Readlink(name); err != nil {
			return err
		}
		if _, err := root.Stat(name); err != nil || path.IsAbs(header.Linkname) {
			return fmt.Errorf("%s/%s: %w: a link to %s, which leads out of the folder or nowhere; copy the file there", dir, name, registry.ErrInvalid, header.Linkname)
		}
		return t.WriteHeader(header)
	})
}

func addFile(t *tar.Writer, root *os.Root, name string, header *tar.Header, size int64) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	header.Size = size
	if err := t.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.CopyN(t, f, size)
	return err
}

// mode is the permissions as they are the same wherever a folder was checked out.
func mode(info fs.FileInfo) int64 {
	bits := int64(0o644)
	if info.IsDir() || info.Mode()&0o111 != 0 {
		bits = 0o755
	}
	if info.Mode()&0o077 == 0 {
		bits &= 0o700
	}
	return bits
}

// Unpack reads an archive that Pack made: its files by path. A link is the file that it
// points at. At most 64 MiB packed, 256 MiB unpacked, 20,000 files; registry.ErrInvalid
// otherwise, and for names and links that lead out.
func Unpack(archive []byte) (map[string][]byte, error) {
	const name = "archive"
	files, links := map[string][]byte{}, map[string]string{}
	err := readTar(name, archive, newBudget(), func(e entry) error {
		if e.link == "" {
			files[e.name] = e.content
			return nil
		}
		if path.IsAbs(e.link) {
			return tarError(name, "%.200q is a link to an absolute path", e.name)
		}
		links[e.name] = path.Join(path.Dir(e.name), e.link)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for at := range links {
		to := at
		for range maxLinks {
			if next, ok := links[to]; ok {
				to = next
			}
		}
		if files[to] == nil {
			return nil, tarError(name, "%.200q is a link to %.200q, which is no file of the archive; links to folders are not followed", at, links[at])
		}
		files[at] = files[to]
	}
	return files, nil
}

// maxLinks is how many links may lead to each other, as in Linux.
const maxLinks = 40

// kustomizations are the names that Kustomize takes, in its order.
var kustomizations = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// Kustomization is the path of a folder's kustomization among files.
func Kustomization(files map[string][]byte, dir string) (string, bool) {
	i := slices.IndexFunc(kustomizations, func(name string) bool { return files[path.Join(dir, name)] != nil })
	if i < 0 {
		return "", false
	}
	return path.Join(dir, kustomizations[i]), true
}
