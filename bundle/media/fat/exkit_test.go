package fat_test

import (
	"math/bits"
	"unicode/utf16"
)

// exImage makes an exFAT image: sectors of 512 bytes, clusters of 1024, the table
// at sector 24, cluster 2, the root folder, at sector 32.
type exImage struct {
	b       []byte
	entries []byte // of the root folder
	free    uint32
}

const (
	exTable    = 24 * 512
	exHeap     = 32 * 512
	exCluster  = 1024
	exClusters = 100
)

func newExFAT(label string) *exImage {
	x := &exImage{b: make([]byte, exHeap+exClusters*exCluster), free: 6} // 2 to 5 are the root's
	b := x.b
	copy(b, "\xeb\x76\x90EXFAT   ")
	le.PutUint64(b[72:], uint64(len(b)/512))
	le.PutUint32(b[80:], 24)
	le.PutUint32(b[84:], 8)
	le.PutUint32(b[88:], 32)
	le.PutUint32(b[92:], exClusters)
	le.PutUint32(b[96:], 2)
	le.PutUint32(b[100:], 0xcafe0001)
	le.PutUint16(b[104:], 0x0100)
	b[108], b[109], b[110] = 9, 1, 1
	b[510], b[511] = 0x55, 0xaa
	x.chain(2, 4, 3, 5) // not in the order of the device
	e := make([]byte, 32)
	units := utf16.Encode([]rune(label))
	e[0], e[1] = 0x83, byte(len(units))
	for i, u := range units {
		le.PutUint16(e[2+2*i:], u)
	}
	x.entries = append(x.entries, e...)
	x.entries = append(x.entries, append([]byte{0x81, 0}, make([]byte, 30)...)...) // the bitmap; nobody reads it here
	return x
}

// chain writes the table for clusters that follow each other in a file.
func (x *exImage) chain(clusters ...uint32) {
	for i, c := range clusters {
		next := uint32(0xffffffff)
		if i+1 < len(clusters) {
			next = clusters[i+1]
		}
		le.PutUint32(x.b[exTable+4*c:], next)
	}
}

// set is what stands in a folder for a file or folder.
type set struct {
	name       string
	folder     bool
	contiguous bool
	first      uint32
	length     int64
	valid      int64
}

func (s set) bytes() []byte {
	units := utf16.Encode([]rune(s.name))
	count := (len(units) + 14) / 15
	b := make([]byte, 32*(2+count))
	b[0], b[1] = 0x85, byte(1+count)
	if s.folder {
		b[4] = 0x10
	}
	le.PutUint32(b[12:], 0x5b6f_6000) // 2025-11-15 12:00:00
	b[21], b[23] = 150, 0x84          // and a half; an hour east of UTC
	stream := b[32:]
	stream[0], stream[1], stream[3] = 0xc0, 1, byte(len(units))
	if s.contiguous {
		stream[1] |= 2
	}
	le.PutUint64(stream[8:], uint64(s.valid))
	le.PutUint32(stream[20:], s.first)
	le.PutUint64(stream[24:], uint64(s.length))
	for i := range count {
		e := b[64+32*i:]
		e[0] = 0xc1
		for k, u := range units[15*i : min(15*i+15, len(units))] {
			le.PutUint16(e[2+2*k:], u)
		}
	}
	sum := uint16(0)
	for i, c := range b {
		if i != 2 && i != 3 {
			sum = bits.RotateLeft16(sum, -1) + uint16(c)
		}
	}
	le.PutUint16(b[2:], sum)
	return b
}

// write puts content into clusters.
func (x *exImage) write(content []byte, clusters ...uint32) {
	for i, c := range clusters {
		copy(x.b[exHeap+int(c-2)*exCluster:][:exCluster], content[i*exCluster:])
	}
}

// image finishes the image.
func (x *exImage) image() []byte {
	folder := append(x.entries, make([]byte, 4*exCluster-len(x.entries))...)
	x.write(folder, 2, 4, 3, 5)
	seal(x.b)
	return x.b
}

// seal writes the checksum of the boot region.
func seal(b []byte) {
	var sum uint32
	for i, c := range b[:11*512] {
		if i != 106 && i != 107 && i != 112 {
			sum = bits.RotateLeft32(sum, -1) + uint32(c)
		}
	}
	for at := 11 * 512; at < 12*512; at += 4 {
		le.PutUint32(b[at:], sum)
	}
}
