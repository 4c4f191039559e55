package mirror

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A lock brings what tags stood for, with the signatures of then, into every store
// alike, wherever the tags have moved since; no tag is asked for.
func TestLock(t *testing.T) {
	t.Parallel()
	for _, from := range upstreamKinds {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t, from, newContent(fresh()))
			then := u.content
			lock := filepath.Join(t.TempDir(), "mirror.lock")
			file := u.file(t)
			first, second := newStore(t), newStore(t)
			u.plan(t, first, file, "--lock", lock)
			written := read(t, lock)
			u.move(t)
			var names []string
			for _, d := range []*destination{first, second} {
				u.ResetCounts()
				r := d.mustSync(t, file, "--lock", lock)
				if want := len(then.names()); r.count("copied") != want {
					t.Errorf("%d copied, want %d", r.count("copied"), want)
				}
				if c := u.Counts(); c.Requests["HEAD manifest"]+c.Requests["tags"] > 0 {
					t.Errorf("tags are asked for: %s", c)
				}
				names = append(names, must(t, "content", "ls", "--json", "--data", d.data).stdout)
			}
			if names[0] != names[1] || read(t, lock) != written {
				t.Errorf("the stores differ, or the lock has changed:\n%s\n%s", names[0], names[1])
			}
			for _, d := range []*destination{first, second} {
				level(t, d.read(t), then, u.landed)
			}
		})
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// move gives each tag another meaning, signs anew, and adds tags and referrers.
func (u *upstream) move(t *testing.T) {
	t.Helper()
	var next content
	for _, i := range u.content.tagged() {
		next = append(next, newImage(i.repository, i.tag, "amd64", noise(700)))
	}
	one := u.content[0]
	next = append(next, newImage(one.repository, "v9", "amd64", noise(800)))
	u.fill(t, next)
	more := append(content{newReferrer(one, reportType)}, u.content...)
	u.fill(t, more.without(func(i image) bool { return i.subject == "" }))
}

// A run without a lock that is there writes it; two bundles of one lock have the same
// content.
func TestLockedRun(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, "ggcr", newContent(fresh()))
	lock := filepath.Join(t.TempDir(), "mirror.lock")
	d := newDestination(t, "landfall")
	d.mustSync(t, u.file(t), "--lock", lock)
	then := u.content
	u.move(t)
	for range 2 {
		b := newBundle(t)
		b.mustSync(t, u.file(t), "--lock", lock)
		level(t, b.read(t), then, u.landed)
	}
	again := d.mustSync(t, u.file(t), "--lock", lock)
	if again.count("present") != len(then.names()) {
		t.Errorf("%+v", again)
	}
	level(t, d.read(t), then, u.landed)
}

// A lock that cannot be read is a mistake on the command line, and nobody is dialled.
func TestBadLock(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, "ggcr", newContent(fresh()))
	for text, words := range map[string]string{
		"":                        "empty",
		"version: 2\nmirrors: {}": "line 1, column 10",
		"version: 1\nmirrors:\n  m:\n    a.example/b:c: sha256:1":                                                     "line 4, column 20",
		"version: 1\nmirrors:\n  m:\n    a.example/b: sha256:" + strings.Repeat("a", 64):                              "line 4",
		"version: 1\nmirrors: {}\nmore: x":                                                                            "more",
		"version: 1\nmirrors: {}\nbeside:\n  a.example/b:c: [sha256:" + strings.Repeat("a", 64) + "]":                 "line 4",
		"version: 1\nmirrors:\n  m:\n    a.example/b:c: sha256:" + strings.Repeat("a", 64) + "\n    a.example/b:c: x": "twice",
	} {
		d := newStore(t)
		r := d.sync(t, u.file(t), "--lock", writeFile(t, "mirror.lock", text))
		if r.code != exitUsage || !strings.Contains(r.stderr, "mirror.lock: ") || !strings.Contains(r.stderr, words) {
			t.Errorf("%q: want %q: %s", text, words, r)
		}
	}
	if n := u.Counts().Connections; n > 0 {
		t.Errorf("%d connections", n)
	}
}
