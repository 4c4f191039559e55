// Package layer renders a layer of a definition for one cluster: charts with the site's
// values, manifests as they are, kustomizations as they are built. Everything comes from
// the definition's artifact in the store. It applies nothing.
package layer

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/landfall-dev/landfall/lifecycle/chart"
	"github.com/landfall-dev/landfall/lifecycle/cluster/kube"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/object"
	"github.com/landfall-dev/landfall/lifecycle/render"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
)

// Options say for whom a layer is rendered.
type Options struct {
	Blobs      registry.Reader
	Repository string // of the definition's artifact
	Renderer   *render.Renderer
	Cluster    string            // its name
	Registry   string            // URL from which its hosts pull
	Given      map[string]any    // what the site says to variables
	Own        map[string]any    // what the cluster says, over that
	Sets       map[string]string // value sets that are chosen, by release
}

const (
	defaultNamespace = "default"
	maxPart          = 64 << 20 // bytes of a chart or manifest
)

// Render renders a layer. registry.ErrNotFound when the definition has no such layer;
// ErrInvalid for values that break a rule, and for templates that fail.
func Render(ctx context.Context, d *definition.Definition, name string, opts Options) (*kube.Layer, error) {
	i := slices.IndexFunc(d.Layers, func(l definition.Layer) bool { return l.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("definition %s %s: %w: layer %s", d.Name, d.Version, registry.ErrNotFound, name)
	}
	r := &renderer{Options: opts, definition: d, layer: &d.Layers[i]}
	if err := r.resolve(); err != nil {
		return nil, err
	}
	l := &kube.Layer{Name: name, Definition: d.Name + ":" + d.Version}
	manifests, err := r.manifests(ctx)
	if err != nil {
		return nil, err
	}
	if len(manifests.Files) > 0 {
		l.Units = append(l.Units, manifests)
	}
	for i := range r.layer.Charts {
		u, err := r.chart(ctx, &r.layer.Charts[i])
		if err != nil {
			return nil, fmt.Errorf("layer %s: chart %s: %w", name, r.layer.Charts[i].Name, err)
		}
		l.Units = append(l.Units, u)
	}
	return l, nil
}

type renderer struct {
	Options
	definition *definition.Definition
	layer      *definition.Layer
	vars       map[string]any
	system     map[string]any
}

// resolve gives all variables their values: the cluster's, else the site's, else the
// definition's.
func (r *renderer) resolve() (err error) {
	given := chart.Merge(r.Given, nil)
	if given == nil {
		given = map[string]any{}
	}
	for name, value := range r.Own { // lists and objects as a whole
		given[name] = value
	}
	for name := range r.Given { // those of other versions of the definition have no effect
		if !slices.ContainsFunc(r.definition.Variables, func(v variable.Declaration) bool { return v.Name == name }) && r.Own[name] == nil {
			delete(given, name)
		}
	}
	if r.vars, err = variable.Resolve(r.definition.Variables, given); err != nil {
		return err
	}
	r.system = map[string]any{"cluster.name": r.Cluster, "profile.name": r.definition.Name, "profile.version": r.definition.Version, "site.registry": r.Registry}
	if k := r.definition.Kubernetes; k != nil {
		r.system["kubernetes.version"], r.system["kubernetes.distribution"] = k.Version, k.Distribution
	}
	return nil
}

// manifests are those of the layer, kustomizations built.
func (r *renderer) manifests(ctx context.Context) (kube.Unit, error) {
	u := kube.Unit{Namespace: orDefault(r.layer.Namespace)}
	for _, p := range r.layer.Manifests {
		content, err := r.read(ctx, p.Path, registry.Descriptor{MediaType: p.MediaType, Digest: p.Digest, Size: p.Size})
		if err != nil {
			return u, err
		}
		if p.MediaType != definition.TypeKustomize {
			u.Files = append(u.Files, object.File{Path: p.Path, Content: string(content)})
			continue
		}
		rendered, err := r.Renderer.Kustomize(ctx, content)
		if err != nil {
			return u, fmt.Errorf("layer %s: %s: %w", r.layer.Name, p.Path, err)
		}
		u.Files = append(u.Files, rendered.Files...)
	}
	return u, nil
}

// chart renders a chart with its values and the set that is chosen.
func (r *renderer) chart(ctx context.Context, c *definition.Chart) (u kube.Unit, err error) {
	values := c.Values
	if set := r.Sets[c.Release]; set != "" {
		i := slices.IndexFunc(c.ValueSets, func(s definition.ValueSet) bool { return s.Name == set })
		if i < 0 {
			return u, fmt.Errorf("%w: it has no value set %q", registry.ErrInvalid, set)
		}
		values = chart.Merge(values, c.ValueSets[i].Values)
	}
	expanded, err := variable.Expand(values, r.vars, r.system)
	if err != nil {
		return u, err
	}
	archive, err := r.read(ctx, c.Name, registry.Descriptor{MediaType: definition.TypeChart, Digest: c.Digest, Size: c.Size})
	if err != nil {
		return u, err
	}
	in := render.Chart{Archive: archive, Release: c.Release, Namespace: orDefault(c.Namespace), APIVersions: c.APIVersions}
	in.Values, _ = expanded.(map[string]any)
	if k := r.definition.Kubernetes; k != nil {
		in.KubeVersion = k.Version
	}
	rendered, err := r.Renderer.Chart(ctx, in)
	if err != nil {
		return u, err
	}
	return kube.Unit{Release: c.Release, Namespace: in.Namespace, Files: rendered.Files, Hooks: rendered.Hooks}, nil
}

// read reads a part of the artifact as a whole; the store proves it.
func (r *renderer) read(ctx context.Context, what string, d registry.Descriptor) ([]byte, error) {
	if d.Size > maxPart {
		return nil, fmt.Errorf("layer %s: %s: %w: it has %d bytes, %d are the most", r.layer.Name, what, registry.ErrInvalid, d.Size, maxPart)
	}
	body, err := r.Blobs.Blob(ctx, r.Repository, d)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %s: %w", r.layer.Name, what, err)
	}
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, d.Size+1))
	if err == nil && int64(len(content)) != d.Size {
		err = registry.ErrSize
	}
	if err != nil {
		return nil, fmt.Errorf("layer %s: %s: %w", r.layer.Name, what, err)
	}
	return content, nil
}

func orDefault(namespace string) string {
	if namespace == "" {
		return defaultNamespace
	}
	return namespace
}
