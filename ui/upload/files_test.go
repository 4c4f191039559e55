package upload

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/iotest"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// A job keeps an upload from being deleted and from expiring, across restarts, until
// it lets go or has consumed it.
func TestBind(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	ctx := t.Context()
	up := s.upload(archiveOf(5000, 1), "filename", "x.tar")
	f, err := s.Bind(ctx, up.ID, "job 1")
	if err != nil || f.ID != up.ID || f.Name != "x.tar" || f.Kind != DockerArchive || f.Size != up.Size || f.Digest != up.Digest || f.Owner != "amy" {
		t.Fatal(f, err)
	}
	s.restart()
	if _, err := s.Bind(ctx, up.ID, "job 2"); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("a second job: %v", err)
	}
	if _, err := s.Bind(ctx, up.ID, "job 1"); err != nil {
		t.Errorf("the same job: %v", err)
	}
	s.do(call{method: "DELETE", path: "/" + up.ID}).want(t, 409)
	later := time.Now().Add(30 * 24 * time.Hour)
	s.sweep(ctx, later)
	if _, err := s.Whole(ctx, up.ID); err != nil {
		t.Errorf("it expired under a job: %v", err)
	}
	if err := s.Release(ctx, up.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Bind(ctx, up.ID, "job 2"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // again is no error
		if err := s.Consume(ctx, up.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Whole(ctx, up.ID); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("after it was consumed: %v", err)
	}
	if _, err := os.Stat(f.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its file: %v", err)
	}
	if at := s.head("/"+up.ID).want(t, 200).offset(); at != up.Size {
		t.Errorf("offset %d", at)
	}
	if _, err := s.Whole(ctx, "none"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("what is not there: %v", err)
	}
}

// What is whole and bound by no job is announced once more after a restart.
func TestAnnounce(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	free, bound := s.upload(archiveOf(5000, 1)), s.upload(archiveOf(5000, 2))
	<-s.came
	<-s.came
	if _, err := s.Bind(t.Context(), bound.ID, "job"); err != nil {
		t.Fatal(err)
	}
	s.restart()
	s.announce(t.Context())
	if f := <-s.came; f.ID != free.ID || len(s.came) != 0 {
		t.Errorf("%+v and %d more", f, len(s.came))
	}
}

// Uploads expire after their last byte, with what they have on the disk.
func TestExpiry(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Limits: Limits{Expiry: time.Hour, WholeExpiry: 3 * time.Hour}})
	content := archiveOf(5000, 1)
	begun, whole := s.make(len(content)), s.upload(content)
	s.send(begun, 0, content[:1000]).want(t, 204)
	n := textOf(len(content))
	s.partial(content[:2000], "group", "g", "offset", "0", "total", n)
	s.partial(content[2000:], "group", "g", "offset", "2000", "total", n)
	now := time.Now()
	s.sweep(t.Context(), now.Add(59*time.Minute))
	s.head(begun).want(t, 200)
	s.sweep(t.Context(), now.Add(61*time.Minute))
	s.head(begun).want(t, 404)
	s.send(begun, 1000, content[1000:]).want(t, 404)
	if names := s.inFolder(); len(names) != 1 || names[0] != whole.ID+dataSuffix {
		t.Errorf("in the folder: %q", names)
	}
	s.sweep(t.Context(), now.Add(181*time.Minute))
	s.head("/"+whole.ID).want(t, 404)
	if names := s.inFolder(); len(names) != 0 {
		t.Errorf("in the folder: %q", names)
	}
}

// The parts of a file that was cut are found by name and read as one.
func TestSet(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	content := archiveOf(20_000, 1)
	cuts := []int{0, 7000, 14_000, len(content)}
	var last Upload
	for _, n := range []int{2, 3, 1} {
		last = s.upload(content[cuts[n-1]:cuts[n]], "kind", "part", "filename", "big.lfb.00"+textOf(n))
	}
	s.upload(content[:10], "kind", "part", "filename", "other.lfb.001")
	set, err := s.Set(t.Context(), last.ID)
	if err != nil || len(set) != 3 || set[0].Name != "big.lfb.001" || set[2].Name != "big.lfb.003" {
		t.Fatal(set, err)
	}
	p, err := OpenParts(set)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := iotest.TestReader(io.NewSectionReader(p, 0, p.Size()), content); err != nil {
		t.Error(err)
	}
	whole := make([]byte, len(content)+5)
	if n, err := p.ReadAt(whole, 0); n != len(content) || !errors.Is(err, io.EOF) || !bytes.Equal(whole[:n], content) {
		t.Error(n, err)
	}
	s.do(call{method: "DELETE", path: "/" + set[1].ID}).want(t, 204)
	if _, err := s.Set(t.Context(), last.ID); !errors.Is(err, registry.ErrIncomplete) {
		t.Errorf("a part is missing: %v", err)
	}
	if _, err := s.Set(t.Context(), s.upload(archiveOf(10, 1)).ID); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("no part: %v", err)
	}
}

// Each change has its entry in the audit log.
func TestAudit(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	up := s.upload(archiveOf(5000, 1))
	if err := s.Consume(t.Context(), up.ID); err != nil {
		t.Fatal(err)
	}
	s.do(call{method: "DELETE", path: "/" + up.ID}).want(t, 204)
	bad := s.make(4)
	s.send(bad, 0, []byte("\x1f\x8b\x08\x00")).want(t, 422)
	rows, err := s.db.Read.Query(`SELECT action, target FROM audit ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var have []string
	for rows.Next() {
		var action, target string
		if err := rows.Scan(&action, &target); err != nil {
			t.Fatal(err)
		}
		if target != up.ID && target != idIn(bad) {
			t.Errorf("%s of %s", action, target)
		}
		have = append(have, action)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	want := []string{"upload.create", "upload.finish", "upload.consume", "upload.delete", "upload.create", "upload.finish"}
	if textOf(have) != textOf(want) {
		t.Errorf("entries %q, want %q", have, want)
	}
}
