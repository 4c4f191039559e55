package fat_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/landfall-dev/landfall/bundle/media/fat"
)

var le = binary.LittleEndian

// need ends the test when a program is missing.
func need(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatal("this test needs " + name)
		}
		t.Skip("this test needs " + name)
	}
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), "MTOOLS_SKIP_CHECK=1", "LC_ALL=C.UTF-8")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", c, err, out)
	}
}

// newImage makes a file of so many bytes and a file system in it.
func newImage(t testing.TB, size int64, mkfs string, args ...string) string {
	t.Helper()
	need(t, mkfs, "mcopy", "mmd", "mdel")
	image := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	f.Close()
	run(t, mkfs, append(args, image)...)
	return image
}

// put copies content into a FAT image.
func put(t testing.TB, image, name string, content []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "content")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "mcopy", "-i", image, file, "::"+name)
}

func open(t testing.TB, image string) *fat.Volume {
	t.Helper()
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	v, err := fat.Open(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// random is content that is the same for the same seed.
func random(seed uint64, n int) []byte {
	content := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = r.Read(content)
	return content
}

// tree reads a volume whole: content by path, nil for folders.
func tree(t testing.TB, v *fat.Volume) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	walk(t, v, v.Root(), "", all)
	return all
}

func walk(t testing.TB, v *fat.Volume, folder fat.Entry, at string, all map[string][]byte) {
	t.Helper()
	for e, err := range v.List(t.Context(), folder) {
		if err != nil {
			t.Fatalf("%q: %v", at, err)
		}
		name := path.Join(at, e.Name)
		if e.Folder {
			all[name] = nil
			walk(t, v, e, name, all)
			continue
		}
		f, err := v.Open(t.Context(), e)
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		content, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		all[name] = append([]byte{}, content...)
	}
}

// compare proves that a volume has just these files and folders.
func compare(t testing.TB, v *fat.Volume, want map[string][]byte) {
	t.Helper()
	have := tree(t, v)
	for name, content := range want {
		got, ok := have[name]
		if !ok {
			t.Errorf("%q is missing; there is %q", name, names(have))
		} else if (got == nil) != (content == nil) || !bytes.Equal(got, content) {
			t.Errorf("%q: %d bytes that are not the %d", name, len(got), len(content))
		}
		delete(have, name)
	}
	if len(have) > 0 {
		t.Errorf("there is also %q", names(have))
	}
}

func names(all map[string][]byte) (list []string) {
	for name := range all {
		list = append(list, name)
	}
	return list
}

// find returns an entry by its path.
func find(t testing.TB, v *fat.Volume, name string) fat.Entry {
	t.Helper()
	at := v.Root()
next:
	for _, part := range strings.Split(name, "/") {
		for e, err := range v.List(t.Context(), at) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Name == part {
				at = e
				continue next
			}
		}
		t.Fatalf("no %q in %q", part, name)
	}
	return at
}

// readAnyhow proves that a file reads alike in all ways.
func readAnyhow(t testing.TB, v *fat.Volume, name string, want []byte) {
	t.Helper()
	f, err := v.Open(t.Context(), find(t, v, name))
	if err != nil {
		t.Fatal(err)
	}
	if len(want) < 2000 { // it takes time that is quadratic in it
		if err := iotest.TestReader(io.NewSectionReader(f, 0, f.Size()), want); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 200 {
		from := rand.IntN(len(want))
		to := from + rand.IntN(len(want)-from)
		p := make([]byte, to-from)
		if n, err := f.ReadAt(p, int64(from)); n != len(p) || err != nil || !bytes.Equal(p, want[from:to]) {
			t.Fatalf("%s from %d to %d: %d bytes, %v", name, from, to, n, err)
		}
	}
	if n, err := f.ReadAt(make([]byte, 10), f.Size()-4); n != 4 || err != io.EOF {
		t.Errorf("across the end: %d, %v", n, err)
	}
}

// small is the smallest FAT12 image: one sector each for boot, table and root
// folder, and 20 clusters of a sector. It has a file of three clusters, 2, 4 and
// 3, with a long name, and a folder.
func small() []byte {
	b := make([]byte, 23*512)
	copy(b, "\xeb\x3c\x90LANDFALL")
	le.PutUint16(b[11:], 512)
	b[13] = 1
	le.PutUint16(b[14:], 1)
	b[16] = 1
	le.PutUint16(b[17:], 16)
	le.PutUint16(b[19:], 23)
	b[21] = 0xf8
	le.PutUint16(b[22:], 1)
	copy(b[43:], "NO NAME    FAT12   ")
	b[510], b[511] = 0x55, 0xaa
	copy(b[512:], []byte{0xf8, 0xff, 0xff, 0x04, 0xf0, 0xff, 0x03, 0xf0, 0xff}) // 2→4, 3 end, 4→3, 5 end
	root := b[1024:]
	long := longEntries("a rather long name.bundle", "ARATHE~1BUN")
	copy(root, long)
	short := root[len(long):]
	copy(short, "ARATHE~1BUN")
	le.PutUint16(short[26:], 2)
	le.PutUint32(short[28:], 1300)
	copy(short[32:], "FOLDER     \x10")
	le.PutUint16(short[32+26:], 5)
	for i, c := range []int64{2, 4, 3} {
		copy(b[1536+(c-2)*512:][:512], bytes.Repeat([]byte{byte('0' + i)}, 512))
	}
	inner := b[1536+3*512:]
	copy(inner, ".          \x10")
	copy(inner[32:], "..         \x10")
	copy(inner[64:], "EMPTY   TXT\x20")
	return b
}

func longEntries(name, short string) (b []byte) {
	units := append(utf16.Encode([]rune(name)), 0)
	for len(units)%13 != 0 {
		units = append(units, 0xffff)
	}
	var sum byte
	for _, c := range []byte(short) {
		sum = sum>>1 | sum<<7
		sum += c
	}
	count := len(units) / 13
	for i := count; i > 0; i-- {
		e := make([]byte, 32)
		e[0], e[11], e[13] = byte(i), 0x0f, sum
		if i == count {
			e[0] |= 0x40
		}
		at := 1
		for k, u := range units[(i-1)*13 : i*13] {
			switch k {
			case 5:
				at = 14
			case 11:
				at = 28
			}
			le.PutUint16(e[at:], u)
			at += 2
		}
		b = append(b, e...)
	}
	return b
}
