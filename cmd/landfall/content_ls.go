package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/registry"
)

// listed is one line of content ls: a name, or a repository whose content has
// no tags and is pulled by digest.
type listed struct {
	Name      string        `json:"name"`
	Digest    digest.Digest `json:"digest,omitempty"`
	MediaType string        `json:"mediaType,omitempty"`
}

func newContentLs() *cobra.Command {
	c := &cobra.Command{
		Use:   "ls",
		Short: "List the names that a site holds",
		Args:  cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.verb(func(c *cobra.Command, s site, _ []string) error {
		names, err := listNames(c.Context(), s)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), names)
		}
		t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "NAME\tDIGEST")
		for _, n := range names {
			fmt.Fprintf(t, "%s\t%s\n", n.Name, cmp.Or(n.Digest.String(), "(no tags: by digest)"))
		}
		return t.Flush()
	})
	return c
}

func listNames(ctx context.Context, s site) ([]listed, error) {
	names := []listed{}
	for repository, err := range s.Repositories(ctx, "") {
		if err != nil {
			return nil, err
		}
		tagged, err := listTags(ctx, s, repository)
		if err != nil {
			return nil, err
		}
		if len(tagged) == 0 {
			tagged = []listed{{Name: repository}}
		}
		names = append(names, tagged...)
	}
	return names, nil
}

func listTags(ctx context.Context, s site, repository string) (names []listed, err error) {
	for tag, err := range s.Tags(ctx, repository, "") {
		if err != nil {
			return nil, err
		}
		ref := registry.Ref{Repository: repository, Tag: tag}
		d, err := s.Resolve(ctx, ref)
		if errors.Is(err, registry.ErrNotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		names = append(names, listed{ref.String(), d.Digest, d.MediaType})
	}
	return names, nil
}
