package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// recorder keeps what a store tells of its changes, in a table of its own.
type recorder struct {
	*kit
	fail error
}

func record(k *kit) *recorder {
	k.t.Helper()
	r := &recorder{kit: k}
	k.exec(`CREATE TABLE IF NOT EXISTS told (call BIGINT NOT NULL, change TEXT NOT NULL)`)
	k.OnChange(func(ctx context.Context, tx *sql.Tx, changes []Change) error {
		for _, c := range changes {
			before, err := json.Marshal(c.Before)
			k.must(err)
			after, err := json.Marshal(c.After)
			k.must(err)
			text := strings.Trim(fmt.Sprintf("%s %s %s > %s", c.Kind, c.Name, shorten(before), shorten(after)), " ")
			if _, err := tx.ExecContext(ctx, `INSERT INTO told SELECT coalesce(max(call), 0) + ?, ? FROM told`, c.Name == changes[0].Name && c.Kind == changes[0].Kind, text); err != nil {
				return err
			}
		}
		return r.fail
	})
	return r
}

// shorten leaves of digests what tells them apart.
func shorten(content []byte) string {
	text := strings.Trim(string(content), `"`)
	if hex, ok := strings.CutPrefix(text, "sha256:"); ok {
		return hex[:8]
	}
	return text
}

func short(d registry.Descriptor) string { return d.Digest.Encoded()[:8] }

// told returns what came since it was last asked, and wants it in so many calls.
func (r *recorder) told(calls int64) []string {
	r.t.Helper()
	if n := r.number(`SELECT count(DISTINCT call) FROM told`); n != calls {
		r.t.Errorf("told %d times, want %d", n, calls)
	}
	rows, err := r.db.Read.Query(`SELECT change FROM told ORDER BY rowid`)
	list, err := readNames(rows, err)
	r.must(err)
	r.exec(`DELETE FROM told`)
	return list
}

func (r *recorder) want(what string, calls int64, want ...string) {
	r.t.Helper()
	if got := r.told(calls); !slices.Equal(got, want) {
		r.t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// Each change of a name, of what keeps it and of the rules is told once, with what
// was there before; what changes nothing is not.
func TestChanges(t *testing.T) {
	t.Parallel()
	k := record(newKit(t, noLease))
	one := k.image(ref("10.0.0.5_5000/a", "v1"), nil, "config", "layer")
	k.want("push", 1, "tag.set 10.0.0.5:5000/a:v1 null > "+short(one))
	k.image(ref("10.0.0.5:5000/a", "v1"), nil, "config", "layer")
	k.want("push of the same", 0)
	two := k.image(ref("10.0.0.5:5000/a", "v1"), nil, "config", "other layer")
	k.want("push of another", 1, "tag.set 10.0.0.5:5000/a:v1 "+short(one)+" > "+short(two))
	d, content := imageOf(nil, "config", "layer")
	k.must(k.PutTagged(t.Context(), ref("10.0.0.5:5000/a", ""), []string{"v2", "v1", "v3"}, d, content))
	k.want("push of tags", 1, "tag.set 10.0.0.5:5000/a:v2 null > "+short(one), "tag.set 10.0.0.5:5000/a:v1 "+short(two)+" > "+short(one),
		"tag.set 10.0.0.5:5000/a:v3 null > "+short(one))
	bare := k.image(at("10.0.0.5:5000/a", layerOf("")), nil, "config", "bare")
	k.want("push without a tag", 1, "manifest.put 10.0.0.5:5000/a@"+bare.Digest.String()+" null > "+short(bare))
	k.image(at("10.0.0.5:5000/a", layerOf("")), nil, "config", "bare")
	k.want("again", 0)

	pin := func(reason string) Pin {
		p, err := k.Pin(t.Context(), ref("10.0.0.5:5000/a", "v1"), "operator", reason)
		k.must(err)
		return p
	}
	text := func(v any) string {
		content, err := json.Marshal(v)
		k.must(err)
		return string(content)
	}
	first := pin("why")
	k.want("pin", 1, "pin.set 10.0.0.5:5000/a:v1 null > "+text(first))
	pin("why")
	k.want("pin again", 0)
	second := first
	second.Reason = "why else"
	pin("why else")
	k.want("pin otherwise", 1, "pin.set 10.0.0.5:5000/a:v1 "+text(first)+" > "+text(second))
	k.want("refused", 0)
	if err := k.Delete(t.Context(), ref("10.0.0.5:5000/a", "v1")); !errors.Is(err, registry.ErrConflict) {
		t.Error(err)
	}
	k.must(k.Unpin(t.Context(), ref("10.0.0.5:5000/a", "v1"), "operator"))
	k.want("unpin", 1, "pin.delete 10.0.0.5:5000/a:v1 "+text(second)+" > null")
	if err := k.Unpin(t.Context(), ref("10.0.0.5:5000/a", "v1"), "operator"); !errors.Is(err, registry.ErrNotFound) {
		t.Error(err)
	}
	k.want("unpin again", 0)

	k.must(k.Delete(t.Context(), ref("10.0.0.5:5000/a", "v2")))
	k.want("delete", 1, "tag.delete 10.0.0.5:5000/a:v2 "+short(one)+" > null")
	k.must(k.Delete(t.Context(), at("10.0.0.5:5000/a", one)))
	k.want("delete by digest", 1, "tag.delete 10.0.0.5:5000/a:v1 "+short(one)+" > null", "tag.delete 10.0.0.5:5000/a:v3 "+short(one)+" > null",
		"manifest.delete 10.0.0.5:5000/a@"+one.Digest.String()+" "+short(one)+" > null")
	layer := layerOf("layer")
	k.must(k.DeleteBlob(t.Context(), "10.0.0.5:5000/a", layer.Digest))
	k.want("delete a blob", 1, "blob.delete 10.0.0.5:5000/a@"+layer.Digest.String()+" "+short(layer)+" > null")
	if err := k.Delete(t.Context(), ref("10.0.0.5:5000/a", "none")); !errors.Is(err, registry.ErrNotFound) {
		t.Error(err)
	}
	k.want("delete nothing", 0)
}

// The rules of the site, and its key.
func TestChangesOfRules(t *testing.T) {
	t.Parallel()
	k := record(newKit(t, noLease))
	for range 2 {
		k.must(k.SetPolicy(t.Context(), []byte("version: 1\n")))
		k.must(k.SetTrustPolicy(t.Context(), []byte("version: 1\nunsigned: allow\npushes: allow\n")))
	}
	k.want("rules", 2, `policy.set policy null > version: 1\n`, `trust.set trust-policy null > version: 1\nunsigned: allow\npushes: allow\n`)
	k.must(k.SetPolicy(t.Context(), nil))
	k.want("no rules", 1, `policy.set policy version: 1\n > null`)
	id, err := k.SiteID(t.Context())
	k.must(err)
	_, err = k.SiteID(t.Context())
	k.must(err)
	k.want("key", 1, "key.make "+id+" null > null")
}

// A batch tells of all its names, and of what it says about trust, in one call at
// its end.
func TestChangesOfBatch(t *testing.T) {
	t.Parallel()
	k := record(newKit(t, noLease))
	k.blob("a", "config")
	d, content := imageOf(nil, "config")
	override := trust.Override{At: time.UnixMilli(0).UTC(), Bundle: "b1", Reason: "why"}
	for range 2 {
		b, err := k.Batch(t.Context())
		k.must(err)
		k.must(b.PutManifest(t.Context(), at("a", d), d, content))
		k.must(b.PutManifest(t.Context(), ref("a", "v1"), d, content))
		k.must(b.(registry.Namer).PutName(t.Context(), at("a", d)))
		b.(trust.Rememberer).Remember(func(s trust.State) trust.State {
			return trust.State{Channels: map[string]trust.Accepted{"stable": {Sequence: s.Channels["stable"].Sequence + 1, Bundle: "b1"}}, Overrides: []trust.Override{override}}
		}, nil)
		k.must(b.Commit(t.Context()))
		k.must(b.Close())
	}
	text, err := json.Marshal(override)
	k.must(err)
	k.want("batches", 2, "tag.set a:v1 null > "+short(d), "manifest.put a@"+d.Digest.String()+" null > "+short(d),
		`channel.set stable null > {"sequence":1,"bundle":"b1"}`, "trust.override b1 null > "+string(text),
		`channel.set stable {"sequence":1,"bundle":"b1"} > {"sequence":2,"bundle":"b1"}`)
}

// Retention tells of all tags that it removes from a repository in one call, an
// undo of those that come back, and erasure of how much goes for good. Collection
// takes out what is no name.
func TestChangesOfUpkeep(t *testing.T) {
	t.Parallel()
	k := record(newKit(t, noLease))
	old := k.image(ref("a/b", "old"), nil, "config")
	k.image(ref("a/b", "older"), nil, "config")
	k.exec(`UPDATE tags SET updated_at = 0`)
	kept := k.image(ref("a/b", "kept"), nil, "config", "kept")
	k.must(k.SetPolicy(t.Context(), []byte("version: 1\nrules:\n  - repositories: [\"**\"]\n    keep:\n      last: 1\n")))
	k.told(4)
	_, err := k.Retain(t.Context(), RetainOptions{DryRun: true})
	k.must(err)
	k.want("dry run", 0)
	_, err = k.Retain(t.Context(), RetainOptions{})
	k.must(err)
	gone := []string{"tag.delete a/b:old " + short(old) + " > null", "tag.delete a/b:older " + short(old) + " > null"}
	k.want("retain", 1, gone...)
	k.collect(CollectOptions{})
	k.want("collect", 0)
	_, err = k.Undo(t.Context())
	k.must(err)
	k.want("undo", 1, "tag.restore a/b:old null > "+short(old), "tag.restore a/b:older null > "+short(old), `trash.restore trash null > {"tags":2,"manifests":1,"blobs":0}`)
	_, err = k.Undo(t.Context())
	k.must(err)
	k.want("undo of nothing", 0)
	k.must(k.Delete(t.Context(), ref("a/b", "kept")))
	k.told(1)
	k.collect(CollectOptions{Now: true})
	size := layerOf("kept").Size
	k.want("erase", 1, fmt.Sprintf(`trash.erase trash {"manifests":1,"blobs":1,"bytes":%d} > null`, size))
	k.collect(CollectOptions{Now: true})
	k.want("erase nothing", 0)
	if k.has("a/b", kept) {
		t.Error("it is still there")
	}
	k.intact()
}

// What cannot be recorded does not happen.
func TestNoChangeWithoutRecord(t *testing.T) {
	t.Parallel()
	k := record(newKit(t, noLease))
	d := k.image(ref("a", "v1"), nil, "config")
	_, err := k.Pin(t.Context(), ref("a", "v1"), "operator", "why")
	k.must(err)
	k.told(2)
	k.fail = errors.New("no record")
	other, content := imageOf(nil, "config", "config")
	for what, err := range map[string]error{
		"push":   k.PutManifest(t.Context(), ref("a", "v1"), other, content),
		"delete": k.Delete(t.Context(), ref("a", "v1")),
		"unpin":  k.Unpin(t.Context(), ref("a", "v1"), "operator"),
		"policy": k.SetPolicy(t.Context(), []byte("version: 1\n")),
	} {
		if !errors.Is(err, k.fail) && !errors.Is(err, registry.ErrConflict) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got, err := k.Resolve(t.Context(), ref("a", "v1")); err != nil || got.Digest != d.Digest {
		t.Errorf("%v, %v", got.Digest, err)
	}
	if pins, err := k.Pins(t.Context()); err != nil || len(pins) != 1 {
		t.Errorf("%v, %v", pins, err)
	}
	if text, err := k.Policy(t.Context()); err != nil || len(text) > 0 {
		t.Errorf("%q, %v", text, err)
	}
	k.want("nothing", 0)
}

// On a full disk what makes room is recorded, too.
func TestRecordOnFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=640m"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount: %v", err)
		}
		t.Skipf("this test needs root, to mount a small file system: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	k := record(openKit(t, filepath.Join(dir, "data"), noLease))
	d, content := imageOf(nil, "config")
	k.blob("a", "config")
	var tags []string
	for i := range 2000 {
		tags = append(tags, fmt.Sprintf("v%04d", i))
	}
	k.must(k.PutTagged(t.Context(), ref("a", ""), tags, d, content))
	k.told(1)
	fill(t, filepath.Join(dir, "other"))
	if err := k.PutTagged(t.Context(), ref("b", ""), tags, d, content); err == nil {
		t.Fatal("the disk is not full")
	}
	k.must(k.Delete(t.Context(), at("a", d)))
	if n := len(k.told(1)); n != 2001 {
		t.Errorf("%d changes were told, want 2001", n)
	}
	k.collect(CollectOptions{Now: true})
	k.want("erase", 1, `trash.erase trash {"manifests":1,"blobs":1,"bytes":6} > null`)
	k.intact()
}

// BenchmarkPutTagged is the cost of a push, and of its record.
func BenchmarkPutTagged(b *testing.B) {
	for _, recorded := range []bool{false, true} {
		b.Run(fmt.Sprint("hook=", recorded), func(b *testing.B) {
			k := newKit(b, Options{})
			k.blob("a", "config")
			k.blob("a", "layer")
			var images [2]put
			for i, layers := range [][]string{{"config"}, {"config", "layer"}} {
				images[i].descriptor, images[i].content = imageOf(nil, layers...)
			}
			if recorded {
				k.OnChange(func(context.Context, *sql.Tx, []Change) error { return nil })
			}
			for n := 0; b.Loop(); n++ {
				p := images[n%2]
				k.must(k.PutTagged(b.Context(), ref("a", "v1"), []string{"v1"}, p.descriptor, p.content))
			}
		})
	}
}
