package media

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/landfall-dev/landfall/bundle/media/fat"
	"github.com/landfall-dev/landfall/bundle/media/iso"
)

// super is what a device's first bytes say of its file system.
type super struct {
	kind        string // as blkid has it; empty for none that is known
	uuid, label string
	fat         *fat.Volume // not nil: can be read without the kernel
	iso         *iso.Volume // the same
}

// probeLength is where the last of what is looked at ends: that of btrfs.
const probeLength = 64<<10 + 4096

// probe looks for a file system. Those that leave the device's start alone come
// first: what was on the device before them may still be there.
func probe(device io.ReaderAt, size int64) (s super, err error) {
	head := make([]byte, min(probeLength, size))
	if n, err := device.ReadAt(head, 0); n < len(head) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return s, fmt.Errorf("its first bytes cannot be read: %w", err)
	}
	head = append(head, make([]byte, probeLength-len(head))...)
	for _, look := range []func([]byte) super{probeExt, probeXFS, probeBtrfs, probeOther} {
		if s = look(head); s.kind != "" {
			return s, nil
		}
	}
	v, err := fat.Open(device, size)
	if err == nil {
		kind := "vfat"
		if v.Kind() == "exFAT" {
			kind = "exfat"
		}
		return super{kind: kind, uuid: v.Serial(), label: v.Label(), fat: v}, nil
	}
	if !errors.Is(err, fat.ErrFormat) {
		return s, err
	}
	return probeISO(device, head)
}

func probeISO(device io.ReaderAt, head []byte) (s super, err error) {
	v, err := iso.Open(device)
	if err == nil {
		return super{kind: "iso9660", uuid: Printable(v.Serial()), label: v.Label(), iso: v}, nil
	}
	if !errors.Is(err, iso.ErrFormat) {
		return s, err
	}
	for at := 32 << 10; at < 48<<10; at += 2048 { // ECMA-167, 2/9
		if id := string(head[at+1 : at+6]); id == "NSR02" || id == "NSR03" {
			return super{kind: "udf"}, nil
		}
	}
	return s, nil
}

func probeExt(head []byte) (s super) {
	b := head[1024:2048]
	le := binary.LittleEndian
	if le.Uint16(b[56:]) != 0xef53 || le.Uint32(b[24:]) > 6 { // blocks of more than 64 KiB
		return s
	}
	s = super{kind: "ext2", uuid: uuidText(b[104:120]), label: text(b[120:136])}
	const journal, extents, flexible = 0x4, 0x40, 0x200
	if le.Uint32(b[92:])&journal != 0 {
		s.kind = "ext3"
	}
	if le.Uint32(b[96:])&(extents|flexible) != 0 {
		s.kind = "ext4"
	}
	return s
}

func probeXFS(head []byte) (s super) {
	if string(head[:4]) != "XFSB" {
		return s
	}
	return super{kind: "xfs", uuid: uuidText(head[32:48]), label: text(head[108:120])}
}

func probeBtrfs(head []byte) (s super) {
	b := head[64<<10:]
	if string(b[64:72]) != "_BHRfS_M" {
		return s
	}
	return super{kind: "btrfs", uuid: uuidText(b[32:48]), label: text(b[0x12b:0x22b])}
}

// probeOther knows what can be mounted, or be named, and that is all.
func probeOther(head []byte) (s super) {
	switch {
	case string(head[3:11]) == "NTFS    ":
		return super{kind: "ntfs", uuid: fmt.Sprintf("%016X", binary.LittleEndian.Uint64(head[72:]))}
	case string(head[:6]) == "LUKS\xba\xbe":
		return super{kind: "crypto_LUKS", uuid: text(head[168:208])}
	case string(head[512:520]) == "LABELONE":
		return super{kind: "LVM2_member"}
	case string(head[4086:4096]) == "SWAPSPACE2":
		return super{kind: "swap"}
	}
	return s
}

func uuidText(b []byte) string {
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}
