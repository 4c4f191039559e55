package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// tinyDisk is an ext4 file system of the size in MiB.
func tinyDisk(t *testing.T, megabytes int64, options ...string) string {
	t.Helper()
	image, dir := filepath.Join(t.TempDir(), "disk"), t.TempDir()
	file, err := os.Create(image)
	if err == nil {
		err = errors.Join(file.Truncate(megabytes<<20), file.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	run(t, append([]string{"mkfs.ext4", "-q", "-m", "0", image}, options...)...)
	run(t, "mount", "-o", "loop", image, dir)
	t.Cleanup(func() { run(t, "umount", dir) })
	return dir
}

// ballast fills a disk but for some MiB, and returns what empties it again.
func ballast(t *testing.T, dir string, free int64) (remove func()) {
	t.Helper()
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "ballast")
	file, err := os.Create(path)
	if err == nil {
		err = errors.Join(syscall.Fallocate(int(file.Fd()), 0, 0, int64(stat.Bavail)*stat.Bsize-free<<20), file.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// lastInodes takes all inodes but some, and returns what frees them.
func lastInodes(t *testing.T, dir string, left int) (remove func()) {
	t.Helper()
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "inodes")
	err := os.Mkdir(folder, 0o755)
	for i := range int(stat.Ffree) - 1 - left {
		err = errors.Join(err, os.WriteFile(filepath.Join(folder, strconv.Itoa(i)), nil, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	}
}

// expectNoSpace checks how a program ends on a full disk.
func expectNoSpace(t *testing.T, dir string, r result) {
	t.Helper()
	t.Logf("exit %d: %s", r.code, strings.TrimSpace(r.stderr))
	if r.code != exitNoSpace {
		t.Errorf("exit %d on a full disk, want %d: %s", r.code, exitNoSpace, r)
	}
	if !strings.Contains(strings.ToLower(r.stderr), "space") || !strings.Contains(r.stderr, dir) {
		t.Errorf("the message names no lack of space below %s: %s", dir, r.stderr)
	}
}

func TestFullDiskCreateImport(t *testing.T) {
	need(t, isolation, "mkfs.ext4", "mount", "umount")
	up := newUpstream(t)
	big, small := up.address+"/team/big:1", up.address+"/team/small:1"
	push(t, big, noiseImage(t, 7, 6, 4<<20))
	push(t, small, noiseImage(t, 50, 2, 64<<10))

	t.Run("create", func(t *testing.T) {
		dir := tinyDisk(t, 64)
		remove := ballast(t, dir, 10)
		out := filepath.Join(dir, "content.landfall")
		create := landfall("bundle", "create", "--plain-http", "-o", out, big)
		expectNoSpace(t, dir, try(t, create...))
		if _, err := os.Stat(out); err == nil {
			t.Errorf("a bundle that is not whole has the name of one: %v", files(t, dir))
		}
		remove()
		run(t, create...)
		run(t, landfall("bundle", "verify", out)...)
		if got := files(t, dir); len(got) != 1 {
			t.Errorf("beside the bundle: %v", got)
		}
	})

	bigBundle, smallBundle := createBundle(t, big), createBundle(t, small)
	t.Run("import", func(t *testing.T) {
		dir := tinyDisk(t, 64)
		data := filepath.Join(dir, "data")
		importBundle(t, smallBundle, data)
		before := names(t, data)
		remove := ballast(t, dir, 10)
		again := landfall("bundle", "import", bigBundle, "--data", data)
		for range 2 {
			expectNoSpace(t, dir, try(t, again...))
			if got := names(t, data); !slices.Equal(got, before) {
				t.Errorf("names after a full disk: %v, want %v", got, before)
			}
		}
		remove()
		run(t, again...)
		clean := t.TempDir()
		importBundle(t, smallBundle, clean)
		importBundle(t, bigBundle, clean)
		if got, want := names(t, data), names(t, clean); !slices.Equal(got, want) {
			t.Errorf("names after importing again: %v, want %v", got, want)
		}
		t.Run("site", func(t *testing.T) { validateAll(t, serve(t, data)) })
	})

	t.Run("push", func(t *testing.T) {
		dir := tinyDisk(t, 64)
		address := serve(t, filepath.Join(dir, "data"))
		remove := ballast(t, dir, 10)
		copyBig := []string{tool("crane"), "copy", "--insecure", big, address + "/team/big:1"}
		r := try(t, copyBig...)
		t.Logf("crane copy: exit %d: %s", r.code, lastLines(r.stderr, 1))
		if r.code == 0 || !strings.Contains(r.stderr, "space") {
			t.Errorf("crane does not learn that the site's disk is full: %s", r)
		}
		if r := try(t, tool("crane"), "digest", "--insecure", address+"/team/big:1"); r.code == 0 {
			t.Errorf("the name is visible after a push to a full disk: %s", r)
		}
		remove()
		run(t, copyBig...)
		validateAll(t, address)
	})

	// Free bytes, but no inode for another file: no check beforehand sees it.
	t.Run("import without inodes", func(t *testing.T) {
		dir := tinyDisk(t, 64, "-N", "900")
		data := filepath.Join(dir, "data")
		importBundle(t, smallBundle, data)
		before := names(t, data)
		remove := lastInodes(t, dir, 3)
		again := landfall("bundle", "import", bigBundle, "--data", data)
		expectNoSpace(t, dir, try(t, again...))
		if got := names(t, data); !slices.Equal(got, before) {
			t.Errorf("names after a full disk: %v, want %v", got, before)
		}
		remove()
		run(t, again...)
		t.Run("site", func(t *testing.T) { validateAll(t, serve(t, data)) })
	})
}
