package lab

import (
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Transcript is every command with what it said and how long it took, in the order in
// which they ended. A nil one forgets all.
type Transcript struct {
	mu    sync.Mutex // protects out
	out   io.Writer
	began time.Time
}

// NewTranscript writes to a writer.
func NewTranscript(w io.Writer) *Transcript { return &Transcript{out: w, began: time.Now()} }

// Say writes a heading or remark.
func (t *Transcript) Say(format string, args ...any) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.out, "\n[%8.1fs] %s\n", time.Since(t.began).Seconds(), fmt.Sprintf(format, args...))
}

// command writes what was done where.
func (t *Transcript) command(where string, args []string, began time.Time, said string, err error) {
	if t == nil {
		return
	}
	end := "ok"
	if err != nil {
		end = err.Error()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.out, "\n[%8.1fs] %s$ %s\n", began.Sub(t.began).Seconds(), where, quote(args))
	for line := range strings.Lines(said) {
		fmt.Fprintf(t.out, "  %s\n", strings.TrimRight(line, "\n"))
	}
	fmt.Fprintf(t.out, "  (%s, %.2fs)\n", end, time.Since(began).Seconds())
}

func quote(args []string) string {
	list := make([]string, len(args))
	for i, a := range args {
		if list[i] = a; a == "" || strings.ContainsAny(a, " \t\n\"'$;&|<>()*?{}") {
			list[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(list, " ")
}

// Failure is a program that ended with an error, and what it said.
type Failure struct {
	Args []string
	Code int // of its exit; -1: it was ended by a signal, or not begun
	Said string
	Err  error
}

// Error implements error.
func (f *Failure) Error() string {
	said := strings.TrimSpace(f.Said)
	if cut := len(said) - 4000; cut > 0 {
		said = "…" + said[cut:]
	}
	return fmt.Sprintf("%s: %v\n%s", quote(f.Args), f.Err, said)
}

// Unwrap implements errors' convention.
func (f *Failure) Unwrap() error { return f.Err }

func failure(args []string, said string, err error) error {
	if err == nil {
		return nil
	}
	code := -1
	if exit, is := err.(*exec.ExitError); is {
		code = exit.ExitCode()
	}
	return &Failure{Args: args, Code: code, Said: said, Err: err}
}
