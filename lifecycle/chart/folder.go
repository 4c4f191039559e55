package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/ignore"

	"github.com/landfall-dev/landfall/registry"
)

// readFolder reads the files of a chart's folder, as Helm does, without what its
// .helmignore leaves out. Links to files within the folder are those files.
func readFolder(dir string) (map[string][]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", registry.ErrInvalid, err)
	}
	defer root.Close()
	rules, err := ignoreRules(dir, root)
	if err != nil {
		return nil, err
	}
	files, left := map[string][]byte{}, newBudget()
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := e.Info()
		switch {
		case err != nil:
			return err
		case info.IsDir() && rules.Ignore(name, info):
			return fs.SkipDir
		case info.IsDir() || rules.Ignore(name, info):
			return nil
		}
		files[name], err = readFile(root, dir, name, left)
		return err
	})
	if err == nil && files["Chart.yaml"] == nil {
		err = fmt.Errorf("%s: %w: there is no Chart.yaml in the folder", dir, registry.ErrInvalid)
	}
	return files, err
}

// ignoreRules are those of the chart, and that dot files in templates are none.
func ignoreRules(dir string, root *os.Root) (*ignore.Rules, error) {
	rules := ignore.Empty()
	content, err := root.ReadFile(ignore.HelmIgnore)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		if rules, err = ignore.Parse(bytes.NewReader(content)); err != nil {
			return nil, fmt.Errorf("%s/%s: %w: %w", dir, ignore.HelmIgnore, registry.ErrInvalid, err)
		}
	}
	rules.AddDefaults()
	return rules, nil
}

// readFile reads a file, or the one that a link within the folder leads to.
func readFile(root *os.Root, dir, name string, left *budget) ([]byte, error) {
	info, err := root.Stat(name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s/%s: %w: a link that leads out of the folder or nowhere; copy the file there", dir, name, registry.ErrInvalid)
	case info.IsDir():
		return nil, fmt.Errorf("%s/%s: %w: a link to a folder; copy it there, or make it a dependency with file://", dir, name, registry.ErrInvalid)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s/%s: %w: neither a file nor a folder", dir, name, registry.ErrInvalid)
	}
	if left.files--; left.files < 0 {
		return nil, fmt.Errorf("%s: %w: more than %d files", dir, registry.ErrInvalid, maxFiles)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, left.bytes+1))
	if left.bytes -= int64(len(content)); err == nil && left.bytes < 0 {
		err = fmt.Errorf("%s: %w: more than %d MiB", dir, registry.ErrInvalid, maxUnpacked>>20)
	}
	return content, err
}

// archiveOf makes a chart's archive of its files: the same for the same files.
func archiveOf(name string, files map[string][]byte) ([]byte, error) {
	var b bytes.Buffer
	err := writeTar(&b, gzip.DefaultCompression, func(t *tar.Writer) error {
		for _, file := range slices.Sorted(maps.Keys(files)) {
			header := &tar.Header{Name: path.Join(name, file), Mode: 0o644, Size: int64(len(files[file])), ModTime: epoch, Format: tar.FormatPAX, Typeflag: tar.TypeReg}
			if err := t.WriteHeader(header); err != nil {
				return err
			}
			if _, err := t.Write(files[file]); err != nil {
				return err
			}
		}
		return nil
	})
	return b.Bytes(), err
}

// subcharts are the names of the charts that are in a chart's folder charts.
func subcharts(dir string, files map[string][]byte) (map[string]bool, error) {
	names := map[string]bool{}
	for file, content := range files {
		rest, ok := strings.CutPrefix(file, "charts/")
		if !ok || strings.IndexAny(rest, "._") == 0 {
			continue
		}
		switch folder, base := path.Split(rest); {
		case folder == "" && path.Ext(base) == ".tgz":
			sub, err := chartOf(dir+"/"+file, content)
			if err != nil {
				return nil, err
			}
			names[sub.Name] = true
		case base == "Chart.yaml" && strings.Count(folder, "/") == 1:
			meta, err := readMetadata(dir+"/charts/"+strings.TrimSuffix(folder, "/"), content)
			if err != nil {
				return nil, err
			}
			names[meta.name] = true
		}
	}
	return names, nil
}
