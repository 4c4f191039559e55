package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/lifecycle/closure"
	"github.com/landfall-dev/landfall/ui/definitions"
)

func newDefinitionLs() *cobra.Command {
	c := &cobra.Command{
		Use:   "ls",
		Short: "List the definitions that a site has, and whether all of them is there",
		Args:  cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		s, closeSite, err := flags.openDefinitions(c.Context())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, closeSite()) }()
		list, err := s.list(c.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), append([]definitions.Summary{}, list...))
		}
		return printDefinitions(c.OutOrStdout(), list)
	}
	return c
}

func printDefinitions(w io.Writer, list []definitions.Summary) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tVERSION\tKUBERNETES\tPLATFORMS\tIMAGES\tSIZE\tSIGNED BY\tGATE\tREFERENCE")
	for _, s := range list {
		kubernetes := ""
		if s.Kubernetes != nil {
			kubernetes = s.Kubernetes.Distribution + " " + s.Kubernetes.Version
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", shown(s.Name), shown(s.Version), shown(kubernetes), shown(strings.Join(s.Platforms, ",")),
			s.Images, units.Bytes(s.Size), signedBy(s), gateText(s), s.Reference)
	}
	return t.Flush()
}

// signedBy are the owners of trusted keys that signed, and how many others.
func signedBy(s definitions.Summary) string {
	switch {
	case len(s.Signers) > 0:
		return shown(strings.Join(s.Signers, ", "))
	case s.Signatures > 0:
		return fmt.Sprintf("%d unknown", s.Signatures)
	}
	return "-"
}

// gateText is what the closure gate found.
func gateText(s definitions.Summary) string {
	switch {
	case s.Problem != "":
		return shown(s.Problem)
	case s.Gate == nil:
		return "not checked"
	case s.Gate.State == closure.Complete:
		return string(s.Gate.State)
	}
	return shown(s.Gate.String())
}
