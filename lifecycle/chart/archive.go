package chart

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// maxNested is how deep archives may be within archives.
const maxNested = 10

// told are the files that say which images a chart has, and what it is.
var told = []string{
	"Chart.yaml", "Chart.lock", "requirements.yaml", "requirements.lock",
	"Images.lock", "images.lock", "images.txt", "images.yaml", "images.yml",
}

// contents are what of a chart's archive is looked at here.
type contents struct {
	top   string            // its folder
	files map[string][]byte // see Chart.Files
	names []string          // of all its files, in the archive's order
}

// readArchive reads a chart's archive and all subcharts in it.
func readArchive(name string, archive []byte, left *budget) (*contents, error) {
	c := &contents{files: map[string][]byte{}}
	err := c.read(name, archive, "", 0, left)
	return c, err
}

func (c *contents) read(name string, archive []byte, below string, depth int, left *budget) error {
	if depth > maxNested {
		return tarError(name, "archives are within archives more than %d times", maxNested)
	}
	top := ""
	err := readTar(name, archive, left, func(e entry) error {
		folder, file, ok := strings.Cut(e.name, "/")
		switch {
		case !ok:
			return tarError(name, "%.200q is not in a folder; a chart's archive has one at its top", e.name)
		case top != "" && folder != top:
			return tarError(name, "two folders are at its top, %.100q and %.100q", top, folder)
		case e.link != "":
			return tarError(name, "%.200q is a link; a chart's archive has files only", e.name)
		}
		top = folder
		at := path.Join(below, e.name)
		c.names = append(c.names, at)
		if dir, base := path.Split(file); path.Base(dir) == "charts" && strings.HasSuffix(base, ".tgz") {
			return c.read(name+"/"+e.name, e.content, at, depth+1, left)
		}
		if slices.Contains(told, path.Base(file)) || strings.HasSuffix(file, ".imgpkg/images.yml") {
			c.files[at] = e.content
		}
		return nil
	})
	if err == nil && c.files[path.Join(below, top, "Chart.yaml")] == nil {
		err = tarError(name, "there is no Chart.yaml in the folder at its top")
	}
	if below == "" {
		c.top = top
	}
	return err
}

// chartOf makes a chart of its archive.
func chartOf(name string, archive []byte) (*Chart, error) {
	c, err := readArchive(name, archive, newBudget())
	if err != nil {
		return nil, err
	}
	meta, err := readMetadata(name, c.files[c.top+"/Chart.yaml"])
	if err != nil {
		return nil, err
	}
	return &Chart{
		Name: meta.name, Version: meta.version, AppVersion: meta.appVersion, KubeVersion: meta.kubeVersion,
		Archive: archive, Files: c.files,
		Descriptor: registry.Descriptor{MediaType: TypeContent, Digest: digest.FromBytes(archive), Size: int64(len(archive))},
	}, nil
}

// is checks that a chart is what was asked for; "" is anything.
func (c *Chart) is(name, version string) error {
	switch {
	case name != "" && name != c.Name:
		return fmt.Errorf("%w: the chart calls itself %s, not %s", registry.ErrInvalid, c.Name, name)
	case version != "" && strings.TrimPrefix(version, "v") != strings.TrimPrefix(c.Version, "v"):
		return fmt.Errorf("%w: the chart is version %s, not %s", registry.ErrInvalid, c.Version, version)
	}
	return nil
}
