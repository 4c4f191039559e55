package audit

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

const indexType = "application/vnd.oci.image.index.v1+json"

// index is a manifest that needs nothing else.
func index(n int) (registry.Descriptor, []byte) {
	content := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[],"annotations":{"n":"%d"}}`, indexType, n)
	return registry.Describe(indexType, content, digest.SHA256), content
}

func newStore(t testing.TB) (*store.Store, *kit) {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	l, err := Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	s.OnChange(l.Recorder())
	return s, &kit{l, t}
}

// What is done to a store is in the log, with who did it.
func TestRecorder(t *testing.T) {
	t.Parallel()
	s, k := newStore(t)
	ctx := WithActor(t.Context(), Actor{"ci", "robot", "10.0.0.9", "token"})
	ref := registry.Ref{Repository: "10.0.0.5_5000/team/app", Tag: "v1"}
	for n := range 2 {
		d, content := index(n)
		k.must(s.PutManifest(ctx, ref, d, content))
		k.must(s.PutManifest(ctx, ref, d, content)) // no change
	}
	_, err := s.Pin(ctx, ref, "operator", "edge boots from it")
	k.must(err)
	k.must(s.Unpin(ctx, ref, "operator"))
	k.must(s.SetPolicy(ctx, []byte("version: 1\n")))
	k.must(s.Delete(ctx, ref))
	list, err := k.List(t.Context(), Filter{Actor: "ci"})
	k.must(err)
	slices.Reverse(list)
	var got []string
	for _, r := range list {
		got = append(got, fmt.Sprintf("%s %s %.12s %.12s", r.Action, r.Target, r.Before, r.After))
	}
	first, _ := index(0)
	second, _ := index(1)
	name := "10.0.0.5:5000/team/app:v1"
	want := []string{
		fmt.Sprintf(`tag.set %s  "%.11s`, name, first.Digest),
		fmt.Sprintf(`tag.set %s "%.11s "%.11s`, name, first.Digest, second.Digest),
		fmt.Sprintf(`pin.set %s  {"repository`, name),
		fmt.Sprintf(`pin.delete %s {"repository `, name),
		`policy.set policy  "version: 1\`,
		fmt.Sprintf(`tag.delete %s "%.11s `, name, second.Digest),
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	k.whole(6)
}

// land brings names in one transaction.
func land(ctx context.Context, s *store.Store, n int) error {
	b, err := s.Batch(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	d, content := index(0)
	for i := range n {
		if err := b.PutManifest(ctx, registry.Ref{Repository: "docker.io/library/nginx", Tag: fmt.Sprint("v", i)}, d, content); err != nil {
			return err
		}
	}
	return b.Commit(ctx)
}

// Many names that come at once share entries, in which none is missing and each
// is found.
func TestManyChanges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ names, entries int }{{maxSingle, maxSingle}, {maxSingle + 1, 1}, {2000, 4}} {
		s, k := newStore(t)
		k.must(land(t.Context(), s, c.names))
		list, err := k.List(t.Context(), Filter{Action: "tag.set"})
		k.must(err)
		if len(list) != c.entries {
			t.Errorf("%d names: %d entries, want %d", c.names, len(list), c.entries)
		}
		k.whole(int64(c.entries))
		if c.entries == c.names {
			continue
		}
		names := 0
		for _, r := range list {
			var in []struct{ Name, Before, After string }
			k.must(json.Unmarshal(r.After, &in))
			if r.Target != fmt.Sprintf("%d names", len(in)) || len(r.After) > maxValue {
				t.Errorf("%q lists %d names in %d bytes", r.Target, len(in), len(r.After))
			}
			names += len(in)
		}
		if names != c.names {
			t.Errorf("%d names in the entries, want %d", names, c.names)
		}
		if list, err := k.List(t.Context(), Filter{Target: "nginx:v20\""}); err != nil || len(list) != 1 {
			t.Errorf("%d entries tell of one name: %v", len(list), err)
		}
	}
}

// A change that cannot be recorded does not happen.
func TestNoChangeWithoutItsEntry(t *testing.T) {
	t.Parallel()
	s, k := newStore(t)
	k.must(land(t.Context(), s, 2))
	k.exec(`DROP TABLE audit`)
	ref := registry.Ref{Repository: "docker.io/library/nginx", Tag: "v1"}
	if err := s.Delete(t.Context(), ref); err == nil {
		t.Error("deleted")
	}
	d, content := index(1)
	if err := s.PutManifest(t.Context(), ref, d, content); err == nil {
		t.Error("pushed")
	}
	if err := land(t.Context(), s, 3); err == nil {
		t.Error("landed")
	}
	was, _ := index(0)
	if got, err := s.Resolve(t.Context(), ref); err != nil || got.Digest != was.Digest {
		t.Errorf("%v, %v", got.Digest, err)
	}
	ref.Tag = "v2"
	if _, err := s.Resolve(t.Context(), ref); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("v2: %v", err)
	}
}

// The site's key signs an export of the site's log, which tells of the key, too.
func TestExportOfSite(t *testing.T) {
	t.Parallel()
	s, k := newStore(t)
	k.must(land(t.Context(), s, 30))
	key, err := s.SiteKey(t.Context())
	k.must(err)
	var b strings.Builder
	k.must(k.Export(t.Context(), &b, key))
	cp, err := VerifyExport(strings.NewReader(b.String()), key.ID())
	if err != nil || cp.Entries != 2 {
		t.Errorf("%+v, %v", cp, err)
	}
	if v, err := k.VerifyAgainst(t.Context(), cp); err != nil || v.Entries != 2 {
		t.Errorf("%+v, %v", v, err)
	}
	if private, err := key.PEM(); err != nil || strings.Contains(b.String(), string(private)) {
		t.Error("the export has the private key in it")
	}
}

// BenchmarkPush is the cost of a push of a tagged manifest, alone and with its
// entry.
func BenchmarkPush(b *testing.B) {
	for _, recorded := range []bool{false, true} {
		b.Run(fmt.Sprint("audit=", recorded), func(b *testing.B) {
			s, k := newStore(b)
			if !recorded {
				s.OnChange(nil)
			}
			ref := registry.Ref{Repository: "docker.io/library/nginx", Tag: "1.27"}
			ctx := WithActor(b.Context(), Actor{"ci", "robot", "10.0.0.9", "token"})
			for n := 0; b.Loop(); n++ {
				d, content := index(n % 2)
				k.must(s.PutTagged(ctx, ref, []string{ref.Tag}, d, content))
			}
		})
	}
}

// How much one entry takes of the database.
func BenchmarkSize(b *testing.B) {
	k := newKit(b)
	const n = 20000
	ctx := WithActor(b.Context(), Actor{"anna", "user", "10.0.0.7", "token"})
	value := "sha256:" + noHash
	for b.Loop() {
		k.must(k.db.WriteSoon(ctx, func(tx *sql.Tx) error {
			for range n {
				if err := k.Append(ctx, tx, Entry{Action: "tag.set", Target: "docker.io/library/nginx:1.27", Before: value, After: value}); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	var pages, size, rows int64
	k.must(k.db.Read.QueryRow(`PRAGMA page_count`).Scan(&pages))
	k.must(k.db.Read.QueryRow(`PRAGMA page_size`).Scan(&size))
	k.must(k.db.Read.QueryRow(`SELECT count(*) FROM audit`).Scan(&rows))
	b.ReportMetric(float64(pages*size)/float64(rows), "bytes/entry")
	b.ReportMetric(float64(b.Elapsed())/float64(rows)/1e3, "µs/entry")
}
