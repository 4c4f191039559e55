package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/ui/auth"
)

// allAccounts is more than a site has.
const allAccounts = 1_000_000

func newUserLs() *cobra.Command {
	c := &cobra.Command{
		Use:   "ls",
		Short: "List users",
		Args:  cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.accounts(func(c *cobra.Command, a accounts, _ []string) error {
		list, err := a.Users(c.Context(), "", allAccounts)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), list)
		}
		t := tabwriter.NewWriter(c.OutOrStdout(), 0, 4, 2, ' ', 0)
		fmt.Fprintln(t, "NAME\tROLE\tSTATE\tLAST LOGIN\tGRANTS\tDISPLAY")
		for _, u := range list {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", u.Name, u.Role, userState(u), day(u.LastLogin), shown(describeGrants(u.Grants)), shown(u.Display))
		}
		return t.Flush()
	})
	return c
}

func userState(u auth.User) string {
	switch {
	case u.Disabled:
		return "disabled"
	case u.Restricted:
		return "restricted"
	}
	return "active"
}

func newUserShow() *cobra.Command {
	c := &cobra.Command{
		Use:   "show NAME",
		Short: "Show what is known of a user",
		Args:  cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.accounts(func(c *cobra.Command, a accounts, args []string) error {
		u, err := findUser(c, a, args[0])
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), u)
		}
		return printUser(c.OutOrStdout(), u)
	})
	return c
}

// findUser names who is not there.
func findUser(c *cobra.Command, a userSite, name string) (auth.User, error) {
	u, err := a.UserByName(c.Context(), name)
	if err != nil {
		return u, fmt.Errorf("%s: %w", name, err)
	}
	return u, nil
}

func printUser(w io.Writer, u auth.User) error {
	signs := "with a password"
	switch {
	case u.Issuer != "" && u.HasPassword:
		signs += ", or through " + u.Issuer
	case u.Issuer != "":
		signs = "through " + u.Issuer
	case !u.HasPassword:
		signs = "not possible"
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, row := range [][2]string{
		{"name", u.Name}, {"display", shown(u.Display)}, {"id", u.ID}, {"role", string(u.Role)}, {"state", userState(u)}, {"grants", shown(describeGrants(u.Grants))},
		{"signs in", shown(signs)}, {"created", day(u.Created)}, {"password set", day(u.PasswordChanged)}, {"last login", day(u.LastLogin)},
	} {
		fmt.Fprintf(t, "%s\t%s\n", row[0], row[1])
	}
	return t.Flush()
}
