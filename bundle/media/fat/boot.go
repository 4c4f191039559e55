package fat

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"

	"github.com/landfall-dev/landfall/bundle/media/extent"
)

const (
	fat12 = "FAT12"
	fat16 = "FAT16"
	fat32 = "FAT32"
	exFAT = "exFAT"
)

var le = binary.LittleEndian

// openFAT reads the BPB: section 3 of the FAT specification. The kind follows
// from the number of clusters, but for FAT32, which has its sizes elsewhere.
func (v *Volume) openFAT(boot []byte) error {
	sector, perCluster := int64(le.Uint16(boot[11:])), int64(boot[13])
	reserved, copies := int64(le.Uint16(boot[14:])), int64(boot[16])
	roots, total, length := int64(le.Uint16(boot[17:])), int64(le.Uint16(boot[19:])), int64(le.Uint16(boot[22:]))
	if total == 0 {
		total = int64(le.Uint32(boot[32:]))
	}
	wide := length == 0
	if wide {
		length = int64(le.Uint32(boot[36:]))
	}
	if !sectorSize(sector) || bits.OnesCount64(uint64(perCluster)) != 1 || reserved == 0 || copies == 0 || length == 0 || boot[21] < 0xf0 {
		return fmt.Errorf("%w: no valid BPB", ErrFormat)
	}
	roots = (roots*32 + sector - 1) / sector // sectors now
	first := reserved + copies*length + roots
	if first >= total {
		return fmt.Errorf("%w: no room for data", ErrFormat)
	}
	v.cluster = perCluster * sector
	v.table, v.tableEnd = reserved*sector, (reserved+length)*sector
	v.heap = first * sector
	clusters := (total - first) / perCluster
	switch {
	case wide:
		v.kind, v.bits = fat32, 28
	case clusters < 4085:
		v.kind, v.bits = fat12, 12
	default:
		v.kind, v.bits = fat16, 16
	}
	clusters = min(clusters, length*sector*8/tableBits(v.bits)-2)
	if clusters <= 0 || wide && clusters >= 0x0ffffff5 {
		return fmt.Errorf("%w: %d clusters", ErrFormat, clusters)
	}
	v.clusters = uint32(clusters)
	if wide {
		return v.openFAT32(boot, length*sector)
	}
	v.serial = le.Uint32(boot[39:])
	v.root = Entry{Folder: true, fixed: &extent.Run{Start: v.heap - roots*sector, Length: roots * sector}}
	v.label = v.findLabel(boot[43:54])
	return nil
}

func (v *Volume) openFAT32(boot []byte, tableLength int64) error {
	if version := le.Uint16(boot[42:]); version != 0 {
		return fmt.Errorf("%w: FAT32 of version %d", ErrFormat, version)
	}
	if flags := le.Uint16(boot[40:]); flags&0x80 != 0 { // one table is in use, the others are old
		active := int64(flags & 0xf)
		if active >= int64(boot[16]) {
			return fmt.Errorf("%w: table %d of %d is in use", ErrDamaged, active, boot[16])
		}
		v.table += active * tableLength
		v.tableEnd += active * tableLength
	}
	v.serial = le.Uint32(boot[67:])
	v.root = Entry{Folder: true, first: le.Uint32(boot[44:]), length: -1}
	v.label = v.findLabel(boot[71:82])
	return nil
}

func sectorSize(n int64) bool { return n == 512 || n == 1024 || n == 2048 || n == 4096 }

// tableBits is the room of an entry in the table.
func tableBits(bits int) int64 {
	if bits == 28 {
		return 32
	}
	return int64(bits)
}

// findLabel looks for the volume's name in the first entries of the root folder,
// where it counts; what the BPB has is what it was when the volume was made.
func (v *Volume) findLabel(made []byte) string {
	n := 0
	for record, err := range v.records(context.Background(), v.root) {
		if n++; err != nil || n > 512 {
			break
		}
		if v.kind == exFAT && record[0] == typeLabel {
			return utf16Text(record[2:24], int(record[1]))
		}
		if v.kind != exFAT && record[0] != deleted && record[11]&(attrLabel|attrFolder) == attrLabel && record[11]&attrLong != attrLong {
			return oemText(record[:11])
		}
	}
	if bytes.HasPrefix(made, []byte("NO NAME")) {
		return ""
	}
	return oemText(made)
}

// openExFAT reads the main boot region: section 3.1 of the exFAT specification.
func (v *Volume) openExFAT(boot []byte) error {
	shift, clusterShift := boot[108], boot[109]
	copies := int64(boot[110])
	if shift < 9 || shift > 12 || clusterShift > 25-shift || copies < 1 || copies > 2 {
		return fmt.Errorf("%w: exFAT with sectors of 2^%d bytes, clusters of 2^%d sectors, %d tables", ErrDamaged, shift, clusterShift, copies)
	}
	if boot[105] != 1 { // the major version
		return fmt.Errorf("%w: exFAT of version %d", ErrFormat, boot[105])
	}
	if bytes.Trim(boot[11:64], "\x00") != nil {
		return fmt.Errorf("%w: exFAT with a FAT's BPB", ErrFormat)
	}
	if err := v.checkExFAT(int64(1) << shift); err != nil {
		return err
	}
	total := int64(le.Uint64(boot[72:]))
	tableAt, length := int64(le.Uint32(boot[80:])), int64(le.Uint32(boot[84:]))
	heap, clusters := int64(le.Uint32(boot[88:])), int64(le.Uint32(boot[92:]))
	switch {
	case total <= 0 || total > 1<<62>>shift,
		tableAt < 24, tableAt+length*copies > heap,
		clusters == 0, clusters > 0xfffffff5,
		length<<shift < (clusters+2)*4,
		heap+clusters<<clusterShift > total:
		return fmt.Errorf("%w: the parts of the volume overlap, or are not all in it", ErrDamaged)
	}
	if flags := le.Uint16(boot[106:]); flags&1 != 0 && copies == 2 {
		tableAt += length
	}
	v.kind, v.bits = exFAT, 32
	v.serial = le.Uint32(boot[100:])
	v.table, v.tableEnd = tableAt<<shift, (tableAt+length)<<shift
	v.heap = heap << shift
	v.cluster = 1 << (shift + clusterShift)
	v.clusters = uint32(clusters)
	v.root = Entry{Folder: true, first: le.Uint32(boot[96:]), length: -1}
	v.label = v.findLabel(nil)
	return nil
}

// checkExFAT proves the boot region by its checksum: section 3.4.
func (v *Volume) checkExFAT(sector int64) error {
	region := make([]byte, 12*sector)
	if err := extent.Full(v.device, region, 0); err != nil {
		return fmt.Errorf("the boot region: %w", err)
	}
	var sum uint32
	for i, b := range region[:11*sector] {
		if i != 106 && i != 107 && i != 112 { // what changes in use
			sum = bits.RotateLeft32(sum, -1) + uint32(b)
		}
	}
	for at := 11 * sector; at < 12*sector; at += 4 {
		if le.Uint32(region[at:]) != sum {
			return fmt.Errorf("%w: the checksum of the boot region does not match", ErrDamaged)
		}
	}
	return nil
}

// oemText is text in code page 437, padded with spaces.
func oemText(b []byte) string {
	var text strings.Builder
	for _, c := range bytes.TrimRight(b, " \x00") {
		if c < 0x80 {
			text.WriteByte(c)
		} else {
			text.WriteRune(codePage437[c-0x80])
		}
	}
	return text.String()
}

var codePage437 = []rune("ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0")
