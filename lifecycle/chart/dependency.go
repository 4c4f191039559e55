package chart

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/version"
	"github.com/landfall-dev/landfall/registry"
)

// folder opens a chart that is a folder, and takes along what it depends on and does
// not have in charts/. from are the folders that led to it.
func (o *Opener) folder(ctx context.Context, dir string, from []string) (*Chart, error) {
	if slices.Contains(from, dir) {
		return nil, fmt.Errorf("%s: %w: a cycle: the chart depends on itself, by %s", dir, registry.ErrInvalid, strings.Join(append(from, dir), " and "))
	}
	files, err := readFolder(dir)
	if err != nil {
		return nil, err
	}
	meta, err := readMetadata(dir, files["Chart.yaml"])
	if err != nil {
		return nil, err
	}
	if err := o.complete(ctx, dir, meta, files, append(slices.Clip(from), dir)); err != nil {
		return nil, err
	}
	archive, err := archiveOf(meta.name, files)
	if err != nil {
		return nil, err
	}
	return chartOf(dir, archive)
}

// complete puts missing dependencies into charts/.
func (o *Opener) complete(ctx context.Context, dir string, meta *metadata, files map[string][]byte, from []string) error {
	at, lockedAt := "Chart.yaml", "Chart.lock"
	if files["requirements.yaml"] != nil && len(meta.dependencies) == 0 {
		at, lockedAt = "requirements.yaml", "requirements.lock"
		list, err := readLock(dir+"/"+at, files[at])
		if err != nil {
			return err
		}
		meta.dependencies = list.dependencies
	}
	have, err := subcharts(dir, files)
	if err != nil {
		return err
	}
	var locked []dependency
	for _, d := range meta.dependencies {
		if have[d.Name] {
			continue
		}
		if locked == nil && files[lockedAt] != nil {
			if locked, err = lockedOf(dir, lockedAt, meta, files); err != nil {
				return err
			}
		}
		sub, err := o.dependency(ctx, dir, d, locked, from)
		if err != nil {
			return fmt.Errorf("%s/%s:%d: dependency %s: %w", dir, at, d.line, d.Name, err)
		}
		files["charts/"+sub.Name+"-"+sub.Version+".tgz"] = sub.Archive
	}
	return nil
}

// lockedOf are the dependencies of a lock that was made for this Chart.yaml.
func lockedOf(dir, name string, meta *metadata, files map[string][]byte) ([]dependency, error) {
	l, err := readLock(dir+"/"+name, files[name])
	if err != nil || name != "Chart.lock" {
		return l.of(), err
	}
	made, err := hash(meta.dependencies, l.dependencies)
	if err == nil && l.digest != made {
		err = fmt.Errorf("%s/%s: %w: out of date with Chart.yaml; run helm dependency update", dir, name, registry.ErrInvalid)
	}
	return l.dependencies, err
}

func (l *lock) of() []dependency {
	if l == nil {
		return nil
	}
	return l.dependencies
}

// dependency opens one where Chart.yaml says that it is.
func (o *Opener) dependency(ctx context.Context, dir string, d dependency, locked []dependency, from []string) (*Chart, error) {
	if path, ok := strings.CutPrefix(d.Repository, "file://"); ok {
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, filepath.FromSlash(path))
		}
		sub, err := o.local(ctx, filepath.Clean(path), from)
		if err != nil {
			return nil, err
		}
		return sub, inRange(sub, d)
	}
	exact, err := exactVersion(d, locked)
	if err != nil {
		return nil, err
	}
	var sub *Chart
	switch scheme, rest, _ := strings.Cut(d.Repository, "://"); scheme {
	case "oci":
		sub, err = o.remote(ctx, o.Registry, strings.TrimSuffix(rest, "/")+"/"+d.Name, exact)
	case "http", "https":
		sub, err = o.repository(ctx, d.Repository, d.Name, exact)
	default:
		return nil, fmt.Errorf("%w: it is not in charts/, and its repository %.100q is no oci://, https:// or file:// address; run helm dependency build", registry.ErrInvalid, d.Repository)
	}
	if err != nil {
		return nil, err
	}
	return sub, sub.is(d.Name, exact)
}

// exactVersion is the version of the lock, or of Chart.yaml when that is no range.
func exactVersion(d dependency, locked []dependency) (string, error) {
	for _, l := range locked {
		if l.Name == d.Name && l.Repository == d.Repository && (l.Version == d.Version || inRangeOf(d.Version, l.Version)) {
			return l.Version, nil
		}
	}
	if d.Version == "" || strings.ContainsAny(d.Version, "<>=~^*|, ") || strings.Count(d.Version, ".") < 2 || strings.HasSuffix(strings.ToLower(d.Version), ".x") {
		return "", fmt.Errorf("%w: it is not in charts/, and version %.100q is a range that no Chart.lock fixes; run helm dependency update, or write the version", registry.ErrInvalid, d.Version)
	}
	return d.Version, nil
}

// inRange checks a chart of a folder, whose version nobody chose.
func inRange(c *Chart, d dependency) error {
	if c.Name != d.Name {
		return c.is(d.Name, "")
	}
	if d.Version != "" && !inRangeOf(d.Version, c.Version) {
		return fmt.Errorf("%w: the chart there is version %s, wanted is %s", registry.ErrInvalid, c.Version, d.Version)
	}
	return nil
}

func inRangeOf(wanted, have string) bool {
	r, err := version.ParseRange(wanted)
	if err != nil {
		return wanted == have
	}
	in, _ := r.Contains(have)
	return in || wanted == have
}
