package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// debianPackage says what to install for a program.
var debianPackage = map[string]string{
	"containerd": "containerd", "ctr": "containerd", "runc": "runc",
	"dockerd": "docker.io", "docker": "docker.io",
	"podman": "podman", "skopeo": "skopeo", "buildah": "buildah",
	"mkfs.ext4": "e2fsprogs", "mount": "mount", "umount": "mount", "tar": "tar",
}

// isolation is what need takes for a test that must have the namespaces.
const isolation = "isolation"

// need ends the test when it cannot run here: as a failure where the programs
// have to be there, else as a skip.
func need(t *testing.T, programs ...string) {
	t.Helper()
	var missing []string
	for _, p := range programs {
		if p == isolation {
			if os.Getenv(stageEnv) != "test" {
				missing = append(missing, "root, for namespaces and mounts")
			}
		} else if _, err := exec.LookPath(p); err != nil {
			missing = append(missing, p+" (apt-get install "+debianPackage[p]+")")
		}
	}
	if len(missing) == 0 {
		return
	}
	message := "this test needs " + strings.Join(missing, ", ")
	if os.Getenv("CI") == "true" || os.Getenv("LANDFALL_E2E") == "1" {
		t.Fatal(message)
	}
	t.Skip(message)
}

// result is how a program ended.
type result struct {
	args           []string
	stdout, stderr string
	code           int // -1 when a signal ended it
}

func (r result) String() string {
	return strings.Join(r.args, " ") + "\n" + r.stdout + r.stderr
}

// try runs a program to its end, at most two minutes.
func try(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	if ctx.Err() != nil {
		t.Fatalf("%s: no end after two minutes\n%s%s", strings.Join(args, " "), &stdout, &stderr)
	}
	return result{args, stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
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

// daemon is a program that serves until the test ends.
type daemon struct {
	cmd  *exec.Cmd
	log  string // file with what it printed
	done chan struct{}
}

// start runs a daemon until the test ends and waits until it is ready.
func start(t *testing.T, ready func(log string) bool, args ...string) *daemon {
	t.Helper()
	d := &daemon{cmd: exec.Command(args[0], args[1:]...), done: make(chan struct{})}
	logFile, err := os.Create(filepath.Join(t.TempDir(), filepath.Base(args[0])+".log"))
	if err != nil {
		t.Fatal(err)
	}
	d.log = logFile.Name()
	d.cmd.Stdout, d.cmd.Stderr = logFile, logFile
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := errors.Join(d.cmd.Start(), logFile.Close()); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = d.cmd.Wait()
		close(d.done)
	}()
	t.Cleanup(func() {
		d.stop(t)
		if t.Failed() {
			t.Logf("%s:\n%s", strings.Join(args, " "), lastLines(d.read(), 40))
		}
	})
	d.await(t, ready)
	return d
}

func (d *daemon) await(t *testing.T, ready func(log string) bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ready(d.read()) {
			return
		}
		select {
		case <-d.done:
			t.Fatalf("%s ended at once", d.cmd.Path)
		default:
		}
	}
	t.Fatalf("%s is not ready after 30 seconds", d.cmd.Path)
}

// stop asks the daemon to end and insists after ten seconds.
func (d *daemon) stop(t *testing.T) {
	t.Helper()
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(10 * time.Second):
		t.Errorf("%s (%d) did not end within 10 seconds of SIGTERM", d.cmd.Path, d.cmd.Process.Pid)
		_ = d.cmd.Process.Kill()
		<-d.done
	}
}

func (d *daemon) read() string {
	content, _ := os.ReadFile(d.log)
	return string(content)
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
