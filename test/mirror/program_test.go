package mirror

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Exit codes that the product states.
const (
	exitDone        = 0
	exitUsage       = 2
	exitRefused     = 3
	exitNoSpace     = 5
	exitUnreachable = 7
	exitPartial     = 8
)

// result is how a program ended.
type result struct {
	stdout, stderr string
	code           int // -1 when a signal ended it
}

// report is what `sync run --json` prints.
type report struct {
	Mirrors []struct {
		Name, Problem string
		Tags, Left    int
	}
	Images  []outcome
	Deleted []struct{ Name, Digest, Reason, Error string }
	Planned int64
}

// outcome is what became of one image.
type outcome struct {
	Mirror, Source, Destination, Digest, Was, State, Error, Moved string
}

// plan is what `sync plan --json` prints.
type plan struct {
	Images []struct {
		Destination, Digest, Action, Reason string
		Bytes                               int64
	}
	Deletions []struct{ Name, Digest, Reason string }
	Bytes     int64
	Blobs     int
}

// cleanEnv is nobody's environment, with more variables.
func cleanEnv(more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(os.TempDir(), "home"), "TMPDIR=" + os.TempDir()}, more...)
}

// command is the binary with arguments in an environment of its own.
func command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, programs.landfall, args...)
	cmd.Env = cleanEnv(env...)
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// landfallWith runs the binary to its end, at most two minutes.
func landfallWith(t *testing.T, env []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	return finish(t, ctx, command(ctx, env, args...))
}

func landfall(t *testing.T, args ...string) result {
	t.Helper()
	return landfallWith(t, nil, args...)
}

// finish runs a command; one that panics is always wrong.
func finish(t *testing.T, ctx context.Context, cmd *exec.Cmd) result { //nolint:revive // as testing's helpers have it
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args[1:], " "), errors.Join(err, ctx.Err()), &stderr)
	}
	r := result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	if strings.Contains(r.stderr, "panic: ") || strings.Contains(r.stderr, "goroutine ") {
		t.Errorf("%s panics:\n%s", strings.Join(cmd.Args[1:], " "), r.stderr)
	}
	return r
}

// String is the end of a program for a failure's message.
func (r result) String() string {
	text := fmt.Sprintf("exit %d: %.1000s", r.code, r.stderr)
	var p report
	if json.Unmarshal([]byte(r.stdout), &p) == nil {
		for _, i := range p.Images {
			text += fmt.Sprintf("\n%s %s %.400s", i.State, i.Destination, i.Error)
		}
	}
	return text
}

// must runs the binary, which has to succeed.
func must(t *testing.T, args ...string) result {
	t.Helper()
	r := landfall(t, args...)
	if r.code != exitDone {
		t.Fatalf("landfall %s: exit %d: %s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r
}

// report reads what a run printed; a run that printed none has the zero report.
func (r result) report(t *testing.T) report {
	t.Helper()
	var p report
	decode(t, r.stdout, &p)
	return p
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if text == "" {
		return
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("not the JSON that was wanted: %v\n%s", err, text)
	}
}

// count is how many images are in a state.
func (r report) count(state string) (n int) {
	for _, i := range r.Images {
		if i.State == state {
			n++
		}
	}
	return n
}

// in are the images in a state, by their destinations.
func (r report) in(state string) (names []string) {
	for _, i := range r.Images {
		if i.State == state {
			names = append(names, i.Destination)
		}
	}
	return names
}
