package fat

import (
	"context"
	"iter"
	"strings"
	"time"
	"unicode/utf16"
)

// Section 6 of the FAT specification.
const (
	deleted    = 0xe5
	attrLabel  = 0x08
	attrFolder = 0x10
	attrLong   = 0x0f
	lastLong   = 0x40
	maxLong    = 20 // entries of a long name
)

func (v *Volume) listFAT(ctx context.Context, folder Entry) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var long longName
		for r, err := range v.records(ctx, folder) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			switch {
			case r[0] == deleted:
				long = longName{}
			case r[11]&0x3f == attrLong:
				long.add(r)
			default:
				e, ok := v.parseFAT(r, long.of(r))
				long = longName{}
				if ok && !yield(e, nil) {
					return
				}
			}
		}
	}
}

// parseFAT reads an entry of the short kind, which goes by its long name if it
// has one.
func (v *Volume) parseFAT(r []byte, long string) (e Entry, ok bool) {
	if r[11]&attrLabel != 0 || r[0] == '.' {
		return e, false
	}
	e = Entry{Name: long, Folder: r[11]&attrFolder != 0, Modified: dosTime(le.Uint16(r[24:]), le.Uint16(r[22:]))}
	if e.Name == "" {
		e.Name = shortName(r)
	}
	e.first = uint32(le.Uint16(r[26:]))
	if v.kind == fat32 {
		e.first |= uint32(le.Uint16(r[20:])) << 16
	}
	if e.Folder {
		e.length = -1
	} else {
		e.Size = int64(le.Uint32(r[28:]))
		e.length, e.valid = e.Size, e.Size
	}
	return e, e.Name != ""
}

// shortName is a name of 8 and 3 characters. Two bits say that one of its parts
// is in lower case.
func shortName(r []byte) string {
	raw := [11]byte(r)
	if raw[0] == 0x05 {
		raw[0] = deleted
	}
	name, extension := oemText(raw[:8]), oemText(raw[8:])
	if r[12]&0x08 != 0 {
		name = strings.ToLower(name)
	}
	if r[12]&0x10 != 0 {
		extension = strings.ToLower(extension)
	}
	if extension != "" {
		name += "." + extension
	}
	return cleanName(name)
}

// longName gathers the entries of a long name, which come last first.
type longName struct {
	left  int // entries that are still to come
	sum   byte
	units []byte // UTF-16
}

func (n *longName) add(r []byte) {
	at := int(r[0] &^ lastLong)
	if r[0]&lastLong != 0 {
		*n = longName{}
		if at >= 1 && at <= maxLong {
			*n = longName{left: at, sum: r[13], units: make([]byte, at*26)}
		}
	}
	if n.left == 0 || at != n.left || n.sum != r[13] {
		*n = longName{}
		return
	}
	n.left--
	part := n.units[n.left*26:]
	copy(part, r[1:11])
	copy(part[10:], r[14:26])
	copy(part[22:], r[28:32])
}

// of is the name that belongs to a short entry; empty when it has none.
func (n *longName) of(r []byte) string {
	if n.left != 0 || len(n.units) == 0 {
		return ""
	}
	var sum byte
	for _, c := range r[:11] {
		sum = sum>>1 | sum<<7
		sum += c
	}
	if sum != n.sum {
		return ""
	}
	return cleanName(utf16Text(n.units, len(n.units)/2))
}

// utf16Text is text of at most so many units, up to the first zero.
func utf16Text(b []byte, most int) string {
	var units []uint16
	for i := 0; i+1 < len(b) && len(units) < most; i += 2 {
		u := le.Uint16(b[i:])
		if u == 0 {
			break
		}
		units = append(units, u)
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

// dosTime is a time as FAT has it; zero when it is none.
func dosTime(date, clock uint16) time.Time {
	year, month, day := 1980+int(date>>9), time.Month(date>>5&15), int(date&31)
	hour, minute, second := int(clock>>11), int(clock>>5&63), int(clock&31)*2
	if month < 1 || month > 12 || day == 0 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}
	}
	return time.Date(year, month, day, hour, minute, second, 0, time.UTC)
}
