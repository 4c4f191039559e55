package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/lifecycle/distro"
)

// kubernetesImage is an image of Kubernetes itself, for programs.
type kubernetesImage struct {
	Image     string `json:"image"`
	Component string `json:"component"`
	From      string `json:"from"`
}

func newDefinitionKubernetes() *cobra.Command {
	c := &cobra.Command{
		Use:   "kubernetes [DISTRIBUTION [VERSION]]",
		Short: "List the versions of Kubernetes whose own images are known, or the images of one",
		Args:  cobra.MaximumNArgs(2),
	}
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 2 {
			return printKubernetesImages(c.OutOrStdout(), args[0], strings.TrimPrefix(args[1], "v"), *asJSON)
		}
		distributions := distro.Distributions()
		if len(args) == 1 {
			if distro.Versions(args[0]) == nil {
				return usageError{fmt.Errorf("distribution %q: want one of %s", args[0], strings.Join(distributions, ", "))}
			}
			distributions = args
		}
		return printKubernetes(c.OutOrStdout(), distributions, *asJSON)
	}
	return c
}

func printKubernetes(w io.Writer, distributions []string, asJSON bool) error {
	versions := map[string][]string{}
	for _, d := range distributions {
		versions[d] = distro.Versions(d)
	}
	if asJSON {
		return printJSON(w, versions)
	}
	for _, d := range distributions {
		for _, v := range versions[d] {
			if _, err := fmt.Fprintf(w, "%s %s\n", d, v); err != nil {
				return err
			}
		}
	}
	return nil
}

func printKubernetesImages(w io.Writer, distribution, version string, asJSON bool) error {
	images, err := distro.Images(distribution, version)
	if err != nil {
		return err
	}
	var list []kubernetesImage
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "COMPONENT\tIMAGE\tFROM")
	for _, i := range images {
		list = append(list, kubernetesImage{i.Ref.String(), i.Component, i.From})
		fmt.Fprintf(t, "%s\t%s\t%s\n", i.Component, i.Ref, i.From)
	}
	if asJSON {
		return printJSON(w, list)
	}
	return t.Flush()
}
