package main

import (
	"fmt"
	"path"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/bundle/media"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/definitions"
	"github.com/landfall-dev/landfall/ui/landing"
)

func newMediaImport() *cobra.Command {
	l := &lander{}
	c := &cobra.Command{
		Use:   "import DRIVE FILE",
		Short: "Land a bundle that is on a drive",
		Long: "Land a bundle that is on a drive of the appliance: the drive by its ID, device or label, the file by its name, its ID or\n" +
			"that of the bundle. Once hosts can pull from it, the import goes on when this command ends; when the drive is pulled out,\n" +
			"it waits until the same bundle is there again, on whichever drive.",
		Args: cobra.ExactArgs(2),
	}
	l.siteFlags = addSiteFlags(c)
	l.addRequestFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = l.ask(func(c *cobra.Command, client *api.Client, args []string) error {
		if err := l.readKeys(); err != nil {
			return err
		}
		drive, err := findDrive(c, client.Drives(), args[0])
		if err != nil {
			return err
		}
		file, err := findCandidate(drive, args[1])
		if err != nil {
			return err
		}
		l.stderr, l.progress = c.ErrOrStderr(), newProgress(c.ErrOrStderr(), "importing")
		done, err := client.Drives().Import(c.Context(), drive.ID, file.ID, l.request, l.news)
		l.progress.close()
		if err != nil {
			return l.explain(path.Base(file.Name), err)
		}
		gates, err := gatesAt(c.Context(), client)
		warnUngated(c.ErrOrStderr(), err)
		return printLanded(c, file.Name, driven{done, gates}, *asJSON)
	})
	return c
}

// findCandidate finds the one file on a drive that is meant.
func findCandidate(drive media.Drive, text string) (media.Candidate, error) {
	var found []media.Candidate
	for _, k := range drive.Candidates {
		if k.ID == text || k.Name == text {
			return k, nil
		}
		if path.Base(k.Name) == text || k.Header != nil && k.Header.Bundle == text {
			found = append(found, k)
		}
	}
	switch len(found) {
	case 0:
		return media.Candidate{}, fmt.Errorf("%s: %w: no such bundle is on this drive; see 'landfall media ls'", text, registry.ErrNotFound)
	case 1:
		return found[0], nil
	}
	return media.Candidate{}, usageError{fmt.Errorf("%s: several files are called so; name one with its folder", text)}
}

// driven is what media import prints.
type driven struct {
	*landing.Progress
	// Definitions are those of the site, with what the closure gate found.
	Definitions []definitions.Result `json:"definitions,omitempty"`
}

func printLanded(c *cobra.Command, file string, done driven, asJSON bool) error {
	if done.Verdict != nil {
		for _, warning := range done.Verdict.Warnings {
			fmt.Fprintf(c.ErrOrStderr(), "landfall: %s: %s\n", file, warning)
		}
	}
	if asJSON {
		return printJSON(c.OutOrStdout(), done)
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "%s: bundle %s is at the site, %s were new\n", file, done.Bundle, units.Bytes(done.Moved))
	printGates(c.OutOrStdout(), done.Definitions)
	return err
}
