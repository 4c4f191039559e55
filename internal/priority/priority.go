//go:build linux

// Package priority makes work that can wait give way to work that cannot.
package priority

import (
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// nice is how much the process gives way, 0 to 19.
const nice = 15

// Lower makes this process take processor time only where others leave some.
// Linux keeps the priority by thread, and new threads take that of the one
// that makes them. Where it is not possible, nothing changes.
func Lower() {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, t := range tasks {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, id, nice)
		}
	}
}

// GiveWay lets goroutines and threads run that wait for a processor. Who works
// for long calls it about every 100 µs: some kernels let a thread that wakes up
// wait until the next tick, which is up to 10 ms, while another one computes.
func GiveWay() {
	runtime.Gosched()
	_, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
}
