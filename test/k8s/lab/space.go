package lab

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Space is a network namespace of its own, with its own /etc/hosts.
type Space struct {
	Name    string
	Address string // on the switch; empty: it has only loopback

	lab *Lab
}

// NewSpace makes a space. names are what its /etc/hosts has beside localhost: NAME to
// address.
func (l *Lab) NewSpace(ctx context.Context, name, address string, names map[string]string) (*Space, error) {
	s := &Space{Name: name, Address: address, lab: l}
	if err := run(ctx, "ip", "netns", "add", name); err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.spaces = append(l.spaces, s)
	l.mu.Unlock()
	var hosts strings.Builder
	hosts.WriteString("127.0.0.1 localhost\n")
	for n, a := range names {
		hosts.WriteString(a + " " + n + "\n")
	}
	etc := filepath.Join("/etc/netns", name) // ip mounts its files over those of /etc
	err := errors.Join(os.MkdirAll(etc, 0o755), os.WriteFile(filepath.Join(etc, "hosts"), []byte(hosts.String()), 0o644),
		os.WriteFile(filepath.Join(etc, "resolv.conf"), []byte("nameserver "+SwitchAddress+"\n"), 0o644))
	if err != nil {
		return nil, err
	}
	if address == "" {
		return s, run(ctx, "ip", "-n", name, "link", "set", "lo", "up")
	}
	l.Network.resolver.know(name, address)
	return s, l.Network.plug(ctx, "p-"+name, name, address, []string{"ip", "netns", "exec", name})
}

func (s *Space) remove() error {
	return run(context.Background(), "ip", "netns", "del", s.Name)
}

// Command is a program in the space, for the caller to run.
func (s *Space) Command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", s.Name}, args...)...)
}

// Run runs a program in the space, writes it down, and returns its standard output. Its
// error is a *Failure.
func (s *Space) Run(ctx context.Context, args ...string) (string, error) {
	return s.lab.log.recorded(s.Name, args, s.Command(ctx, args...))
}

// Listen is net.Listen in the space.
func (s *Space) Listen(address string) (l net.Listener, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // is never unlocked: the thread ends with the goroutine
		var f *os.File
		if f, err = os.Open(filepath.Join("/run/netns", s.Name)); err != nil {
			return
		}
		defer f.Close()
		if err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err == nil {
			l, err = net.Listen("tcp", address)
		}
	}()
	<-done
	return l, err
}
