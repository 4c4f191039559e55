package fat_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/bundle/media/fat"
)

// filled has files of each kind, in a root folder that is in pieces.
func filled() (image []byte, want map[string][]byte) {
	x := newExFAT("A STICK")
	want = map[string][]byte{}
	add := func(s set) { x.entries = append(x.entries, s.bytes()...) }

	one := random(1, 3000)
	x.write(append(bytes.Clone(one), make([]byte, exCluster)...), 10, 11, 12)
	add(set{name: "in one piece.bundle", contiguous: true, first: 10, length: 3000, valid: 3000})
	want["in one piece.bundle"] = one

	some := random(2, 4096)
	x.write(some, 20, 18, 30, 31)
	x.chain(20, 18, 30, 31)
	add(set{name: "ein Name mit Ümläuten, 漢字 und 🙂, der lang ist.bundle", first: 20, length: 4096, valid: 4096})
	want["ein Name mit Ümläuten, 漢字 und 🙂, der lang ist.bundle"] = some

	gone := set{name: "deleted", first: 40, length: 10, valid: 10}.bytes()
	for i := 0; i < len(gone); i += 32 {
		gone[i] &^= 0x80
	}
	x.entries = append(x.entries, gone...)

	part := make([]byte, 2000)
	copy(part, random(3, 700))
	x.write(append(random(3, 700), random(4, 1348)...), 50, 51) // what is behind was never written
	add(set{name: "written in part", contiguous: true, first: 50, length: 2000, valid: 700})
	want["written in part"] = part

	add(set{name: "empty"})
	want["empty"] = []byte{}

	inner := set{name: strings.Repeat("n", 255), contiguous: true, first: 10, length: 5, valid: 5}.bytes()
	x.write(append(inner, make([]byte, exCluster)...), 60)
	x.chain(60)
	add(set{name: "folder", folder: true, first: 60, length: exCluster, valid: exCluster})
	want["folder"] = nil
	want["folder/"+strings.Repeat("n", 255)] = one[:5]
	for len(x.entries)+4*32 < 3*exCluster { // and more, into the third cluster
		name := strings.Repeat("m", len(x.entries)/100)
		add(set{name: name})
		want[name] = []byte{}
	}
	return x.image(), want
}

// Files in pieces and in one piece, written in part or not at all, deleted ones
// between them, in folders in pieces.
func TestExFAT(t *testing.T) {
	t.Parallel()
	image, want := filled()
	v := openBytes(t, image)
	if v.Kind() != "exFAT" || v.Label() != "A STICK" || v.Serial() != "CAFE-0001" {
		t.Errorf("%s %q %s", v.Kind(), v.Label(), v.Serial())
	}
	compare(t, v, want)
	for _, name := range []string{"in one piece.bundle", "ein Name mit Ümläuten, 漢字 und 🙂, der lang ist.bundle", "written in part"} {
		readAnyhow(t, v, name, want[name])
	}
	if m := find(t, v, "empty").Modified; !m.Equal(time.Date(2025, 11, 15, 11, 0, 1, 5e8, time.UTC)) {
		t.Errorf("modified %v", m)
	}
}

// The second table counts where the volume says so.
func TestExFATSecondTable(t *testing.T) {
	t.Parallel()
	image, want := filled()
	le.PutUint32(image[84:], 4)
	image[110], image[106] = 2, 1
	copy(image[exTable+4*512:exTable+8*512], image[exTable:])
	clear(image[exTable : exTable+4*512])
	seal(image)
	compare(t, openBytes(t, image), want)
}

// What other programs make is read: an empty volume of mkfs.exfat, in several
// sizes of cluster.
func TestMkfsExFAT(t *testing.T) {
	t.Parallel()
	for _, cluster := range []string{"512", "4K", "128K", "32M"} {
		image := filepath.Join(t.TempDir(), "image")
		need(t, "mkfs.exfat")
		if err := os.WriteFile(image, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(image, 512<<20); err != nil {
			t.Fatal(err)
		}
		run(t, "mkfs.exfat", "-c", cluster, "-L", "Mädchen", image)
		v := open(t, image)
		if v.Label() != "Mädchen" {
			t.Errorf("label %q", v.Label())
		}
		compare(t, v, nil)
	}
}

// What is made here is what others take for exFAT, too.
func TestFsck(t *testing.T) {
	t.Parallel()
	need(t, "dump.exfat")
	image, _ := filled()
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("dump.exfat", path).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("A STICK")) {
		t.Errorf("%v: %s", err, out)
	}
}

// A volume that contradicts itself is refused; a file that does is not opened,
// or passed over.
func TestExFATDamaged(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(b []byte){
		"sectors of 2^31 bytes":      func(b []byte) { b[108] = 31 },
		"clusters of 2^200 sectors":  func(b []byte) { b[109] = 200 },
		"no table":                   func(b []byte) { b[110] = 0 },
		"a table too short":          func(b []byte) { le.PutUint32(b[84:], 0) },
		"a table in the heap":        func(b []byte) { le.PutUint32(b[80:], 40) },
		"more clusters than sectors": func(b []byte) { le.PutUint32(b[92:], 0xfffffff0) },
		"a length beyond 2^63":       func(b []byte) { le.PutUint64(b[72:], 1<<63) },
	} {
		image, _ := filled()
		damage(image)
		seal(image[:12*512])
		if _, err := fat.Open(bytes.NewReader(image), int64(len(image))); !errors.Is(err, fat.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	image, _ := filled()
	image[72]++
	if _, err := fat.Open(bytes.NewReader(image), int64(len(image))); !errors.Is(err, fat.ErrDamaged) {
		t.Errorf("a wrong checksum: %v", err)
	}
}

func TestExFATDamagedFiles(t *testing.T) {
	t.Parallel()
	x := newExFAT("")
	for _, s := range []set{
		{name: "longer than the volume", contiguous: true, first: 10, length: 1 << 40, valid: 5},
		{name: "more valid than there", contiguous: true, first: 10, length: 5, valid: 6},
		{name: "negative", contiguous: true, first: 10, length: -1, valid: -1},
	} {
		x.entries = append(x.entries, s.bytes()...)
	}
	bad := set{name: "wrong checksum"}.bytes()
	bad[2]++
	x.entries = append(x.entries, bad...)
	for _, s := range []set{
		{name: "over the end", contiguous: true, first: 100, length: 5000, valid: 5000},
		{name: "begins nowhere", contiguous: true, first: 1, length: 5000, valid: 5000},
		{name: "chain of one", first: 10, length: 5000, valid: 5000},
	} {
		x.entries = append(x.entries, s.bytes()...)
	}
	x.chain(10)
	v := openBytes(t, x.image())
	n := 0
	for e, err := range v.List(t.Context(), v.Root()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if _, err := v.Open(t.Context(), e); !errors.Is(err, fat.ErrDamaged) {
			t.Errorf("%s: %v", e.Name, err)
		}
	}
	if n != 3 {
		t.Errorf("%d files are listed", n)
	}
}

func FuzzExFAT(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0x48, 0xff, 0, 0x60, 2})
	f.Fuzz(func(t *testing.T, patches []byte) {
		image, _ := filled()
		patch(image, patches)
		seal(image)
		exercise(t, image)
	})
}

// patch changes bytes: offset, high and low, and value.
func patch(image, patches []byte) {
	for ; len(patches) >= 3; patches = patches[3:] {
		image[(int(patches[0])<<8|int(patches[1]))%len(image)] = patches[2]
	}
}
