package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/certs"
)

func newTLSShow() *cobra.Command {
	c := &cobra.Command{
		Use:   "show",
		Short: "Show with which certificate the appliance proves itself",
		Args:  cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, _ []string) error {
		s, err := client.Certificates(c.Context())
		if err != nil {
			return err
		}
		return printCertificates(c, s, *asJSON)
	})
	return c
}

func printCertificates(c *cobra.Command, s certs.Status, asJSON bool) error {
	if asJSON {
		return printJSON(c.OutOrStdout(), s)
	}
	serving := s.Own
	if s.Custom != nil {
		serving = *s.Custom
	}
	t := tabwriter.NewWriter(c.OutOrStdout(), 0, 4, 2, ' ', 0)
	fmt.Fprintf(t, "source\t%s\n", s.Source)
	for _, of := range []struct {
		what string
		certs.Certificate
	}{{"certificate", serving}, {"authority", s.Authority}} {
		fmt.Fprintf(t, "%s\t%s\n", of.what, shown(of.Subject))
		if len(of.Names) > 0 {
			fmt.Fprintf(t, "  names\t%s\n", shown(strings.Join(of.Names, " ")))
		}
		fmt.Fprintf(t, "  ends\t%s (%d days)\n  SHA-256\t%s\n", day(of.ValidUntil), of.DaysLeft, of.Fingerprint)
	}
	warnCertificates(c, s)
	return t.Flush()
}

func warnCertificates(c *cobra.Command, s certs.Status) {
	for _, warning := range s.Warnings {
		fmt.Fprintf(c.ErrOrStderr(), "landfall: %s\n", shown(warning))
	}
}

func newTLSSet() *cobra.Command {
	var cert, key string
	c := &cobra.Command{
		Use:   "set",
		Short: "Use a certificate of one's own",
		Long: "Put a certificate of one's own in the place of the site's. Both files are PEM: the chain with the server's certificate\n" +
			"first, and its private key, which is not encrypted. Connections that are open go on.",
		Args: cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	c.Flags().StringVar(&cert, "cert", "", "`file` with the chain")
	c.Flags().StringVar(&key, "key", "", "`file` with the private key")
	asJSON := jsonFlag(c)
	set := flags.ask(func(c *cobra.Command, client *api.Client, _ []string) error {
		chain, err := os.ReadFile(cert)
		if err != nil {
			return usageError{fmt.Errorf("--cert: %w", err)}
		}
		private, err := os.ReadFile(key)
		if err != nil {
			return usageError{fmt.Errorf("--key: %w", err)}
		}
		return changeCertificate(c, client, *asJSON, func(version string) (certs.Status, error) {
			return client.SetCertificate(c.Context(), chain, private, version)
		})
	})
	c.RunE = func(c *cobra.Command, args []string) error {
		if cert == "" || key == "" {
			return usageError{errors.New("name the files with --cert FILE and --key FILE")}
		}
		return set(c, args)
	}
	return c
}

func newTLSReset() *cobra.Command {
	c := &cobra.Command{
		Use:   "reset",
		Short: "Go back to the site's own certificate",
		Args:  cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, _ []string) error {
		return changeCertificate(c, client, *asJSON, func(version string) (certs.Status, error) {
			return client.RemoveCertificate(c.Context(), version)
		})
	})
	return c
}

// changeCertificate changes what was there when the command began.
func changeCertificate(c *cobra.Command, client *api.Client, asJSON bool, change func(version string) (certs.Status, error)) error {
	s, err := client.Certificates(c.Context())
	if err == nil {
		s, err = change(s.Version)
	}
	if err != nil {
		return err
	}
	return printCertificates(c, s, asJSON)
}

func newTLSCA() *cobra.Command {
	c := &cobra.Command{
		Use:   "ca",
		Short: "Print the certificate of the site's authority, for hosts to trust",
		Args:  cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, _ []string) error {
		pem, err := client.CA(c.Context())
		if err == nil {
			_, err = c.OutOrStdout().Write(pem)
		}
		return err
	})
	return c
}
