package lab

import (
	"bytes"
	"context"
	"io"
	"os/exec"
	"sync"
	"time"
)

// run is a program of this machine whose output matters only when it fails.
func run(ctx context.Context, args ...string) error {
	said, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	return failure(args, string(said), err)
}

// recorded runs a command, and writes it down as args at a place. It returns its
// standard output; its standard error is in the transcript, and in the error.
func (t *Transcript) recorded(where string, args []string, cmd *exec.Cmd) (string, error) {
	var out bytes.Buffer
	var both shared
	began := time.Now()
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, &both), &both
	cmd.WaitDelay = 5 * time.Second // for what it has left behind with its output open
	err := cmd.Run()
	t.command(where, args, began, both.String(), err)
	return out.String(), failure(args, both.String(), err)
}

// shared is a buffer that two streams are copied into.
type shared struct {
	mu sync.Mutex // protects the buffer
	b  bytes.Buffer
}

// Write implements io.Writer.
func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// String is what was written. All writers have ended.
func (s *shared) String() string { return s.b.String() }
