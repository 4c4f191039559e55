package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/ui/auth"
)

func newUserChange() *cobra.Command {
	var p userPatch
	c := &cobra.Command{
		Use:   "change NAME",
		Short: "Change what a user may do, or disable one",
		Long:  "Change a user. What no flag says stays as it is. The user's sessions end, unless only the display name changes.",
		Args:  cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().StringVar(&p.role, "role", "", "viewer, operator or admin")
	c.Flags().StringVar(&p.display, "display", "", "the `name` as people write it")
	c.Flags().BoolVar(&p.restricted, "restricted", false, "only the repositories of the grants; --restricted=false ends that")
	c.Flags().StringArrayVar(&p.grants, "grant", nil, "in place of all grants, "+grantUsage)
	c.Flags().Bool("no-grants", false, "take all grants away")
	c.Flags().BoolVar(&p.disabled, "disable", false, "keep the user from signing in, and end all sessions and tokens; --disable=false ends that")
	c.MarkFlagsMutuallyExclusive("grant", "no-grants")
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		patch, err := p.patch(c)
		if err != nil {
			return err
		}
		return flags.accounts(func(c *cobra.Command, a accounts, args []string) error {
			return changeUser(c, a, args[0], patch, *asJSON)
		})(c, args)
	}
	return c
}

// userPatch is what the flags say.
type userPatch struct {
	role, display        string
	restricted, disabled bool
	grants               []string
}

// patch is a change of what was said.
func (p *userPatch) patch(c *cobra.Command) (patch auth.UserPatch, err error) {
	changed := c.Flags().Changed
	if changed("role") {
		patch.Role = (*auth.Role)(&p.role)
	}
	if changed("display") {
		patch.Display = &p.display
	}
	if changed("restricted") {
		patch.Restricted = &p.restricted
	}
	if changed("disable") {
		patch.Disabled = &p.disabled
	}
	if changed("grant") || changed("no-grants") {
		grants, err := parseGrants(p.grants)
		if err != nil {
			return patch, err
		}
		patch.Grants = &grants
	}
	if patch == (auth.UserPatch{}) {
		return patch, usageError{errors.New("say what to change: --role, --display, --restricted, --grant, --no-grants or --disable")}
	}
	return patch, nil
}

func changeUser(c *cobra.Command, a userSite, name string, patch auth.UserPatch, asJSON bool) error {
	u, err := findUser(c, a, name)
	if err == nil {
		u, err = a.ChangeUser(c.Context(), u.ID, u.Version, patch)
	}
	if err != nil {
		return err
	}
	return tellUser(c, "changed", u, asJSON)
}

func newUserPasswd() *cobra.Command {
	c := &cobra.Command{
		Use:   "passwd NAME",
		Short: "Give a user another password",
		Long:  "Give a user another password, which is read as by 'landfall user add'. The user's sessions end; tokens stay.",
		Args:  cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	password := addPasswordFlag(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		secret, err := password.read(c, args[0])
		if err != nil {
			return err
		}
		return flags.accounts(func(c *cobra.Command, a accounts, args []string) error {
			return changeUser(c, a, args[0], auth.UserPatch{Password: &secret}, *asJSON)
		})(c, args)
	}
	return c
}

func newUserRm() *cobra.Command {
	c := &cobra.Command{
		Use:   "rm NAME",
		Short: "Remove a user, with sessions and personal tokens",
		Args:  cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.accounts(func(c *cobra.Command, a accounts, args []string) error {
		u, err := findUser(c, a, args[0])
		if err == nil {
			err = a.RemoveUser(c.Context(), u.ID, u.Version)
		}
		if err != nil {
			return err
		}
		return tellUser(c, "removed", u, *asJSON)
	})
	return c
}
