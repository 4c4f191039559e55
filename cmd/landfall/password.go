package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxPassword bounds the line that a password is read from, in bytes.
const maxPassword = 4096

// passwordFlag says where a new password comes from.
type passwordFlag struct{ file string }

func addPasswordFlag(c *cobra.Command) *passwordFlag {
	p := &passwordFlag{}
	c.Flags().StringVar(&p.file, "password-file", "", "`file` whose first line is the password; else it is asked for, or read from standard input")
	return p
}

// read reads the new password of somebody: from the file, from whoever sits at the
// terminal, or one line of standard input.
func (p *passwordFlag) read(c *cobra.Command, name string) (string, error) {
	var line string
	var err error
	stdin, ok := c.InOrStdin().(*os.File)
	switch {
	case p.file != "":
		var content []byte
		content, err = os.ReadFile(p.file)
		line = firstLine(content)
	case ok && term.IsTerminal(int(stdin.Fd())):
		return askPassword(c.Context(), stdin, c.ErrOrStderr(), name)
	default:
		line, err = bufio.NewReader(io.LimitReader(c.InOrStdin(), maxPassword)).ReadString('\n')
		if line = firstLine([]byte(line)); errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if err != nil {
		return "", usageError{fmt.Errorf("password: %w", err)}
	}
	if line == "" {
		return "", usageError{errors.New("no password: the first line is empty")}
	}
	return line, nil
}

// askPassword asks twice, and shows nothing of what is typed. Nothing else is
// under way: an interruption ends the command at once.
func askPassword(ctx context.Context, terminal *os.File, out io.Writer, name string) (string, error) {
	fd := int(terminal.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() {
		_ = term.Restore(fd, before)
		fmt.Fprintln(out)
		os.Exit(exitInterrupted)
	})
	defer stop()
	var typed [2]string
	for k, prompt := range []string{"New password of " + name + ": ", "Once more: "} {
		fmt.Fprint(out, prompt)
		line, err := term.ReadPassword(fd)
		fmt.Fprintln(out)
		if err != nil {
			return "", usageError{fmt.Errorf("password: %w", err)}
		}
		typed[k] = string(line)
	}
	if typed[0] != typed[1] {
		return "", usageError{errors.New("the two passwords are not the same")}
	}
	return typed[0], nil
}
