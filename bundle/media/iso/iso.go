// Package iso reads ISO 9660, what optical discs have and sticks that were made
// from a disc's image, from the bare device. It only reads, and it believes
// nothing that it reads: whatever is on the device, it ends, in bounded memory.
//
// Names are those of Joliet where the disc has them, else those of Rock Ridge
// ("Rock Ridge Interchange Protocol" 1.12, fields NM and PX), else the disc's own.
// It implements ECMA-119 as far as reading goes, without interleaved files.
package iso

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/landfall-dev/landfall/bundle/media/extent"
	"github.com/landfall-dev/landfall/registry"
)

// What can be wrong with a device.
var (
	// ErrFormat: the device has no such file system.
	ErrFormat = errors.New("no ISO 9660 file system")
	// ErrDamaged: what is on the device contradicts itself.
	ErrDamaged = errors.New("damaged file system")
)

const (
	sector         = 2048
	firstSector    = 16 // of the volume descriptors
	maxDescriptors = 64
	maxFolder      = 64 << 20 // bytes
	maxExtents     = 1 << 10  // of one file: 4 TiB

	flagFolder = 2
	flagMore   = 0x80 // the file goes on in the next record
)

// Volume is an open file system. All its methods can be called at the same time.
type Volume struct {
	device io.ReaderAt
	joliet bool
	label  string
	made   string // when: what blkid takes for the disc's id
	root   Entry
}

// Entry is a file or folder.
type Entry struct {
	Name     string // never empty and without a slash; all else can be in it
	Folder   bool
	Size     int64
	Modified time.Time // zero when unknown

	runs []extent.Run
}

// Open reads what is on a device. ErrFormat when that is no ISO 9660.
func Open(device io.ReaderAt) (*Volume, error) {
	v := &Volume{device: device}
	d := make([]byte, sector)
	found := false
	for i := range int64(maxDescriptors) {
		if err := extent.Full(device, d, (firstSector+i)*sector); err != nil && i == 0 && errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("%w: too short", ErrFormat)
		} else if err != nil {
			return nil, fmt.Errorf("volume descriptor %d: %w", i, err)
		}
		if string(d[1:6]) != "CD001" {
			break
		}
		if d[0] == 255 {
			break
		}
		if err := v.describe(d, &found); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, ErrFormat
	}
	return v, nil
}

// describe reads a volume descriptor: sections 8.4 and 8.5.
func (v *Volume) describe(d []byte, found *bool) error {
	escape := string(d[88:91])
	joliet := d[0] == 2 && (escape == "%/@" || escape == "%/C" || escape == "%/E")
	if !joliet && (d[0] != 1 || *found) {
		return nil
	}
	if size := binary.LittleEndian.Uint16(d[128:]); size != sector {
		return fmt.Errorf("%w: blocks of %d bytes", ErrDamaged, size)
	}
	root, ok := v.parse(d[156:190])
	if !ok || !root.Folder {
		return fmt.Errorf("%w: no root folder", ErrDamaged)
	}
	if joliet {
		v.label = trim(wideText(d[40:72]))
	} else {
		v.label = trim(string(d[40:72]))
		v.made = string(d[813:829])
	}
	v.joliet, v.root, *found = joliet, root, true
	return nil
}

func trim(s string) string { return strings.TrimRight(s, " \x00") }

// Label is the volume's name as it is on the medium; empty when it has none.
func (v *Volume) Label() string { return v.label }

// Serial is the time at which the disc was made, in digits.
func (v *Volume) Serial() string { return v.made }

// Root is the folder that everything is in.
func (v *Volume) Root() Entry { return v.root }

// Open opens a file.
func (v *Volume) Open(_ context.Context, e Entry) (*extent.File, error) {
	if e.Folder {
		return nil, fmt.Errorf("%w: a folder", registry.ErrInvalid)
	}
	return extent.New(v.device, e.runs, e.Size, e.Size), nil
}

// List yields what is in a folder, in the order of the medium. Records that are
// damaged are passed over; an error is the last that is yielded.
func (v *Volume) List(ctx context.Context, folder Entry) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var open *Entry // goes on in the next record
		for r, err := range v.records(ctx, folder) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			e, ok := v.parse(r)
			switch {
			case !ok || len(r) < 34 || r[32] == 1 && r[33] <= 1: // the folder itself, and the one above
				open = nil
				continue
			case open != nil && open.Name == e.Name && len(open.runs) < maxExtents:
				open.join(e)
			default:
				open = &e
			}
			if r[25]&flagMore != 0 {
				continue
			}
			whole := *open
			open = nil
			if !yield(whole, nil) {
				return
			}
		}
	}
}

func (e *Entry) join(part Entry) {
	for _, r := range part.runs {
		r.At = e.Size
		e.runs = append(e.runs, r)
	}
	e.Size += part.Size
}

// records yields directory records; none crosses the end of a sector.
func (v *Volume) records(ctx context.Context, folder Entry) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		f := extent.New(v.device, folder.runs, folder.Size, folder.Size)
		block := make([]byte, sector)
		for at := int64(0); at < min(folder.Size, maxFolder); at += sector {
			if ctx.Err() != nil {
				yield(nil, context.Cause(ctx))
				return
			}
			if err := extent.Full(f, block, at); err != nil {
				yield(nil, fmt.Errorf("a folder: %w", err))
				return
			}
			for left := block; len(left) > 0 && left[0] != 0; {
				n := int(left[0])
				if n < 34 || n > len(left) {
					yield(nil, fmt.Errorf("%w: a record of %d bytes", ErrDamaged, n))
					return
				}
				if !yield(left[:n], nil) {
					return
				}
				left = left[n:]
			}
		}
	}
}

// parse reads a directory record: section 9.1. Not ok for what is neither a file
// nor a folder, and for what is damaged.
func (v *Volume) parse(r []byte) (e Entry, ok bool) {
	length := int(r[32])
	if 33+length > len(r) || length == 0 || r[26] != 0 || r[27] != 0 { // interleaved
		return e, false
	}
	start, size := binary.LittleEndian.Uint32(r[2:]), binary.LittleEndian.Uint32(r[10:])
	if start != binary.BigEndian.Uint32(r[6:]) || size != binary.BigEndian.Uint32(r[14:]) {
		return e, false
	}
	e = Entry{Folder: r[25]&flagFolder != 0, Size: int64(size), Modified: recordTime(r[18:25])}
	if size > 0 {
		e.runs = []extent.Run{{Start: (int64(start) + int64(r[1])) * sector, Length: int64(size)}}
	}
	if e.Folder && size%sector != 0 {
		return e, false
	}
	if v.joliet {
		e.Name = withoutVersion(wideText(r[33 : 33+length]))
	} else {
		e.Name = strings.TrimSuffix(withoutVersion(string(r[33:33+length])), ".")
		if at := 33 + length + (length+1)%2; at < len(r) && !rockRidge(r[at:], &e) {
			return e, false
		}
	}
	e.Name = cleanName(e.Name)
	return e, e.Name != ""
}

func withoutVersion(name string) string {
	name, _, _ = strings.Cut(name, ";")
	return name
}

// rockRidge reads the fields behind a record. False for what is neither a file
// nor a folder.
func rockRidge(fields []byte, e *Entry) bool {
	var name []byte
	for len(fields) >= 5 {
		n := int(fields[2])
		if n < 5 || n > len(fields) {
			break
		}
		field := fields[:n]
		fields = fields[n:]
		switch string(field[:2]) {
		case "NM":
			name = append(name, field[5:]...)
		case "PX":
			if n < 12 {
				return false
			}
			kind := binary.LittleEndian.Uint32(field[4:]) & 0o170000
			if kind != 0o100000 && kind != 0o040000 || kind == 0o040000 != e.Folder {
				return false
			}
		}
	}
	if len(name) > 0 {
		e.Name = string(name)
	}
	return true
}

// wideText is text in UTF-16 with the high byte first.
func wideText(b []byte) string {
	var units []uint16
	for ; len(b) >= 2; b = b[2:] {
		units = append(units, binary.BigEndian.Uint16(b))
	}
	return string(utf16.Decode(units))
}

// cleanName takes from a name what would make a path of it.
func cleanName(name string) string {
	if name == "." || name == ".." {
		return strings.Repeat("\ufffd", len(name))
	}
	return strings.NewReplacer("/", "\ufffd", "\x00", "\ufffd").Replace(name)
}

// recordTime is a time as in section 9.1.5.
func recordTime(b []byte) time.Time {
	if bytes.Equal(b[:6], make([]byte, 6)) || b[1] < 1 || b[1] > 12 || b[2] < 1 || b[2] > 31 {
		return time.Time{}
	}
	t := time.Date(1900+int(b[0]), time.Month(b[1]), int(b[2]), int(b[3]), int(b[4]), int(b[5]), 0, time.UTC)
	return t.Add(-time.Duration(int8(b[6])) * 15 * time.Minute)
}
