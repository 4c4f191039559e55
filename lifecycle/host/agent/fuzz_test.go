package agent

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
)

// Whatever an archive is, nothing is written outside of its folder, what is listed is
// there as it is listed, and what is refused is refused as an archive.
func FuzzUnpack(f *testing.F) {
	plain := func(zipped []byte) []byte {
		r, err := gzip.NewReader(bytes.NewReader(zipped))
		if err != nil {
			f.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := b.ReadFrom(r); err != nil {
			f.Fatal(err)
		}
		return b.Bytes()
	}
	for _, files := range []map[string]string{{"usr/bin/x": "x", "usr/bin/y": ""}, {"../x": "x"}, {"/etc/passwd": "x"}, {"./a/../b": "x"}, {"a": "x", "a/b": "x"}} {
		f.Add(plain(folder(f, files)))
	}
	f.Add([]byte("no archive"))
	f.Fuzz(func(t *testing.T, archive []byte) {
		dir := t.TempDir()
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write(archive); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		path, to := filepath.Join(dir, "archive"), filepath.Join(dir, "to")
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		items, err := (&task{}).unpackFile(t.Context(), path, to)
		for _, i := range items {
			if !filepath.IsLocal(i.Path) {
				t.Errorf("%q leads out", i.Path)
			}
		}
		outside, globErr := filepath.Glob(filepath.Join(dir, "*"))
		if globErr != nil || len(outside) != 2 {
			t.Errorf("beside the folder: %q, %v", outside, globErr)
		}
		var path2 *fs.PathError
		if err != nil && !errors.Is(err, registry.ErrInvalid) && !errors.As(err, &path2) && !errors.As(err, new(*os.LinkError)) {
			t.Errorf("an archive that is none: %v", err)
		}
	})
}

// Whatever a mountinfo has in it, a point is that of a line that could be one, without
// escapes of its blanks.
func FuzzMounts(f *testing.F) {
	f.Add([]byte("36 35 98:0 /mnt1 /mnt\\040two rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"))
	f.Add([]byte("1 1 0:1 / /a\\134b rw - x y z\n1 1 0:1 / \\04 rw\n\\\\\\"))
	f.Fuzz(func(t *testing.T, content []byte) {
		points := parseMounts(content)
		if lines := bytes.Count(content, []byte("\n")) + 1; len(points) > lines {
			t.Errorf("%d points of %d lines", len(points), lines)
		}
		for _, p := range points {
			if strings.Contains(p, `\040`) && !bytes.Contains(content, []byte(`\134040`)) {
				t.Errorf("an escape is left: %q", p)
			}
		}
		if escaped := escape(string(content)); unescape(escaped) != string(content) {
			t.Errorf("%q comes back as %q", content, unescape(escaped))
		}
	})
}

// escape is what the kernel makes of a mount point.
func escape(s string) string {
	return strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`).Replace(s)
}
