package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// The tests run three processes deep, so that nothing can be left behind:
//
//	outer  builds; waits for init; removes the work folder
//	init   process 1 of new network, mount and process namespaces; reaps, and
//	       fails the run when a process or a mount is left at the end
//	test   the tests themselves
//
// When outer or init dies the kernel kills everything below and takes the
// namespaces' mounts and ports with it.

// cgroup is the parent of every container's control group here.
const cgroup = "landfall-e2e"

// upstreamNames resolve to loopback inside.
var upstreamNames = []string{"docker.io", "index.docker.io", "registry-1.docker.io", "registry.k8s.io", "quay.io", "ghcr.io"}

func runIsolated() int {
	cmd := self("init")
	cmd.Dir = "."
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	runtime.LockOSThread() // Pdeathsig is about the thread
	defer runtime.UnlockOSThread()
	defer removeCgroups()
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "new namespaces: %v\n", err)
		return 1
	}
	return 0
}

func self(stage string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), stageEnv+"="+stage)
	return cmd
}

func runInit() int {
	if err := furnish(); err != nil {
		fmt.Fprintln(os.Stderr, "namespaces:", err)
		return 1
	}
	mounts := mountPoints()
	cmd := self("test")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := reap(cmd.Process.Pid)
	return max(code, reportLeft("process", processes()), reportLeft("mount", slices.DeleteFunc(mountPoints(), func(m string) bool {
		return slices.Contains(mounts, m)
	})))
}

// furnish gives the namespaces loopback, their own /proc and /run, system
// folders that forget what is written to them, and the upstreams' names.
func furnish() error {
	mount := func(source, target, kind string, flags uintptr, data string) error {
		if err := syscall.Mount(source, target, kind, flags, data); err != nil {
			return fmt.Errorf("mount %s: %w", target, err)
		}
		return nil
	}
	err := errors.Join(
		mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
		mount("proc", "/proc", "proc", 0, ""),
		mount("tmpfs", "/run", "tmpfs", 0, "mode=755"),
	)
	for _, dir := range []string{"/etc", "/opt", "/var"} {
		upper, work := "/run/forget"+dir+"/upper", "/run/forget"+dir+"/work"
		err = errors.Join(err, os.MkdirAll(upper, 0o755), os.MkdirAll(work, 0o755),
			mount("overlay", dir, "overlay", 0, "lowerdir="+dir+",upperdir="+upper+",workdir="+work))
	}
	if err != nil {
		return err
	}
	hosts := "127.0.0.1 localhost " + strings.Join(upstreamNames, " ") + "\n"
	if err := os.WriteFile("/etc/hosts", []byte(hosts), 0o644); err != nil {
		return err
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("ip link set lo up (apt-get install iproute2): %w %s", err, out)
	}
	return nil
}

// reap waits for every child until the one that matters is gone.
func reap(main int) int {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			fmt.Fprintln(os.Stderr, "wait:", err)
			return 1
		case pid == main && status.Exited():
			return status.ExitStatus()
		case pid == main:
			fmt.Fprintln(os.Stderr, "tests ended by", status.Signal())
			return 1
		}
	}
}

func reportLeft(what string, left []string) int {
	if len(left) == 0 {
		return 0
	}
	fmt.Fprintf(os.Stderr, "FAIL: the tests left a %s:\n  %s\n", what, strings.Join(left, "\n  "))
	return 1
}

// processes lists everything that lives beside process 1.
func processes() []string {
	var left []string
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == 1 {
			continue
		}
		args, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if len(args) > 0 { // empty for the dead that nobody waited for yet
			left = append(left, e.Name()+" "+strings.ReplaceAll(string(args), "\x00", " "))
		}
	}
	return left
}

func mountPoints() []string {
	var points []string
	content, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) > 4 {
			points = append(points, fields[4])
		}
	}
	return points
}

// removeCgroups takes away the control groups that runc and podman made; they
// are the one thing that no namespace owns.
func removeCgroups() {
	for _, pattern := range []string{"/sys/fs/cgroup/" + cgroup, "/sys/fs/cgroup/*/" + cgroup} {
		roots, _ := filepath.Glob(pattern)
		for _, root := range roots {
			var dirs []string
			_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					dirs = append(dirs, path)
				}
				return nil
			})
			for _, dir := range slices.Backward(dirs) {
				if err := os.Remove(dir); err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
			}
		}
	}
}
