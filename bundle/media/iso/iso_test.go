package iso_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/bundle/media/iso"
	"github.com/landfall-dev/landfall/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// tree reads a volume whole: content by path, a slash at the end of folders.
func tree(t *testing.T, v *iso.Volume, folder iso.Entry, at string, all map[string]string) map[string]string {
	t.Helper()
	for e, err := range v.List(t.Context(), folder) {
		if err != nil {
			t.Fatalf("%q: %v", at, err)
		}
		name := path.Join(at, e.Name)
		if e.Folder {
			all[name+"/"] = ""
			tree(t, v, e, name, all)
			continue
		}
		f, err := v.Open(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		all[name] = string(content)
	}
	return all
}

func compare(t *testing.T, v *iso.Volume, want map[string]string) {
	t.Helper()
	have := tree(t, v, v.Root(), "", map[string]string{})
	for name, content := range want {
		if got, ok := have[name]; !ok || got != content {
			t.Errorf("%q: there %v, %d bytes, want %d", name, ok, len(got), len(content))
		}
		delete(have, name)
	}
	for name := range have {
		t.Errorf("there is also %q", name)
	}
}

// What is burnt is read, by the names that the disc has.
func TestDiscs(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("genisoimage"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("this test needs genisoimage")
		}
		t.Skip("this test needs genisoimage")
	}
	long, large := strings.Repeat("n", 50)+" ä 漢.bundle", strings.Repeat("0123456789", 30_000)
	for name, c := range map[string]struct {
		args []string
		want map[string]string
	}{
		"Joliet":                {[]string{"-J"}, map[string]string{long: large, "deep/": "", "deep/deeper/": "", "deep/deeper/a.sig": "sig"}},
		"Rock Ridge":            {[]string{"-R"}, map[string]string{long: large, "deep/": "", "deep/deeper/": "", "deep/deeper/a.sig": "sig"}},
		"Joliet and Rock Ridge": {[]string{"-J", "-R"}, map[string]string{long: large, "deep/": "", "deep/deeper/": "", "deep/deeper/a.sig": "sig"}},
		"neither":               {nil, map[string]string{"NNNNNNNN.BUN": large, "DEEP/": "", "DEEP/DEEPER/": "", "DEEP/DEEPER/A.SIG": "sig"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			content := filepath.Join(dir, "content")
			if err := errors.Join(
				os.MkdirAll(filepath.Join(content, "deep/deeper"), 0o700),
				os.WriteFile(filepath.Join(content, long), []byte(large), 0o600),
				os.WriteFile(filepath.Join(content, "deep/deeper/a.sig"), []byte("sig"), 0o600),
			); err != nil {
				t.Fatal(err)
			}
			if name == "Rock Ridge" { // elsewhere it is not told from a file
				if err := os.Symlink("/etc/shadow", filepath.Join(content, "link.bundle")); err != nil {
					t.Fatal(err)
				}
			}
			image := filepath.Join(dir, "image")
			args := append(c.args, "-quiet", "-input-charset", "utf-8", "-V", "LANDFALL", "-o", image, content)
			if out, err := exec.Command("genisoimage", args...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			f, err := os.Open(image)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			v, err := iso.Open(f)
			if err != nil {
				t.Fatal(err)
			}
			if v.Label() != "LANDFALL" || len(v.Serial()) != 16 {
				t.Errorf("%q %q", v.Label(), v.Serial())
			}
			compare(t, v, c.want)
		})
	}
}

// small is a disc with a folder that has a file of two extents, and a file.
func small() []byte {
	b := make([]byte, 24*2048)
	d := b[16*2048:]
	d[0] = 1
	copy(d[1:], "CD001\x01")
	copy(d[40:], "SMALL      ")
	binary.LittleEndian.PutUint16(d[128:], 2048)
	copy(d[156:], record(18, 2048, 2, "\x00"))
	copy(b[17*2048:], "\xffCD001\x01")
	at := b[18*2048:]
	for _, r := range [][]byte{
		record(18, 2048, 2, "\x00"), record(18, 2048, 2, "\x01"),
		record(20, 2048, 0x80, "BIG.BUN;1"), record(22, 100, 0, "BIG.BUN;1"),
		record(19, 2048, 2, "FOLDER"), record(23, 5, 0, "..;1"),
	} {
		copy(at, r)
		at = at[len(r):]
	}
	copy(b[19*2048:], record(18, 2048, 2, "UP"))
	copy(b[20*2048:], bytes.Repeat([]byte("1"), 2048))
	copy(b[22*2048:], bytes.Repeat([]byte("2"), 100))
	copy(b[23*2048:], "hello")
	return b
}

func record(start, size uint32, flags byte, name string) []byte {
	r := make([]byte, (34+len(name))&^1)
	r[0] = byte(len(r))
	binary.LittleEndian.PutUint32(r[2:], start)
	binary.BigEndian.PutUint32(r[6:], start)
	binary.LittleEndian.PutUint32(r[10:], size)
	binary.BigEndian.PutUint32(r[14:], size)
	r[25], r[32] = flags, byte(len(name))
	copy(r[33:], name)
	return r
}

// Files of several extents are joined; a name that would be a path is none; what
// does not end is looked at as far as one asks.
func TestExtents(t *testing.T) {
	t.Parallel()
	b := small()
	v, err := iso.Open(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	clear(b[19*2048:][:100]) // the way up
	compare(t, v, map[string]string{"BIG.BUN": strings.Repeat("1", 2048) + strings.Repeat("2", 100), "FOLDER/": "", "\ufffd": "hello"})
}

func TestNone(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 100, 1 << 20} {
		if _, err := iso.Open(bytes.NewReader(make([]byte, n))); !errors.Is(err, iso.ErrFormat) {
			t.Errorf("%d zeros: %v", n, err)
		}
	}
	b := small()
	b[18*2048] = 20 // shorter than a record can be
	v, err := iso.Open(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range v.List(t.Context(), v.Root()) {
		if !errors.Is(err, iso.ErrDamaged) {
			t.Errorf("%v", err)
		}
	}
}

func FuzzISO(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0x80, 0, 2, 0x80, 88, '%'})
	f.Fuzz(func(t *testing.T, patches []byte) {
		b := small()
		for ; len(patches) >= 3; patches = patches[3:] {
			b[(int(patches[0])<<8|int(patches[1]))%len(b)] = patches[2]
		}
		v, err := iso.Open(bytes.NewReader(b))
		if err != nil {
			return
		}
		left := 2000
		visit(t, v, v.Root(), 4, &left)
	})
}

func visit(t *testing.T, v *iso.Volume, folder iso.Entry, depth int, left *int) {
	for e, err := range v.List(t.Context(), folder) {
		if *left--; *left < 0 || err != nil {
			return
		}
		if e.Name == "" || strings.ContainsAny(e.Name, "/\x00") || e.Name == ".." || e.Size < 0 {
			t.Fatalf("%q of %d bytes", e.Name, e.Size)
		}
		if e.Folder && depth > 0 {
			visit(t, v, e, depth-1, left)
		}
		if file, err := v.Open(t.Context(), e); err == nil {
			p := make([]byte, 4096)
			if n, err := file.ReadAt(p, e.Size/2); n < len(p) && err == nil {
				t.Fatalf("%d bytes of %d, and no error", n, len(p))
			}
		}
	}
}
