package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/remote"
)

func newBundleCreate() *cobra.Command {
	var platforms []string
	var output, ca string
	var plainHTTP, noReferrers bool
	var jobs int
	var timeout time.Duration
	var what cargoFlags
	var terms termFlags
	c := &cobra.Command{
		Use:   "create [REF...]",
		Short: "Make a bundle from registries",
		Long: "Make a bundle of the references and of all that they reach, signatures included; of a definition and all that it\n" +
			"lists; or of a profile, which is resolved and signed for it.\n" +
			"Interrupted, it goes on where it stopped when it is called again. With --for or --since it leaves out what a site\n" +
			"has, and says what it needs there; with --wants it carries exactly what a site was missing.",
	}
	terms.add(c)
	what.add(c)
	c.Flags().StringVarP(&output, "output", "o", "", "bundle `file` to make")
	c.Flags().StringArrayVar(&platforms, "platform", nil, "carry this os/arch[/variant] only; may be repeated")
	c.Flags().BoolVar(&plainHTTP, "plain-http", false, "speak http to the registries")
	c.Flags().StringVar(&ca, "ca", "", "trust the certificates in this PEM `file` too")
	c.Flags().BoolVar(&noReferrers, "no-referrers", false, "leave signatures, SBOMs and attestations behind")
	c.Flags().IntVar(&jobs, "jobs", registry.DefaultJobs, "transfers at once")
	c.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "give a request up when no byte moves for so long")
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		if output == "" {
			return usageError{fmt.Errorf("name the bundle to make with -o FILE")}
		}
		if jobs < 1 || jobs > 64 {
			return usageError{fmt.Errorf("--jobs %d: want 1 to 64", jobs)}
		}
		walk := registry.WalkOptions{NoReferrers: noReferrers, Jobs: jobs}
		if walk.Platforms, err = registry.ParsePlatforms(platforms); err != nil {
			return usageError{err}
		}
		create, err := terms.options(walk.Platforms)
		if err != nil {
			return err
		}
		src, err := remote.New(remote.Options{PlainHTTP: plainHTTP, CAFile: ca, Stall: timeout})
		if err != nil {
			return err
		}
		defer src.Close()
		cargo, err := what.read(c, args, src, walk, &create)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, cargo.close()) }()
		walk.Platforms = create.Platforms
		return export(c, cargo.src, cargo.find, walk, create, output, *asJSON)
	}
	return c
}

// find makes the graph of what a bundle is about.
type find func(ctx context.Context, src registry.Reader, walk registry.WalkOptions) (*registry.Graph, error)

func walkFrom(refs []registry.Ref) find {
	return func(ctx context.Context, src registry.Reader, walk registry.WalkOptions) (*registry.Graph, error) {
		return registry.Walk(ctx, src, refs, walk)
	}
}

// references collects what is on the command line and in lists.
func references(stdin io.Reader, args, lists []string) ([]registry.Ref, error) {
	var refs []registry.Ref
	for _, arg := range args {
		ref, err := registry.ParseRef(arg)
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	for _, list := range lists {
		content, err := readList(stdin, list)
		if err != nil {
			return nil, err
		}
		listed, err := bundle.ParseList(list, content)
		if err != nil {
			return nil, err
		}
		refs = append(refs, listed...)
	}
	return refs, nil
}

func readList(stdin io.Reader, path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(path)
}

// made is what bundle create and content export print.
type made struct {
	File      string        `json:"file"`
	ID        string        `json:"id"`
	Size      int64         `json:"size"`  // bytes of the file
	Moved     int64         `json:"moved"` // bytes that had to be fetched
	Names     []bundle.Name `json:"names"`
	Blobs     int           `json:"blobs"`
	Manifests int           `json:"manifests"`
	Requires  int           `json:"requires"` // blobs and manifests that have to be at the site
}

// export makes a bundle of what is found in any source.
func export(c *cobra.Command, src registry.Reader, find find, walk registry.WalkOptions, create bundle.CreateOptions, output string, asJSON bool) error {
	g, err := find(c.Context(), src, walk)
	if err != nil {
		return err
	}
	p := newProgress(c.ErrOrStderr(), "fetching")
	h, err := bundle.Export(c.Context(), output, src, g, create, registry.CopyOptions{Jobs: walk.Jobs, Progress: p.event})
	p.close()
	if err != nil {
		return err
	}
	return printMade(c, output, h, p.moved(), asJSON)
}

func printMade(c *cobra.Command, output string, h *bundle.Header, moved int64, asJSON bool) error {
	info, err := os.Stat(output)
	if err != nil {
		return err
	}
	m := made{output, h.ID, info.Size(), moved, h.Names, len(h.Blobs), len(h.Manifests), len(h.Requires)}
	if asJSON {
		return printJSON(c.OutOrStdout(), m)
	}
	needs := ""
	if h.Thin() {
		needs = "; thin: it needs more at the site"
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %d names, %d blobs and %d manifests, %s (%s moved)%s\n",
		m.File, len(m.Names), m.Blobs, m.Manifests, units.Bytes(m.Size), units.Bytes(m.Moved), needs)
	return err
}
