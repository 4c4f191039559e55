package upload

import (
	"bytes"
	"database/sql"
	"os"
	"testing"

	"github.com/opencontainers/go-digest"
)

// crashed changes what is on the disk while the appliance does not run: that is how a
// crash has left it.
func (s *site) crashed(change func()) {
	s.t.Helper()
	s.stop()
	s.db = openDatabase(s.t, s.dir+"/landfall.db")
	change()
	if err := s.db.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.start()
}

func (s *site) exec(query string, args ...any) {
	s.t.Helper()
	err := s.db.Write(s.t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// overwrite writes into an upload's data file.
func (s *site) overwrite(location string, offset int, content []byte) {
	s.t.Helper()
	f, err := os.OpenFile(s.dataPath(idIn(location)), os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(content, int64(offset))
		f.Close()
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) noteDown(location string, at int, boot string) {
	s.t.Helper()
	if err := os.WriteFile(s.notePath(idIn(location)), encodeNote(int64(at), boot), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// At each step of an upload the process or the machine ends: the upload goes on from
// what is durable, and becomes the file that was sent.
func TestCrash(t *testing.T) {
	t.Parallel()
	content := archiveOf(300_000, 1)
	const saved, written = 100_000, 200_000
	id := boot()
	for name, c := range map[string]struct {
		sent  int // before the crash
		crash func(s *site, location string)
		at    int64 // the offset afterwards
	}{
		"made only":             {0, func(*site, string) {}, 0},
		"room set aside":        {0, func(s *site, l string) { s.exec(`UPDATE upload_files SET reserved = length`); s.make0(l, len(content)) }, 0},
		"room noted, file lost": {0, func(s *site, _ string) { s.exec(`UPDATE upload_files SET reserved = length`) }, 0},
		"saved":                 {saved, func(*site, string) {}, saved},
		"process ended after more was written": {saved, func(s *site, l string) {
			s.overwrite(l, saved, content[saved:written])
			s.noteDown(l, written, id)
		}, written},
		"process ended after all was written": {saved, func(s *site, l string) {
			s.overwrite(l, saved, content[saved:])
			s.noteDown(l, len(content), id)
		}, int64(len(content))},
		"power cut after more was written": {saved, func(s *site, l string) {
			s.overwrite(l, saved, bytes.Repeat([]byte("?"), written-saved))
			s.noteDown(l, written, "another")
		}, saved},
		"power cut in the note": {saved, func(s *site, l string) {
			s.overwrite(l, saved, bytes.Repeat([]byte("?"), written-saved))
			s.noteDown(l, written, id[:20])
		}, saved},
		"a note beyond the end": {saved, func(s *site, l string) { s.noteDown(l, len(content)+1, id) }, saved},
		"hash state lost":       {saved, func(s *site, _ string) { s.exec(`UPDATE upload_files SET hash = NULL`) }, saved},
		"hash state of another": {saved, func(s *site, _ string) { s.exec(`UPDATE upload_files SET hash = X'00'`) }, saved},
		"file lost":             {saved, func(s *site, l string) { os.Remove(s.dataPath(idIn(l))) }, 0},
		"file lost, note there": {saved, func(s *site, l string) {
			os.Remove(s.dataPath(idIn(l)))
			s.noteDown(l, written, id)
		}, 0},
		"file cut": {saved, func(s *site, l string) { os.Truncate(s.dataPath(idIn(l)), saved-1) }, 0},
	} {
		s := newSite(t, Options{})
		location := s.make(len(content))
		if c.sent > 0 {
			s.send(location, 0, content[:c.sent]).want(t, 204)
		}
		s.crashed(func() { c.crash(s, location) })
		at := s.head(location).want(t, 200).offset()
		if at != c.at {
			t.Errorf("%s: offset %d, want %d", name, at, c.at)
		}
		s.send(location, int(at), content[at:]).want(t, 204)
		up := s.info(location)
		if have, err := os.ReadFile(s.dataPath(idIn(location))); err != nil || up.State != Whole || up.Digest != digest.FromBytes(content) || !bytes.Equal(have, content) {
			t.Errorf("%s: %+v, %v", name, up, err)
		}
	}
}

// make0 makes an upload's data file, with nothing but its length.
func (s *site) make0(location string, size int) {
	if err := os.WriteFile(s.dataPath(idIn(location)), make([]byte, size), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// What had all its bytes when the process ended is judged at the next start.
func TestCrashBeforeJudgement(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	content := archiveOf(300_000, 1)
	up := s.upload(content)
	<-s.came
	s.crashed(func() {
		s.exec(`UPDATE upload_files SET state = 'receiving', digest = '', hash = NULL, kind = ''`)
	})
	s.sweep(t.Context(), up.Created)
	if f := <-s.came; f.ID != up.ID || f.Digest != up.Digest || f.Kind != DockerArchive {
		t.Errorf("%+v, want %+v", f, up)
	}
}

// A join goes on where it was saved; the bytes of parts that it had copied need not be
// there any more.
func TestCrashWhileJoining(t *testing.T) {
	t.Parallel()
	content := archiveOf(1<<20, 1)
	const cut = 400_000
	for _, at := range []int{cut, cut + 1, 700_000, len(content)} {
		s := newSite(t, Options{})
		a, b := s.partial(content[:cut]), s.partial(content[cut:])
		s.stop()
		s.db = openDatabase(t, s.dir+"/landfall.db")
		list := `[{"file":"` + idIn(a) + `","length":` + textOf(cut) + `},{"file":"` + idIn(b) + `","length":` + textOf(len(content)-cut) + `}]`
		s.exec(`DELETE FROM upload_files WHERE id = ?`, idIn(b))
		s.exec(`UPDATE upload_files SET id = 'final', state = 'checking', concat = 'final;x', places = ?, length = ?, received = ?, hash = NULL`, list, len(content), at)
		f, err := os.OpenFile(s.dataPath(idIn(a)), os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteAt(content[cut:at], cut)
			f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		if at == len(content) {
			os.Remove(s.dataPath(idIn(b)))
		}
		s.db.Close()
		s.start()
		s.sweep(t.Context(), s.info("/api/v1/uploads/final").Created)
		if f := <-s.came; f.Digest != digest.FromBytes(content) {
			t.Errorf("at %d: %+v", at, f)
		}
		if names := s.inFolder(); len(names) != 1 {
			t.Errorf("at %d: left in the folder: %q", at, names)
		}
	}
}

// Files without records are removed, and records of whole uploads without files fail.
func TestReconcile(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	lost, consumed, kept := s.upload(archiveOf(1000, 1)), s.upload(archiveOf(1000, 2)), s.upload(archiveOf(1000, 3))
	if err := s.Consume(t.Context(), consumed.ID); err != nil {
		t.Fatal(err)
	}
	s.crashed(func() {
		os.Remove(s.dataPath(lost.ID))
		for _, name := range []string{"stray" + dataSuffix, "stray" + noteSuffix, consumed.ID + dataSuffix} {
			if err := os.WriteFile(s.folder+"/"+name, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	})
	if names := s.inFolder(); len(names) != 1 || names[0] != kept.ID+dataSuffix {
		t.Errorf("in the folder: %q", names)
	}
	if up := s.info("/" + lost.ID); up.State != Failed || up.Reason == "" {
		t.Errorf("%+v", up)
	}
	s.head("/"+lost.ID).want(t, 410)
	if up := s.info("/" + consumed.ID); up.State != Consumed {
		t.Errorf("%+v", up)
	}
}

// A disk that loses what was synced makes an upload begin again.
func TestLost(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	content := archiveOf(300_000, 1)
	location := s.make(len(content))
	s.send(location, 0, content[:1000]).want(t, 204)
	os.Remove(s.dataPath(idIn(location)))
	g := s.send(location, 1000, content[1000:]).want(t, 409)
	if g.offset() != 0 {
		t.Errorf("offset %d after the file was lost", g.offset())
	}
	s.send(location, 0, content).want(t, 204)
	if up := s.info(location); up.Digest != digest.FromBytes(content) {
		t.Errorf("%+v", up)
	}
}
