package render

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/object"
	"github.com/landfall-dev/landfall/registry"
)

// maxArchive bounds an archive, in bytes: package chart makes no larger ones.
const maxArchive = 64 << 20

// errTime is the cause that ends a worker's context.
var errTime = errors.New("time is up")

// run has a worker render, waits for it in any case, and says what went wrong.
func (r *Renderer) run(ctx context.Context, q *request, archive []byte) (*Rendered, error) {
	limits := r.limits()
	q.Memory, q.Output = limits.Memory, limits.Output
	p := &process{limits: limits, what: q.Kind}
	if q.Kind == kindChart {
		p.what = "chart of release " + q.Release
	}
	if len(archive) > maxArchive {
		return nil, fmt.Errorf("%s: %w: larger than %d MiB", p.what, registry.ErrInvalid, maxArchive>>20)
	}
	timed, cancel := context.WithTimeoutCause(ctx, limits.Time, errTime)
	defer cancel()
	a, files, err := p.render(timed, q, archive)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && errors.Is(context.Cause(timed), errTime):
		return nil, p.limit(limitTime)
	case err != nil:
		return nil, err
	case a.Limit != "":
		return nil, p.limit(a.Limit)
	case a.Problem != "":
		return nil, fmt.Errorf("%s: %w: %s", p.what, registry.ErrInvalid, a.Problem)
	}
	return &Rendered{Files: files, Hooks: a.Hooks, Warnings: a.Warnings}, nil
}

// process is a worker as its parent sees it.
type process struct {
	limits Renderer
	what   string // "chart app 1.2.3", once the worker has said so
	stderr head
}

// errNested keeps a program that never calls Main from starting itself without end.
var errNested = errors.New("a process that renders is asked to start another one: its program does not call render.Main first")

func (p *process) render(ctx context.Context, q *request, archive []byte) (*answer, []object.File, error) {
	if os.Getenv(workerVariable) != "" {
		return nil, nil, fmt.Errorf("%s: %w", p.what, errNested)
	}
	c := p.command(ctx)
	stdin, err := c.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := c.Start(); err != nil {
		return nil, nil, fmt.Errorf("%s: cannot start the process that renders: %w", p.what, err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_ = q.write(stdin, archive) // a worker that got less says so
	}()
	a, files, err := readAnswer(stdout, p.limits.Output, func(name string) { p.what = cmp.Or(name, p.what) })
	if !cutOff(err) {
		kill(c) //nolint:errcheck // it is done, or writes nonsense; it may have ended
	}
	ended := c.Wait()
	<-sent // a whole answer stands, whether or not the worker has read all that it was asked
	switch {
	case errors.Is(err, errOutput):
		return nil, nil, p.limit(limitOutput)
	case err != nil:
		return nil, nil, p.died(ended, err)
	}
	return a, files, nil
}

// command is a worker with no environment but what says that it is one, in a process
// group of its own, which ends with the context.
func (p *process) command(ctx context.Context) *exec.Cmd {
	command := p.limits.Command
	if len(command) == 0 {
		command = []string{"/proc/self/exe"} // also when the file was replaced meanwhile
	}
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Env = []string{workerVariable + "=1", "TZ=UTC"}
	c.Dir = "/"
	c.Stderr = &p.stderr
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return kill(c) }
	c.WaitDelay = 5 * time.Second
	return c
}

// kill ends a worker's whole process group.
func kill(c *exec.Cmd) error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }

// The limits that a worker may reach.
const (
	limitTime   = "time"
	limitMemory = "memory"
	limitOutput = "output"
	limitDepth  = "depth"
)

func (p *process) limit(which string) error {
	var text string
	switch which {
	case limitTime:
		text = fmt.Sprintf("rendering took longer than %s: a template loops, or there is very much of it; look for range and include that have no end", p.limits.Time)
	case limitMemory:
		text = fmt.Sprintf("rendering needed more than %d MiB of memory: a template makes a very large text or list, or its values or files are very large", p.limits.Memory>>20)
	case limitOutput:
		text = fmt.Sprintf("more than %d MiB were rendered: a template repeats without end, or there is very much of it", p.limits.Output>>20)
	case limitDepth:
		text = "templates call each other without end; look for a template or include that reaches itself"
	}
	return fmt.Errorf("%s: %w: %s", p.what, ErrLimit, text)
}

// died says why a worker gave no answer.
func (p *process) died(ended, read error) error {
	said := p.stderr.String()
	var exit *exec.ExitError
	status := 0
	if errors.As(ended, &exit) {
		status = exit.ExitCode()
	}
	switch {
	case status == exitMemory, strings.Contains(said, "out of memory"), strings.Contains(said, "cannot allocate memory"), strings.Contains(said, "failed to allocate"):
		return p.limit(limitMemory)
	case strings.Contains(said, "stack overflow"), strings.Contains(said, "goroutine stack exceeds"):
		return p.limit(limitDepth)
	case status < 0 && cutOff(read): // a signal, and not ours
		return fmt.Errorf("%s: %w: the process that renders was ended from outside (%s), mostly because the machine has too little memory", p.what, ErrLimit, exit)
	}
	if line, _, _ := strings.Cut(strings.TrimSpace(said), "\n"); line != "" {
		return fmt.Errorf("%s: the process that renders failed: %s", p.what, line)
	}
	if cutOff(read) && ended != nil {
		read = ended
	}
	return fmt.Errorf("%s: the process that renders gave no answer: %w", p.what, read)
}

// cutOff reports whether an answer ended too early, or never began.
func cutOff(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// head keeps the beginning of what a worker writes to stderr.
type head struct{ bytes.Buffer }

const maxStderr = 64 << 10

func (t *head) Write(p []byte) (int, error) {
	if room := maxStderr - t.Len(); room > 0 {
		t.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
