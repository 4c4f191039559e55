package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// region is a stretch of a bundle's bytes.
type region struct {
	name       string // "index.json header"
	start, end int64
}

// regions splits a tar into headers, payloads, paddings and the trailer.
func regions(t *testing.T, content []byte) []region {
	t.Helper()
	reader := bytes.NewReader(content)
	position := func() int64 { return int64(len(content)) - int64(reader.Len()) }
	var found []region
	add := func(name string, start, end int64) {
		if end > start {
			found = append(found, region{name, start, end})
		}
	}
	archive, payloadEnd := tar.NewReader(reader), int64(0)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			add("trailer", (payloadEnd+511)/512*512, int64(len(content)))
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		padded := (payloadEnd + 511) / 512 * 512
		if len(found) > 0 {
			add(strings.TrimSuffix(found[len(found)-1].name, " payload")+" padding", payloadEnd, padded)
		}
		add(header.Name+" header", padded, position())
		payloadEnd = position() + header.Size
		add(header.Name+" payload", position(), payloadEnd)
	}
}

// expectRefused runs verify and import of a bundle that is no good and checks
// what they say and that nothing became visible.
func expectRefused(t *testing.T, path string, codes ...int) {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	for _, args := range [][]string{{"bundle", "verify", path}, {"bundle", "import", path, "--data", data}} {
		r := try(t, landfall(args...)...)
		message := strings.TrimSpace(r.stderr)
		if !slices.Contains(codes, r.code) {
			t.Errorf("bundle %s: exit %d, want %d: %s%s", args[1], r.code, codes, r.stdout, message)
		}
		if !strings.Contains(message, path) {
			t.Errorf("bundle %s: the message does not name the file: %s", args[1], message)
		}
		if strings.Contains(message, "goroutine ") {
			t.Errorf("bundle %s: panics: %s", args[1], message)
		}
		if args[1] == "verify" {
			t.Logf("exit %d: %s", r.code, strings.ReplaceAll(message, path, "FILE"))
		}
	}
	if got := names(t, data); len(got) > 0 {
		t.Errorf("names are visible after a refused import: %v", got)
	}
}

func writeBundle(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bad.landfall")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// goodBundle is a bundle of one small image, as bytes.
func goodBundle(t *testing.T) []byte {
	t.Helper()
	up := newUpstream(t)
	ref := up.address + "/team/small:1"
	push(t, ref, noiseImage(t, 3, 3, 9_000))
	return must(os.ReadFile(createBundle(t, ref)))(t)
}

func TestBadBundles(t *testing.T) {
	good := goodBundle(t)
	found := regions(t, good)
	for _, r := range found {
		t.Run("cut before "+r.name, func(t *testing.T) { expectRefused(t, writeBundle(t, good[:r.start]), exitRefused) })
		t.Run("cut in "+r.name, func(t *testing.T) { expectRefused(t, writeBundle(t, good[:(r.start+r.end)/2]), exitRefused) })
		t.Run("bit flipped in "+r.name, func(t *testing.T) { expectRefused(t, writeBundle(t, flipped(good, r.start, r.end)), exitRefused) })
	}
	t.Run("last byte missing", func(t *testing.T) { expectRefused(t, writeBundle(t, good[:len(good)-1]), exitRefused) })
	t.Run("bytes after the end", func(t *testing.T) {
		expectRefused(t, writeBundle(t, append(slices.Clip(good), "more"...)), exitRefused)
	})
	t.Run("zeros after the end", func(t *testing.T) {
		expectRefused(t, writeBundle(t, append(slices.Clip(good), make([]byte, 512)...)), exitRefused)
	})
	t.Run("good after all", func(t *testing.T) {
		run(t, landfall("bundle", "verify", writeBundle(t, good))...)
	})
}

// flipped has one bit in the middle of the stretch changed.
func flipped(content []byte, start, end int64) []byte {
	changed := bytes.Clone(content)
	changed[(start+end)/2] ^= 1
	return changed
}

func TestNotABundle(t *testing.T) {
	refused := []int{exitRefused, exitUsage, exitFailed}
	for name, content := range map[string][]byte{
		"empty":     {},
		"text":      []byte("not a bundle\n"),
		"noise":     noise(9, 100_000),
		"zeros":     make([]byte, 100_000),
		"plain tar": retarred(t, goodBundle(t), func(e []entry) []entry { return e[:1] }),
	} {
		t.Run(name, func(t *testing.T) { expectRefused(t, writeBundle(t, content), exitRefused) })
	}
	t.Run("directory", func(t *testing.T) { expectRefused(t, t.TempDir(), refused...) })
	t.Run("missing", func(t *testing.T) { expectRefused(t, filepath.Join(t.TempDir(), "none"), exitFailed, exitUsage) })
}

// entry is one file of a tar.
type entry struct {
	header  tar.Header
	content []byte
}

// retarred takes a tar apart, lets change alter the entries, and puts it
// together again.
func retarred(t *testing.T, content []byte, change func([]entry) []entry) []byte {
	t.Helper()
	var entries []entry
	for archive := tar.NewReader(bytes.NewReader(content)); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry{*header, must(io.ReadAll(archive))(t)})
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range change(entries) {
		if err := w.WriteHeader(&e.header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Whoever takes a bundle apart and packs it again must not get more than what
// the manifest states into a store or onto a disk.
func TestForgedArchives(t *testing.T) {
	good := goodBundle(t)
	renamed := func(name string) func([]entry) []entry {
		return func(e []entry) []entry {
			e[len(e)-1].header.Name = name
			return e
		}
	}
	for name, change := range map[string]func([]entry) []entry{
		"an entry twice": func(e []entry) []entry { return append(e, e[len(e)-1]) },
		"out of order":   func(e []entry) []entry { slices.Reverse(e); return e },
		"absolute path":  renamed("/tmp/landfall-e2e-escaped"),
		"path with ..":   renamed("../../landfall-e2e-escaped"),
		"unknown entry": func(e []entry) []entry {
			return append(e, entry{tar.Header{Name: "extra", Typeflag: tar.TypeReg}, nil})
		},
		"an entry missing": func(e []entry) []entry { return e[:len(e)-1] },
		"symbolic link": func(e []entry) []entry {
			return append(e, entry{tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, nil})
		},
		"size that lies": func(e []entry) []entry {
			last := &e[len(e)-1]
			last.content = append(last.content, 0)
			last.header.Size++
			return e
		},
	} {
		t.Run(name, func(t *testing.T) { expectRefused(t, writeBundle(t, retarred(t, good, change)), exitRefused) })
	}
	for _, escaped := range []string{"/tmp/landfall-e2e-escaped", filepath.Join(os.TempDir(), "landfall-e2e-escaped")} {
		if _, err := os.Lstat(escaped); err == nil {
			t.Errorf("%s was written", escaped)
		}
	}
}

// A bundle of a later format is refused as such, its checksum being right.
func TestNewerFormat(t *testing.T) {
	good := goodBundle(t)
	header := payload(t, good, "landfall/bundle.json")
	raised := bytes.Replace(header, []byte(`"format":1,`), []byte(`"format":9,`), 1)
	if bytes.Equal(raised, header) {
		t.Fatalf("landfall/bundle.json states no format version: %.200s", header)
	}
	sum := func(content []byte) []byte { return fmt.Appendf(nil, "%x", sha256.Sum256(content)) }
	newer := bytes.Replace(good, header, raised, 1)
	newer = bytes.Replace(newer, sum(header), sum(raised), 1)
	path := writeBundle(t, newer)
	expectRefused(t, path, exitRefused)
	if r := try(t, landfall("bundle", "verify", path)...); !strings.Contains(r.stderr, "version 9") {
		t.Errorf("the message does not say that the format is newer: %s", r.stderr)
	}
}

func payload(t *testing.T, content []byte, name string) []byte {
	t.Helper()
	for _, r := range regions(t, content) {
		if r.name == name+" payload" {
			return content[r.start:r.end]
		}
	}
	t.Fatalf("no %s", name)
	return nil
}
