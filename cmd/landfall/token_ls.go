package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/auth"
)

func newTokenLs() *cobra.Command {
	var user string
	var all bool
	c := &cobra.Command{
		Use:   "ls",
		Short: "List robots, or the tokens of a user",
		Args:  cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	c.Flags().StringVar(&user, "user", "", "the personal tokens of this `user`, instead of robots")
	c.Flags().BoolVar(&all, "all", false, "those, too, that have ended")
	asJSON := jsonFlag(c)
	c.RunE = flags.accounts(func(c *cobra.Command, a accounts, _ []string) error {
		filter := auth.TokenFilter{Limit: allAccounts}
		if user != "" {
			u, err := findUser(c, a, user)
			if err != nil {
				return err
			}
			filter.Owner = u.ID
		}
		tokens, err := a.Tokens(c.Context(), filter)
		if err != nil {
			return err
		}
		list := []auth.Token{}
		for _, t := range tokens {
			if all || tokenState(t) == "active" {
				list = append(list, t)
			}
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), list)
		}
		return printTokens(c.OutOrStdout(), list)
	})
	return c
}

func tokenState(t auth.Token) string {
	switch {
	case !t.Revoked.IsZero():
		return "revoked"
	case !t.Expires.IsZero() && !time.Now().Before(t.Expires):
		return "expired"
	}
	return "active"
}

func printTokens(w io.Writer, list []auth.Token) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tNAME\tSTATE\tROLE\tRIGHTS\tGRANTS\tENDS\tLAST USED\tFROM")
	for _, k := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, tokenState(k), shown(string(k.Role)), shown(strings.Join(k.Rights, ",")),
			shown(describeGrants(k.Grants)), day(k.Expires), day(k.LastUsed), shown(k.LastAddress))
	}
	return t.Flush()
}

// findToken finds a token by its id, or a robot that has not been revoked by its name.
func findToken(c *cobra.Command, a tokenSite, text string) (auth.Token, error) {
	if registry.ValidRepositoryPath(text) { // ids are, and nothing that leads elsewhere in a URL
		t, err := a.Token(c.Context(), text)
		if !errors.Is(err, registry.ErrNotFound) {
			return t, err
		}
	}
	robots, err := a.Tokens(c.Context(), auth.TokenFilter{Limit: allAccounts})
	if err != nil {
		return auth.Token{}, err
	}
	for _, t := range robots {
		if t.Revoked.IsZero() && strings.EqualFold(t.Name, strings.TrimPrefix(text, auth.RobotPrefix)) {
			return t, nil
		}
	}
	return auth.Token{}, fmt.Errorf("%s: %w: no token has this ID, and no robot this name", text, registry.ErrNotFound)
}

func newTokenRevoke() *cobra.Command {
	c := &cobra.Command{
		Use:   "revoke TOKEN",
		Short: "End a token at once",
		Long:  "End the token of an ID, or the robot of a name, and what the registry has given for it.",
		Args:  cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.accounts(func(c *cobra.Command, a accounts, args []string) error {
		t, err := findToken(c, a, args[0])
		if err == nil {
			err = a.RevokeToken(c.Context(), t.ID)
		}
		if err != nil {
			return err
		}
		if now, err := a.Token(c.Context(), t.ID); err == nil { // not by the token that is no more
			t = now
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), t)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "revoked %s (%s)\n", t.Name, t.ID)
		return err
	})
	return c
}

func newTokenRenew() *cobra.Command {
	var expires string
	c := &cobra.Command{
		Use:   "renew TOKEN",
		Short: "Give a robot another secret",
		Long:  "Give the robot of an ID or a name another secret, and print it on standard output, this once. The one that it had ends.",
		Args:  cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().StringVar(&expires, "expires", "", "it ends then: a `time` from now like 30d, or a day like 2027-05-01 (default: as it was)")
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		until, err := parseExpiry(expires)
		if err != nil {
			return err
		}
		return flags.accounts(func(c *cobra.Command, a accounts, args []string) error {
			t, err := findToken(c, a, args[0])
			if err != nil {
				return err
			}
			t, text, err := a.RenewRobot(c.Context(), t.ID, until)
			if err != nil {
				return err
			}
			return tellToken(c, t, text, *asJSON)
		})(c, args)
	}
	return c
}
