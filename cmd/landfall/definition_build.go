package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/lifecycle/chart"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/lifecycle/resolve"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/chartrepo"
	"github.com/landfall-dev/landfall/registry/remote"
	"github.com/landfall-dev/landfall/registry/trust"
)

// resolveFlags say how a profile is resolved.
type resolveFlags struct {
	set  []string
	lock string
	time time.Duration
}

func (f *resolveFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.set, "set", nil, "render with this value of a variable, `NAME=VALUE`; may be repeated")
	c.Flags().StringVar(&f.lock, "lock", "", "keep what names stand for as this definition `file` has it")
	c.Flags().DurationVar(&f.time, "render-timeout", 0, "give a chart up that takes longer to render (default 1m)")
}

// given reports whether anything was said.
func (f *resolveFlags) given() bool { return len(f.set) > 0 || f.lock != "" || f.time != 0 }

// resolve makes a definition of a profile.
func (f *resolveFlags) resolve(ctx context.Context, path string, src *remote.Registry, platforms []registry.Platform, jobs int, tell io.Writer) (*resolve.Result, error) {
	opts := resolve.Options{
		Registry: src, Platforms: platforms, Jobs: jobs, Set: map[string]string{},
		Tell: func(text string) { fmt.Fprintln(tell, "landfall: "+text) },
		Charts: &chart.Opener{
			Registry: src, Dir: filepath.Dir(path),
			Repositories: func(ctx context.Context, url string) (registry.Reader, error) { return chartrepo.Open(ctx, src, url) },
		},
	}
	if opts.Renderer.Time = f.time; f.time < 0 {
		return nil, usageError{fmt.Errorf("--render-timeout %s: want a time, like 1m", f.time)}
	}
	for _, text := range f.set {
		name, value, ok := strings.Cut(text, "=")
		if _, twice := opts.Set[name]; !ok || name == "" || twice {
			return nil, usageError{fmt.Errorf("--set %q: want NAME=VALUE, each name once", text)}
		}
		opts.Set[name] = value
	}
	if f.lock != "" {
		lock, err := openDefinition(f.lock)
		if err != nil {
			return nil, err
		}
		opts.Lock = lock
	}
	p, err := profile.Read(path)
	if err != nil {
		return nil, err
	}
	result, err := resolve.Build(ctx, p, opts)
	if err != nil {
		return nil, err
	}
	for _, w := range result.Warnings {
		fmt.Fprintln(tell, "landfall: note: "+w)
	}
	return result, nil
}

func newDefinitionBuild() *cobra.Command {
	var f resolveFlags
	var output, ca string
	var platforms, keys []string
	var plainHTTP bool
	var jobs int
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "build PROFILE",
		Short: "Resolve a profile into a definition",
		Long: "Resolve a profile: render its charts, find every image, and pin all by digest for each platform.\n" +
			"The definition is NAME-VERSION.def.yaml; when it has charts, manifests or files, those are in NAME-VERSION.def.tar\n" +
			"beside it, and with --sign its signatures in NAME-VERSION.def.yaml.sig. Keep them together.",
		Args: cobra.ExactArgs(1),
	}
	f.add(c)
	c.Flags().StringVarP(&output, "output", "o", "", "definition `file` to make (default NAME-VERSION.def.yaml)")
	c.Flags().StringArrayVar(&platforms, "platform", nil, "build for this os/arch[/variant], not for the profile's; may be repeated")
	c.Flags().StringArrayVar(&keys, "sign", nil, "sign with this private `key` file; may be repeated")
	c.Flags().BoolVar(&plainHTTP, "plain-http", false, "speak http to the registries")
	c.Flags().StringVar(&ca, "ca", "", "trust the certificates in this PEM `file` too")
	c.Flags().IntVar(&jobs, "jobs", registry.DefaultJobs, "images that are asked for at once")
	c.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "give a request up when no byte moves for so long")
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if jobs < 1 || jobs > 64 {
			return usageError{fmt.Errorf("--jobs %d: want 1 to 64", jobs)}
		}
		wanted, err := registry.ParsePlatforms(platforms)
		if err == nil {
			err = mayWrite(output, args[0])
		}
		if err != nil {
			return usageError{err}
		}
		private, err := readPrivateKeys(keys)
		if err != nil {
			return err
		}
		src, err := remote.New(remote.Options{PlainHTTP: plainHTTP, CAFile: ca, Stall: timeout})
		if err != nil {
			return err
		}
		defer src.Close()
		result, err := f.resolve(c.Context(), args[0], src, wanted, jobs, c.ErrOrStderr())
		if err != nil {
			return err
		}
		if output == "" {
			output = result.Definition.Name + "-" + result.Definition.Version + definitionSuffix
		}
		if err := writeDefinition(c.Context(), output, result, private); err != nil {
			return err
		}
		return printBuilt(c.OutOrStdout(), output, result, *asJSON)
	}
	return c
}

// mayWrite refuses a file to make that is a folder, or the profile itself.
func mayWrite(output, profile string) error {
	if output == "" {
		return nil
	}
	there, err := os.Stat(output)
	if err != nil {
		if _, err := os.Stat(filepath.Dir(output)); err != nil {
			return fmt.Errorf("-o %s: the folder is not there: %w", output, err)
		}
		return nil
	}
	from, err := os.Stat(profile)
	switch {
	case there.IsDir():
		return fmt.Errorf("-o %s: it is a folder: name a file in it", output)
	case err == nil && os.SameFile(there, from):
		return fmt.Errorf("-o %s: it is the profile: name another file", output)
	}
	return nil
}

// writeDefinition writes a definition, its content and its signatures; the document
// comes last.
func writeDefinition(ctx context.Context, path string, result *resolve.Result, keys []*trust.PrivateKey) error {
	signatures, err := signDefinition(result.Document, keys)
	if err != nil {
		return err
	}
	content, err := definition.Pack(result.Document, result.Parts, nil)
	if err != nil {
		return err
	}
	if err := writeParts(ctx, contentFile(path), result, content); err != nil {
		return err
	}
	if len(signatures) > 0 {
		err = durable.WriteFile(path+".sig", definition.MarshalSignatures(signatures), 0o644)
	} else {
		err = removeIfThere(path + ".sig")
	}
	if err != nil {
		return err
	}
	return durable.WriteFile(path, result.Document, 0o644)
}

// writeParts writes the file with a definition's charts, manifests and files, and
// removes that of one before.
func writeParts(ctx context.Context, path string, result *resolve.Result, content *definition.Content) error {
	taken := mayReplace(path)
	switch {
	case len(result.Parts) > 0 && taken != nil:
		return taken
	case len(result.Parts) > 0:
		return exportDefinition(ctx, path, content)
	case taken != nil:
		return nil // it is not of a definition, and nobody looks into it
	}
	return removeIfThere(path)
}

// mayReplace refuses a file that has not the parts of one definition.
func mayReplace(path string) error {
	b, err := bundle.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		names := b.Header().Names
		if err = b.Close(); err == nil && len(names) == 1 {
			return nil
		}
	}
	return fmt.Errorf("%s: %w: the charts, manifests and files would go there, and something else is there: move it away, or choose another file with -o", path, registry.ErrConflict)
}

func signDefinition(document []byte, keys []*trust.PrivateKey) (list []trust.Signature, err error) {
	for _, k := range keys {
		s, err := definition.Sign(document, k)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// exportDefinition writes a definition's artifact as a bundle, the same bytes for the
// same definition.
func exportDefinition(ctx context.Context, path string, content *definition.Content) error {
	g, err := registry.Walk(ctx, content, []registry.Ref{content.Ref()}, registry.WalkOptions{})
	if err == nil {
		err = removeIfThere(path)
	}
	if err == nil {
		_, err = bundle.Export(ctx, path, content, g, bundle.CreateOptions{Created: time.Unix(0, 0)}, registry.CopyOptions{})
	}
	return err
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// built is what definition build prints.
type built struct {
	File      string            `json:"file"`
	Name      string            `json:"name"`
	Version   string            `json:"version"`
	Platforms []string          `json:"platforms"`
	Layers    int               `json:"layers"`
	Images    int               `json:"images"`
	Parts     int               `json:"parts"`              // charts, manifests and files
	Size      int64             `json:"size"`               // bytes of all content, each digest once
	Unused    []string          `json:"unused,omitempty"`   // listed, and used by nothing that was rendered
	Unlisted  []string          `json:"unlisted,omitempty"` // found, and not listed by a profile that lists images
	Left      []definition.Left `json:"left,omitempty"`
	Warnings  []string          `json:"warnings,omitempty"`
}

func printBuilt(w io.Writer, path string, result *resolve.Result, asJSON bool) error {
	d := result.Definition
	b := built{
		File: path, Name: d.Name, Version: d.Version, Platforms: d.Platforms, Layers: len(d.Layers), Images: len(d.Images),
		Parts: len(result.Parts), Size: d.Size(), Unused: d.Unused, Unlisted: d.Unlisted(), Left: d.Left, Warnings: result.Warnings,
	}
	if asJSON {
		return printJSON(w, b)
	}
	_, err := fmt.Fprintf(w, "%s: %s %s for %s: %d layers, %d images, %d charts, manifests and files, %s\n",
		b.File, b.Name, b.Version, platformsText(b.Platforms), b.Layers, b.Images, b.Parts, units.Bytes(b.Size))
	for _, name := range b.Unused {
		if err == nil {
			_, err = fmt.Fprintf(w, "unused    %s: the profile lists it, and nothing that was rendered uses it\n", name)
		}
	}
	for _, name := range b.Unlisted {
		if err == nil {
			_, err = fmt.Fprintf(w, "unlisted  %s: it was found, and the profile does not list it\n", name)
		}
	}
	for _, l := range b.Left {
		if err == nil {
			_, err = fmt.Fprintf(w, "left out  %s: %s\n", l.Text, l.Why)
		}
	}
	return err
}

// platformsText says what a definition is for: one without images is for all.
func platformsText(list []string) string {
	if len(list) == 0 {
		return "any platform"
	}
	return strings.Join(list, ", ")
}
