package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/ui/auth"
)

func newTokenCreate() *cobra.Command {
	var n auth.NewToken
	var user, expires string
	var grants []string
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a token for a program, or for a user",
		Long: "Make a token and print its text on standard output, this once. It is the password of 'docker login', with the name\n" +
			"'robot$NAME' or that of the user, and what LANDFALL_TOKEN has.\n\n" +
			"A robot may do what its role, rights and grants say together. A user's token is never more than the user is: role, rights\n" +
			"and grants limit it further. It ends after 90 days when nothing is said, a robot does not.",
		Args: cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().Bool("robot", false, "a token of its own, for a program")
	c.Flags().StringVar(&user, "user", "", "a personal token of this `user`; made on the appliance's own machine, or by the user in the Local UI")
	c.Flags().StringVar((*string)(&n.Role), "role", "", "viewer, operator or admin; of a personal token the highest that is left of its user's")
	c.Flags().StringArrayVar(&n.Rights, "right", nil, "only this `right`, like content.read; may be repeated")
	c.Flags().StringArrayVar(&grants, "grant", nil, "let it do this below a `prefix` of repositories: docker.io/library:pull,push; may be repeated")
	c.Flags().StringVar(&expires, "expires", "", "it ends then: a `time` from now like 30d, or a day like 2027-05-01")
	c.MarkFlagsOneRequired("robot", "user")
	c.MarkFlagsMutuallyExclusive("robot", "user")
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		n.Name = args[0]
		if n.Grants, err = parseGrants(grants); err != nil {
			return err
		}
		if n.Expires, err = parseExpiry(expires); err != nil {
			return err
		}
		return flags.accounts(func(c *cobra.Command, a accounts, _ []string) error {
			if user != "" {
				u, err := findUser(c, a, user)
				if err != nil {
					return err
				}
				n.Owner = u.ID
			}
			t, text, err := a.CreateToken(c.Context(), n)
			if err != nil {
				return err
			}
			return tellToken(c, t, text, *asJSON)
		})(c, args)
	}
	return c
}

// toldToken is what create and renew print as JSON.
type toldToken struct {
	auth.Token
	Text string `json:"text"` // the secret
}

// tellToken prints the text, which is a secret, alone on standard output.
func tellToken(c *cobra.Command, t auth.Token, text string, asJSON bool) error {
	ends := "does not end"
	if !t.Expires.IsZero() {
		ends = "ends on " + day(t.Expires)
	}
	fmt.Fprintf(c.ErrOrStderr(), "landfall: the token %s (%s, %s) %s; its text is not shown again\n", t.Name, t.Kind, t.ID, ends)
	if asJSON {
		return printJSON(c.OutOrStdout(), toldToken{t, text})
	}
	_, err := fmt.Fprintln(c.OutOrStdout(), text)
	return err
}
