package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/object"
	"github.com/landfall-dev/landfall/registry"
)

// PackKustomization is Pack for a folder with a kustomization. Folders outside of it
// that it is built on, "../../base", are taken along: then the archive holds all of
// them as they lie to each other, and a kustomization at its top that names the one.
func PackKustomization(dir string) (Packed, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Packed{}, err
	}
	roots := map[string]bool{}
	if err := reach(dir, nil, roots); err != nil {
		return Packed{}, err
	}
	outer := outermost(slices.Sorted(maps.Keys(roots)))
	if len(outer) == 1 && outer[0] == dir {
		return Pack(dir)
	}
	top := outer[0]
	for _, root := range outer {
		for !within(root, top) {
			top = filepath.Dir(top)
		}
	}
	return packed(func(w io.Writer) error {
		return writeTar(w, gzip.DefaultCompression, func(t *tar.Writer) error { return addOverlay(t, top, dir, outer) })
	})
}

// reach collects a kustomization's folder and all that it names. Those that lead to
// it must not be in what it names, or the same.
func reach(dir string, from []string, roots map[string]bool) error {
	if roots[dir] = true; len(roots) > maxRoots {
		return fmt.Errorf("%s: %w: more than %d folders belong to the kustomization", dir, registry.ErrInvalid, maxRoots)
	}
	name, content, err := readKustomization(dir)
	if err != nil {
		return err
	}
	objects, err := object.Read(object.File{Path: name, Content: string(content)})
	if err != nil {
		return err
	}
	from = append(slices.Clip(from), dir)
	for _, o := range objects {
		for field, to := range outside(dir, o) {
			if i := slices.IndexFunc(from, func(f string) bool { return within(f, to) }); i >= 0 {
				return fmt.Errorf("%s:%d: %w: a cycle: %s is %s, which leads here, or a folder above it", name, o.LineOf(field), registry.ErrInvalid, field, from[i])
			}
			if !roots[to] {
				if err := reach(to, from, roots); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// outside yields the fields of a kustomization that name folders by where they lie to
// it. Those in it are taken along in any case; what is no folder is for who builds it
// to refuse.
func outside(dir string, o object.Object) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, field := range []string{"resources", "bases", "components", "generators", "transformers", "validators"} {
			list, _ := o.Content[field].([]any)
			for i, value := range list {
				text, _ := value.(string)
				to := filepath.Join(dir, filepath.FromSlash(text))
				if strings.HasPrefix(text, ".") && !strings.Contains(text, "\n") && isFolder(to) && !yield(fmt.Sprintf("%s[%d]", field, i), to) {
					return
				}
			}
		}
	}
}

// maxRoots is how many folders a kustomization may be made of.
const maxRoots = 1000

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

func readKustomization(dir string) (string, []byte, error) {
	for _, name := range kustomizations {
		at := filepath.Join(dir, name)
		if info, err := os.Stat(at); err == nil && info.Mode().IsRegular() {
			content, err := os.ReadFile(at)
			return at, content, err
		}
	}
	return "", nil, fmt.Errorf("%s: %w: there is no kustomization.yaml in the folder", dir, registry.ErrInvalid)
}

// outermost are the folders that are in no other one. The list is ascending.
func outermost(dirs []string) (list []string) {
	for _, dir := range dirs {
		if !slices.ContainsFunc(dirs, func(other string) bool { return other != dir && within(dir, other) }) {
			list = append(list, dir)
		}
	}
	return list
}

// within reports whether a folder is another one or below it.
func within(dir, other string) bool {
	return dir == other || strings.HasPrefix(dir, strings.TrimSuffix(other, "/")+"/")
}

// addOverlay adds folders where they are below top, and what names the first of all.
func addOverlay(t *tar.Writer, top, dir string, roots []string) error {
	for _, root := range roots {
		below, err := filepath.Rel(top, root)
		if err != nil {
			return err
		}
		if err := addRoot(t, root, filepath.ToSlash(below)); err != nil {
			return err
		}
	}
	entrance, err := filepath.Rel(top, dir)
	if err != nil {
		return err
	}
	content := fmt.Appendf(nil, "resources:\n- %q\n", "./"+filepath.ToSlash(entrance))
	header := &tar.Header{Name: "kustomization.yaml", Mode: 0o644, Size: int64(len(content)), ModTime: epoch, Format: tar.FormatPAX, Typeflag: tar.TypeReg}
	if err := t.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(t, bytes.NewReader(content))
	return err
}

func addRoot(t *tar.Writer, dir, below string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("%w: %w", registry.ErrInvalid, err)
	}
	defer root.Close()
	return addFolder(t, root, dir, path.Clean(below))
}
