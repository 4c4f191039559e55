package resident

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// residentFile is how much of files is mapped in this process, in bytes (statm,
// "shared").
func residentFile(t *testing.T) int {
	t.Helper()
	content, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(string(bytes.Fields(content)[2]))
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// What was given back is gone from memory, and the program goes on.
func TestGiveBackProgram(t *testing.T) { // not in parallel: others would bring pages back
	before := residentFile(t)
	if err := GiveBackProgram(); err != nil {
		t.Fatal(err)
	}
	if after := residentFile(t); after >= before {
		t.Errorf("%d bytes of files before, %d after", before, after)
	}
}

// What is not the program's file byte for byte stays: relocated constants, breakpoints.
func TestUnchanged(t *testing.T) {
	t.Parallel()
	const smaps = `00400000-01256000 r--p 00000000 fe:00 123                       /usr/bin/landfall
Rss:                 128 kB
Anonymous:             0 kB
VmFlags: rd mr mw me sd
01256000-037de000 r-xp 00e56000 fe:00 123                       /usr/bin/landfall
Anonymous:             4 kB
05d37000-05e3b000 rw-p 05936000 fe:00 123                       /usr/bin/landfall
Anonymous:             0 kB
06000000-06001000 r--s 05936000 fe:00 123                       /usr/bin/landfall
Anonymous:             0 kB
07000000-07001000 r-xp 05936000 fe:00 123                       /usr/bin/landfall
Anonymous:             0 kB
7f0000000000-7f0000001000 r--p 00000000 fe:00 9                 /usr/lib/other.so
Anonymous:             0 kB
7f0000002000-7f0000003000 r--p 00000000 00:00 0
Anonymous:             0 kB
00400000-01256000 r--p 00000000 fe:00 123                       /usr/bin/landfall (deleted)
Anonymous:             0 kB
01256000-00400000 r-xp 00e56000 fe:00 123                       /usr/bin/landfall
Anonymous:             0 kB
x-y r-xp 00e56000 fe:00 123                                     /usr/bin/landfall
Anonymous:             0 kB
`
	want := []mapping{{0x400000, 0x1256000}, {0x7000000, 0x7001000}}
	if got := unchanged(strings.NewReader(smaps), "/usr/bin/landfall"); !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}
