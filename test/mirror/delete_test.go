package mirror

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/test/faultproxy"
)

// versions is a repository with the tags v1 to v5, of which v1 is signed, and so
// that v2 and "stable" are the same.
func versions(prefix string) content {
	base := noise(5000)
	var c content
	for n := range 5 {
		c = append(c, newImage(prefix+"/app", fmt.Sprintf("v%d", n+1), "amd64", base, noise(3000)))
	}
	return append(c,
		newImage(prefix+"/app", signatureTag(c[0].digest()), "amd64", noise(100)),
		newImage(prefix+"/app", signatureTag(c[1].digest()), "amd64", noise(100)),
		c[1].as("stable"))
}

// lose removes tags at the upstream, v1 with its signature.
func (u *upstream) lose(t *testing.T, tags ...string) {
	t.Helper()
	u.content = u.content.without(func(i image) bool {
		gone := slices.Contains(tags, i.tag)
		if gone {
			if err := u.remove(i); err != nil {
				t.Fatal(err)
			}
		}
		return gone
	})
}

// deletionKinds are the destinations that can delete.
var deletionKinds = []string{"store", "socket", "landfall", "distribution", "ggcr"}

// deleted are the names that a run has deleted, and those that it kept.
func (r report) deleted() (gone, kept []string) {
	for _, d := range r.Deleted {
		name := d.Name[strings.LastIndexByte(d.Name, ':')+1:]
		if d.Error != "" {
			kept = append(kept, name)
		} else {
			gone = append(gone, name)
		}
	}
	slices.Sort(gone)
	return gone, kept
}

func TestGone(t *testing.T) {
	t.Parallel()
	for _, from := range upstreamKinds {
		for _, to := range deletionKinds {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				u := newUpstream(t, from, versions(fresh()))
				d := newDestination(t, to)
				file := u.file(t, "delete: {when: gone, maxShare: 50%}")
				d.mustSync(t, file)
				signature := signatureTag(u.content[0].digest())
				u.lose(t, "v1", "stable", signature)
				want := []string{signature, "stable", "v1"}
				p := u.plan(t, d, file)
				if len(p.Deletions) != len(want) {
					t.Errorf("the plan has the deletions %+v", p.Deletions)
				}
				gone, kept := d.mustSync(t, file).deleted()
				if !slices.Equal(gone, want) || len(kept) > 0 {
					t.Errorf("%q are deleted and %q kept, want %q", gone, kept, want)
				}
				again(t, &upstream{place: u.place, Proxy: u.Proxy, content: u.content}, d, file)
				level(t, d.read(t), u.content, u.landed)
			})
		}
	}
}

// plan is what a run would do.
func (u *upstream) plan(t *testing.T, d *destination, file string, args ...string) (p plan) {
	t.Helper()
	r := must(t, append(append([]string{"sync", "plan", "--json", "-f", file}, d.args...), args...)...)
	decode(t, r.stdout, &p)
	return p
}

// What is not chosen any more goes, but for the newest.
func TestKeep(t *testing.T) {
	t.Parallel()
	for _, to := range deletionKinds {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t, "ggcr", versions(fresh()))
			d := newDestination(t, to)
			tags := `tags: {regex: ["v.*"], latest: %d}`
			d.mustSync(t, u.file(t, fmt.Sprintf(tags, 5)))
			keep := u.file(t, fmt.Sprintf(tags, 1), "delete: {keep: 2, maxShare: 100%}")
			gone, kept := d.mustSync(t, keep).deleted()
			want := []string{signatureTag(u.content[0].digest()), signatureTag(u.content[1].digest()), "v1", "v2", "v3"}
			if !slices.Equal(sorted(gone), sorted(want)) || len(kept) > 0 {
				t.Errorf("%q are deleted, %q kept, want %q", gone, kept, want)
			}
			level(t, d.read(t), content{u.content[3], u.content[4]}, u.landed)
		})
	}
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

// When too many would go, none goes, and what is new comes nevertheless.
func TestMaxShare(t *testing.T) {
	t.Parallel()
	for _, to := range deletionKinds {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t, "ggcr", versions(fresh()))
			d := newDestination(t, to)
			file := u.file(t, "delete: gone")
			d.mustSync(t, file)
			all := u.content
			u.lose(t, "v1", "v3")
			more := newImage(all[0].repository, "v6", "amd64", noise(1000))
			u.fill(t, content{more})
			r := d.sync(t, file)
			p := r.report(t)
			if r.code != exitPartial || len(p.Deleted) > 0 || p.count("copied") != 1 || len(p.Mirrors) != 1 || !strings.Contains(p.Mirrors[0].Problem, "2 of 6 tags would go") {
				t.Errorf("%+v: %s", p.Mirrors, r)
			}
			level(t, d.read(t), append(all, more), u.landed)
		})
	}
}

// What somebody has pinned stays, and the run says so.
func TestPinned(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"store", "socket", "landfall"} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t, "ggcr", versions(fresh()))
			d := newDestination(t, to)
			file := u.file(t, "delete: {when: gone, maxShare: 100%}")
			d.mustSync(t, file)
			must(t, append([]string{"content", "pin", "--reason", "it flies", u.source(u.content[2].name())}, d.args...)...)
			all := u.content
			u.lose(t, "v3", "v4")
			r := d.sync(t, file)
			gone, kept := r.report(t).deleted()
			if r.code != exitPartial || !slices.Equal(gone, []string{"v4"}) || !slices.Equal(kept, []string{"v3"}) || !strings.Contains(r.stdout, "it flies") {
				t.Errorf("%q deleted, %q kept: %s\n%s", gone, kept, r, r.stdout)
			}
			level(t, d.read(t), all.without(func(i image) bool { return i.tag == "v4" }), u.landed)
		})
	}
}

// What the mirror could not have brought stays; nothing goes while the mirror is
// not whole, or while its source cannot be listed.
func TestNotDeleted(t *testing.T) {
	t.Parallel()
	for name, hit := range map[string]func(u *upstream){
		"an image fails": func(u *upstream) {
			u.Add(faultproxy.Rule{Path: manifest(u.content[0]), Action: faultproxy.Answer(403)})
		},
		"no list of tags": func(u *upstream) { u.Add(faultproxy.Rule{Path: "/tags/list", Action: faultproxy.Answer(403)}) },
		"a short list": func(u *upstream) {
			u.Add(faultproxy.Rule{Path: "/tags/list", Action: faultproxy.ContentLength(5)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t, "ggcr", versions(fresh()))
			d := newDestination(t, "landfall")
			own := newImage(u.landed(u.content[0].repository), "local", "amd64", noise(100))
			d.read(t).fill(t, content{own})
			file := u.file(t, `tags: {regex: ["v.*", stable]}`, "delete: {when: gone, maxShare: 100%}")
			d.mustSync(t, file)
			all := append(u.content, image{repository: u.content[0].repository, tag: "local", kind: own.kind, manifest: own.manifest, blobs: own.blobs})
			u.lose(t, "v4")
			hit(u)
			r := d.sync(t, file)
			gone, _ := r.report(t).deleted()
			if r.code == exitDone || len(gone) > 0 {
				t.Errorf("%q are deleted: %s", gone, r)
			}
			level(t, d.read(t), all, u.landed)
			u.Clear()
			gone, _ = d.mustSync(t, file).deleted()
			if !slices.Equal(gone, []string{"v4"}) {
				t.Errorf("%q are deleted", gone)
			}
			level(t, d.read(t), all.without(func(i image) bool { return i.tag == "v4" }), u.landed)
		})
	}
}
