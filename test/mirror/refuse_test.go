package mirror

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/landfall-dev/landfall/test/faultproxy"
)

// A destination that lacks something has everything nevertheless; one that fails
// keeps what it has whole, and the next run brings the rest.
func TestDestinationFaults(t *testing.T) {
	t.Parallel()
	for _, f := range []struct {
		name    string
		outcome string
		rule    rule
		words   string
	}{
		{"it does not mount", ends, onAll(faultproxy.NoMount()), ""},
		{"it refuses to mount", ends, onAll(faultproxy.Rule{Method: "POST", Path: "/uploads/$", Times: 1, Action: faultproxy.Answer(429, "Retry-After", "1")}), ""},
		{"it has no referrers API", ends, onAll(faultproxy.NoReferrers()), ""},
		{"it refuses HEAD of manifests", ends, onAll(faultproxy.RefuseHead("/manifests/")), ""},
		{"500 to a manifest, once", ends, onAll(faultproxy.Rule{Method: "PUT", Path: "/manifests/", Times: 1, Action: faultproxy.Answer(500)}), ""},
		{"503 to HEAD of blobs, once", ends, onAll(faultproxy.Rule{Method: "HEAD", Path: "/blobs/", Times: 1, Action: faultproxy.Answer(503)}), ""},
		{"403 to all of an image's repository", spares, func(v victim) faultproxy.Rule {
			return faultproxy.Rule{Path: "/" + v.repository + "/blobs/uploads/", Action: faultproxy.Answer(403)}
		}, "403"},
		{"500 to a manifest, always", spares, func(v victim) faultproxy.Rule {
			return faultproxy.Rule{Method: "PUT", Path: manifest(v.image), Action: faultproxy.Answer(500)}
		}, "500"},
		{"507 to a manifest, always", spares, func(v victim) faultproxy.Rule {
			return faultproxy.Rule{Method: "PUT", Path: manifest(v.image), Action: faultproxy.Answer(507)}
		}, "space"},
		{"an image's tag cannot be asked for", spares, func(v victim) faultproxy.Rule {
			return faultproxy.Rule{Path: "/" + v.repository + "/manifests/v1$", Action: faultproxy.Answer(403)}
		}, "403"},
	} {
		for _, to := range []string{"landfall", "distribution", "ggcr"} {
			t.Run(f.name+", "+to, func(t *testing.T) {
				t.Parallel()
				v := newVictim(t, "ggcr")
				v.content = append(v.content, tied(t, v)...)
				d := newDestination(t, to)
				r := f.rule(v)
				d.proxy.Add(r)
				file := v.file(t)
				first := d.sync(t, file)
				if f.outcome == ends {
					if first.code != exitDone {
						t.Fatal(first)
					}
				} else {
					fault{words: f.words}.isSpared(t, v, first)
					d.proxy.Clear()
					d.mustSync(t, file)
				}
				level(t, d.read(t), v.content, v.landed)
			})
		}
	}
}

// tied is a referrer of an image that stays whole.
func tied(t *testing.T, v victim) content {
	c := content{newReferrer(v.whole()[0], sbomType)}
	v.fill(t, c)
	return c
}

// One upload of many is answered with 500: its image may fail, nothing else.
func TestFailedUpload(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"landfall", "distribution", "ggcr"} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t, "distribution", newContent(fresh()))
			d := newDestination(t, to)
			failed := d.proxy.Add(faultproxy.Rule{Method: http.MethodPut, Path: "/blobs/uploads/", Times: 1, Action: faultproxy.Answer(500)})
			r := d.sync(t, u.file(t))
			p := r.report(t)
			if failed.Hits() != 1 || r.code != exitPartial && r.code != exitDone || r.code == exitPartial && (len(p.in("failed")) == 0 || p.count("copied") == 0) {
				t.Error(r)
			}
			for _, i := range p.Images {
				if i.State == "failed" && !strings.Contains(i.Error, "500") {
					t.Errorf("%+v", i)
				}
			}
			t.Logf("exit %d, %q failed", r.code, p.in("failed"))
			d.mustSync(t, u.file(t))
			level(t, d.read(t), u.content, u.landed)
		})
	}
}

// Nobody answers at the destination, or it lets nobody in.
func TestNoDestination(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, "ggcr", newContent(fresh()))
	dead := &destination{args: []string{"--server", "http://" + deadHost}}
	if r := dead.sync(t, u.file(t)); r.code != exitUnreachable || !strings.Contains(r.stderr, deadHost) {
		t.Error(r)
	}
	d := newDestination(t, "distribution")
	d.proxy.Add(faultproxy.Rule{Action: faultproxy.Answer(401, "WWW-Authenticate", `Basic realm="x"`)})
	if r := d.sync(t, u.file(t)); r.code == exitDone || r.code == exitPartial || !strings.Contains(r.stderr, "401") {
		t.Error(r)
	}
	if n := u.Counts().BlobBytes; n != 0 {
		t.Errorf("%d bytes were fetched for nobody", n)
	}
}

// A registry that has no room says so to everything.
func TestFullRegistry(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, "ggcr", newContent(fresh()))
	d := newDestination(t, "distribution")
	d.proxy.Add(faultproxy.Rule{Method: http.MethodPost, Action: faultproxy.Answer(507)})
	r := d.sync(t, u.file(t))
	if r.code != exitNoSpace && r.code != exitPartial || !strings.Contains(r.stderr+r.stdout, "space") {
		t.Error(r)
	}
	if r.code == exitPartial {
		t.Error(r)
	}
}

// A disk without room: that is told before anything is fetched; with room everything
// arrives.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("a small disk needs root")
	}
	v := newVictim(t, "ggcr")
	data := shortDir(t)
	full := onDisk(t, "1m", data, v.file(t))
	if full.code != exitNoSpace || full.report(t).count("copied") > 0 || v.Counts().BlobBytes > 0 {
		t.Error(full)
	}
	if r := onDisk(t, "64m", data, v.file(t)); r.code != exitDone {
		t.Fatal(r)
	}
	p, _ := serve(t, data+"/kept")
	level(t, p, v.content, v.landed)
}

// onDisk runs with a data folder on a disk of a size, which only that process sees;
// what is there in the end is kept beside it.
func onDisk(t *testing.T, size, dir, file string) result {
	t.Helper()
	const script = `cd "$0" && mkdir -p disk && mount -t tmpfs -o size=$1 none disk || exit 100
shift
"$@"
code=$?
rm -rf kept && cp -a disk kept
exit $code`
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script, dir, size, programs.landfall, "sync", "run", "--json", "-f", file, "--data", dir+"/disk")
	cmd.Env = cleanEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	return finish(t, t.Context(), cmd)
}
