package chart_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/chart"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/registry"
)

// Archives that reach for what is not theirs are refused by name.
func TestBadArchive(t *testing.T) {
	t.Parallel()
	file := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg, Linkname: "x"} }
	good := tar.Header{Name: "app/Chart.yaml", Typeflag: tar.TypeReg, Linkname: "name: app\nversion: 1.0.0\n"}
	chartYAML := func(text string) []byte {
		return tarOf(t, tar.Header{Name: "app/Chart.yaml", Typeflag: tar.TypeReg, Linkname: text})
	}
	nested := tarOf(t, good)
	for range 12 {
		nested = tarOf(t, good, tar.Header{Name: "app/charts/x.tgz", Typeflag: tar.TypeReg, Linkname: string(nested)})
	}
	many := make([]tar.Header, 20_001)
	for i := range many {
		many[i] = file(fmt.Sprintf("app/%d", i))
	}
	zeros := strings.Repeat("\x00", 200<<20)
	for name, test := range map[string]struct {
		archive []byte
		want    string
	}{
		"leads out":      {tarOf(t, good, file("app/../../x")), `"app/../../x" leads out of the archive`},
		"leads to top":   {tarOf(t, good, file("app/../x")), `"app/../x" leads out of the archive`},
		"absolute":       {tarOf(t, good, file("/etc/passwd")), `"/etc/passwd" is an absolute path`},
		"drive":          {tarOf(t, good, file("c:/x")), `"c:/x" is an absolute path`},
		"backslash":      {tarOf(t, good, file(`app\..\x`)), `has a backslash`},
		"link":           {tarOf(t, good, tar.Header{Name: "app/l", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}), `"app/l" is a link; a chart's archive has files only`},
		"hard link":      {tarOf(t, good, tar.Header{Name: "app/l", Typeflag: tar.TypeLink, Linkname: "app/Chart.yaml"}), `"app/l" is a hard link`},
		"device":         {tarOf(t, good, tar.Header{Name: "app/null", Typeflag: tar.TypeChar}), `"app/null" is neither file nor folder`},
		"twice":          {tarOf(t, good, file("app/x"), file("./app//x")), `"app/x" is there twice`},
		"two folders":    {tarOf(t, good, file("other/x")), `two folders are at its top, "app" and "other"`},
		"no folder":      {tarOf(t, file("Chart.yaml")), `"Chart.yaml" is not in a folder`},
		"no Chart.yaml":  {tarOf(t, file("app/x")), "there is no Chart.yaml in the folder at its top"},
		"nothing":        {tarOf(t), "there is no Chart.yaml"},
		"not zipped":     {[]byte("name: app"), "not a gzipped archive"},
		"cut off":        {archive(t, app)[:100], "the archive is damaged"},
		"within itself":  {nested, "archives are within archives more than 10 times"},
		"in a subchart":  {tarOf(t, good, tar.Header{Name: "app/charts/x.tgz", Typeflag: tar.TypeReg, Linkname: string(tarOf(t, file("x/../y")))}), `bad.tgz/app/charts/x.tgz: invalid: "x/../y" leads out`},
		"many files":     {tarOf(t, many...), "more than 20000 files"},
		"zip bomb":       {tarOf(t, good, tar.Header{Name: "app/a", Typeflag: tar.TypeReg, Linkname: zeros}, tar.Header{Name: "app/b", Typeflag: tar.TypeReg, Linkname: zeros}), `"app/b": more than 256 MiB when it is unpacked`},
		"YAML bomb":      {chartYAML("a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"), "bad.tgz/Chart.yaml:1: invalid: more than 1000000 values"},
		"not YAML":       {chartYAML("name: [\n"), "bad.tgz/Chart.yaml:1: invalid: not YAML"},
		"no fields":      {chartYAML("text"), "bad.tgz/Chart.yaml:1: invalid: fields are wanted"},
		"no name":        {chartYAML("version: 1.0.0"), "it has no name"},
		"no version":     {chartYAML("name: app"), "it has no version"},
		"name of a path": {chartYAML("version: 1.0.0\nname: ../x"), `bad.tgz/Chart.yaml:2: invalid: "../x" cannot be the name of a chart`},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bad.tgz")
			if err := os.WriteFile(path, test.archive, 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := new(chart.Opener).Open(t.Context(), profile.Chart{Path: path})
			if !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "bad.tgz") {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// A folder that reaches for what is not in it is refused, too.
func TestBadFolder(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		make func(t *testing.T, dir string)
		want string
	}{
		"out":       {func(t *testing.T, dir string) { link(t, "/etc/passwd", dir+"/values-x.yaml") }, "app/values-x.yaml: invalid: a link that leads out of the folder or nowhere; copy the file there"},
		"up":        {func(t *testing.T, dir string) { link(t, "../../../x", dir+"/templates/x") }, "app/templates/x: invalid: a link that leads out"},
		"folder":    {func(t *testing.T, dir string) { link(t, "charts/db", dir+"/charts/again") }, "a link"},
		"to itself": {func(t *testing.T, dir string) { link(t, "x", dir+"/x") }, "a link that leads out of the folder or nowhere"},
		"no chart":  {func(_ *testing.T, dir string) { os.Remove(dir + "/Chart.yaml") }, "there is no Chart.yaml in the folder"},
		"ignore":    {func(t *testing.T, dir string) { write(t, dir+"/.helmignore", "a/**/b\n") }, ".helmignore: invalid: "},
		"large": {func(t *testing.T, dir string) {
			write(t, dir+"/x", "")
			if err := os.Truncate(dir+"/x", 300<<20); err != nil {
				t.Fatal(err)
			}
		}, "more than 256 MiB"},
		"missing": {func(_ *testing.T, dir string) { os.RemoveAll(dir) }, "not found"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(folder(t, app), "app")
			test.make(t, dir)
			_, err := new(chart.Opener).Open(t.Context(), profile.Chart{Path: dir})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// FuzzArchive makes up what is within the compression.
func FuzzArchive(f *testing.F) {
	for _, zipped := range [][]byte{archive(f, app), tarOf(f, tar.Header{Name: "a/l", Typeflag: tar.TypeSymlink, Linkname: "l"})} {
		r, err := gzip.NewReader(bytes.NewReader(zipped))
		if err != nil {
			f.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte) {
		var b bytes.Buffer
		w, err := gzip.NewWriterLevel(&b, gzip.NoCompression)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(content)
		w.Close()
		path := filepath.Join(dir, "x.tgz")
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		if c, err := new(chart.Opener).Open(t.Context(), profile.Chart{Path: path}); err == nil && (c.Name == "" || c.Version == "") {
			t.Errorf("a chart without name or version: %+v", c)
		}
		files, err := chart.Unpack(b.Bytes())
		for name := range files {
			if err != nil || !filepath.IsLocal(name) {
				t.Errorf("%q, %v", name, err)
			}
		}
	})
}
