package appliance

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/test/isolation"
)

// upstreamName resolves to loopback inside.
const upstreamName = "quay.io"

// runIsolated runs the tests as process 1 of namespaces, without a network.
func runIsolated() int {
	return isolation.Run(insideEnv, syscall.CLONE_NEWNET, func() {
		isolation.DropMounts("/proc", "/etc", "/opt", "/var", "/run") // the tests'
		dropLoops()
	})
}

// dropLoops removes the loop devices that tests that were ended have made.
func dropLoops() {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer control.Close()
	for _, name := range loopDevices() {
		number, _ := strconv.Atoi(strings.TrimPrefix(name, "loop"))
		_ = retry(func() error { return unix.IoctlSetInt(int(control.Fd()), unix.LOOP_CTL_REMOVE, number) })
	}
}

// loopsFile is where slots note which loop devices they have made.
func loopsFile() string { return filepath.Join(os.Getenv("TMPDIR"), "loops") }

// furnish gives the namespaces loopback, their own /proc and /run, system folders
// that forget what is written to them, and a name for the upstream. The function
// that it returns tells what the tests have left behind, and is 1 then.
func furnish() (left func() int, err error) {
	mount := func(source, target, kind string, data string) {
		if e := unix.Mount(source, target, kind, 0, data); e != nil {
			err = errors.Join(err, fmt.Errorf("mount %s: %w", target, e))
		}
	}
	mount("proc", "/proc", "proc", "")
	mount("tmpfs", "/run", "tmpfs", "mode=755")
	for _, dir := range []string{"/etc", "/opt", "/var"} {
		upper, work := "/run/forget"+dir+"/upper", "/run/forget"+dir+"/work"
		err = errors.Join(err, os.MkdirAll(upper, 0o755), os.MkdirAll(work, 0o755))
		mount("overlay", dir, "overlay", "lowerdir="+dir+",upperdir="+upper+",workdir="+work)
	}
	if err != nil {
		return nil, err
	}
	err = os.WriteFile("/etc/hosts", []byte("127.0.0.1 localhost site.example "+upstreamName+"\n"), 0o644)
	if out, e := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); e != nil {
		err = errors.Join(err, fmt.Errorf("ip link set lo up (apt-get install iproute2): %w %s", e, out))
	}
	mounts := isolation.MountPoints("/proc/self/mountinfo")
	return func() int {
		return max(reportLeft("process", processes(), nil), reportLeft("mount", isolation.MountPoints("/proc/self/mountinfo"), mounts),
			reportLeft("loop device", loopDevices(), nil))
	}, err
}

func reportLeft(what string, there, before []string) int {
	there = slices.DeleteFunc(there, func(s string) bool { return slices.Contains(before, s) })
	if len(there) == 0 {
		return 0
	}
	fmt.Fprintf(os.Stderr, "FAIL: the tests left a %s:\n  %s\n", what, strings.Join(there, "\n  "))
	return 1
}

// processes lists everything that lives beside this one.
func processes() (list []string) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		args, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if len(args) > 0 { // empty for the dead that nobody waited for
			list = append(list, e.Name()+" "+strings.ReplaceAll(string(args), "\x00", " "))
		}
	}
	return list
}

// loopDevices are those that this run's slots have made, and that are there.
func loopDevices() (list []string) {
	content, _ := os.ReadFile(loopsFile())
	for _, name := range strings.Fields(string(content)) {
		if _, err := os.Stat("/sys/class/block/" + name); err == nil {
			list = append(list, name)
		}
	}
	return list
}
