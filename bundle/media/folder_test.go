package media_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/landfall-dev/landfall/bundle/media"
	"github.com/landfall-dev/landfall/registry"
)

// onlyFolders is a watcher's view of one folder.
func onlyFolders(dir string) media.Options {
	return media.Options{NoDevices: true, Folders: []string{dir}}
}

// A bundle in a folder is found, told of with what its header says, and reads
// whole. What is put there later is found by a look, and so is what is taken away.
func TestFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, signer := newBundle(t)
	content := read(t, path)
	write(t, dir+"/in/site.bundle", content)
	write(t, dir+"/no extension", content) // by how it begins
	write(t, dir+"/site.bundle.sig", []byte("sig"))
	write(t, dir+"/cut.bundle", content[:len(content)/2])
	write(t, dir+"/notes.txt", []byte(strings.Repeat("notes\n", 1000)))
	w := watch(t, onlyFolders(dir))
	d := w.of(media.Arrived)
	if d.State != media.Ready || d.Access != media.ByFolder || d.Where != dir || d.ID == "" || d.Cut != "" {
		t.Errorf("%+v", d)
	}
	if got, want := names(d), []string{"cut.bundle", "in/site.bundle", "no extension", "site.bundle.sig"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	c := candidate(t, d, "in/site.bundle")
	h := c.Header
	if c.Form != media.Bundle || c.Size != int64(len(content)) || c.Problem != "" || h == nil {
		t.Fatalf("%+v", c)
	}
	if h.Channel != "stable" || h.Sequence != 7 || h.Names != 3 || h.Content == 0 || !slices.Equal(h.Signers, []string{signer}) || len(h.Bundle) != 32 {
		t.Errorf("%+v", h)
	}
	if c := candidate(t, d, "cut.bundle"); c.Header != nil || !strings.Contains(c.Problem, "cut off") {
		t.Errorf("%+v", c)
	}
	if c := candidate(t, d, "site.bundle.sig"); c.Form != media.Signature || c.Problem != "" {
		t.Errorf("%+v", c)
	}
	w.proven(d, "in/site.bundle")

	if err := os.Remove(dir + "/cut.bundle"); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/a/b/c/new.bundle", content)
	write(t, dir+"/a/b/c/d/too deep.bundle", content)
	w.Rescan()
	e := w.next("other candidates", func(e media.Event) bool {
		return e.Kind == media.Changed && slices.Contains(names(*e.Drive), "a/b/c/new.bundle")
	})
	if got, want := names(*e.Drive), []string{"a/b/c/new.bundle", "in/site.bundle", "no extension", "site.bundle.sig"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if list := w.Drives(); len(list) != 1 || list[0].ID != d.ID || len(list[0].Candidates) != 4 {
		t.Errorf("%+v", list)
	}
}

// Links, pipes and sockets are not followed, opened or listed, and names that
// would do something to a terminal are shown and do nothing.
func TestHostileFolder(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	path, _ := newBundle(t)
	content := read(t, path)
	write(t, outside+"/secret.bundle", content)
	odd := "\x1b[2J\x1b]0;owned\a\r\n\u202eeldnub.bundle"
	write(t, dir+"/"+odd, content)
	write(t, dir+"/\xff\xfe.bundle", content)
	if err := errors.Join(
		os.Symlink("/etc/shadow", dir+"/shadow.bundle"),
		os.Symlink(outside, dir+"/folder"),
		os.Symlink(".", dir+"/self"),
		os.Symlink("/proc/self/fd/0", dir+"/magic.bundle"),
		syscall.Mkfifo(dir+"/pipe.bundle", 0o666),
	); err != nil {
		t.Fatal(err)
	}
	s, err := net.Listen("unix", dir+"/s.bundle")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := watch(t, onlyFolders(dir))
	d := w.of(media.Arrived)
	want := []string{`\x1b[2J\x1b]0;owned\a\r\n\u202eeldnub.bundle`, `\xff\xfe.bundle`}
	if got := names(d); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, name := range want {
		w.proven(d, name)
	}
	if text := fmt.Sprintf("%+v", d); media.Printable(text) != strings.ReplaceAll(text, `\`, `\\`) {
		t.Errorf("%q", text)
	}
}

// What was a file when it was looked at is not opened when it is a link later.
func TestSwapped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, _ := newBundle(t)
	for _, name := range []string{"a.bundle", "in/b.bundle", "c.bundle"} {
		write(t, filepath.Join(dir, name), read(t, path))
	}
	w := watch(t, media.Options{NoDevices: true, Folders: []string{dir}, Every: 1 << 62})
	d := w.of(media.Arrived)
	if err := errors.Join(
		os.Remove(dir+"/a.bundle"), os.Symlink(path, dir+"/a.bundle"),
		os.Rename(dir+"/in", dir+"/other"), os.Symlink("other", dir+"/in"),
		os.Remove(dir+"/c.bundle"), syscall.Mkfifo(dir+"/c.bundle", 0o666),
	); err != nil {
		t.Fatal(err)
	}
	for _, name := range names(d) {
		if f, err := w.Open(t.Context(), d.ID, candidate(t, d, name).ID, "a test"); err == nil {
			f.Close()
			t.Errorf("%s was opened", name)
		}
	}
}

// A drive full of things is looked at as far as allowed, and that is said. What
// is named like a bundle is found all the same.
func TestFullFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 300 {
		write(t, fmt.Sprintf("%s/deep/file-%d", dir, i), nil)
	}
	path, _ := newBundle(t)
	write(t, dir+"/site.bundle", read(t, path))
	o := onlyFolders(dir)
	o.MaxEntries = 100
	w := watch(t, o)
	d := w.of(media.Arrived)
	if d.State != media.Ready || !strings.Contains(d.Cut, "more than 100") || !slices.Equal(names(d), []string{"site.bundle"}) {
		t.Errorf("%+v", d)
	}
	o.MaxEntries, o.MaxTime = 0, 1
	w = watch(t, o)
	if d := w.of(media.Arrived); d.State != media.Ready || !strings.Contains(d.Cut, "too long") {
		t.Errorf("%+v", d)
	}
}

// A folder that is not there yet is one that cannot be read; then it can.
func TestNoFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "later")
	w := watch(t, onlyFolders(dir))
	if d := w.of(media.Arrived); d.State != media.Unreadable || !strings.Contains(d.Reason, "no such file") {
		t.Errorf("%+v", d)
	}
	write(t, dir+"/x.bundle", nil)
	w.Rescan()
	if d := w.of(media.Changed); d.State != media.Ready || len(d.Candidates) != 1 {
		t.Errorf("%+v", d)
	}
}

// Who asks for what is not there is told so, with the vocabulary's errors.
func TestRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, _ := newBundle(t)
	write(t, dir+"/site.bundle", read(t, path))
	w := watch(t, onlyFolders(dir))
	d := w.of(media.Arrived)
	if _, err := w.Open(t.Context(), "none", "none", "x"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if _, err := w.Open(t.Context(), d.ID, "none", "x"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if err := w.Eject(t.Context(), "none"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if err := w.Eject(t.Context(), d.ID); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("%v", err)
	}
	f, err := w.Open(t.Context(), d.ID, candidate(t, d, "site.bundle").ID, "import 12")
	if err != nil {
		t.Fatal(err)
	}
	if d := w.of(media.Changed); !slices.Equal(d.Readers, []string{"import 12"}) {
		t.Errorf("%q", d.Readers)
	}
	if f.OS() == nil {
		t.Error("no file of the system's")
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if d := w.of(media.Changed); len(d.Readers) != 0 {
		t.Errorf("%q", d.Readers)
	}
}
