package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

const k3sHead = `# Releases of k3s, and the images that their scripts/airgap/image-list.txt lists.
# Made by test/distro; that says how.
`

// k3s prints releases with the same images together, in the order given.
func k3s(ctx context.Context, w io.Writer, clone string, releases []string) error {
	var lists []string
	names := map[string][]string{}
	for _, r := range releases {
		release, commit, ok := strings.Cut(r, "=")
		if !ok {
			commit = "v" + release
		}
		c := exec.CommandContext(ctx, "git", "-C", clone, "show", commit+":scripts/airgap/image-list.txt")
		out, err := c.Output()
		if err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
		var list strings.Builder
		for line := range strings.Lines(string(out)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				fmt.Fprintf(&list, "  %s\n", line)
			}
		}
		if names[list.String()] == nil {
			lists = append(lists, list.String())
		}
		names[list.String()] = append(names[list.String()], release)
	}
	if _, err := io.WriteString(w, k3sHead); err != nil {
		return err
	}
	for _, list := range lists {
		if _, err := fmt.Fprintf(w, "%s\n%s", strings.Join(names[list], " "), list); err != nil {
			return err
		}
	}
	return nil
}
