package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
)

func newBundleInspect() *cobra.Command {
	c := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Say what is in a bundle",
		Args:  cobra.ExactArgs(1),
	}
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		r, err := bundle.Open(args[0])
		if err != nil {
			return err
		}
		defer r.Close()
		names, err := registry.Summarize(c.Context(), r, r.Graph())
		if err != nil {
			return err
		}
		h := r.Header()
		i := inspected{File: args[0], Format: h.Format, ID: h.ID, Created: h.Created, Size: r.Size(), Blobs: len(h.Blobs), Manifests: len(h.Manifests),
			Content: r.Graph().Size(), Names: names, Channel: h.Channel, Sequence: h.Sequence, Expires: h.Expires, For: h.For, Thin: h.Thin(), Requires: len(h.Requires)}
		for _, s := range r.Signatures() {
			i.Signatures = append(i.Signatures, s.KeyID)
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), i)
		}
		return i.print(c.OutOrStdout())
	}
	return c
}

// inspected is what bundle inspect prints.
type inspected struct {
	File      string             `json:"file"`
	Format    int                `json:"format"`
	ID        string             `json:"id"`
	Created   string             `json:"created"`
	Size      int64              `json:"size"` // bytes of the file
	Blobs     int                `json:"blobs"`
	Manifests int                `json:"manifests"`
	Content   int64              `json:"content"` // bytes of all blobs and manifests
	Names     []registry.Summary `json:"names"`

	Channel    string   `json:"channel,omitempty"`
	Sequence   int64    `json:"sequence,omitempty"`
	Expires    string   `json:"expires,omitempty"`
	For        string   `json:"for,omitempty"` // site
	Thin       bool     `json:"thin"`
	Requires   int      `json:"requires"`             // blobs and manifests that have to be at the site, besides those of names
	Signatures []string `json:"signatures,omitempty"` // ids of keys; not checked
}

func (i *inspected) print(w io.Writer) error {
	fmt.Fprintf(w, "%s: bundle %s, format %d, made %s\n", i.File, i.ID, i.Format, i.Created)
	fmt.Fprintf(w, "%d names, %d blobs and %d manifests, %s in a file of %s\n", len(i.Names), i.Blobs, i.Manifests, units.Bytes(i.Content), units.Bytes(i.Size))
	i.printTerms(w)
	fmt.Fprintln(w)
	return printSummaries(w, i.Names)
}

// printTerms says what only some bundles say.
func (i *inspected) printTerms(w io.Writer) {
	if i.Channel != "" {
		fmt.Fprintf(w, "channel %s, sequence %d\n", i.Channel, i.Sequence)
	}
	if i.Expires != "" {
		fmt.Fprintf(w, "expires %s\n", i.Expires)
	}
	if i.Thin {
		fmt.Fprintf(w, "thin: it needs content that is at the site (%s)\n", cmp.Or(i.For, "any"))
	}
	for _, id := range i.Signatures {
		fmt.Fprintf(w, "signature of key %s (not checked)\n", id)
	}
}

func printSummaries(w io.Writer, names []registry.Summary) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tDIGEST\tSIZE\tPLATFORMS\tREFERRERS")
	for _, n := range names {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\n", n.Name, short(n.Digest), units.Bytes(n.Size), platforms(n), len(n.Referrers))
	}
	return t.Flush()
}

// platforms lists what can run; what the index only names is in brackets.
func platforms(s registry.Summary) string {
	var list []string
	for _, p := range s.Platforms {
		if p.Absent {
			list = append(list, "("+p.Platform+")")
		} else {
			list = append(list, p.Platform)
		}
	}
	if len(list) == 0 {
		return "-"
	}
	return strings.Join(list, " ")
}

// short is a digest that people tell apart, or a dash for none.
func short(d digest.Digest) string {
	if d == "" {
		return "-"
	}
	return d.Algorithm().String() + ":" + d.Encoded()[:12]
}

func newBundleDiff() *cobra.Command {
	c := &cobra.Command{
		Use:   "diff A B",
		Short: "Say what one bundle has over another",
		Args:  cobra.ExactArgs(2),
	}
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var headers [2]*bundle.Header
		for i, path := range args {
			r, err := bundle.Open(path)
			if err != nil {
				return err
			}
			defer r.Close()
			headers[i] = r.Header()
		}
		d := bundle.Diff(headers[0], headers[1])
		if *asJSON {
			return printJSON(c.OutOrStdout(), d)
		}
		printDiff(c.OutOrStdout(), d, args[0], args[1])
		return nil
	}
	return c
}

func printDiff(w io.Writer, d bundle.Difference, a, b string) {
	for _, n := range d.Removed {
		fmt.Fprintf(w, "- %s %s\n", n.Name, n.Digest)
	}
	for _, n := range d.Added {
		fmt.Fprintf(w, "+ %s %s\n", n.Name, n.Digest)
	}
	for _, n := range d.Changed {
		fmt.Fprintf(w, "~ %s %s -> %s\n", n.Name, n.From, n.To)
	}
	for _, l := range []struct {
		what string
		bundle.Amount
	}{{"only in " + a, d.OnlyA}, {"only in " + b, d.OnlyB}, {"in both", d.Shared}} {
		fmt.Fprintf(w, "%s: %d blobs and manifests, %s\n", l.what, l.Count, units.Bytes(l.Bytes))
	}
}
