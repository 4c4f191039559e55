package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/settings"
)

func newSettingsShow() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "show",
		Short: "Show what can be changed while the appliance runs",
		Long: "Show what administrators can change while the appliance runs, and where each value comes from. With --all the whole\n" +
			"configuration is shown that is in force.",
		Args: cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	c.Flags().BoolVar(&all, "all", false, "the rest of the configuration, too")
	asJSON := jsonFlag(c)
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, _ []string) error {
		if all {
			values, err := client.Configuration(c.Context())
			if err != nil {
				return err
			}
			if *asJSON {
				return printJSON(c.OutOrStdout(), values)
			}
			return printValues(c.OutOrStdout(), textLists(values))
		}
		s, err := client.Settings(c.Context())
		if err != nil {
			return err
		}
		return printSettings(c, s, *asJSON)
	})
	return c
}

func printSettings(c *cobra.Command, s api.Settings, asJSON bool) error {
	if asJSON {
		return printJSON(c.OutOrStdout(), s)
	}
	for _, problem := range s.Problems {
		fmt.Fprintf(c.ErrOrStderr(), "landfall: a setting counts for nothing: %s\n", shown(problem))
	}
	values := make([]settings.Value, 0, len(s.Settings))
	for _, v := range s.Settings {
		values = append(values, v.Value)
	}
	return printValues(c.OutOrStdout(), textLists(values))
}

// textLists are values as they were before they were JSON.
func textLists(values []settings.Value) []settings.Value {
	for k, v := range values {
		if list, ok := v.Value.([]any); ok {
			texts := make([]string, 0, len(list))
			for _, one := range list {
				texts = append(texts, fmt.Sprint(one))
			}
			values[k].Value = texts
		}
	}
	return values
}

func newSettingsSet() *cobra.Command {
	var reset bool
	c := &cobra.Command{
		Use:   "set FIELD VALUE...",
		Short: "Change a setting of the running appliance",
		Long: "Change a setting; one that is a list takes several values, or none. It comes into force at once, and stays. What the\n" +
			"configuration file, a variable or a flag says cannot be changed here.",
		Args: cobra.MinimumNArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().BoolVar(&reset, "default", false, "back to the default, instead of a value")
	asJSON := jsonFlag(c)
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, args []string) error {
		s, err := client.Settings(c.Context())
		if err != nil {
			return err
		}
		value, err := settingValue(s, args[0], args[1:], reset)
		if err != nil {
			return usageError{err}
		}
		if s, err = client.ChangeSettings(c.Context(), s.Version, map[string]any{args[0]: value}); err != nil {
			return err
		}
		k := slices.IndexFunc(s.Settings, func(v settings.Setting) bool { return v.Name == args[0] })
		s.Settings = s.Settings[k : k+1]
		return printSettings(c, s, *asJSON)
	})
	return c
}

// settingValue is what a field is to be, as JSON has it.
func settingValue(s api.Settings, name string, texts []string, reset bool) (any, error) {
	k := slices.IndexFunc(s.Settings, func(v settings.Setting) bool { return v.Name == name })
	if k < 0 {
		names := make([]string, 0, len(s.Settings))
		for _, v := range s.Settings {
			names = append(names, v.Name)
		}
		return nil, fmt.Errorf("%s cannot be changed while the appliance runs; these can: %s", name, strings.Join(names, ", "))
	}
	field := s.Settings[k]
	switch {
	case reset && len(texts) == 0:
		return nil, nil
	case reset:
		return nil, fmt.Errorf("%s: a value, or --default; not both", name)
	case field.List:
		return texts, nil
	case len(texts) != 1:
		return nil, fmt.Errorf("%s: want one value: %s", name, field.Want)
	case field.Type == "bool":
		value, err := strconv.ParseBool(texts[0])
		if err != nil {
			return nil, fmt.Errorf("%s: want true or false", name)
		}
		return value, nil
	}
	return texts[0], nil
}
