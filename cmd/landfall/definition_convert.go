package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/lifecycle/convert"
	"github.com/landfall-dev/landfall/registry"
)

// maxForeign bounds a file of somebody else's format that is read, in bytes; what
// reads it takes less.
const maxForeign = 16 << 20

func newDefinitionConvert() *cobra.Command {
	var opts convert.Options
	var output, format string
	c := &cobra.Command{
		Use:   "convert FILE",
		Short: "Make a profile of a list of images, a Helmfile, a hauler manifest or a zarf.yaml",
		Long: "Make a profile of a list of images, a Helmfile, a hauler manifest or a zarf.yaml, and list what of it a profile has\n" +
			"no place for. Nothing is fetched and no template is run. Paths in FILE stay those of the same files: they are written\n" +
			"as seen from the folder of the profile, or from the current one when it is printed.",
		Args: cobra.ExactArgs(1),
	}
	c.Flags().StringVarP(&output, "output", "o", "", "profile `file` to make; without it the profile is printed")
	c.Flags().StringVar(&format, "from", "", "what FILE is: list, helmfile, hauler or zarf (default: found by its content)")
	c.Flags().StringVar(&opts.Name, "name", "", "`name` of the profile (default: that in FILE, or of FILE)")
	c.Flags().StringVar(&opts.Version, "version", "", "`version` of the profile (default: that in FILE, or 0.1.0)")
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		opts.Format = convert.Format(format)
		if opts.Base, err = folderFrom(output, args[0]); err != nil {
			return err
		}
		if _, err := os.Lstat(output); output != "" && err == nil {
			return fmt.Errorf("%w: %s is there already; name another file with -o", registry.ErrConflict, output)
		}
		content, err := readAtMost(args[0], maxForeign)
		if err != nil {
			return err
		}
		r, err := convert.Convert(args[0], content, opts)
		if err != nil {
			return err
		}
		if output != "" {
			if err := durable.WriteFile(output, r.Profile, 0o644); err != nil {
				return err
			}
		}
		return printConverted(c, r, args[0], output, *asJSON)
	}
	return c
}

// folderFrom is a file's folder as seen from that of the output; "" is the same one.
func folderFrom(output, file string) (string, error) {
	from, err := filepath.Abs(filepath.Dir(cmp.Or(output, "x")))
	if err != nil {
		return "", err
	}
	to, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return "", err
	}
	base, err := filepath.Rel(from, to)
	if base == "." {
		base = ""
	}
	return base, err
}

// printConverted prints a profile that went into no file, and what became of each
// field.
func printConverted(c *cobra.Command, r *convert.Result, file, output string, asJSON bool) error {
	if asJSON {
		result := struct {
			*convert.Result
			Output  string `json:"output,omitempty"`
			Profile string `json:"profile,omitempty"`
		}{Result: r, Output: output}
		if output == "" {
			result.Profile = string(r.Profile)
		}
		return printJSON(c.OutOrStdout(), result)
	}
	notes := c.OutOrStdout()
	if output == "" {
		if _, err := c.OutOrStdout().Write(r.Profile); err != nil {
			return err
		}
		notes = c.ErrOrStderr()
	}
	return printNotes(notes, r, file, output)
}

func printNotes(w io.Writer, r *convert.Result, file, output string) error {
	if len(r.Unmapped) > 0 {
		fmt.Fprintln(w, "Not in the profile:")
	}
	for _, n := range r.Unmapped {
		fmt.Fprintf(w, "  %s\n", n)
	}
	if output != "" {
		fmt.Fprintf(w, "%s: ", output)
	}
	_, err := fmt.Fprintf(w, "%s, read as %s: %d mapped, %d not\n", file, r.Format, len(r.Mapped), len(r.Unmapped))
	return err
}
