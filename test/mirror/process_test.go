package mirror

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// server is a process that serves until it is stopped.
type server struct {
	cmd  *exec.Cmd
	host string
	log  chan string // what it printed, when it has ended
}

// startServer waits for the line that says where it serves.
func startServer(name string, args ...string) (*server, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = cleanEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, log: make(chan string, 1)}
	var said strings.Builder
	lines := bufio.NewScanner(stderr)
	for s.host == "" && lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		if _, rest, ok := strings.Cut(lines.Text(), "serving http://"); ok {
			s.host, _, _ = strings.Cut(rest, " ")
		}
	}
	go func() {
		_, _ = io.Copy(&said, stderr)
		s.log <- said.String()
	}()
	if s.host == "" {
		return nil, errors.Join(fmt.Errorf("%s does not serve", name), s.stop(), errors.New(said.String()))
	}
	return s, nil
}

// stop asks the process to end, and makes it after a while.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(20*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer kill.Stop()
	said := <-s.log
	err := s.cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && !exit.Exited() || strings.Contains(said, "panic: ") {
		return fmt.Errorf("%s: %v: %s", s.cmd.Path, err, said)
	}
	return nil
}

// serve runs `landfall serve` over a folder until the test ends or it is stopped.
func serve(t *testing.T, data string, args ...string) (p place, stop func()) {
	t.Helper()
	s, err := startServer(programs.landfall, append([]string{"serve", "--open", "--data", data, "--listen", "127.0.0.1:0"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return place{s.host}, stop
}

// shared are the registries in processes of their own that all tests use, each in
// repositories of its own.
var shared struct {
	mu      sync.Mutex // protects servers
	servers map[string]*server
}

// sharedPlace starts a registry when it is first asked for.
func sharedPlace(t *testing.T, kind string) place {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if s := shared.servers[kind]; s != nil {
		return place{s.host}
	}
	data, err := os.MkdirTemp("", "shared-")
	if err != nil {
		t.Fatal(err)
	}
	var s *server
	switch kind {
	case "distribution":
		s, err = startServer(programs.rival, data)
	case "landfall":
		s, err = startServer(programs.landfall, "serve", "--open", "--data", data, "--listen", "127.0.0.1:0")
	default:
		err = fmt.Errorf("no registry is called %q", kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	if shared.servers == nil {
		shared.servers = map[string]*server{}
	}
	shared.servers[kind] = s
	return place{s.host}
}

// stopShared ends what sharedPlace has started.
func stopShared() {
	for _, s := range shared.servers {
		if err := s.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}
