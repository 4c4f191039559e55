package service

import (
	"bytes"
	"os"
	"strconv"
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
func TestGiveBack(t *testing.T) { // not in parallel: others would bring pages back
	before := residentFile(t)
	if err := GiveBack(); err != nil {
		t.Fatal(err)
	}
	if after := residentFile(t); after >= before {
		t.Errorf("%d bytes of files before, %d after", before, after)
	}
}

func TestOwnReadOnly(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"00400000-01256000 r--p 00000000 fe:00 123                       /usr/bin/landfall":           true,
		"01256000-037de000 r-xp 00e56000 fe:00 123                       /usr/bin/landfall":           true,
		"05d37000-05e3b000 rw-p 05936000 fe:00 123                       /usr/bin/landfall":           false,
		"05d37000-05e3b000 r--s 05936000 fe:00 123                       /usr/bin/landfall":           false,
		"7f0000000000-7f0000001000 r--p 00000000 fe:00 9                 /usr/lib/other.so":           false,
		"7f0000000000-7f0000001000 r--p 00000000 00:00 0                 ":                            false,
		"01256000-00400000 r-xp 00e56000 fe:00 123                       /usr/bin/landfall":           false,
		"x-y r-xp 00e56000 fe:00 123                                     /usr/bin/landfall":           false,
		"00400000-01256000 r--p 00000000 fe:00 123                       /usr/bin/landfall (deleted)": false,
	} {
		if _, _, ok := ownReadOnly(line, "/usr/bin/landfall"); ok != want {
			t.Errorf("%s: %v", line, ok)
		}
	}
}
