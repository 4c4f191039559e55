package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Exit codes that the design states.
const (
	exitDone        = 0
	exitFailed      = 1
	exitRefused     = 3
	exitNoSpace     = 5
	exitConflict    = 6
	exitUnreachable = 7
)

// result is how a program ended.
type result struct {
	stdout, stderr string
	code           int // -1 when a signal ended it
}

// message is what the program said last.
func (r result) message() string {
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	return lines[len(lines)-1]
}

// landfall runs the binary to its end, at most a minute.
func landfall(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Getenv(binaryEnv), args...)
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("landfall %s: %v\n%s", strings.Join(args, " "), errors.Join(err, ctx.Err()), &stderr)
	}
	r := result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	if strings.Contains(r.stderr, "panic") || strings.Contains(r.stderr, "goroutine ") {
		t.Errorf("landfall %s panics:\n%s", strings.Join(args, " "), r.stderr)
	}
	return r
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

// daemon is a `landfall serve` that runs.
type daemon struct {
	cmd     *exec.Cmd
	log     string // file with what it prints
	address string
	done    chan struct{}
}

var servingLine = regexp.MustCompile(`serving http://(\S+) from`)

// serve starts a site until the test ends or it is stopped.
func serve(t *testing.T, data string, args ...string) *daemon {
	t.Helper()
	d, err := tryServe(t, data, args...)
	if err != "" {
		t.Fatal(err)
	}
	return d
}

// tryServe is serve for a site that may refuse to start; it then returns what
// it printed.
func tryServe(t *testing.T, data string, args ...string) (*daemon, string) {
	t.Helper()
	d, err := startDaemon(data, args...)
	if d != nil {
		t.Cleanup(func() {
			d.end(t, syscall.SIGKILL)
			os.Remove(d.log)
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	if d.address == "" {
		return d, d.read()
	}
	return d, ""
}

// startDaemon waits until a site serves or has ended.
func startDaemon(data string, args ...string) (*daemon, error) {
	logFile, err := os.CreateTemp("", "log-")
	if err != nil {
		return nil, err
	}
	d := &daemon{log: logFile.Name(), done: make(chan struct{})}
	d.cmd = exec.Command(os.Getenv(binaryEnv), append([]string{"serve", "--open", "--data", data, "--listen", "127.0.0.1:0"}, args...)...)
	d.cmd.Stdout, d.cmd.Stderr = logFile, logFile
	if err := errors.Join(d.cmd.Start(), logFile.Close()); err != nil {
		return nil, err
	}
	go func() {
		_ = d.cmd.Wait()
		close(d.done)
	}()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if found := servingLine.FindStringSubmatch(d.read()); found != nil {
			d.address = found[1]
			return d, nil
		}
		select {
		case <-d.done:
			return d, nil
		default:
		}
	}
	return d, fmt.Errorf("the site does not begin to serve:\n%s", d.read())
}

// end sends a signal and waits for the end; it returns the exit code.
func (d *daemon) end(t *testing.T, signal syscall.Signal) int {
	t.Helper()
	_ = d.cmd.Process.Signal(signal)
	select {
	case <-d.done:
	case <-time.After(20 * time.Second):
		t.Errorf("the site does not end after %v:\n%s", signal, lastLines(d.read(), 20))
		_ = d.cmd.Process.Kill()
		<-d.done
	}
	return d.cmd.ProcessState.ExitCode()
}

func (d *daemon) read() string {
	content, _ := os.ReadFile(d.log)
	return string(content)
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
