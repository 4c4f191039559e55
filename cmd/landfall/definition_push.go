package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/remote"
	"github.com/landfall-dev/landfall/registry/store"
)

// pushFlags say where a definition goes.
type pushFlags struct {
	*definitionFlags
	to                 string
	plainHTTP, replace bool
	timeout            time.Duration
}

func newDefinitionPush() *cobra.Command {
	f := &pushFlags{}
	c := &cobra.Command{
		Use:   "push FILE",
		Short: "Put a definition into a site, or into a registry",
		Long: "Put a definition with its charts, manifests, files and signatures into a site or, with --to, into a registry. Its\n" +
			"images are not carried: bundle create --definition does that. A version that is there with another document is kept:\n" +
			"raise the version, or say --replace.",
		Args: cobra.ExactArgs(1),
	}
	f.definitionFlags = addDefinitionFlags(c)
	c.Flags().StringVar(&f.to, "to", "", "put it into a registry, under this `name`: HOST/PATH, or HOST/PATH:TAG")
	c.Flags().BoolVar(&f.plainHTTP, "plain-http", false, "with --to: speak http to the registry")
	c.Flags().DurationVar(&f.timeout, "timeout", 30*time.Second, "with --to: give a request up when no byte moves for so long")
	c.Flags().BoolVar(&f.replace, "replace", false, "replace another document of the same name and version")
	c.MarkFlagsMutuallyExclusive("to", "data")
	c.MarkFlagsMutuallyExclusive("to", "server")
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		p, err := f.push(c, args[0])
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), p)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %s, %d charts, manifests and files, %d signatures (%s moved)\n",
			p.Reference, short(p.Digest), p.Parts, p.Signatures, units.Bytes(p.Moved))
		return err
	}
	return c
}

// pushed is what definition push prints.
type pushed struct {
	Reference  string        `json:"reference"`
	Digest     digest.Digest `json:"digest"`     // of the artifact's manifest
	Parts      int           `json:"parts"`      // charts, manifests and files
	Signatures int           `json:"signatures"` // of the file; those that were there stay
	Moved      int64         `json:"moved"`      // bytes
}

func (f *pushFlags) push(c *cobra.Command, path string) (p pushed, err error) {
	list, err := f.read(c.Context(), path)
	if err == nil && !isDefinitionPath(path) {
		err = usageError{fmt.Errorf("%s: want the file of a definition", path)}
	}
	if err != nil {
		return p, err
	}
	d := list[0]
	content, closeParts, err := d.content(path)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, closeParts()) }()
	dst, ref, closeTarget, err := f.target(c.Context(), d.definition)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, closeTarget()) }()
	content = content.At(ref)
	if err := f.mayReplace(c.Context(), dst, content, d.document); err != nil {
		return p, err
	}
	g, err := registry.Walk(c.Context(), content, []registry.Ref{ref}, registry.WalkOptions{})
	if err != nil {
		return p, err
	}
	progress := newProgress(c.ErrOrStderr(), "pushing")
	err = registry.Copy(c.Context(), dst, content, g, registry.CopyOptions{Progress: progress.event})
	progress.close()
	return pushed{ref.String(), content.Descriptor().Digest, len(d.definition.Parts()), len(d.signatures), progress.moved()}, err
}

// target opens where the definition goes, and says under which name.
func (f *pushFlags) target(ctx context.Context, d *definition.Definition) (dst readWriter, ref registry.Ref, closeTarget func() error, err error) {
	if f.to == "" {
		s, err := f.open(ctx)
		if err != nil {
			return nil, ref, nil, err
		}
		if local, ok := s.(*store.Store); ok {
			if err := local.MayPush(ctx); err != nil {
				return nil, ref, nil, errors.Join(err, s.Close())
			}
		}
		return s, d.Ref(), s.Close, nil
	}
	if ref, err = registry.ParseName(f.to); err != nil {
		ref, err = registry.ParseName(f.to + ":" + d.Ref().Tag)
	}
	if host, _, ok := registry.CutHost(ref.Repository); err != nil || !ok || host == "" || ref.Digest != "" {
		return nil, ref, nil, usageError{fmt.Errorf("--to %q: want HOST/PATH or HOST/PATH:TAG of a registry", f.to)}
	}
	r, err := remote.New(remote.Options{PlainHTTP: f.plainHTTP, CAFile: f.ca, Stall: f.timeout})
	if err != nil {
		return nil, ref, nil, err
	}
	return r, ref, r.Close, nil
}

// readWriter is a place that content is put into, and can be looked at.
type readWriter interface {
	registry.Reader
	registry.Writer
}

// mayReplace is ErrConflict when the name stands for another document.
func (f *pushFlags) mayReplace(ctx context.Context, dst registry.Reader, content *definition.Content, document []byte) error {
	ref := content.Ref()
	there, err := dst.Resolve(ctx, ref)
	if errors.Is(err, registry.ErrNotFound) || err == nil && (there.Digest == content.Descriptor().Digest || f.replace) {
		return nil
	}
	if err != nil {
		return err
	}
	_, other, err := definition.Load(ctx, dst, ref)
	switch {
	case err == nil && bytes.Equal(other, document):
		return nil
	case err != nil && !errors.Is(err, registry.ErrInvalid) && !errors.Is(err, registry.ErrNotFound):
		return err
	}
	return fmt.Errorf("%w: %s stands for something else there, %s: raise the version in the profile and build it again, or replace it with --replace",
		registry.ErrConflict, ref, there.Digest)
}
