package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sample is what one run of one side took.
type sample struct {
	wall time.Duration
	cpu  time.Duration // user and system, of the program measured only
	rate float64       // bytes or requests a second, whichever the part compares
	peak int64         // resident bytes at most
	read int64         // bytes that read(2) and its kin returned, cached or not
	disk int64         // bytes that had to come from the disk

	syncs int64 // calls that waited for the disk
}

// run runs a program to its end and tells what it took. Its peak is at least
// this program's own size (Linux hands it on at exec), which is why nothing
// here holds content in memory.
func run(ctx context.Context, name string, args ...string) (sample, error) {
	var stderr bytes.Buffer
	c := exec.CommandContext(ctx, name, args...)
	c.Stderr = &stderr
	start := time.Now()
	if err := c.Start(); err != nil {
		return sample{}, err
	}
	// Ended but not yet reaped, its counters can still be read.
	for unix.Waitid(unix.P_PID, c.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
		continue
	}
	s := sample{wall: time.Since(start)}
	s.read, s.disk = counters(c.Process.Pid)
	if err := c.Wait(); err != nil {
		return s, fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, &stderr)
	}
	usage := c.ProcessState.SysUsage().(*syscall.Rusage)
	s.cpu = c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	s.peak = usage.Maxrss * kib
	return s, nil
}

// counters reads rchar and read_bytes of proc_pid_io(5).
func counters(pid int) (read, disk int64) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	return field(b, "rchar:"), field(b, "read_bytes:")
}

// field finds the number after a name in a file of /proc.
func field(b []byte, name string) int64 {
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n
		}
	}
	return -1
}

// server is a child that serves until it is stopped.
type server struct {
	cmd     *exec.Cmd
	host    string
	drained chan struct{} // closed when its stderr has ended
}

// serve starts a program and waits for its "serving http://ADDR" line.
func serve(ctx context.Context, name string, args ...string) (*server, error) {
	c := exec.CommandContext(ctx, name, args...)
	stderr, err := c.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: c, drained: make(chan struct{})}
	var said strings.Builder
	lines := bufio.NewScanner(stderr)
	for s.host == "" && lines.Scan() {
		s.host, _ = serving(lines.Text())
		said.WriteString(lines.Text() + "\n")
	}
	go func() {
		_, _ = io.Copy(io.Discard, stderr)
		close(s.drained)
	}()
	if s.host == "" {
		s.stop()
		return nil, fmt.Errorf("%s %s does not serve: %s", filepath.Base(name), strings.Join(args, " "), said.String())
	}
	return s, nil
}

// stop asks the server to end, and makes it after ten seconds.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(10*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer kill.Stop()
	<-s.drained
	_ = s.cmd.Wait()
}

// cpu is the processor time that the server has used: utime and stime of
// proc_pid_stat(5), in ticks of 10 ms.
func (s *server) cpu() time.Duration {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// rest waits until the server does nothing any more: after a crash it looks
// through its files while it serves already.
func (s *server) rest(ctx context.Context) error {
	for before := time.Duration(-1); before != s.cpu() && ctx.Err() == nil; {
		before = s.cpu()
		time.Sleep(time.Second)
	}
	return ctx.Err()
}

// peak is the most memory that the server ever had resident.
func (s *server) peak() int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	return field(b, "VmHWM:") * kib
}

// settle writes out everything that earlier runs left to be written on the
// file system of the bench; with cold, it also empties the page cache.
func (b *bench) settle(cold bool) error {
	dir, err := os.Open(b.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Syncfs(int(dir.Fd())); err != nil || !cold {
		return err
	}
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0)
}

// evict empties the page cache of one file.
func evict(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}
