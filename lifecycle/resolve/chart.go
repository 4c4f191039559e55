package resolve

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/chart"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/find"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/lifecycle/render"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
)

// chart opens a chart and renders it with each set of values.
func (b *builder) chart(ctx context.Context, l *profile.Layer, c *profile.Chart) (d definition.Chart, err error) {
	b.rendered = true
	opened, err := b.opts.Charts.Open(ctx, *c)
	if err != nil {
		return d, atError(c.At, err)
	}
	d = definition.Chart{
		Name: opened.Name, Version: opened.Version, Release: cmp.Or(c.Release, opened.Name),
		Namespace: cmp.Or(c.Namespace, l.Namespace, defaultNamespace),
		Origin:    opened.Origin, Digest: opened.Descriptor.Digest, Size: opened.Descriptor.Size,
		Values: merged(c.ValueFiles, c.Values), APIVersions: c.APIVersions,
	}
	if err := b.locked(l, &d); err != nil {
		return d, atError(c.At, err)
	}
	if err := b.claimRelease(l, c.At, &d); err != nil {
		return d, err
	}
	b.parts[d.Digest] = inMemory(opened.Archive)
	label := opened.Name + " " + opened.Version
	about := definition.Reason{Layer: l.Name, Chart: label}
	errs := []error{b.take(l, about, c.Tests, find.InChart(opened.Files))}
	errs = append(errs, b.render(ctx, l, c, opened, &d, definition.ValueSet{}))
	for _, set := range c.ValueSets {
		s := definition.ValueSet{Name: set.Name, Values: merged(set.ValueFiles, set.Values)}
		d.ValueSets = append(d.ValueSets, s)
		if err := b.render(ctx, l, c, opened, &d, s); err != nil {
			errs = append(errs, atError(set.At, err))
		}
	}
	return d, atErrors(c.At, errs)
}

// render renders a chart with a set of values over its own, and takes what it finds.
func (b *builder) render(ctx context.Context, l *profile.Layer, c *profile.Chart, opened *chart.Chart, d *definition.Chart, set definition.ValueSet) error {
	with := ""
	if set.Name != "" {
		with = " with values " + set.Name
	}
	b.tell("chart %s %s%s", d.Name, d.Version, with)
	expanded, err := variable.Expand(chart.Merge(d.Values, set.Values), b.vars, b.system)
	if err != nil {
		return err
	}
	values, _ := expanded.(map[string]any)
	rendered, err := b.opts.Renderer.Chart(ctx, render.Chart{
		Archive: opened.Archive, Release: d.Release, Namespace: d.Namespace, Values: values,
		KubeVersion: b.kubeVersion(), APIVersions: d.APIVersions,
	})
	if err != nil {
		return err
	}
	for _, w := range rendered.Warnings {
		b.warn("chart %s %s%s: %s", d.Name, d.Version, with, w)
	}
	return b.takeFiles(rendering{
		layer: l, namespace: d.Namespace, release: d.Release, tests: c.Tests,
		reason: definition.Reason{Layer: l.Name, Chart: d.Name + " " + d.Version, Set: set.Name},
	}, rendered.Files)
}

func (b *builder) kubeVersion() string {
	if k := b.definition.Kubernetes; k != nil {
		return k.Version
	}
	return ""
}

// locked: what a version of a chart is does not change, unless it is a folder of the
// author.
func (b *builder) locked(l *profile.Layer, d *definition.Chart) error {
	if b.opts.Lock == nil || d.Origin.Path != "" {
		return nil
	}
	for _, layer := range b.opts.Lock.Layers {
		for _, old := range layer.Charts {
			if layer.Name == l.Name && old.Name == d.Name && old.Version == d.Version && old.Origin.Path == "" && old.Digest != d.Digest {
				return fmt.Errorf("%w: the lock no longer matches: chart %s %s was %s in %s %s and is %s now: its publisher has changed a version; take another version, or build without --lock",
					registry.ErrDigest, d.Name, d.Version, old.Digest, b.opts.Lock.Name, b.opts.Lock.Version, d.Digest)
			}
		}
	}
	return nil
}

// merged is value files, the later over the earlier, and inline values over them.
func merged(files []profile.ValueFile, inline map[string]any) map[string]any {
	var values map[string]any
	for _, f := range files {
		values = chart.Merge(values, f.Values)
	}
	return chart.Merge(values, inline)
}

// atErrors names the place in the profile in each error.
func atErrors(at profile.Place, errs []error) error {
	list := slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	for i := range list {
		list[i] = atError(at, list[i])
	}
	return errors.Join(list...)
}

func newReader(content []byte) io.Reader { return bytes.NewReader(content) }

func readAll(open definition.Opened) ([]byte, error) {
	r, err := open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// measure reads a file once for its digest and size in bytes.
func measure(open definition.Opened) (digest.Digest, int64, error) {
	r, err := open()
	if err != nil {
		return "", 0, err
	}
	defer r.Close()
	h := digest.Canonical.Digester()
	n, err := io.Copy(h.Hash(), r)
	return h.Digest(), n, err
}
