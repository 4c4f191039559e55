package appliance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// drive is one as the API tells of it.
type drive struct {
	ID, Device, Type, State, Reason, Access string
	ReadOnly                                bool
	Readers                                 []string
	Candidates                              []struct {
		ID, Name, Form, Problem string
		Header                  *struct {
			Bundle  string
			Signers []string
		}
	}
}

// source is a bundle on a drive, for the API.
func (d drive) source(t *testing.T, name string) object {
	t.Helper()
	for _, c := range d.Candidates {
		if c.Name == name && c.Header != nil {
			return object{"drive": d.ID, "file": c.ID}
		}
	}
	t.Fatalf("no bundle %q on %+v", name, d)
	return nil
}

// drive waits for something to happen with the drive in a slot.
func (s *stream) drive(kind string, in *slot) (d drive) {
	s.t.Helper()
	s.next("drive "+kind+" in "+in.name, func(e event) bool {
		var told struct {
			Kind  string
			Drive *drive
		}
		if e.Type != "drive" || json.Unmarshal(e.Data, &told) != nil || told.Kind != kind || told.Drive == nil || told.Drive.Device != in.name {
			return false
		}
		d = *told.Drive
		return true
	})
	return d
}

// newDriveSite is a site for which what is in some slots are drives.
func newDriveSite(t *testing.T, policy string, in ...*slot) *site {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := "media:\n  importPolicy: " + policy + "\n  devices:\n"
	for _, s := range in {
		text += "  - " + s.name + "\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return newSite(t, "--config", file)
}

// A drive is noticed, its bundle seen through and landed. Pulled out in the middle,
// the landing waits, and goes on with a copy that arrives elsewhere; the drive is
// let go of when somebody wants to have it.
func TestDrivePulledOut(t *testing.T) {
	t.Parallel()
	first, second := newSlot(t), newSlot(t)
	k := newKey(t)
	c := newContent(t, 6, 2, 300, 64<<10, "--sign", k.private)
	folder := t.TempDir()
	copyFile(t, c.bundle, folder, "week 48.bundle")
	image := ext4(t, folder)
	g := newGate(t, t.TempDir())
	gated := g.place(t, image)
	s := newDriveSite(t, "manual", first, second)
	s.trust(k)
	events := s.local.follow("drive,job")

	first.insert(gated)
	d := events.drive("arrived", first)
	if d.State != "ready" || d.Access != "own mount" || !d.ReadOnly || d.Type != "ext4" {
		t.Errorf("%+v", d)
	}
	source := d.source(t, "week 48.bundle")
	seen := decode[inspection](t, s.local.want(200, "POST", "/api/v1/bundles/inspect", source).body)
	if seen.Verdict == nil || len(seen.Names) != 2 {
		t.Errorf("%+v", seen)
	}
	held := g.hold(c.bytes * 2 / 3)
	id := s.local.startJob("bundles/import", source).ID
	await(t, "the landing is held up", held)
	if got := s.local.do("POST", "/api/v1/bundles/drives/"+d.ID+"/eject", nil); got.status != 409 || !strings.Contains(got.body, "import") {
		t.Errorf("eject while it is read: %d %s", got.status, got.body)
	}
	g.shatter()
	first.pull()
	if gone := events.drive("removed", first); gone.ID != d.ID {
		t.Errorf("%+v", gone)
	}
	j := s.local.await(id, "waits", func(j job) bool { return j.State == "waiting" })
	t.Log(j)
	if j.Error == nil || !strings.Contains(j.Error.Message, "removed") || j.WaitsFor == "" {
		t.Errorf("%s", j)
	}
	if names := s.local.names(); len(names) > 0 {
		t.Errorf("names are there after half a landing: %v", names)
	}

	second.insert(image)
	back := events.drive("arrived", second)
	j = s.local.done(id)
	did := decode[struct{ Moved int64 }](t, string(j.Result))
	t.Logf("%s %s\n%s", j, j.Result, s.local.lines(id))
	if j.Attempt != 2 || did.Moved > c.bytes*2/3 {
		t.Errorf("of %d bytes, %d were moved again", c.bytes, did.Moved)
	}
	if got := s.local.names(); !slices.Equal(got, c.names) {
		t.Errorf("names %v, want %v", got, c.names)
	}
	s.local.want(204, "POST", "/api/v1/bundles/drives/"+back.ID+"/eject", nil)
	if safe := events.drive("safe", second); safe.State != "ejected" {
		t.Errorf("%+v", safe)
	}
	if f, err := os.OpenFile(second.path(), os.O_RDONLY|unix.O_EXCL, 0); err != nil {
		t.Errorf("it is safe, and in use: %v", err)
	} else {
		f.Close()
	}
	s.expectOnce(id)
}

// A FAT drive lands without the kernel's help.
func TestFATDrive(t *testing.T) {
	t.Parallel()
	need(t, "mkfs.vfat", "mcopy")
	in := newSlot(t)
	c := newContent(t, 7, 1, 40, 64<<10)
	image := newImage(t, 48<<20)
	run(t, "mkfs.vfat", "-F", "32", "-n", "STICK", image)
	run(t, "mcopy", "-i", image, c.bundle, "::a long name of a bundle.bundle")
	in.insert(image)
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte("media: {mount: never, devices: ["+in.name+"]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, "--config", file)
	d := s.driveIn(in)
	if d.Access != "device" || d.Type != "vfat" {
		t.Errorf("%+v", d)
	}
	j := s.local.done(s.local.startJob("bundles/import", d.source(t, "a long name of a bundle.bundle")).ID)
	t.Log(j)
	if got := s.local.names(); !slices.Equal(got, c.names) {
		t.Errorf("names %v, want %v", got, c.names)
	}
}

// driveIn waits until the drive in a slot is there, also when it was before.
func (s *site) driveIn(in *slot) drive {
	s.t.Helper()
	events := s.local.follow("drive")
	for _, d := range get[[]drive](s.local, "bundles/drives") {
		if d.Device == in.name {
			return d
		}
	}
	return events.drive("arrived", in)
}

// With the policy, what a trusted key has signed lands by itself, and nothing else
// does.
func TestLandsByItself(t *testing.T) {
	t.Parallel()
	in := newSlot(t)
	k, stranger := newKey(t), newKey(t)
	folder := t.TempDir()
	good := newContent(t, 8, 1, 4, 64<<10, "--sign", k.private)
	bad := newContent(t, 9, 1, 4, 64<<10, "--sign", stranger.private)
	none := newContent(t, 10, 1, 4, 64<<10)
	for name, c := range map[string]content{"a stranger's.bundle": bad, "not signed.bundle": none, "ours.bundle": good} {
		copyFile(t, c.bundle, folder, name)
	}
	s := newDriveSite(t, "signed", in)
	s.trust(k)
	events := s.local.follow("drive,job")
	in.insert(ext4(t, folder))
	d := events.drive("arrived", in)
	if len(d.Candidates) != 3 {
		t.Errorf("%+v", d)
	}
	j := events.job("a landing ends", func(j job) bool { return j.Kind == "import" && j.ended() })
	t.Logf("%s\n%s", j, s.local.lines(j.ID))
	// What is looked at comes in order; another landing proves that all was.
	s.local.want(403, "POST", "/api/v1/bundles/import", d.source(t, "not signed.bundle"))
	if got := s.local.names(); !slices.Equal(got, good.names) {
		t.Errorf("names %v, want %v", got, good.names)
	}
	if list := get[page[job]](s.local, "bundles/imports"); len(list.Items) != 1 {
		t.Errorf("landings: %v", list.Items)
	}
	// Who is trusted later, is when somebody asks to look again.
	s.trust(k, stranger)
	s.local.want(204, "POST", "/api/v1/bundles/drives/rescan", nil)
	events.job("another landing ends", func(other job) bool { return other.Kind == "import" && other.ID != j.ID && other.ended() })
	if got, want := s.local.names(), slices.Concat(good.names, bad.names); !slices.Equal(got, want) {
		t.Errorf("names %v, want %v", got, want)
	}
}

// A drive that somebody has made to do harm does none: links, devices and pipes are
// left alone, names are shown as they are and not done.
func TestHostileDrive(t *testing.T) {
	t.Parallel()
	in := newSlot(t)
	c := newContent(t, 11, 1, 2, 64<<10)
	folder := t.TempDir()
	const evil = "\x1b]0;owned\a\x1b[2J\u202e<b>.bundle"
	copyFile(t, c.bundle, folder, evil)
	must(0, os.Symlink("/etc/shadow", folder+"/shadow.bundle"))(t)
	must(0, os.Symlink(".", folder+"/endless"))(t)
	must(0, os.Symlink("../../../../"+c.bundle, folder+"/out.bundle"))(t)
	must(0, unix.Mkfifo(folder+"/pipe.bundle", 0o666))(t)
	must(0, unix.Mknod(folder+"/null.bundle", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))(t)
	must(0, unix.Mknod(folder+"/disk.bundle", unix.S_IFBLK|0o666, int(unix.Mkdev(7, 0))))(t)
	must(0, os.MkdirAll(folder+"/folder.bundle/deep", 0o755))(t)
	must(0, os.WriteFile(folder+"/garbage.bundle", noise(1, 70_000), 0o600))(t)
	must(0, os.WriteFile(folder+"/empty.bundle", nil, 0o600))(t)
	s := newDriveSite(t, "signed", in)
	in.insert(ext4(t, folder))
	d := s.driveIn(in)
	var names []string
	for _, x := range d.Candidates {
		names = append(names, x.Name)
		if (x.Header == nil) != (x.Problem != "") {
			t.Errorf("%+v", x)
		}
		if strings.ContainsFunc(x.Name+x.Problem, func(r rune) bool { return r < ' ' || r == '\u202e' || r == '\a' }) {
			t.Errorf("shown as it is: %q %q", x.Name, x.Problem)
		}
	}
	shown := strings.Trim(fmt.Sprintf("%+q", evil), `"`)
	if slices.Sort(names); len(names) != 3 || !slices.Contains(names, "garbage.bundle") || !slices.Contains(names, "empty.bundle") {
		t.Errorf("candidates %q, want %q, garbage and empty", names, shown)
	}
	for _, x := range d.Candidates {
		source := object{"drive": d.ID, "file": x.ID}
		if x.Header == nil {
			if got := s.local.do("POST", "/api/v1/bundles/import", source); got.status < 400 || got.status >= 500 {
				t.Errorf("%s: %d %s", x.Name, got.status, got.body)
			}
			continue
		}
		s.local.want(200, "POST", "/api/v1/bundles/inspect", source)
		id := s.local.startJob("bundles/import", source).ID
		s.local.done(id)
		if lines := s.local.lines(id); strings.ContainsAny(lines, "\x1b\a") {
			t.Errorf("a job tells a terminal what to do: %q", lines)
		}
	}
	for _, file := range []string{"../../etc/shadow", "shadow.bundle", "/etc/shadow", "nothing"} {
		if got := s.local.do("POST", "/api/v1/bundles/inspect", object{"drive": d.ID, "file": file}); got.status != 404 {
			t.Errorf("file %q: %d %s", file, got.status, got.body)
		}
	}
	if got := s.local.names(); !slices.Equal(got, c.names) {
		t.Errorf("names %v, want %v", got, c.names)
	}
	if said := s.read(); strings.ContainsAny(said, "\x1b\a") {
		t.Errorf("the log tells a terminal what to do: %q", said)
	}
}
