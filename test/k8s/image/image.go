// Package image makes images of programs of this machine under names of others, and
// serves them as the registries that they are named after. They are the laboratory's own
// builds: never taken for those of upstream. It only reads after they are made.
//
// Nouns. A set is a folder of images. A name is HOST/PATH:TAG.
package image

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Image is what an image is to be.
type Image struct {
	Name       string            // HOST/PATH:TAG
	Files      map[string]string // path in it to a file of this machine
	Root       string            // folder whose content is added; "": none
	Entrypoint []string
	User       string
}

// Set is a folder of images.
//
//	blobs/HEX     manifests, configurations and layers, by their SHA-256
//	made/KEY      the manifest's digest, of an image that was made of these parts
type Set struct {
	dir   string
	names map[string]string // NAME to a manifest's digest
}

// Open opens a folder of images, or begins one. Names are not kept in it.
func Open(dir string) (*Set, error) {
	err := errors.Join(os.MkdirAll(filepath.Join(dir, "blobs"), 0o755), os.MkdirAll(filepath.Join(dir, "made"), 0o755))
	return &Set{dir: dir, names: map[string]string{}}, err
}

// epoch is the time of all files, so that the same parts are the same image.
var epoch = time.Unix(1767225600, 0).UTC()

// Make makes an image, or finds the one that was made of the same parts. The set is
// served when all are made.
func (s *Set) Make(i Image) error {
	key, err := i.key()
	if err != nil {
		return err
	}
	made := filepath.Join(s.dir, "made", key)
	if digest, err := os.ReadFile(made); err == nil {
		s.names[i.Name] = string(digest)
		return nil
	}
	digest, err := s.write(i)
	if err != nil {
		return fmt.Errorf("image %s: %w", i.Name, err)
	}
	s.names[i.Name] = digest
	return os.WriteFile(made, []byte(digest), 0o644)
}

// Digest is that of a name's manifest; "" when there is none.
func (s *Set) Digest(name string) string { return s.names[name] }

// Names are all, ascending.
func (s *Set) Names() (list []string) {
	for name := range s.names {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// Hosts are those of all names, ascending.
func (s *Set) Hosts() (list []string) {
	for name := range s.names {
		host, _, _ := strings.Cut(name, "/")
		list = append(list, host)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// key is a digest of all that an image is made of but its name.
func (i *Image) key() (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %s\n", i.Entrypoint, i.User, runtime.GOARCH)
	files, err := i.files()
	if err != nil {
		return "", err
	}
	for _, f := range files {
		fmt.Fprintf(h, "%q %q\n", f.at, f.from)
		if err := f.sum(h); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:12]), nil
}

// file is one that a layer has.
type file struct{ at, from string }

func (f file) sum(h io.Writer) error {
	info, err := os.Lstat(f.from)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		to, err := os.Readlink(f.from)
		fmt.Fprintf(h, "link %q\n", to)
		return err
	}
	r, err := os.Open(f.from)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(h, r)
	return err
}

// files are all, folders left out, ascending by their place.
func (i *Image) files() (list []file, err error) {
	for at, from := range i.Files {
		list = append(list, file{strings.TrimPrefix(path.Clean(at), "/"), from})
	}
	if i.Root != "" {
		err = filepath.WalkDir(i.Root, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(i.Root, p)
			list = append(list, file{filepath.ToSlash(rel), p})
			return err
		})
	}
	slices.SortFunc(list, func(a, b file) int { return strings.Compare(a.at, b.at) })
	return list, err
}

// write writes an image's blobs and returns its manifest's digest.
func (s *Set) write(i Image) (string, error) {
	files, err := i.files()
	if err != nil {
		return "", err
	}
	layer, diffID, size, err := s.layer(files)
	if err != nil {
		return "", err
	}
	config, configSize, err := s.document(map[string]any{
		"created": epoch, "architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": i.Entrypoint, "User": i.User, "Env": []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{diffID}},
	})
	if err != nil {
		return "", err
	}
	descriptor := func(kind, digest string, size int64) map[string]any {
		return map[string]any{"mediaType": "application/vnd.oci.image." + kind, "digest": digest, "size": size}
	}
	digest, _, err := s.document(map[string]any{
		"schemaVersion": 2, "mediaType": manifestType,
		"config": descriptor("config.v1+json", config, configSize),
		"layers": []any{descriptor("layer.v1.tar+gzip", layer, size)},
	})
	return digest, err
}

func (s *Set) blob(digest string) string {
	return filepath.Join(s.dir, "blobs", strings.TrimPrefix(digest, "sha256:"))
}

func (s *Set) document(v any) (digest string, size int64, err error) {
	content, err := json.Marshal(v)
	if err != nil {
		return "", 0, err
	}
	sum := sha256.Sum256(content)
	digest = "sha256:" + hex.EncodeToString(sum[:])
	return digest, int64(len(content)), os.WriteFile(s.blob(digest), content, 0o644)
}

// layer writes files as a layer: it is given its name when it is whole.
func (s *Set) layer(files []file) (digest, diffID string, size int64, err error) {
	temp, err := os.CreateTemp(s.dir, "layer-")
	if err != nil {
		return "", "", 0, err
	}
	defer os.Remove(temp.Name())
	packed, plain := sha256.New(), sha256.New()
	z, err := gzip.NewWriterLevel(io.MultiWriter(temp, packed), gzip.BestSpeed)
	if err != nil {
		return "", "", 0, err
	}
	w := tar.NewWriter(io.MultiWriter(z, plain))
	err = writeTar(w, files)
	if err = errors.Join(err, w.Close(), z.Close(), temp.Close()); err != nil {
		return "", "", 0, err
	}
	info, err := os.Stat(temp.Name())
	if err != nil {
		return "", "", 0, err
	}
	digest = sumText(packed)
	return digest, sumText(plain), info.Size(), os.Rename(temp.Name(), s.blob(digest))
}

func sumText(h hash.Hash) string { return "sha256:" + hex.EncodeToString(h.Sum(nil)) }

func writeTar(w *tar.Writer, files []file) error {
	made := map[string]bool{}
	var folder func(p string) error
	folder = func(p string) error {
		if p == "." || made[p] {
			return nil
		}
		if err := folder(path.Dir(p)); err != nil {
			return err
		}
		made[p] = true
		mode := int64(0o755)
		if p == "tmp" {
			mode = 0o1777
		}
		return w.WriteHeader(&tar.Header{Name: p + "/", Typeflag: tar.TypeDir, Mode: mode, ModTime: epoch})
	}
	if err := folder("tmp"); err != nil {
		return err
	}
	for _, f := range files {
		if err := errors.Join(folder(path.Dir(f.at)), addFile(w, f)); err != nil {
			return err
		}
	}
	return nil
}

func addFile(w *tar.Writer, f file) error {
	info, err := os.Lstat(f.from)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		to, err := os.Readlink(f.from)
		return errors.Join(err, w.WriteHeader(&tar.Header{Name: f.at, Typeflag: tar.TypeSymlink, Linkname: to, Mode: 0o777, ModTime: epoch}))
	}
	r, err := os.Open(f.from)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := w.WriteHeader(&tar.Header{Name: f.at, Size: info.Size(), Mode: int64(info.Mode().Perm()), ModTime: epoch}); err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return err
}
