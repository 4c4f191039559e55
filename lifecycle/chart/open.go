package chart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/internal/version"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/registry"
)

// Opener opens charts wherever they are. It is safe for concurrent use if what it
// reads from is.
type Opener struct {
	// Registry has the charts of oci:// addresses; a registry.Lister as well, it says
	// which versions there are when one is missing.
	Registry registry.Reader
	// Repositories opens a chart repository as a registry, as package chartrepo does.
	Repositories func(ctx context.Context, url string) (registry.Reader, error)
	// Dir is what relative paths are below.
	Dir string
}

// Open opens a chart where the profile says that it is. A folder is packed, and what
// it depends on and does not have in charts/ is taken from where its Chart.yaml says,
// in the version that it or its Chart.lock says exactly. registry.ErrInvalid for a
// chart that is broken, unsafe or not the one that was asked for; ErrNotFound names
// the versions that there are.
func (o *Opener) Open(ctx context.Context, c profile.Chart) (*Chart, error) {
	var opened *Chart
	var err error
	switch {
	case c.Path != "":
		path := c.Path
		if !filepath.IsAbs(path) {
			path = filepath.Join(o.Dir, path)
		}
		if opened, err = o.local(ctx, filepath.Clean(path), nil); err == nil {
			opened.Origin = Origin{Path: c.Path}
		}
	case c.OCI != "":
		opened, err = o.remote(ctx, o.Registry, c.OCI, c.Version)
	default:
		opened, err = o.repository(ctx, c.Repository, c.Name, c.Version)
	}
	if err == nil {
		err = opened.is(c.Name, c.Version)
	}
	if err != nil {
		return nil, fmt.Errorf("chart %s: %w", label(c), err)
	}
	return opened, nil
}

// label is how a profile names a chart.
func label(c profile.Chart) string {
	switch {
	case c.Path != "":
		return c.Path
	case c.OCI != "":
		return c.OCI + ":" + c.Version
	}
	return c.Name + " " + c.Version + " of " + c.Repository
}

// local opens a folder or an archive.
func (o *Opener) local(ctx context.Context, path string, from []string) (*Chart, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", registry.ErrNotFound, err)
	case info.IsDir():
		return o.folder(ctx, path, from)
	case info.Size() > maxArchive:
		return nil, tarError(path, "larger than %d MiB", maxArchive>>20)
	}
	archive, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return chartOf(path, archive)
}

// repository opens a version of a chart repository.
func (o *Opener) repository(ctx context.Context, base, name, exact string) (*Chart, error) {
	if o.Repositories == nil {
		return nil, fmt.Errorf("%s: %w: chart repositories cannot be read here", base, registry.ErrInvalid)
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%w: the address of the chart repository has to begin with https:// or http:// and a host", registry.ErrInvalid)
	}
	src, err := o.Repositories(ctx, base)
	if err != nil {
		return nil, err
	}
	// As package chartrepo names its repositories.
	below := strings.ToLower(strings.TrimRight(u.Host+u.EscapedPath(), "/"))
	c, err := o.remote(ctx, src, below+"/"+strings.ToLower(name), exact)
	if err != nil {
		return nil, err
	}
	c.Origin = Origin{Repository: base}
	return c, nil
}

// remote opens a version of a registry.
func (o *Opener) remote(ctx context.Context, src registry.Reader, name, exact string) (*Chart, error) {
	repository, err := registry.NormalizeRepository(name)
	ref := registry.Ref{Repository: repository, Tag: strings.ReplaceAll(exact, "+", "_")}
	switch {
	case err != nil:
		return nil, err
	case src == nil:
		return nil, fmt.Errorf("%s: %w: registries cannot be read here", name, registry.ErrInvalid)
	case !registry.ValidTag(ref.Tag):
		return nil, fmt.Errorf("%s: %w: %.100q is not an exact version; write one, as 1.2.3", name, registry.ErrInvalid, exact)
	}
	d, content, err := src.Manifest(ctx, ref)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, fmt.Errorf("%w%s", err, known(ctx, src, repository))
	} else if err != nil {
		return nil, err
	}
	layer, err := contentOf(ref, content)
	if err != nil {
		return nil, err
	}
	archive, err := registry.ReadBlob(ctx, src, repository, layer)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	c, err := chartOf(ref.String(), archive)
	if err != nil {
		return nil, err
	}
	c.Origin = Origin{OCI: name + ":" + ref.Tag, Digest: d.Digest.String()}
	return c, nil
}

// contentOf is the layer of a chart's manifest that has its archive.
func contentOf(ref registry.Ref, content []byte) (registry.Descriptor, error) {
	var m ocispec.Manifest
	if err := json.Unmarshal(content, &m); err != nil {
		return registry.Descriptor{}, fmt.Errorf("%s: %w: the manifest is not JSON: %w", ref, registry.ErrInvalid, err)
	}
	if m.Config.MediaType != TypeConfig {
		return registry.Descriptor{}, fmt.Errorf("%s: %w: no Helm chart but of type %.100q; list an image below images", ref, registry.ErrInvalid, m.Config.MediaType)
	}
	i := slices.IndexFunc(m.Layers, func(l registry.Descriptor) bool { return l.MediaType == TypeContent })
	if i < 0 {
		return registry.Descriptor{}, fmt.Errorf("%s: %w: the chart's manifest has no layer of type %s", ref, registry.ErrInvalid, TypeContent)
	}
	if m.Layers[i].Size > maxArchive {
		return registry.Descriptor{}, fmt.Errorf("%s: %w: the chart is larger than %d MiB", ref, registry.ErrInvalid, maxArchive>>20)
	}
	return m.Layers[i], nil
}

// shown is how many versions an error lists.
const shown = 10

// known is the versions that there are, in words, if that can be told.
func known(ctx context.Context, src registry.Reader, repository string) string {
	lister, ok := src.(registry.Lister)
	if !ok {
		return ""
	}
	var tags []string
	for tag, err := range lister.Tags(ctx, repository, "") {
		if err != nil {
			return ""
		}
		tags = append(tags, strings.ReplaceAll(tag, "_", "+"))
	}
	slices.SortFunc(tags, func(a, b string) int { return version.Compare(b, a) })
	more := ""
	if len(tags) > shown {
		more = fmt.Sprintf(" and %d older", len(tags)-shown)
	}
	return "; there are " + strings.Join(tags[:min(shown, len(tags))], ", ") + more
}
