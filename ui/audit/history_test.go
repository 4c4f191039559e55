package audit

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

// tells proves what a tag's history tells, the newest first.
func (k *kit) tells(name string, want ...string) {
	k.t.Helper()
	list, err := k.History(k.t.Context(), name, 0, 100)
	k.must(err)
	short := func(d digest.Digest) string { return fmt.Sprintf("%.9s", strings.TrimPrefix(d.String(), "sha256:")) }
	got := []string{}
	for _, c := range list {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s>%s", c.Actor.Name, c.Kind, short(c.Before), short(c.After))))
	}
	if !slices.Equal(got, want) {
		k.t.Errorf("%s: got\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A tag's history has all that happened to it, alone and among many, and nothing of
// others; also when the tag is gone.
func TestHistory(t *testing.T) {
	t.Parallel()
	s, k := newStore(t)
	ctx := WithActor(t.Context(), Actor{"ci", "robot", "10.0.0.9", "token"})
	const name = "docker.io/library/nginx:v7"
	ref := registry.Ref{Repository: "docker.io/library/nginx", Tag: "v7"}
	other, content := index(1)
	k.must(s.PutManifest(ctx, registry.Ref{Repository: ref.Repository, Tag: "v77"}, other, content))
	k.must(s.PutManifest(ctx, ref, other, content))
	k.must(land(t.Context(), s, 2000))
	k.must(s.Delete(ctx, ref))
	many, _ := index(0)
	k.must(k.db.Write(ctx, func(tx *sql.Tx) error {
		return k.record(ctx, tx, store.TagRestore, []store.Change{{Kind: store.TagRestore, Name: name, After: many.Digest}})
	}))
	k.must(s.PutManifest(ctx, ref, other, content))
	a, b := many.Digest.Encoded()[:9], other.Digest.Encoded()[:9]
	want := []string{"ci tag.set >" + b, "ci tag.restore >" + a, "ci tag.delete " + a + ">", "system tag.set " + b + ">" + a, "ci tag.set >" + b}
	k.tells(name, want...)
	k.tells("docker.io/library/nginx:v1999", "system tag.set >"+a)
	k.tells("docker.io/library/nginx")
	k.tells("docker.io/library/nginx:v")
	k.tells("trash")
	var paged []int64
	for before := int64(0); ; {
		list, err := k.History(t.Context(), name, before, 2)
		k.must(err)
		if len(list) == 0 {
			break
		}
		for _, c := range list {
			before = c.ID
			paged = append(paged, c.ID)
		}
	}
	if len(paged) != len(want) || !slices.IsSortedFunc(paged, func(a, b int64) int { return int(b - a) }) {
		t.Errorf("by pages: %v", paged)
	}
}

// What is in a log from before there were histories is in them, too, whatever that is.
func TestHistoryOfOldLog(t *testing.T) {
	t.Parallel()
	first, err := migrations.ReadFile("migrations/0001_audit.sql")
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqldb.Open(t.Context(), filepath.Join(t.TempDir(), "landfall.db"), fstest.MapFS{"0001_t.sql": {Data: []byte("-- +goose Up\nCREATE TABLE t (n BIGINT);\n")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	k := &kit{&Log{db: db}, t}
	_, err = db.Tables(t.Context(), "audit", fstest.MapFS{"0001_audit.sql": {Data: first}})
	k.must(err)
	d := "sha256:" + strings.Repeat("ab", 32)
	k.must(k.Note(t.Context(), Entry{Action: "tag.set", Target: "a/b:v1", After: d}))
	k.must(k.Note(t.Context(), Entry{Action: "tag.delete", Target: "2 names", After: []listed{{Name: "a/b:v1", Before: []byte(`"` + d + `"`)}, {Name: "a/b:v2"}}}))
	k.must(k.Note(t.Context(), Entry{Action: "tag.set", Target: "x", After: "no digest"}))
	k.must(k.Note(t.Context(), Entry{Action: "user.create", Target: "a/b:v1", After: d}))
	k.unguard()
	k.exec(`INSERT INTO audit SELECT 99, at, actor, kind, address, via, 'tag.set', 'damaged', before, '[{"name":1', outcome, request, previous, hash FROM audit WHERE id = 1`)
	k.exec(`INSERT INTO audit SELECT 98, at, actor, kind, address, via, 'tag.set', 'damaged', before, '[{"name":', outcome, request, previous, hash FROM audit WHERE id = 1`)
	reopened, err := Open(t.Context(), db)
	k.must(err)
	k.Log = reopened
	k.tells("a/b:v1", "system tag.delete ababababa>", "system tag.set >ababababa")
	k.tells("a/b:v2", "system tag.delete >")
	k.tells("x", "system tag.set >")
}

// However long the log is, a history is looked up and not looked for.
func TestHistoryPlan(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	rows, err := k.db.Read.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+historyQuery, "a", 1, 1)
	k.must(err)
	defer rows.Close()
	var id, parent, unused int
	var plan, step string
	for rows.Next() {
		k.must(rows.Scan(&id, &parent, &unused, &step))
		plan += step + "\n"
	}
	k.must(rows.Err())
	if strings.Contains(plan, "SCAN") || !strings.Contains(plan, "SEARCH audit_names") {
		t.Error(plan)
	}
}
