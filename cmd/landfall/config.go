package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/ui/settings"
)

// configFlags are --config and the flags of the table of settings.
type configFlags struct {
	file  string
	given map[string][]string
}

func addConfigFlags(c *cobra.Command) *configFlags {
	f := &configFlags{given: map[string][]string{}}
	c.Flags().StringVar(&f.file, "config", "", "configuration `file` ("+settings.FileEnv+"; else "+settings.DefaultFile+" when it is there)")
	for _, field := range settings.Fields() {
		if field.Flag == "" {
			continue
		}
		usage := fmt.Sprintf("%s (%s)", field.Doc, field.Env())
		flag := c.Flags().VarPF(&configFlag{field, f.given}, field.Flag, "", usage)
		if field.Bool() {
			flag.NoOptDefVal = "true"
		}
	}
	return f
}

// load asks flags, environment and file.
func (f *configFlags) load(c *cobra.Command) (*settings.Effective, error) {
	e, err := settings.Load(settings.Sources{
		File: f.file, Otherwise: settings.DefaultFile, Env: os.Environ(), Flags: f.given,
		Defaults: map[string]string{"data": defaultData()},
	})
	if err != nil {
		return nil, usageError{err}
	}
	for _, warning := range e.Warnings {
		fmt.Fprintln(c.ErrOrStderr(), "landfall: "+warning)
	}
	return e, nil
}

// configFlag is the flag of one field.
type configFlag struct {
	field settings.Field
	given map[string][]string
}

func (f *configFlag) Set(text string) error {
	if err := f.field.Check(text); err != nil {
		return err
	}
	f.given[f.field.Flag] = append(f.given[f.field.Flag], text)
	return nil
}

func (f *configFlag) String() string {
	if f.field.Name == "data" {
		return defaultData()
	}
	return f.field.Default
}

func (f *configFlag) Type() string {
	if of := f.field.OneOf(); of != nil {
		return strings.Join(of, "|")
	}
	return f.field.Type()
}

func newConfigShow() *cobra.Command {
	c := &cobra.Command{
		Use:   "show",
		Short: "Print how an appliance would be set up, and who says so",
		Long: "Print the values that 'landfall serve' would start with when it is given the same flags, and where each comes from:\n" +
			"a flag, a variable of the environment, a line of the configuration file, or the default. What administrators have\n" +
			"changed while the appliance ran is shown in the Local UI.",
		Args: cobra.NoArgs,
	}
	flags := addConfigFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		e, err := flags.load(c)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), map[string]any{"file": e.File, "values": e.Values()})
		}
		return printValues(c.OutOrStdout(), e.Values())
	}
	return c
}

func printValues(w io.Writer, values []settings.Value) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FIELD\tVALUE\tFROM")
	for _, v := range values {
		text := fmt.Sprint(v.Value)
		if list, ok := v.Value.([]string); ok {
			text = strings.Join(list, ", ")
		}
		if text == "" || strings.ContainsRune(text, '\n') {
			text = fmt.Sprintf("%q", text)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", v.Name, text, v.Origin)
	}
	return table.Flush()
}

func newConfigCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Say whether a configuration file is right",
		Long:  "Read a configuration file as 'landfall serve' does, without flags and variables, and say what is wrong with it (exit code 2).",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			e, err := settings.Load(settings.Sources{File: args[0]})
			if err != nil {
				return usageError{err}
			}
			set := 0
			for _, v := range e.Values() {
				if v.Origin.Kind == settings.FromFile {
					set++
				}
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is right: it sets %d of %d fields\n", args[0], set, len(e.Values()))
			return nil
		},
	}
}

func newConfigSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of config.yaml, for editors",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(settings.Schema)
			return err
		},
	}
}
