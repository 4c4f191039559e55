//go:build linux

// Package priority makes a process give way to others.
package priority

import (
	"os"
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
