package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/resolve"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/remote"
	"github.com/landfall-dev/landfall/registry/wants"
)

// cargoFlags say what a bundle is made of, besides references.
type cargoFlags struct {
	lists                      []string
	wants, definition, profile string
	resolve                    resolveFlags
}

func (f *cargoFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVarP(&f.lists, "file", "f", nil, "take references from this `list`: one a line, or YAML with images:; - is standard input")
	c.Flags().StringVar(&f.wants, "wants", "", "carry what this wants `file` lists, instead of references")
	c.Flags().StringVar(&f.definition, "definition", "", "carry this definition `file`, and all that it lists")
	c.Flags().StringVar(&f.profile, "profile", "", "resolve this profile `file`, and carry the definition and all that it lists")
	f.resolve.add(c)
	c.MarkFlagsMutuallyExclusive("definition", "profile")
	c.MarkFlagsMutuallyExclusive("wants", "for")
	c.MarkFlagsMutuallyExclusive("wants", "since")
	c.MarkFlagsMutuallyExclusive("wants", "profile")
}

// cargo is what a bundle is made of, and where that is read.
type cargo struct {
	src   registry.Reader
	find  find
	close func() error
}

// read reads what the flags name; create learns what follows from it.
func (f *cargoFlags) read(c *cobra.Command, args []string, src *remote.Registry, walk registry.WalkOptions, create *bundle.CreateOptions) (*cargo, error) {
	refs, err := references(c.InOrStdin(), args, f.lists)
	if err != nil {
		return nil, usageError{err}
	}
	switch {
	case f.wants != "" && len(refs) > 0:
		return nil, usageError{errors.New("--wants: the file says what to carry; name no references")}
	case f.wants == "" && f.definition == "" && f.profile == "" && len(refs) == 0:
		return nil, usageError{errors.New("no reference: name some, or a list with -f, a definition with --definition, or a profile with --profile")}
	case f.profile == "" && f.resolve.given():
		return nil, usageError{errors.New("--set, --lock and --render-timeout say how a profile is resolved: name one with --profile")}
	}
	cargo := &cargo{src: src, find: walkFrom(refs), close: func() error { return nil }}
	var artifact *definition.Content // nil: no definition is carried
	switch {
	case f.definition != "":
		artifact, cargo.close, err = definitionContent(f.definition)
	case f.profile != "":
		artifact, err = f.build(c, src, walk, create)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case f.wants != "":
		err = f.wanted(c, cargo, artifact, create)
	case artifact != nil:
		err = cargo.carry(artifact, refs, create)
	}
	if err != nil {
		return nil, errors.Join(err, cargo.close())
	}
	return cargo, nil
}

// carry makes the cargo a definition with all that it lists, for its platforms where
// nothing else is said, and more references.
func (c *cargo) carry(artifact *definition.Content, more []registry.Ref, create *bundle.CreateOptions) (err error) {
	d, ref := artifact.Definition(), artifact.Ref()
	c.src = routed(c.src, artifact)
	c.find = func(ctx context.Context, src registry.Reader, walk registry.WalkOptions) (*registry.Graph, error) {
		images, err := resolve.Graph(ctx, src, d, walk.Platforms, walk.Jobs)
		if err != nil {
			return nil, err
		}
		rest, err := registry.Walk(ctx, src, append([]registry.Ref{ref}, more...), walk)
		if err != nil {
			return nil, err
		}
		return registry.Merge(rest, images), nil
	}
	if len(create.Platforms) == 0 {
		create.Platforms, err = registry.ParsePlatforms(d.Platforms)
	}
	return err
}

// routed reads a definition's own repository from its file.
func routed(src registry.Reader, artifact *definition.Content) *registry.Routed {
	return &registry.Routed{Reader: src, Of: map[string]registry.Reader{artifact.Ref().Repository: artifact}}
}

// build resolves the profile; the keys that sign the bundle sign the definition, too.
func (f *cargoFlags) build(c *cobra.Command, src *remote.Registry, walk registry.WalkOptions, create *bundle.CreateOptions) (*definition.Content, error) {
	result, err := f.resolve.resolve(c.Context(), f.profile, src, walk.Platforms, walk.Jobs, c.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	signatures, err := signDefinition(result.Document, create.Keys)
	if err != nil {
		return nil, err
	}
	return definition.Pack(result.Document, result.Parts, signatures)
}

// wanted makes the cargo what a wants file lists; artifact is that of the definition
// whose file was named, or nil.
func (f *cargoFlags) wanted(c *cobra.Command, cargo *cargo, artifact *definition.Content, create *bundle.CreateOptions) error {
	content, err := readList(c.InOrStdin(), f.wants)
	if err != nil {
		return usageError{err}
	}
	w, err := wants.Parse(f.wants, content)
	if err != nil {
		return usageError{err}
	}
	cargo.find = w.Find
	if w.Format == wants.OfBundle {
		if artifact != nil { // what a bundle of it lacked may be of the definition itself
			cargo.src = routed(cargo.src, artifact)
		}
		return nil
	}
	var own registry.Reader
	if artifact != nil {
		if is := artifact.Document(); is != w.Definition.Document {
			return usageError{fmt.Errorf("%s wants content of %s %s, document %s, and %s is another, %s: name the definition that was checked",
				f.wants, w.Definition.Name, w.Definition.Version, w.Definition.Document, f.definition, is)}
		}
		own = artifact
		g, err := registry.Walk(c.Context(), artifact, []registry.Ref{artifact.Ref()}, registry.WalkOptions{})
		if err != nil {
			return err
		}
		w.AddReferrers(g)
	}
	cargo.src = w.Source(cargo.src, own)
	create.Platforms, create.For = w.Selected(), w.Site
	create.Have = w.Have()
	return nil
}
