package service

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// childEnv makes the test's binary the service: it becomes itself once more, so that
// LISTEN_PID can be its own, takes over the sockets, and answers one connection on
// each with the name that it has.
const childEnv = "LANDFALL_TEST_SERVICE"

func child() int {
	if os.Getenv("LISTEN_PID") == "" {
		env := append(os.Environ(), "LISTEN_PID="+strconv.Itoa(os.Getpid()))
		fmt.Println(syscall.Exec("/proc/self/exe", os.Args, env))
		return 1
	}
	listeners, err := Listeners("http", "https", "api")
	if err != nil {
		fmt.Println("error:", err)
		return 0
	}
	if again, err := Listeners("http"); len(again) > 0 || err != nil || os.Getenv("LISTEN_FDS") != "" {
		fmt.Println("taken twice:", again, err)
		return 1
	}
	var names []string
	for name, list := range listeners {
		for range list {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	fmt.Println(strings.Join(names, " "))
	for name, list := range listeners {
		for _, l := range list {
			conn, err := l.Accept()
			if err != nil {
				fmt.Println(err)
				return 1
			}
			io.WriteString(conn, name)
			conn.Close()
		}
	}
	return 0
}

// activate starts the service with sockets handed over.
func activate(t *testing.T, names string, sockets ...*os.File) *exec.Cmd {
	t.Helper()
	c := exec.Command("/proc/self/exe", "-test.run=^$")
	c.Env = append(os.Environ(), childEnv+"=1", "LISTEN_FDS="+strconv.Itoa(len(sockets)), "LISTEN_FDNAMES="+names)
	c.ExtraFiles = sockets
	return c
}

func file(t *testing.T, l net.Listener) *os.File {
	t.Helper()
	t.Cleanup(func() { l.Close() })
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Sockets come by their names, of TCP and of Unix, several of one name too, and
// answer. Unix sockets stay where they are: they are systemd's.
func TestListeners(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "api.sock")
	sockets := []net.Listener{listen(t, "tcp", "127.0.0.1:0"), listen(t, "unix", path), listen(t, "tcp", "127.0.0.1:0")}
	var files []*os.File
	for _, l := range sockets {
		files = append(files, file(t, l))
	}
	c := activate(t, "https:api:https", files...)
	answers := make(chan string, len(sockets))
	for _, l := range sockets {
		go func() {
			conn, err := net.Dial(l.Addr().Network(), l.Addr().String())
			if err != nil {
				answers <- err.Error()
				return
			}
			defer conn.Close()
			text, err := io.ReadAll(conn)
			if err != nil {
				text = []byte(err.Error())
			}
			answers <- string(text)
		}()
	}
	out, err := c.CombinedOutput()
	if err != nil || string(out) != "api https https\n" {
		t.Fatalf("%s, %v", out, err)
	}
	var got []string
	for range sockets {
		got = append(got, <-answers)
	}
	if slices.Sort(got); strings.Join(got, " ") != "api https https" {
		t.Errorf("answers: %q", got)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the socket was removed: %v", err)
	}
}

// What would be served by nobody is refused, by name.
func TestListenersRefused(t *testing.T) {
	t.Parallel()
	plain, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	socket := file(t, listen(t, "tcp", "127.0.0.1:0"))
	for _, test := range []struct {
		names string
		files []*os.File
		want  string
	}{
		{"https:web", []*os.File{socket, socket}, "FileDescriptorName=web"},
		{"", []*os.File{socket}, "LISTEN_FD_3"},
		{"https:api", []*os.File{socket, plain}, "the socket api"},
	} {
		out, err := activate(t, test.names, test.files...).CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), "error: invalid: ") || !strings.Contains(string(out), test.want) {
			t.Errorf("%s: %s, %v", test.names, out, err)
		}
	}
}

// Without systemd there are none.
func TestNoListeners(t *testing.T) {
	t.Parallel()
	if out, err := activate(t, "").CombinedOutput(); err != nil || string(out) != "\n" {
		t.Errorf("%q, %v", out, err)
	}
}
