package media

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What mkfs makes is told by its kind, id and name, as blkid tells it.
func TestProbe(t *testing.T) {
	t.Parallel()
	const id, name = "0b2f3a52-1c1d-4d3a-9a55-0123456789ab", "LANDFALL"
	for _, c := range []struct {
		mkfs string
		want super
	}{
		{"mkfs.ext2 -q -F -L LANDFALL -U " + id, super{kind: "ext2", uuid: id, label: name}},
		{"mkfs.ext3 -q -F -L LANDFALL -U " + id, super{kind: "ext3", uuid: id, label: name}},
		{"mkfs.ext4 -q -F -L LANDFALL -U " + id, super{kind: "ext4", uuid: id, label: name}},
		{"mkfs.xfs -q -f -L LANDFALL -m uuid=" + id, super{kind: "xfs", uuid: id, label: name}},
		{"mkfs.btrfs -q -f -L LANDFALL -U " + id, super{kind: "btrfs", uuid: id, label: name}},
		{"mkfs.vfat -n LANDFALL -i 1234abcd", super{kind: "vfat", uuid: "1234-ABCD", label: name}},
		{"mkfs.exfat -L LANDFALL", super{kind: "exfat", label: name}},
		{"mkswap", super{kind: "swap"}},
		{"genisoimage -quiet -V LANDFALL -o", super{kind: "iso9660", label: name}},
	} {
		args := strings.Fields(c.mkfs)
		t.Run(args[0], func(t *testing.T) {
			t.Parallel()
			f := imageOf(t, args)
			got, err := probe(f, sizeOf(t, f))
			if args[0] == "genisoimage" || args[0] == "mkfs.exfat" {
				c.want.uuid = got.uuid // made of the time
			}
			got.fat, got.iso = nil, nil
			if err != nil || got != c.want {
				t.Errorf("%+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

func imageOf(t *testing.T, mkfs []string) *os.File {
	t.Helper()
	if _, err := exec.LookPath(mkfs[0]); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("this test needs " + mkfs[0])
		}
		t.Skip("this test needs " + mkfs[0])
	}
	dir := t.TempDir()
	image := filepath.Join(dir, "image")
	f, err := os.OpenFile(image, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(320 << 20); err != nil {
		t.Fatal(err)
	}
	args := append(mkfs[1:], image)
	if mkfs[0] == "genisoimage" {
		args = append(args, dir)
		if err := f.Truncate(0); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(mkfs[0], args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", mkfs[0], err, out)
	}
	return f
}

func sizeOf(t *testing.T, f *os.File) int64 {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// heads are the beginnings of file systems, by the least that tells them.
func heads() map[string][]byte {
	put := func(pairs ...any) []byte {
		b := make([]byte, probeLength)
		for i := 0; i < len(pairs); i += 2 {
			copy(b[pairs[i].(int):], pairs[i+1].(string))
		}
		return b
	}
	return map[string][]byte{
		"":            put(),
		"ext2":        put(1024+56, "\x53\xef"),
		"ext4":        put(1024+56, "\x53\xef", 1024+96, "\x40"),
		"xfs":         put(0, "XFSB"),
		"btrfs":       put(64<<10+64, "_BHRfS_M"),
		"ntfs":        put(3, "NTFS    ", 510, "\x55\xaa"),
		"crypto_LUKS": put(0, "LUKS\xba\xbe"),
		"LVM2_member": put(512, "LABELONE"),
		"swap":        put(4086, "SWAPSPACE2"),
		"udf":         put(32<<10, "\x00BEA01", 34<<10, "\x00NSR03"),
	}
}

func TestProbeHeads(t *testing.T) {
	t.Parallel()
	for kind, head := range heads() {
		if s, err := probe(bytes.NewReader(head), int64(len(head))); err != nil || s.kind != kind {
			t.Errorf("%+v, %v, want %q", s, err, kind)
		}
	}
	for _, n := range []int{0, 1, 511, 512, 2048} {
		if s, err := probe(bytes.NewReader(make([]byte, n)), int64(n)); err != nil || s.kind != "" {
			t.Errorf("%d bytes: %+v, %v", n, s, err)
		}
	}
	if s, err := probe(bytes.NewReader(nil), 1<<20); err == nil {
		t.Errorf("a device that ends early: %+v", s)
	}
	big := heads()["ext4"]
	binary.LittleEndian.PutUint32(big[1024+24:], 31)
	if s, err := probe(bytes.NewReader(big), int64(len(big))); err != nil || s.kind != "" {
		t.Errorf("blocks of 2^41 bytes: %+v, %v", s, err)
	}
}

func FuzzSuperblock(f *testing.F) {
	for _, head := range heads() {
		f.Add(head[:2048], head[32<<10:36<<10], head[64<<10:])
	}
	f.Fuzz(func(t *testing.T, start, middle, end []byte) {
		b := make([]byte, probeLength)
		copy(b, start)
		copy(b[32<<10:], middle)
		copy(b[64<<10:], end)
		if s, err := probe(bytes.NewReader(b), int64(len(b))); err != nil && s.kind != "" {
			t.Fatalf("%+v, %v", s, err)
		}
	})
}
