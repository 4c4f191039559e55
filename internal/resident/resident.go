// Package resident keeps what a process has in memory small. It knows of the process
// alone; when something is done is for who calls it.
package resident

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// GiveBackProgram lets go of the pages of the program's own file, code and constants, that
// this process has mapped: most of them only starting needed, and those that are
// needed again come back from the page cache or the file. Only mappings of which no
// page differs from the file are touched, so that nothing is lost (madvise(2),
// MADV_DONTNEED).
func GiveBackProgram() error {
	own, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return err
	}
	for _, m := range unchanged(bytes.NewReader(maps), own) {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("madvise of %x-%x: %w", m.from, m.to, errno)
		}
	}
	return nil
}

// mapping is a part of the process's memory.
type mapping struct{ from, to uintptr }

// unchanged reads /proc/PID/smaps (proc_pid_smaps(5)): the mappings of a file that
// cannot be written to and have no page of their own, as those have that a loader or
// debugger has changed.
func unchanged(smaps io.Reader, file string) (list []mapping) {
	var at mapping
	var ours bool
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 5 && !strings.HasSuffix(fields[0], ":") {
			at, ours = readOnly(fields, file)
		}
		if ours && len(fields) == 3 && fields[0] == "Anonymous:" && fields[1] == "0" {
			list = append(list, at)
		}
	}
	return list
}

// readOnly reads the line with which a mapping begins.
func readOnly(fields []string, file string) (m mapping, ok bool) {
	if len(fields) != 6 || fields[5] != file || len(fields[1]) != 4 || fields[1][1] != '-' || fields[1][3] != 'p' {
		return mapping{}, false
	}
	a, b, _ := strings.Cut(fields[0], "-")
	from, err1 := strconv.ParseUint(a, 16, 64)
	to, err2 := strconv.ParseUint(b, 16, 64)
	return mapping{uintptr(from), uintptr(to)}, err1 == nil && err2 == nil && from < to
}
