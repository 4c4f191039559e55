package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/landfall-dev/landfall/registry"
)

// Where programs are, below the root.
var programFolders = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

const (
	maxSaid   = 64 << 10 // bytes of what a program says that are kept: the last ones
	saidLines = 40       // of an error
	endWithin = 10 * time.Second
)

// program runs a program of the host with fixed arguments, without a shell, and returns
// what it said. It ends with the agent, also when that is killed: two of them would work
// against each other when the operation is done again.
func (t *task) program(ctx context.Context, name string, args ...string) (string, error) {
	if t.opts.Program != nil {
		return t.opts.Program(ctx, name, args...)
	}
	path, search := t.findProgram(name)
	if path == "" {
		return "", fmt.Errorf("%s: %w: this host has no such program in %s: a provider has to bring it", name, registry.ErrNotFound, strings.Join(programFolders, ", "))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := exec.CommandContext(ctx, path, args...)
	c.Env = []string{"PATH=" + search, "HOME=/root", "LANG=C.UTF-8"}
	c.Dir = t.tree.path
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = endWithin
	said := &tail{}
	c.Stdout, c.Stderr = said, said
	err := runWithUs(c)
	text := said.String()
	if err == nil {
		return text, nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return text, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, lastLines(text, saidLines))
}

// runWithUs runs a program that the kernel ends when the agent does. It does so when the
// thread ends that began it, which therefore waits for it.
func runWithUs(c *exec.Cmd) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		result <- c.Run()
	}()
	return <-result
}

// findProgram is where a program is, "" for nowhere, and where programs are looked for.
func (a *Agent) findProgram(name string) (path, search string) {
	var folders []string
	for _, folder := range programFolders {
		at := a.tree.outside(folder)
		folders = append(folders, at)
		if info, err := a.tree.stat(filepath.Join(folder, name)); path == "" && err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			path = filepath.Join(at, name)
		}
	}
	return path, strings.Join(folders, ":")
}

// exitCode is that of a program that ended with one, -1 for other errors.
func exitCode(err error) int {
	if e := (*exec.ExitError)(nil); errors.As(err, &e) {
		return e.ExitCode()
	}
	return -1
}

// tail keeps the end of what is written.
type tail struct{ bytes.Buffer }

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	n, err := t.Buffer.Write(p)
	if over := t.Len() - maxSaid; over > 0 {
		t.Next(over)
	}
	return n, err
}

// lastLines are the last lines of a text that say something, on one line.
func lastLines(text string, n int) string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, line))
		if line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}
