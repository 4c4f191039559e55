package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/registry"
)

// listed is one line of content ls.
type listed struct {
	Name      string        `json:"name"`
	Digest    digest.Digest `json:"digest"`
	MediaType string        `json:"mediaType"`
}

func newContentLs() *cobra.Command {
	c := &cobra.Command{
		Use:   "ls",
		Short: "List the names that a site holds",
		Args:  cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		s, err := flags.openExisting(c.Context())
		if err != nil {
			return err
		}
		defer s.Close()
		names, err := listNames(c, s)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), names)
		}
		t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "NAME\tDIGEST")
		for _, n := range names {
			fmt.Fprintf(t, "%s\t%s\n", n.Name, n.Digest)
		}
		return t.Flush()
	}
	return c
}

func listNames(c *cobra.Command, s site) ([]listed, error) {
	names := []listed{}
	for repository, err := range s.Repositories(c.Context(), "") {
		if err != nil {
			return nil, err
		}
		for tag, err := range s.Tags(c.Context(), repository, "") {
			if err != nil {
				return nil, err
			}
			ref := registry.Ref{Repository: repository, Tag: tag}
			d, err := s.Resolve(c.Context(), ref)
			if err != nil {
				return nil, err
			}
			names = append(names, listed{ref.String(), d.Digest, d.MediaType})
		}
	}
	return names, nil
}
