package chart

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/object"
	"github.com/landfall-dev/landfall/registry"
)

// Manifests reads a file, or all of a folder and those below that end with .yaml, .yml
// or .json, in ascending order. path is absolute or below dir; files are named by it.
// What begins with a dot is left out. registry.ErrInvalid for links that lead out of
// the folder, and for a folder without manifests.
func Manifests(dir, path string) ([]object.File, error) {
	at := path
	if !filepath.IsAbs(at) {
		at = filepath.Join(dir, at)
	}
	at, err := filepath.EvalSymlinks(at) // who named it may have meant a link
	if err != nil {
		return nil, fmt.Errorf("%w: %w", registry.ErrNotFound, err)
	}
	info, err := os.Stat(at)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", registry.ErrNotFound, err)
	case info.IsDir():
		return manifestsIn(at, path)
	}
	root, err := os.OpenRoot(filepath.Dir(at))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	content, err := readFile(root, filepath.Dir(at), filepath.Base(at), newBudget())
	return []object.File{{Path: filepath.ToSlash(path), Content: string(content)}}, err
}

func manifestsIn(dir, named string) ([]object.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var files []object.File
	left := newBudget()
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || name == ".":
			return err
		case strings.HasPrefix(e.Name(), ".") && e.IsDir():
			return fs.SkipDir
		case strings.HasPrefix(e.Name(), ".") || e.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(name)):
			return nil
		}
		content, err := readFile(root, dir, name, left)
		files = append(files, object.File{Path: path.Join(filepath.ToSlash(named), name), Content: string(content)})
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: %w: there is no .yaml, .yml or .json file in the folder", named, registry.ErrInvalid)
	}
	return files, err
}
