// Package resolve turns a profile into a definition: it opens charts, renders them
// with every set of values that the profile names, finds the images in what comes of
// it, and pins all by digest, each with the reason why it is there. It asks the
// registries that charts and images name, and nobody else.
//
// Nouns. A candidate is an image by its normalized name, with all places where it was
// found. A rendering is a chart with one set of values, a kustomization, or manifests
// as they are. Pinning is to ask the registry what a name stands for and all that
// this reaches.
package resolve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/chart"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/lifecycle/render"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
)

// Options say how a profile is resolved.
type Options struct {
	// Registry has the images.
	Registry registry.Reader
	// Charts opens charts.
	Charts *chart.Opener
	// Renderer renders them.
	Renderer render.Renderer
	// Set are values of variables, as on a command line; what is required and
	// has none and no default is rendered with an example.
	Set map[string]string
	// Platforms are used instead of the profile's.
	Platforms []registry.Platform
	// Lock keeps what names stand for as a definition before has it.
	Lock *definition.Definition
	// Jobs is how many images are pinned at once; registry.DefaultJobs when 0.
	Jobs int
	// Tell hears what is being done; nil: nobody does.
	Tell func(text string)
}

// Result is a definition with what belongs to it.
type Result struct {
	Definition *definition.Definition
	Document   []byte
	Parts      map[digest.Digest]definition.Opened
	Warnings   []string // what the author should know
}

// Build resolves a profile. All that is wrong is in one error, each with its place.
func Build(ctx context.Context, p *profile.Profile, opts Options) (*Result, error) {
	opts.Registry = &remembering{Reader: opts.Registry, known: map[registry.Ref]remembered{}}
	b := &builder{
		profile: p, opts: opts,
		parts:      map[digest.Digest]definition.Opened{},
		candidates: map[string]*candidate{},
		objects:    map[string]placed{},
		releases:   map[string]released{},
		targets:    map[string][]target{},
		providers:  map[string][]named{},
	}
	if err := b.prepare(); err != nil {
		return nil, err
	}
	var errs []error
	for i := range p.Layers {
		layer, err := b.layer(ctx, &p.Layers[i])
		errs = append(errs, err)
		b.definition.Layers = append(b.definition.Layers, layer)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if err := b.pinAll(ctx); err != nil {
		return nil, err
	}
	b.finish()
	document, err := definition.Marshal(&b.definition)
	if err != nil {
		return nil, err
	}
	return &Result{&b.definition, document, b.parts, b.warnings}, nil
}

// builder is one resolution under way.
type builder struct {
	profile    *profile.Profile
	opts       Options
	definition definition.Definition
	vars       map[string]any // to render with
	system     map[string]any
	parts      map[digest.Digest]definition.Opened
	candidates map[string]*candidate // by normalized name
	objects    map[string]placed     // by identity, of what is rendered with the charts' own values
	releases   map[string]released   // by NAMESPACE/NAME
	targets    map[string][]target   // by path on hosts
	providers  map[string][]named    // by name
	rendered   bool                  // there is something that could use what is declared
	warnings   []string
}

func (b *builder) tell(format string, args ...any) {
	if b.opts.Tell != nil {
		b.opts.Tell(fmt.Sprintf(format, args...))
	}
}

func (b *builder) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(b.warnings, text) {
		b.warnings = append(b.warnings, text)
	}
}

// prepare fills in what comes from the profile alone.
func (b *builder) prepare() error {
	p := b.profile
	b.definition = definition.Definition{
		APIVersion: definition.APIVersion, Kind: definition.Kind,
		Name: p.Name, Version: p.Version, Description: p.Description, Annotations: p.Annotations,
		Repository: cmp.Or(p.Repository, definition.DefaultRepository+"/"+p.Name),
		Profile:    sourceDigest(p.Files),
		Groups:     p.Groups, Variables: p.Variables,
	}
	for i := range p.Layers {
		if d := p.Layers[i].Distro; d != nil {
			b.definition.Kubernetes = &definition.Kubernetes{Distribution: d.Name, Version: d.Version}
		}
	}
	b.system = map[string]any{
		"cluster.name": "example", "profile.name": p.Name, "profile.version": p.Version,
		"kubernetes.version": "", "kubernetes.distribution": "", "site.registry": siteRegistry,
	}
	if k := b.definition.Kubernetes; k != nil {
		b.system["kubernetes.version"], b.system["kubernetes.distribution"] = k.Version, k.Distribution
	}
	return b.values()
}

// values are what is rendered with: given ones, defaults, examples.
func (b *builder) values() error {
	given := map[string]any{}
	var errs []error
	for name, text := range b.opts.Set {
		i := slices.IndexFunc(b.profile.Variables, func(d variable.Declaration) bool { return d.Name == name })
		if i < 0 {
			errs = append(errs, fmt.Errorf("%w: --set %s: the profile declares no variable of this name", registry.ErrInvalid, name))
			continue
		}
		value, err := b.profile.Variables[i].Parse(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%w: --set: %w", registry.ErrInvalid, err))
		}
		given[name] = value
	}
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, d := range b.profile.Variables {
		if _, is := given[d.Name]; is || d.Default != nil {
			continue
		}
		if !d.Required {
			continue // its field is left out, and the chart's own value counts
		}
		example := d.Example()
		if example == nil {
			return fmt.Errorf("%w: variable %s has no default, and no example can be made that keeps its rules: give one to render with: --set %s=VALUE",
				registry.ErrInvalid, d.Name, d.Name)
		}
		given[d.Name] = example
		shown := fmt.Sprint(example)
		if d.Sensitive {
			shown = "one that is not shown"
		}
		b.warn("variable %s has no default; an example was rendered: %.60s", d.Name, shown)
	}
	vars, err := variable.Resolve(b.profile.Variables, given)
	b.vars = vars
	return err
}

// sourceDigest is of files one after another.
func sourceDigest(files []profile.Source) digest.Digest {
	h := digest.Canonical.Digester()
	for _, f := range files {
		_, _ = h.Hash().Write(f.Content)
	}
	return h.Digest()
}

// finish puts all in its order.
func (b *builder) finish() {
	d := &b.definition
	slices.SortFunc(d.Images, func(x, y definition.Image) int { return strings.Compare(x.Name, y.Name) })
	slices.SortFunc(d.Left, func(x, y definition.Left) int {
		return cmp.Or(strings.Compare(x.Text, y.Text), compareReasons(x.Reason, y.Reason))
	})
	if !b.rendered {
		return
	}
	for name, c := range b.candidates {
		if c.onlyDeclared() && slices.ContainsFunc(d.Images, func(i definition.Image) bool { return i.Name == name }) {
			d.Unused = append(d.Unused, name)
		}
	}
	slices.Sort(d.Unused)
}
