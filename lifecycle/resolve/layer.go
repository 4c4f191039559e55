package resolve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/chart"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/distro"
	"github.com/landfall-dev/landfall/lifecycle/find"
	"github.com/landfall-dev/landfall/lifecycle/object"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/registry"
)

// defaultNamespace is where objects go that say none.
const defaultNamespace = "default"

// layer resolves one layer, all of it even when some is wrong.
func (b *builder) layer(ctx context.Context, l *profile.Layer) (definition.Layer, error) {
	b.tell("layer %s", l.Name)
	d := definition.Layer{
		Name: l.Name, Type: l.Type, Version: l.Version, From: l.From, DependsOn: l.DependsOn,
		Platforms: platformTexts(l.Platforms), Namespace: l.Namespace,
		Upgrade: definition.Upgrade{Policy: policy(l), Notes: l.Upgrade.Notes},
	}
	errs := []error{b.distro(l)}
	for i := range l.Charts {
		c, err := b.chart(ctx, l, &l.Charts[i])
		errs = append(errs, err)
		d.Charts = append(d.Charts, c)
	}
	for _, m := range l.Manifests {
		parts, err := b.manifests(ctx, l, m)
		errs = append(errs, err)
		d.Manifests = append(d.Manifests, parts...)
	}
	for _, f := range l.Files {
		part, err := b.file(f)
		if err == nil {
			err = b.claimFile(l, f.At, part)
		}
		errs = append(errs, err)
		d.Files = append(d.Files, part)
	}
	for _, p := range l.Providers {
		provider, err := b.provider(l, p)
		errs = append(errs, err)
		d.Providers = append(d.Providers, provider)
	}
	for _, i := range l.Images {
		d.Images = append(d.Images, i.Ref.String())
		b.note(l, i.Ref, definition.Reason{Layer: l.Name, File: filepath.Base(i.At.File), Line: i.At.Line, Rule: ruleProfile, Sure: find.Declared})
	}
	return d, errors.Join(errs...)
}

// policy is how the layer is changed on a host when the profile does not say it.
func policy(l *profile.Layer) string {
	byType := map[profile.LayerType]string{profile.OS: "reboot", profile.Kubernetes: "drain"}
	return cmp.Or(l.Upgrade.Policy, byType[l.Type], "inPlace")
}

// distro takes the images of Kubernetes itself from the distribution's tables.
func (b *builder) distro(l *profile.Layer) error {
	if l.Distro == nil {
		return nil
	}
	images, err := distro.Images(l.Distro.Name, l.Distro.Version)
	if errors.Is(err, registry.ErrNotFound) && len(l.Images) > 0 {
		b.warn("%s: %s %s is not in the tables; the images that the layer lists are taken for all that it needs", l.Distro.At, l.Distro.Name, l.Distro.Version)
		return nil
	}
	if err != nil {
		return atError(l.Distro.At, err)
	}
	for _, i := range images {
		b.note(l, i.Ref, definition.Reason{Layer: l.Name, File: i.From, Object: i.Component, Rule: "distribution", Sure: find.Certain})
	}
	return nil
}

// manifests resolves objects that are there as files.
func (b *builder) manifests(ctx context.Context, l *profile.Layer, m profile.Manifest) (parts []definition.Part, err error) {
	b.rendered = true
	if m.Kustomize != "" {
		return b.kustomize(ctx, l, m)
	}
	files, err := chart.Manifests(b.opts.Charts.Dir, m.Path)
	if err != nil {
		return nil, atError(m.At, err)
	}
	for _, f := range files {
		content := []byte(f.Content)
		p := definition.Part{Path: f.Path, MediaType: definition.TypeManifest, Digest: digest.FromBytes(content), Size: int64(len(content))}
		b.parts[p.Digest] = inMemory(content)
		parts = append(parts, p)
	}
	origin := rendering{layer: l, namespace: cmp.Or(l.Namespace, defaultNamespace), reason: definition.Reason{Layer: l.Name}}
	return parts, b.takeFiles(origin, files)
}

// kustomize resolves a folder with a kustomization.
func (b *builder) kustomize(ctx context.Context, l *profile.Layer, m profile.Manifest) ([]definition.Part, error) {
	packed, err := chart.PackKustomization(b.path(m.Kustomize))
	if err != nil {
		return nil, atError(m.At, err)
	}
	archive, err := readAll(packed.Open)
	if err != nil {
		return nil, atError(m.At, err)
	}
	rendered, err := b.opts.Renderer.Kustomize(ctx, archive)
	if err != nil {
		return nil, atError(m.At, err)
	}
	b.parts[packed.Digest] = inMemory(archive)
	for _, w := range rendered.Warnings {
		b.warn("%s: %s", m.At, w)
	}
	origin := rendering{layer: l, namespace: cmp.Or(l.Namespace, defaultNamespace), reason: definition.Reason{Layer: l.Name}, merged: true}
	part := definition.Part{Path: m.Kustomize, MediaType: definition.TypeKustomize, Digest: packed.Digest, Size: packed.Size}
	for i := range rendered.Files { // the folder is packed, so their names are from there
		rendered.Files[i].Path = path.Join(m.Kustomize, rendered.Files[i].Path)
	}
	return []definition.Part{part}, b.takeFiles(origin, rendered.Files)
}

// file takes a file or folder along that goes onto hosts.
func (b *builder) file(f profile.File) (definition.Part, error) {
	part := definition.Part{Path: f.Path, MediaType: definition.TypeFile, Target: f.Target, Mode: f.Mode}
	at := b.path(f.Path)
	info, err := os.Stat(at)
	switch {
	case err != nil:
		return part, atError(f.At, fmt.Errorf("%w: the file is not there: %w", registry.ErrInvalid, err))
	case !info.IsDir() && !info.Mode().IsRegular(): // a pipe would be waited for
		return part, atError(f.At, fmt.Errorf("%s: %w: neither a file nor a folder", f.Path, registry.ErrInvalid))
	case info.IsDir():
		packed, err := chart.Pack(at)
		if err != nil {
			return part, atError(f.At, err)
		}
		part.MediaType, part.Digest, part.Size = definition.TypeFolder, packed.Digest, packed.Size
		b.parts[part.Digest] = packed.Open
		return part, nil
	}
	if part.Mode == 0 {
		part.Mode = uint32(info.Mode().Perm())
	}
	open := func() (io.ReadCloser, error) { return os.Open(at) }
	part.Digest, part.Size, err = measure(open)
	b.parts[part.Digest] = open
	return part, err
}

// provider packs a folder with what hosts need besides images.
func (b *builder) provider(l *profile.Layer, p profile.Provider) (definition.Provider, error) {
	d := definition.Provider{Name: p.Name, Version: p.Version, Platforms: platformTexts(p.Platforms), Path: p.Path}
	at := b.path(p.Path)
	if err := b.claimProvider(l, p, at); err != nil {
		return d, err
	}
	b.tell("provider %s %s", p.Name, p.Version)
	packed, err := chart.PackFast(at)
	if err != nil {
		return d, atError(p.At, err)
	}
	d.Digest, d.Size = packed.Digest, packed.Size
	b.parts[d.Digest] = packed.Open
	return d, nil
}

// path is a path of the profile, as it is opened.
func (b *builder) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(b.opts.Charts.Dir, p)
}

// rendering is where objects come from.
type rendering struct {
	layer     *profile.Layer
	namespace string
	release   string            // of a chart
	reason    definition.Reason // layer, chart and set
	tests     bool              // those of test hooks count
	merged    bool              // of several files: lines are of what was built, which nobody has
}

// takeFiles reads objects and finds their images.
func (b *builder) takeFiles(from rendering, files []object.File) error {
	var objects []object.Object
	for _, f := range files {
		read, err := object.Read(f)
		if err != nil {
			return placeError(from.reason, err)
		}
		objects = append(objects, read...)
	}
	finds, err := findIn(from, objects)
	if err != nil {
		return err
	}
	err = b.take(from.layer, from.reason, from.tests, finds)
	if from.reason.Set != "" { // a site has one of the sets, and the chart's own values say enough
		return err
	}
	return errors.Join(err, b.claim(from, objects))
}

// findIn finds the images of objects, also by the layer's own rules.
func findIn(from rendering, objects []object.Object) ([]find.Find, error) {
	var rules []find.Rule
	for _, r := range from.layer.ImageRules {
		rule := find.Rule{Kind: r.Kind, Path: r.Path}
		if err := rule.Validate(); err != nil {
			return nil, atError(r.At, err)
		}
		rules = append(rules, rule)
	}
	finds := find.InObjects(objects, rules)
	for i := range finds {
		if from.merged {
			finds[i].Line = 0
		}
	}
	return finds, nil
}

func inMemory(content []byte) definition.Opened {
	return func() (io.ReadCloser, error) { return io.NopCloser(newReader(content)), nil }
}
