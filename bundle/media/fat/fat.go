// Package fat reads FAT12, FAT16, FAT32 and exFAT from the bare device: what USB
// sticks and memory cards come with, and what a machine's kernel may lack. It
// only reads, and it believes nothing that it reads: whatever is on the device,
// it ends, in bounded memory, with files or with an error.
//
// A volume is one such file system. A cluster is its unit of space; the table
// (the FAT) says for each cluster of a file which one follows. A run is clusters
// that follow each other on the device, too.
//
// It implements "Microsoft FAT Specification" (2005) and "exFAT file system
// specification" (1.00), as far as reading goes.
package fat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/landfall-dev/landfall/bundle/media/extent"
	"github.com/landfall-dev/landfall/registry"
)

// What can be wrong with a device.
var (
	// ErrFormat: the device has no file system that this package reads.
	ErrFormat = errors.New("no FAT file system")
	// ErrDamaged: what is on the device contradicts itself.
	ErrDamaged = errors.New("damaged file system")
)

// Volume is an open file system. All its methods can be called at the same time.
type Volume struct {
	device io.ReaderAt
	size   int64 // of the device

	kind     string
	label    string
	serial   uint32
	bits     int    // of an entry of the table that count: 12, 16, 28, or 32 with exFAT
	table    int64  // where the table is
	tableEnd int64  // where it ends
	heap     int64  // where cluster 2 is, the first
	cluster  int64  // bytes of one
	clusters uint32 // how many there are
	root     Entry
}

// Entry is a file or folder.
type Entry struct {
	Name     string // UTF-8, never empty and without a slash; all else can be in it
	Folder   bool
	Size     int64     // of a file
	Modified time.Time // zero when unknown; FAT's are of an unknown zone, and taken as UTC

	first      uint32      // cluster; 0: it has none
	contiguous bool        // it is one run, whatever the table says
	length     int64       // of what is allocated; -1: the table says so
	valid      int64       // bytes from the start that were written; the others are zero
	fixed      *extent.Run // the root folder of FAT12 and FAT16 has its own place
}

// Open reads what is at the start of a device of so many bytes. ErrFormat when
// that is none of the known file systems.
func Open(device io.ReaderAt, size int64) (*Volume, error) {
	boot := make([]byte, 512)
	if err := extent.Full(device, boot, 0); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("%w: %d bytes only", ErrFormat, size)
		}
		return nil, err
	}
	if boot[510] != 0x55 || boot[511] != 0xaa {
		return nil, fmt.Errorf("%w: no boot sector", ErrFormat)
	}
	v := &Volume{device: device, size: size}
	var err error
	if string(boot[3:11]) == "EXFAT   " {
		err = v.openExFAT(boot)
	} else {
		err = v.openFAT(boot)
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// Kind is FAT12, FAT16, FAT32 or exFAT.
func (v *Volume) Kind() string { return v.kind }

// Serial is the number that the volume got when it was made, as it is usually shown.
func (v *Volume) Serial() string { return fmt.Sprintf("%04X-%04X", v.serial>>16, v.serial&0xffff) }

// Label is the volume's name as it is on the medium; empty when it has none.
func (v *Volume) Label() string { return v.label }

// Open finds a file's bytes on the device.
func (v *Volume) Open(ctx context.Context, e Entry) (*extent.File, error) {
	if e.Folder {
		return nil, fmt.Errorf("%w: a folder", registry.ErrInvalid)
	}
	list, err := v.runs(ctx, e, e.Size)
	if err != nil {
		return nil, err
	}
	return extent.New(v.device, list, e.Size, e.valid), nil
}

// Root is the folder that everything is in.
func (v *Volume) Root() Entry { return v.root }

// List yields what is in a folder, in the order of the medium. Entries that are
// damaged are passed over; an error is the last that is yielded.
func (v *Volume) List(ctx context.Context, folder Entry) iter.Seq2[Entry, error] {
	if v.kind == exFAT {
		return v.listExFAT(ctx, folder)
	}
	return v.listFAT(ctx, folder)
}
