package appliance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take, on a busy machine.
const patience = 60 * time.Second

// result is how a program ended.
type result struct {
	args           []string
	stdout, stderr string
	code           int // -1 when a signal ended it
}

func (r result) String() string {
	return strings.Join(r.args, " ") + "\n" + r.stdout + r.stderr
}

// cleanEnv is nobody's environment, with more variables.
func cleanEnv(more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/run/home", "TMPDIR=" + os.TempDir()}, more...)
}

// tryWith runs a program to its end in an environment of its own.
func tryWith(t *testing.T, env []string, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env, cmd.WaitDelay = cleanEnv(env...), 5*time.Second
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), errors.Join(err, ctx.Err()), &stdout, &stderr)
	}
	return result{args, stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

func try(t *testing.T, args ...string) result {
	t.Helper()
	return tryWith(t, nil, "", args...)
}

// run is try for a program that has to succeed; it returns what it printed.
func run(t *testing.T, args ...string) string {
	t.Helper()
	r := try(t, args...)
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r)
	}
	return strings.TrimSpace(r.stdout)
}

// landfall is a command line of the binary.
func landfall(args ...string) []string { return append([]string{os.Getenv(binaryEnv)}, args...) }

// decode reads JSON.
func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("not the JSON that was wanted: %v\n%s", err, text)
	}
	return v
}

// must takes the error of what cannot fail here.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// daemon is a program that serves until it is stopped.
type daemon struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  string        // file with what it printed
	done chan struct{} // closed when it has ended
}

// launch starts a program; it is stopped when the test ends.
func launch(t *testing.T, cmd *exec.Cmd) *daemon {
	t.Helper()
	d := &daemon{t: t, cmd: cmd, done: make(chan struct{})}
	logFile, err := os.CreateTemp(t.TempDir(), filepath.Base(cmd.Path)+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	d.log = logFile.Name()
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if err := errors.Join(cmd.Start(), logFile.Close()); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(d.done)
	}()
	t.Cleanup(func() {
		d.stop()
		if said := d.read(); t.Failed() || strings.Contains(said, "panic: ") {
			t.Errorf("%s:\n%s", strings.Join(cmd.Args, " "), lastLines(said, 15))
		}
	})
	return d
}

// await waits until the program has printed something.
func (d *daemon) await(ready func(said string) bool) {
	d.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ready(d.read()) {
			return
		}
		select {
		case <-d.done:
			if ready(d.read()) {
				return
			}
			d.t.Fatalf("%s ended: %s", strings.Join(d.cmd.Args, " "), d.read())
		default:
		}
	}
	d.t.Fatalf("%s is not ready: %s", strings.Join(d.cmd.Args, " "), d.read())
}

// stop asks the program to end, and waits until it has; it returns its exit code.
func (d *daemon) stop() int {
	d.t.Helper()
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	return d.wait()
}

// wait waits for the end of a program that was asked for it; twice would be at once.
func (d *daemon) wait() int {
	d.t.Helper()
	select {
	case <-d.done:
	case <-time.After(patience):
		d.t.Errorf("%s does not end", d.cmd.Path)
		d.kill()
	}
	return d.cmd.ProcessState.ExitCode()
}

// kill ends the program at once, as a power cut does.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	<-d.done
}

func (d *daemon) read() string {
	content, _ := os.ReadFile(d.log)
	return string(content)
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
