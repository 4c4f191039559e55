// Package host tells how the machine is that the appliance runs on: what it is,
// its network, its clock and its disks, and which of that somebody should look at.
// It reads and changes nothing. In a container, or without a right, some of what
// it reads is not there; it then leaves the figure out and fails nothing.
package host

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Options of a report. The zero value is the default.
type Options struct {
	// Folders are those whose file systems are of interest.
	Folders []string
	// NotBefore is a time that has certainly passed, like that of the build or of
	// the newest content: a clock that shows less is wrong. Zero: none is known.
	NotBefore time.Time
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Root is where proc, sys and etc are; the root folder when empty.
	Root string
}

// Report is how the machine is at one moment.
type Report struct {
	System  System       `json:"system"`
	Network Network      `json:"network"`
	Clock   Clock        `json:"clock"`
	Storage []FileSystem `json:"storage"` // one for each folder, in their order
	Health  []Finding    `json:"health"`
}

// Read makes a report.
func Read(opts Options) Report {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	root := files(opts.Root)
	r := Report{
		System:  root.system(),
		Network: root.network(),
		Clock:   root.clock(opts.Now(), opts.NotBefore),
		Storage: root.storage(opts.Folders),
	}
	r.Health = examine(&r)
	return r
}

// files is a root folder whose files may be missing.
type files string

// maxFile bounds what is read of a file, in bytes.
const maxFile = 4 << 20

// text is a file's content without white space around it; empty when it cannot
// be read.
func (r files) text(path string) string {
	f, err := os.Open(filepath.Join("/", string(r), path))
	if err != nil {
		return ""
	}
	defer f.Close()
	return strings.TrimSpace(readAll(f))
}

func cutLines(text string) (lines [][]string) {
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 0 {
			lines = append(lines, words)
		}
	}
	return lines
}
