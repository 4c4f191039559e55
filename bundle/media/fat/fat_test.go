package fat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/bundle/media/fat"
	"github.com/landfall-dev/landfall/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// layouts are what sticks and cards come with, small.
var layouts = []struct {
	name string
	size int64
	mkfs []string
	kind string
}{
	{"floppy", 1440 << 10, []string{"-F", "12"}, "FAT12"},
	{"FAT12 with large clusters", 16 << 20, []string{"-F", "12", "-s", "64"}, "FAT12"},
	{"FAT16", 32 << 20, []string{"-F", "16", "-s", "4"}, "FAT16"},
	{"FAT16 with clusters of 64 KiB", 300 << 20, []string{"-F", "16", "-s", "128"}, "FAT16"},
	{"FAT32 with clusters of a sector", 40 << 20, []string{"-F", "32", "-s", "1"}, "FAT32"},
	{"FAT32", 300 << 20, []string{"-F", "32", "-s", "8"}, "FAT32"},
	{"FAT32 with sectors of 4096", 300 << 20, []string{"-F", "32", "-S", "4096"}, "FAT32"},
}

// All that mtools puts on a stick is found and reads the same: long and short
// names, folders in folders, files in pieces, beside what was deleted.
func TestFiles(t *testing.T) {
	t.Parallel()
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			image := newImage(t, l.size, "mkfs.vfat", append(l.mkfs, "-n", "LANDFALL", "-i", "1234abcd")...)
			want := fill(t, image)
			v := open(t, image)
			if v.Kind() != l.kind || v.Label() != "LANDFALL" || v.Serial() != "1234-ABCD" {
				t.Errorf("%s %q %s", v.Kind(), v.Label(), v.Serial())
			}
			compare(t, v, want)
			for _, name := range []string{"SHORT.TXT", "in pieces.bundle", "deep/deeper/exact.bundle"} {
				readAnyhow(t, v, name, want[name])
			}
			modified := find(t, v, "SHORT.TXT").Modified
			if since := time.Since(modified); since < -26*time.Hour || since > 26*time.Hour {
				t.Errorf("modified %v", modified)
			}
		})
	}
}

// fill puts files into an image; the large one is in pieces.
func fill(t *testing.T, image string) map[string][]byte {
	t.Helper()
	want := map[string][]byte{
		"SHORT.TXT": []byte("short"),
		"lower.txt": []byte("the case of a short name"),
		"a long name with ünicode 漢字 that goes on and on.bundle": random(1, 100_000),
		"deep":                           nil,
		"deep/deeper":                    nil,
		"deep/deeper/" + longest("n"):    random(2, 70_001),
		"empty.bundle":                   {},
		"deep/deeper/exact.bundle":       random(3, 65536),
		"deep/Mixed Case And.Two.Points": []byte("x"),
	}
	run(t, "mmd", "-i", image, "::deep", "::deep/deeper")
	for i := range 24 { // what is deleted again, to leave holes
		put(t, image, fmt.Sprintf("hole-%d", i), random(9, 9000))
		if i%2 == 0 {
			want[fmt.Sprintf("hole-%d", i)] = random(9, 9000)
		}
	}
	for i := 1; i < 24; i += 2 {
		run(t, "mdel", "-i", image, fmt.Sprintf("::hole-%d", i))
	}
	for name, content := range want {
		if content != nil && !strings.HasPrefix(name, "hole-") {
			put(t, image, name, content)
		}
	}
	want["in pieces.bundle"] = random(4, 400_000)
	put(t, image, "in pieces.bundle", want["in pieces.bundle"])
	return want
}

func longest(c string) string { return strings.Repeat(c, 200) + ".bundle" }

// A folder of more entries than fit into one piece, most of them deleted.
func TestLargeFolder(t *testing.T) {
	t.Parallel()
	image := newImage(t, 64<<20, "mkfs.vfat", "-F", "32", "-s", "1")
	dir := t.TempDir()
	want := map[string][]byte{"many": nil}
	for i := range 300 {
		name := fmt.Sprintf("a file of a folder with many of them, whose names are long, number %03d.txt", i)
		content := []byte(fmt.Sprint(i))
		if err := os.WriteFile(dir+"/"+name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if i < 100 || i >= 290 {
			want["many/"+name] = content
		}
	}
	run(t, "mmd", "-i", image, "::many")
	run(t, "sh", "-c", `mcopy -i "$0" "$1"/* ::many`, image, dir)
	run(t, "mdel", "-i", image, "::many/*number 1*", "::many/*number 2[0-8]*")
	compare(t, open(t, image), want)
}

// FAT32 is FAT32 whatever the number of its clusters: Linux makes such volumes,
// and reads them.
func TestFewClusters(t *testing.T) {
	t.Parallel()
	v := open(t, newImage(t, 8<<20, "mkfs.vfat", "-F", "32", "-s", "8", "-n", "FEW"))
	if v.Kind() != "FAT32" || v.Label() != "FEW" {
		t.Errorf("%s %q", v.Kind(), v.Label())
	}
	compare(t, v, nil)
}

// The small image reads as it was made, so that what is broken in it below is
// broken by that.
func TestSmall(t *testing.T) {
	t.Parallel()
	v := openBytes(t, small())
	content := bytes.Join([][]byte{bytes.Repeat([]byte("0"), 512), bytes.Repeat([]byte("1"), 512), bytes.Repeat([]byte("2"), 276)}, nil)
	compare(t, v, map[string][]byte{"a rather long name.bundle": content, "FOLDER": nil, "FOLDER/EMPTY.TXT": {}})
	readAnyhow(t, v, "a rather long name.bundle", content)
	if v.Label() != "" {
		t.Errorf("label %q", v.Label())
	}
}

func openBytes(t testing.TB, image []byte) *fat.Volume {
	t.Helper()
	v, err := fat.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// What is broken gives an error that says so, or is passed over.
func TestDamaged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		damage func(b []byte)
		want   error // of opening the file
	}{
		{"a chain that is too short", func(b []byte) { b[512+3] = 0xff; b[512+4] |= 0x0f }, fat.ErrDamaged},
		{"a chain with a loop", func(b []byte) { b[512+3] = 0x02; b[512+4] = 0xf0 }, nil}, // ends where the file does
		{"a chain out of the volume", func(b []byte) { b[512+3] = 0x99 }, fat.ErrDamaged},
		{"a chain into what is free", func(b []byte) { b[512+3] = 0; b[512+4] = 0xf0 }, fat.ErrDamaged},
		{"no first cluster", func(b []byte) { b[1024+64+26] = 0 }, fat.ErrDamaged},
		{"a first cluster that is not there", func(b []byte) { b[1024+64+26] = 200 }, fat.ErrDamaged},
		{"an absurd size", func(b []byte) { le.PutUint32(b[1024+64+28:], 0xffffffff) }, fat.ErrDamaged},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := small()
			c.damage(b)
			v := openBytes(t, b)
			_, err := v.Open(t.Context(), find(t, v, "a rather long name.bundle"))
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// A folder whose chain goes in a circle ends, and so do folders in themselves.
func TestCircles(t *testing.T) {
	t.Parallel()
	b := small()
	b[512+7], b[512+8] = 0x5f, 0x00 // the folder's cluster 5 is followed by itself
	inner := b[1536+3*512:]
	for i := range 16 {
		copy(inner[i*32:], "EMPTY   TXT\x20")
	}
	v := openBytes(t, b)
	n := 0
	var last error
	for _, err := range v.List(t.Context(), find(t, v, "FOLDER")) {
		n, last = n+1, err
	}
	if n > 1000 || !errors.Is(last, fat.ErrDamaged) {
		t.Errorf("%d entries, %v", n, last)
	}

	b = small()
	copy(b[1536+3*512+96:], "ITSELF     \x10")
	le.PutUint16(b[1536+3*512+96+26:], 5)
	v = openBytes(t, b)
	find(t, v, strings.TrimSuffix("FOLDER/"+strings.Repeat("ITSELF/", 30), "/"))
}

// Names that would be paths are none, and a long name that is not the short
// one's is not taken for it.
func TestNames(t *testing.T) {
	t.Parallel()
	b := small()
	long := longEntries("../../etc/shadow", "ARATHE~1BUN")
	clear(b[1024:1536])
	copy(b[1024:], long)
	copy(b[1024+len(long):], "ARATHE~1BUN")
	foreign := b[1024+len(long)+32:]
	copy(foreign, longEntries("of another", "OTHER      "))
	copy(foreign[32:], "N\x99RMAL  TXT\x20")
	outside := foreign[64:]
	long = longEntries("a 🙂", "ASMILE~1   ")
	copy(outside, long)
	copy(outside[len(long):], "ASMILE~1   ")
	if got := names(tree(t, openBytes(t, b))); len(got) != 3 || !slices.Contains(got, "a 🙂") || !strings.Contains(strings.Join(got, " "), "..\ufffd..\ufffdetc\ufffdshadow") || !strings.Contains(strings.Join(got, " "), "NÖRMAL.TXT") {
		t.Errorf("%q", got)
	}
}

// A device that ends early, or fails, is told of as that.
func TestDevice(t *testing.T) {
	t.Parallel()
	b := small()
	v, err := fat.Open(bytes.NewReader(b[:1536+600]), 1536+600)
	if err != nil {
		t.Fatal(err)
	}
	f, err := v.Open(t.Context(), find(t, v, "a rather long name.bundle"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size())); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reading past the device's end: %v", err)
	}
	gone := errors.New("gone")
	if _, err := fat.Open(failing{gone}, 1<<20); !errors.Is(err, gone) {
		t.Errorf("a device that fails: %v", err)
	}
	for _, n := range []int{0, 100, 512} {
		if _, err := fat.Open(bytes.NewReader(make([]byte, n)), int64(n)); !errors.Is(err, fat.ErrFormat) {
			t.Errorf("%d zeros: %v", n, err)
		}
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

// What is not asked for any more ends.
func TestEnded(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	v := openBytes(t, small())
	for _, err := range v.List(ctx, v.Root()) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
}

// Whatever is on the device, it ends, in bounded memory.
func FuzzFAT(f *testing.F) {
	f.Add([]byte{}, false)
	f.Add([]byte{2, 3, 2, 2, 4, 0xf0, 4, 0x5f, 3}, false)
	f.Add([]byte{0, 0x13, 0, 0, 0x14, 0, 0, 0x16, 0, 0, 0x22, 1, 0, 0x24, 1, 0, 0x2c, 2}, true)
	f.Fuzz(func(t *testing.T, patches []byte, cut bool) {
		image := small()
		patch(image, patches)
		if cut {
			image = image[:len(image)/2]
		}
		exercise(t, image)
	})
}

func exercise(t *testing.T, image []byte) {
	v, err := fat.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		return
	}
	left := 2000
	visit(t, v, v.Root(), 4, &left)
}

func visit(t *testing.T, v *fat.Volume, folder fat.Entry, depth int, left *int) {
	for e, err := range v.List(t.Context(), folder) {
		if *left--; *left < 0 || err != nil {
			return
		}
		if e.Name == "" || strings.ContainsAny(e.Name, "/\x00") || e.Name == ".." || e.Size < 0 {
			t.Fatalf("%q of %d bytes", e.Name, e.Size)
		}
		if e.Folder {
			if depth > 0 {
				visit(t, v, e, depth-1, left)
			}
			continue
		}
		file, err := v.Open(t.Context(), e)
		if err != nil {
			continue
		}
		p := make([]byte, 4096)
		for _, at := range []int64{0, e.Size / 2, e.Size - 1} {
			if n, err := file.ReadAt(p, max(at, 0)); n < len(p) && err == nil {
				t.Fatalf("%d bytes of %d at %d of %d, and no error", n, len(p), at, e.Size)
			}
		}
	}
}
