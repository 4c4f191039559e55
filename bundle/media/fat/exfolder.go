package fat

import (
	"bytes"
	"context"
	"iter"
	"time"
)

// Sections 6 and 7 of the exFAT specification.
const (
	typeLabel   = 0x83
	typeFile    = 0x85
	typeStream  = 0xc0
	typeName    = 0xc1
	typeInUse   = 0x80
	typeSecond  = 0x40
	nameUnits   = 15 // of one entry of type name
	mostSeconds = 18 // entries that follow that of the file
)

// listExFAT gathers sets: an entry of a file, and those that follow it.
func (v *Volume) listExFAT(ctx context.Context, folder Entry) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var set []byte
		left := 0
		for r, err := range v.records(ctx, folder) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			switch {
			case r[0] == typeFile:
				set, left = bytes.Clone(r), int(r[1])
			case left > 0 && r[0]&(typeInUse|typeSecond) == typeInUse|typeSecond:
				set = append(set, r...)
				left--
			default:
				set, left = nil, 0
			}
			if left > 0 || set == nil {
				continue
			}
			e, ok := v.parseSet(set)
			set = nil
			if ok && !yield(e, nil) {
				return
			}
		}
	}
}

// parseSet reads a whole set; not ok when it is damaged.
func (v *Volume) parseSet(set []byte) (e Entry, ok bool) {
	count := len(set)/32 - 1
	if count < 2 || count > mostSeconds || set[32] != typeStream || setChecksum(set) != le.Uint16(set[2:]) {
		return e, false
	}
	stream := set[32:64]
	e = Entry{
		Folder:     le.Uint16(set[4:])&attrFolder != 0,
		Modified:   exTime(set[12:16], set[21], set[23]),
		first:      le.Uint32(stream[20:]),
		contiguous: stream[1]&2 != 0,
		length:     int64(le.Uint64(stream[24:])),
		valid:      int64(le.Uint64(stream[8:])),
	}
	if e.length < 0 || e.length > int64(v.clusters)*v.cluster || e.valid < 0 || e.valid > e.length {
		return e, false
	}
	if !e.Folder {
		e.Size = e.length
	} else if e.length > maxFolder {
		return e, false
	}
	e.Name, ok = setName(set[64:], int(stream[3]))
	return e, ok
}

// setName joins the entries of a name of so many units.
func setName(rest []byte, length int) (string, bool) {
	var units []byte
	for ; len(rest) > 0 && rest[0] == typeName; rest = rest[32:] {
		units = append(units, rest[2:32]...)
	}
	if length == 0 || len(units) != (length+nameUnits-1)/nameUnits*nameUnits*2 {
		return "", false
	}
	name := cleanName(utf16Text(units, length))
	return name, name != ""
}

func setChecksum(set []byte) (sum uint16) {
	for i, b := range set {
		if i != 2 && i != 3 { // the checksum itself
			sum = sum>>1 | sum<<15
			sum += uint16(b)
		}
	}
	return sum
}

// exTime is a time as exFAT has it: with hundredths, and minutes from UTC in
// quarters of an hour, if they are known.
func exTime(stamp []byte, hundredths, zone byte) time.Time {
	t := dosTime(le.Uint16(stamp[2:]), le.Uint16(stamp))
	if t.IsZero() {
		return t
	}
	t = t.Add(time.Duration(min(hundredths, 199)) * 10 * time.Millisecond)
	if zone&0x80 != 0 {
		t = t.Add(-time.Duration(int8(zone<<1)>>1) * 15 * time.Minute)
	}
	return t
}
