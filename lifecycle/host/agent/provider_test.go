package agent

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

func (k *kit) provider(id, version string, b host.Blob) host.Op {
	return host.Op{ID: id, Provider: &host.Provider{Name: "kubernetes", Version: version, Blob: b}}
}

func first(t *testing.T) []byte {
	return folder(t, map[string]string{"usr/bin/kubelet": "kubelet 1", "usr/bin/old": "old", "etc/systemd/system/kubelet.service": "unit 1"})
}

func second(t *testing.T) []byte {
	return folder(t, map[string]string{"usr/bin/kubelet": "kubelet 2", "usr/bin/new": "new", "etc/systemd/system/kubelet.service": "unit 2"})
}

// A version takes the place of another, which can be had back without the network; what
// only the other had is gone, and a file that was there before them all is kept.
func TestProvider(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.write("/usr/bin/old", "of the host", 0o700)
	one, two := k.blob(first(t)), k.blob(second(t))
	var i host.Installed
	r := k.done(k.provider("p1", "1.0.0", one))
	k.must(r.Decode(&i))
	if i.Name != "kubernetes" || i.Version != "1.0.0" || i.Digest != one.Digest || !i.Current || i.Installed.IsZero() {
		t.Errorf("installed %+v", i)
	}
	if k.read("/usr/bin/kubelet") != "kubelet 1" || k.read("/usr/bin/old") != "old" {
		t.Errorf("%q, %q; want the first version", k.read("/usr/bin/kubelet"), k.read("/usr/bin/old"))
	}
	k.done(k.provider("p2", "2.0.0", two))
	if k.read("/usr/bin/kubelet") != "kubelet 2" || k.read("/usr/bin/new") != "new" || k.read("/usr/bin/old") != "of the host" {
		t.Errorf("%q, %q, %q; want the second version", k.read("/usr/bin/kubelet"), k.read("/usr/bin/new"), k.read("/usr/bin/old"))
	}
	if list := k.agent.Providers(); len(list) != 2 || list[0].Version != "2.0.0" || !list[0].Current || list[1].Version != "1.0.0" || list[1].Current {
		t.Errorf("providers %+v", list)
	}
	asked := k.blobs.Load()
	k.done(k.provider("p3", "1.0.0", one))
	if k.blobs.Load() != asked || k.read("/usr/bin/kubelet") != "kubelet 1" || k.read("/usr/bin/new") != "absent" {
		t.Errorf("%d requests, %q, %q; want the first version, without the network", k.blobs.Load()-asked, k.read("/usr/bin/kubelet"), k.read("/usr/bin/new"))
	}
	if n := strings.Count(k.read("systemctl.log"), "daemon-reload"); n != 3 {
		t.Errorf("systemd was told %d times, want 3", n)
	}
	k.done(k.provider("p4", "1.0.0", one))
	if n := strings.Count(k.read("systemctl.log"), "daemon-reload"); n != 3 {
		t.Errorf("what is in place was put there again: %d", n)
	}
}

// A third version pushes the first one out.
func TestProviderKeepsTwo(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for n := range 3 {
		k.done(k.provider(fmt.Sprint("p", n), fmt.Sprint(n, ".0.0"), k.blob(folder(t, map[string]string{"usr/bin/kubelet": fmt.Sprint("kubelet ", n)}))))
	}
	folders, err := filepath.Glob(filepath.Join(k.dir, "data/providers/kubernetes/*/tree"))
	if err != nil || len(folders) != 2 {
		t.Errorf("%q, %v; want two versions", folders, err)
	}
}

// State on disk of this form is of agents that run: it is read, and written so.
func TestProviderState(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	one, two := k.blob(first(t)), k.blob(second(t))
	k.done(k.provider("p1", "1.0.0", one))
	k.done(k.provider("p2", "2.0.0", two))
	var form struct {
		Current, Previous string
		Versions          map[string]host.Installed
	}
	content, err := os.ReadFile(filepath.Join(k.dir, "data/providers/kubernetes/state.json"))
	k.must(err)
	k.must(json.Unmarshal(content, &form))
	if form.Current != two.Digest.Encoded() || form.Previous != one.Digest.Encoded() || form.Versions[form.Current].Version != "2.0.0" || form.Versions[form.Previous].Version != "1.0.0" {
		t.Errorf("state %s", content)
	}
}

// What was kept and is damaged is fetched again, not put in place.
func TestProviderDamaged(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	one, two := k.blob(first(t)), k.blob(second(t))
	k.done(k.provider("p1", "1.0.0", one))
	k.done(k.provider("p2", "2.0.0", two))
	k.must(os.WriteFile(filepath.Join(k.dir, "data/providers/kubernetes", one.Digest.Encoded(), "tree/usr/bin/kubelet"), []byte("kubelet x"), 0o755))
	asked := k.blobs.Load()
	k.done(k.provider("p3", "1.0.0", one))
	if k.read("/usr/bin/kubelet") != "kubelet 1" || k.blobs.Load() == asked {
		t.Errorf("%q with %d requests", k.read("/usr/bin/kubelet"), k.blobs.Load()-asked)
	}
}

// What cannot be installed says why, and leaves the version before as it is.
func TestProviderRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.done(k.provider("good", "1.0.0", k.blob(first(t))))
	missing := k.blob(second(t))
	missing.Digest = "sha256:" + missing.Digest[len("sha256:")+1:] + "0"
	for id, test := range map[string]struct {
		op   host.Op
		kind string
	}{
		"escapes":   {k.provider("escapes", "2.0.0", k.blob(folder(t, map[string]string{"../evil": "x"}))), "invalid"},
		"own":       {k.provider("own", "2.0.0", host.Blob{Source: host.Source{URL: k.url}, Repository: repository, Digest: "sha256:x"}), "invalid"},
		"not-a-tar": {k.provider("not-a-tar", "2.0.0", k.blob([]byte("no archive"))), "invalid"},
		"missing":   {k.provider("missing", "2.0.0", missing), "not_found"},
		"name":      {host.Op{ID: "name", Provider: &host.Provider{Name: "../x", Blob: missing}}, "invalid"},
	} {
		r := k.agent.Do(t.Context(), test.op, nil)
		if r.State != host.Failed || r.Error.Kind != test.kind {
			t.Errorf("%s: %s, %+v; want %s", id, r.State, r.Error, test.kind)
		}
	}
	if k.read("/usr/bin/kubelet") != "kubelet 1" || k.read("/usr/bin/old") != "old" {
		t.Error("the version before is not what it was")
	}
}

// Killed at any moment and asked again, a host ends as one that was never killed, with
// nothing left beside.
func TestProviderKilled(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.write("/usr/bin/old", "of the host", 0o700)
	files := map[string]string{"usr/bin/new": "new", "etc/systemd/system/kubelet.service": "unit 2"}
	for n := range 200 {
		files[fmt.Sprintf("opt/cni/bin/plugin%d", n)] = strings.Repeat(fmt.Sprint(n), 5000)
	}
	one, two := k.blob(first(t)), k.blob(folder(t, files))
	k.done(k.provider("p1", "1.0.0", one))
	k.close()
	const kills = 20
	ended, within := 0, 0
	for n := range kills {
		op := k.provider(fmt.Sprint("k", n), "2.0.0", two)
		if n%2 == 1 {
			op = k.provider(fmt.Sprint("k", n), "1.0.0", one)
		}
		c := k.start(op)
		begun := filepath.Join(k.dir, "data/ops", op.ID+".json")
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if _, err := os.Stat(begun); err == nil {
				break
			}
		}
		time.Sleep(rand.N(400 * time.Millisecond)) // a moment within what one takes
		_ = c.Process.Kill()                       // it may have ended
		if c.Wait() == nil {
			ended++
		} else if _, err := os.Stat(begun); err == nil {
			within++
		}
	}
	t.Logf("of %d, %d were killed within the operation, %d had ended", kills, within, ended)
	if within == 0 {
		t.Error("none was killed within the operation: this proves nothing")
	}
	k.open()
	k.done(k.provider("last", "2.0.0", two))
	for path, want := range files {
		if got := k.read(path); got != want {
			t.Fatalf("%s: %.20q, want %.20q", path, got, want)
		}
	}
	if k.read("/usr/bin/kubelet") != "absent" || k.read("/usr/bin/old") != "of the host" {
		t.Errorf("%q, %q: of the first version", k.read("/usr/bin/kubelet"), k.read("/usr/bin/old"))
	}
	k.nothingBeside()
}

// nothingBeside looks for what interrupted operations may have left.
func (k *kit) nothingBeside() {
	k.Helper()
	k.must(filepath.WalkDir(k.dir, func(path string, e os.DirEntry, err error) error {
		if strings.HasPrefix(e.Name(), ".") {
			k.Errorf("left: %s", path)
		}
		return err
	}))
	left, err := filepath.Glob(filepath.Join(k.dir, "data/unpacked/*"))
	if err != nil || len(left) > 0 {
		k.Errorf("left: %q, %v", left, err)
	}
}
