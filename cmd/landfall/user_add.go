package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/ui/auth"
)

func newUserAdd() *cobra.Command {
	var n auth.NewUser
	var grants []string
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Make a user who signs in with a password",
		Long: "Make a user. The password is asked for, at least 12 characters; when standard input is no terminal, it is its first line.\n" +
			"A viewer sees and pulls, an operator brings content and runs jobs, an admin does everything. A user who is restricted has\n" +
			"the repositories of the grants only, instead of all that the role allows.",
		Args: cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	flags.makes = true // who manages a site can be said before its first start
	c.Flags().StringVar((*string)(&n.Role), "role", "", "viewer, operator or admin")
	c.Flags().StringVar(&n.Display, "display", "", "the `name` as people write it")
	c.Flags().BoolVar(&n.Restricted, "restricted", false, "only the repositories of the grants")
	c.Flags().StringArrayVar(&grants, "grant", nil, grantUsage)
	password := addPasswordFlag(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		if n.Role == "" {
			return usageError{fmt.Errorf("say with --role what %s may do: viewer, operator or admin", args[0])}
		}
		if n.Grants, err = parseGrants(grants); err != nil {
			return err
		}
		n.Name = args[0]
		if n.Password, err = password.read(c, n.Name); err != nil { // before a store is open
			return err
		}
		return flags.accounts(func(c *cobra.Command, a accounts, _ []string) error {
			u, err := a.AddUser(c.Context(), n)
			if err != nil {
				return err
			}
			return tellUser(c, "added", u, *asJSON)
		})(c, args)
	}
	return c
}

// tellUser prints what has become of a user.
func tellUser(c *cobra.Command, what string, u auth.User, asJSON bool) error {
	if asJSON {
		return printJSON(c.OutOrStdout(), u)
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "%s %s (%s)\n", what, u.Name, u.Role)
	return err
}
