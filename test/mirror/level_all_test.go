package mirror

import (
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/test/faultproxy"
)

// From everywhere to everywhere: what arrives is what was there, byte for byte, and
// a second run asks for each tag once and moves nothing.
func TestLevel(t *testing.T) {
	t.Parallel()
	for _, from := range upstreamKinds {
		for _, to := range destinationKinds {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				prefix := fresh()
				u := newUpstream(t, from, newContent(prefix))
				d := newDestination(t, to)
				file := mirrorFile(t, [][]string{u.plain()}, u.choice("all", []string{prefix + "/**"}))
				r := d.mustSync(t, file)
				if want := len(u.content.names()); r.count("copied") != want {
					t.Errorf("%d images copied, want %d: %+v", r.count("copied"), want, r)
				}
				if got, want := u.Counts().BlobBytes, u.content.blobBytes(); got != want {
					t.Errorf("%d bytes of blobs were fetched, want %d", got, want)
				}
				p := d.read(t)
				level(t, p, u.content, u.landed)
				if to != "bundle" && to != "store" {
					again(t, u, d, file)
				}
			})
		}
	}
}

// again runs a second time.
func again(t *testing.T, u *upstream, d *destination, file string) {
	t.Helper()
	u.ResetCounts()
	r := d.mustSync(t, file)
	if want := len(u.content.names()); r.count("present") != want || len(r.Images) != want {
		t.Errorf("%d of %d images were there, want %d", r.count("present"), len(r.Images), want)
	}
	unchanged(t, u)
}

// unchanged: what was asked is one listing of the repositories, one of the tags of
// each, and what each tag stands for.
func unchanged(t *testing.T, u *upstream) {
	t.Helper()
	c := u.Counts()
	want := map[faultproxy.Kind]int{
		faultproxy.HeadManifest: len(u.content.tagged()),
		faultproxy.Tags:         len(u.content.repositories()),
		faultproxy.Catalog:      1,
	}
	for kind, n := range c.Requests {
		if kind != faultproxy.Ping && n != want[kind] {
			t.Errorf("%d %s, want %d (%s)", n, kind, want[kind], c)
		}
	}
	if c.Requests[faultproxy.Ping] > 1 || c.BlobBytes+c.ManifestBytes != 0 {
		t.Errorf("%s; %d bytes of blobs, %d of manifests", c, c.BlobBytes, c.ManifestBytes)
	}
}

// A store is read back when all runs are over: an appliance over it would be
// spoken to.
func TestStoreAgain(t *testing.T) {
	t.Parallel()
	for _, from := range upstreamKinds {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			prefix := fresh()
			u := newUpstream(t, from, newContent(prefix))
			d := newStore(t)
			file := mirrorFile(t, [][]string{u.plain()}, u.choice("all", []string{prefix + "/**"}))
			d.mustSync(t, file)
			again(t, u, d, file)
			level(t, d.read(t), u.content, u.landed)
		})
	}
}

// What is chosen arrives, and what is not chosen does not.
func TestChoice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines []string
		drop  func(image) bool
	}{
		"no referrers":        {[]string{"referrers: none"}, isReferrer},
		"all referrers":       {[]string{"referrers: all"}, func(image) bool { return false }},
		"referrers by type":   {[]string{"referrers: [application/spdx*]"}, func(i image) bool { return isReferrer(i) && i.artifact != sbomType }},
		"signatures by type":  {[]string{"referrers: [application/vnd.dev.cosign.*]"}, func(i image) bool { return i.subject != "" }},
		"tags by name":        {[]string{"tags: {names: [v1]}"}, func(i image) bool { return i.tag == "v2" || i.tag == "1.0.0" }},
		"tags by semver":      {[]string{`tags: {semver: "<2"}`}, func(i image) bool { return i.tag == "v2" }},
		"tags by expression":  {[]string{"tags: {regex: ['v.*']}"}, func(i image) bool { return i.tag == "1.0.0" }},
		"tags excluded":       {[]string{"tags: {exclude: [v2]}"}, func(i image) bool { return i.tag == "v2" }},
		"the newest":          {[]string{"tags: {latest: 1}"}, func(i image) bool { return i.tag == "v1" && strings.HasSuffix(i.repository, "/app") || isReferrer(i) }},
		"newer than everyone": {[]string{"tags: {newerThan: 2026-01-01}"}, func(image) bool { return false }},
	} {
		for _, to := range []string{"landfall", "bundle"} {
			t.Run(name+" to "+to, func(t *testing.T) {
				t.Parallel()
				prefix := fresh()
				u := newUpstream(t, "distribution", newContent(prefix))
				d := newDestination(t, to)
				r := d.sync(t, mirrorFile(t, [][]string{u.plain()}, u.choice("some", []string{prefix + "/**"}, c.lines...)))
				if name == "tags by name" { // which one repository has not
					if r.code != exitPartial || r.stdout == "" || strings.Join(r.report(t).in("failed"), " ") != u.source(prefix)+"/deep/er/tool:v1" {
						t.Error(r)
					}
				} else if r.code != exitDone {
					t.Fatal(r)
				}
				p := d.read(t)
				level(t, p, u.content.without(c.drop), u.landed)
				for _, i := range u.content {
					if c.drop(i) {
						absent(t, p, i, u.landed(i.repository))
					}
				}
			})
		}
	}
}

// Of an index only the platforms that are wanted come, under its own bytes; a run
// that wants more brings the rest.
func TestPlatforms(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"store", "landfall", "bundle"} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			prefix := fresh()
			u := newUpstream(t, "distribution", newContent(prefix))
			multi := u.content[3]
			u.content = content{multi}
			d := newDestination(t, to)
			r := d.sync(t, u.file(t, "platforms: [linux/arm64]"))
			if r.code != exitDone {
				t.Fatal(r)
			}
			if to == "store" {
				again(t, u, d, mirrorFile(t, [][]string{u.plain()}, u.choice("all", []string{prefix + "/mult*"}, "platforms: [linux/arm64]")))
				d.mustSync(t, u.file(t, "platforms: [linux/amd64, linux/arm64]"))
				level(t, d.read(t), u.content, u.landed)
				return
			}
			p, at := d.read(t), u.landed(multi.repository)
			amd64, arm64 := multi.below[0], multi.below[1]
			if err := p.holds(arm64, at); err != nil {
				t.Error(err)
			}
			absent(t, p, amd64, at)
			if got, err := p.manifest(at, "v1"); err != nil || string(got) != string(multi.manifest) {
				t.Errorf("the index is %q, %v", got, err)
			}
		})
	}
}

// A prefix takes the host's place, or comes before it.
func TestPrefix(t *testing.T) {
	t.Parallel()
	for _, to := range destinationKinds {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			c := newContent(fresh())
			u, under := newUpstream(t, "ggcr", c), fresh()
			d := newDestination(t, to)
			d.mustSync(t, mirrorFile(t, [][]string{u.plain()},
				u.choice("bare", c.repositories(), "destination: "+under+"/bare"),
				u.choice("full", c.repositories(), "destination: {prefix: "+under+"/full, keepHost: true}")))
			if got, want := u.Counts().BlobBytes, c.blobBytes(); got != want {
				t.Errorf("%d bytes of blobs were fetched, want %d", got, want)
			}
			p := d.read(t)
			level(t, p, c, func(r string) string { return under + "/bare/" + r })
			level(t, p, c, func(r string) string { return under + "/full/" + u.landed(r) })
		})
	}
}
