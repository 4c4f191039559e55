package powerloss

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience is how long a program may take for anything here.
const patience = time.Minute

// command runs a program that has to succeed.
func command(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// landfall is a command line of the binary under test.
func landfall(args ...string) []string { return append([]string{os.Getenv(binaryEnv)}, args...) }

// site is a running `landfall serve`.
type site struct {
	*client
	cmd  *exec.Cmd
	done chan struct{} // closed when the process is gone

	mu      sync.Mutex // protects the fields below
	log     bytes.Buffer
	address chan string // gets the address once
}

var serving = regexp.MustCompile(`serving http://(\S+)`)

// Write takes what the process prints.
func (s *site) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.Write(p)
	if m := serving.FindSubmatch(s.log.Bytes()); m != nil && s.address != nil {
		s.address <- string(m[1])
		s.address = nil
	}
	return len(p), nil
}

func (s *site) printed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.TrimSpace(s.log.String())
}

// startSite returns when the site answers.
func startSite(data string) (*site, error) {
	address := make(chan string, 1)
	s := &site{done: make(chan struct{}), address: address}
	args := landfall(append([]string{"serve", "--open", "--data", data, "--listen", "127.0.0.1:0"}, forPushes...)...)
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = s, s
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	select {
	case a := <-address:
		s.client = newClient("http://" + a)
		if err := s.settled(); err != nil {
			s.kill()
			return nil, err
		}
		return s, nil
	case <-s.done:
		return nil, fmt.Errorf("the site did not start: %v: %s", s.cmd.ProcessState, s.printed())
	case <-time.After(patience):
		s.kill()
		return nil, fmt.Errorf("the site was not ready after %v: %s", patience, s.printed())
	}
}

// settled waits for the imports that go on by themselves: what they bring was begun
// before.
func (s *site) settled() error {
	for until := time.Now().Add(patience); ; {
		_, content, err := s.do("GET", "/api/v1/jobs?kind=import&limit=200", nil, nil, 200)
		if err != nil {
			return err
		}
		if text := string(content); !strings.Contains(text, `"state":"queued"`) && !strings.Contains(text, `"state":"running"`) {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("imports do not end: %s: %s", content, s.printed())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// died reports that the site ended without being killed.
func (s *site) died() error {
	<-s.done
	if s.cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
		return nil
	}
	return fmt.Errorf("the site ended by itself: %v: %s", s.cmd.ProcessState, s.printed())
}

// kill ends the site with SIGKILL.
func (s *site) kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

// stop ends the site cleanly.
func (s *site) stop() error {
	s.close() // idle connections
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-s.done:
	case <-time.After(patience):
		s.kill()
		return errors.New("the site did not end on SIGTERM")
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the site ended with %v: %s", s.cmd.ProcessState, s.printed())
	}
	return nil
}
