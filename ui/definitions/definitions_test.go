package definitions_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/lifecycle/closure"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/sitevalues"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/definitions"
	"github.com/landfall-dev/landfall/ui/definitions/definitionstest"
	"github.com/landfall-dev/landfall/ui/events"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const (
	app = "docker.io/team/app:v1"
	db  = "docker.io/team/db:v2"
)

// site is a store with its definitions, and the connected side.
type site struct {
	*definitions.Definitions
	t         testing.TB
	store     *store.Store
	dir       string
	connected *definitionstest.Connected
	events    *events.Bus
	platforms []string
	audit     *audit.Log
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), connected: definitionstest.NewConnected(t), events: events.NewBus(0)}
	var err error
	s.store, err = store.Open(t.Context(), s.dir, store.Options{})
	s.must(err)
	t.Cleanup(func() {
		s.events.Close()
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
	s.audit, err = audit.Open(t.Context(), s.store)
	s.must(err)
	values, err := definitions.OpenValues(t.Context(), s.store, s.dir, s.audit)
	s.must(err)
	s.Definitions, err = definitions.Open(t.Context(), s.store, definitions.Options{Values: values, Events: s.events, Platforms: func(context.Context) (list []registry.Platform, err error) {
		for _, text := range s.platforms {
			p, err := registry.ParsePlatform(text)
			if err != nil {
				return nil, err
			}
			list = append(list, p)
		}
		return list, nil
	}})
	s.must(err)
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// publish makes a definition with two images and brings it to the site, without them.
func (s *site) publish(version string, variables ...variable.Declaration) *definition.Definition {
	s.t.Helper()
	d := definitionstest.Definition(version, []definition.Image{s.connected.Image(app), s.connected.Image(db)}, variables...)
	s.connected.Carry(s.store, s.connected.Publish(d).String())
	return d
}

// only is the one definition of the site.
func (s *site) only() definitions.Summary {
	s.t.Helper()
	list, err := s.List(s.t.Context())
	s.must(err)
	if len(list) != 1 {
		s.t.Fatalf("%+v, want one", list)
	}
	return list[0]
}

func (s *site) checkAll() []definitions.Result {
	s.t.Helper()
	list, err := s.CheckAll(s.t.Context())
	s.must(err)
	return list
}

// What is at the site is listed with what the gate found; who signed it counts when
// the site trusts the key. Images and charts are none of it.
func TestList(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if list, err := s.List(t.Context()); err != nil || list == nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	s.connected.Image(app)
	s.connected.Carry(s.store, app)
	key, err := trust.Generate(trust.Ed25519)
	s.must(err)
	other, err := trust.Generate(trust.Ed25519)
	s.must(err)
	s.must(s.store.SetTrustPolicy(t.Context(), definitionstest.Policy(t, "release team", key)))
	d := definitionstest.Definition("1.0.0", []definition.Image{s.connected.Image(app), s.connected.Image(db)})
	ref := s.connected.Publish(d, other, key)
	s.connected.Carry(s.store, ref.String())
	one := s.only()
	document := s.connected.Document(d)
	if one.Reference != "definitions.landfall.dev/edge:1.0.0" || one.Name != "edge" || one.Version != "1.0.0" || one.Document != digest.FromBytes(document) || one.Images != 2 || one.Layers != 1 ||
		one.Size != d.Size() || one.Signatures != 2 || !slices.Equal(one.Signers, []string{"release team"}) || one.Gate != nil || one.Problem != "" || one.Updated.IsZero() {
		t.Errorf("%+v", one)
	}
	s.checkAll()
	if g := s.only().Gate; g == nil || g.State != closure.Missing || g.Bad != 1 || g.Lacking == 0 || g.Lacking >= g.Bytes {
		t.Errorf("%+v", g)
	}
	s.connected.Carry(s.store, db)
	s.checkAll()
	if g := s.only().Gate; g == nil || g.State != closure.Complete || g.Bad != 0 || g.Lacking != 0 || g.Items != 3 || g.Checked.IsZero() {
		t.Errorf("%+v", g)
	}
	st, err := s.Get(t.Context(), "edge")
	if s.must(err); !bytes.Equal(st.Document, document) || st.Ref != ref {
		t.Errorf("%s %s", st.Ref, st.Document)
	}
}

// A definition is found by its reference, NAME:VERSION and NAME, which is its highest
// version; what could be several is asked for.
func TestGet(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, version := range []string{"1.0.0", "1.10.0", "1.9.0", "1.10.0-rc.1", "1.2.0+build.5"} {
		s.publish(version)
	}
	elsewhere := definitionstest.Definition("3.0.0", []definition.Image{s.connected.Image(app)})
	elsewhere.Name, elsewhere.Repository = "core", "registry.example/a/core"
	s.connected.Carry(s.store, s.connected.Publish(elsewhere).String())
	twin := definitionstest.Definition("4.0.0", []definition.Image{s.connected.Image(app)})
	twin.Name, twin.Repository = "core", "registry.example/b/core"
	s.connected.Carry(s.store, s.connected.Publish(twin).String())
	for text, want := range map[string]string{
		"edge": "1.10.0", "edge:1.9.0": "1.9.0", "definitions.landfall.dev/edge": "1.10.0", "definitions.landfall.dev/edge:1.0.0": "1.0.0", "edge:1.2.0+build.5": "1.2.0+build.5", "edge:1.2.0_build.5": "1.2.0+build.5",
		"core:3.0.0": "3.0.0", "a/core": "3.0.0", "registry.example/b/core": "4.0.0",
	} {
		if st, err := s.Get(t.Context(), text); err != nil || st.Definition.Version != want {
			t.Errorf("%s: %+v, %v, want %s", text, st, err, want)
		}
	}
	st, err := s.Get(t.Context(), "edge:1.0.0")
	s.must(err)
	if by, err := s.Get(t.Context(), "definitions.landfall.dev/edge@"+st.Digest.String()); err != nil || by.Definition.Version != "1.0.0" {
		t.Errorf("by digest: %+v, %v", by, err)
	}
	for text, want := range map[string]error{"nosuch": registry.ErrNotFound, "edge:2": registry.ErrNotFound, "dge": registry.ErrNotFound, app: registry.ErrNotFound, "": registry.ErrNotFound, "\x00 ": registry.ErrNotFound, "core": registry.ErrConflict} {
		if _, err := s.Get(t.Context(), text); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
	list, err := s.List(t.Context())
	s.must(err)
	order := ""
	for _, one := range list {
		order += one.Name + " " + one.Version + ", "
	}
	if order != "core 4.0.0, core 3.0.0, edge 1.10.0, edge 1.10.0-rc.1, edge 1.9.0, edge 1.2.0+build.5, edge 1.0.0, " {
		t.Error(order)
	}
}

// Checks of the site's definitions for the site's platforms are kept, across openings,
// and are in no backup.
func TestCheckKept(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := s.publish("1.0.0")
	if _, err := s.Last(t.Context(), "edge"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("before the first: %v", err)
	}
	report, err := s.Check(t.Context(), "edge", definitions.CheckOptions{})
	s.must(err)
	if report.State != closure.Missing || report.Lacking == 0 || !errors.Is(report.Err(), registry.ErrIncomplete) {
		t.Errorf("%+v", report)
	}
	s.connected.Carry(s.store, app, db)
	again, err := definitions.Open(t.Context(), s.store, definitions.Options{})
	s.must(err)
	last, err := again.Last(t.Context(), "edge")
	if s.must(err); last.Report.Lacking != report.Lacking || last.At.IsZero() {
		t.Errorf("%+v", last)
	}
	byDocument, err := s.CheckDocument(t.Context(), s.connected.Document(d), definitions.CheckOptions{Platforms: []string{"linux/arm64", "linux/arm64"}, Deep: true})
	if s.must(err); byDocument.State != closure.Complete || !byDocument.Deep {
		t.Errorf("%+v", byDocument)
	}
	if last, err = s.Last(t.Context(), "edge"); err != nil || last.Report.State != closure.Missing {
		t.Errorf("a check for another platform counts: %+v, %v", last, err)
	}
	s.platforms = []string{"linux/arm64"}
	if last, err = s.Last(t.Context(), "edge"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("what somebody asked about a document is the site's: %+v, %v", last, err)
	}
	_, err = s.Check(t.Context(), "edge", definitions.CheckOptions{})
	s.must(err)
	if last, err = s.Last(t.Context(), "edge"); err != nil || last.Report.State != closure.Complete {
		t.Errorf("%+v, %v", last, err)
	}
	s.platforms = []string{"linux/s390x"}
	if report, err = s.Check(t.Context(), "edge", definitions.CheckOptions{}); err != nil || report.State != closure.Missing {
		t.Errorf("for a platform that it is not for: %+v, %v", report, err)
	}
	for _, wrong := range []definitions.CheckOptions{{Platforms: []string{"arm64"}}} {
		if _, err := s.Check(t.Context(), "edge", wrong); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	edited := bytes.Replace(s.connected.Document(d), []byte("inPlace"), []byte("reboot"), 1)
	edited = append(edited, "# by hand\n"...)
	if _, err := s.CheckDocument(t.Context(), edited, definitions.CheckOptions{}); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("an edited document: %v", err)
	}
	snapshot, err := s.store.Snapshot(t.Context())
	s.must(err)
	defer snapshot.Close()
	content, err := io.ReadAll(snapshot)
	s.must(err)
	path := filepath.Join(t.TempDir(), "copy.db")
	s.must(os.WriteFile(path, content, 0o600))
	copied, err := sqldb.OpenSnapshot(path)
	s.must(err)
	defer copied.Close()
	kept := -1
	s.must(copied.QueryRow(`SELECT count(*) FROM definition_checks`).Scan(&kept))
	if kept != 0 {
		t.Errorf("%d checks are in the backup", kept)
	}
}

// The gate is asked about all; clients are told of what is another result than before,
// once. What cannot be read keeps nobody else from it.
func TestCheckAll(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if list := s.checkAll(); len(list) != 0 {
		t.Errorf("%+v", list)
	}
	s.publish("1.0.0")
	sub := s.events.Subscribe(s.events.Last())
	defer sub.Close()
	told := func() (states []string) {
		t.Helper()
		s.events.Publish("end", nil)
		for {
			e, err := sub.Next(t.Context())
			if s.must(err); e.Type == "end" {
				return states
			}
			var r definitions.Result
			s.must(json.Unmarshal(e.Data, &r))
			states = append(states, e.Type+" "+r.Name+" "+r.Version+" "+string(r.Gate.State))
		}
	}
	list := s.checkAll()
	if len(list) != 1 || list[0].Complete() || !strings.Contains(list[0].String(), "definition edge 1.0.0: incomplete: 2 of 3 items, ") || !strings.HasSuffix(list[0].String(), "are missing: see 'landfall definition check edge:1.0.0'") {
		t.Errorf("%+v", list)
	}
	s.checkAll()
	s.connected.Carry(s.store, app, db)
	if list = s.checkAll(); list[0].String() != "definition edge 1.0.0: complete" {
		t.Errorf("%s", list[0])
	}
	for state, want := range map[closure.State]string{closure.Refused: "the site's policy refuses 1 of 3 items", closure.Moved: "incomplete: 1 of 3 items are moved", closure.Complete: "complete"} {
		if got := (definitions.Gate{State: state, Bad: 1, Items: 3}).String(); got != want {
			t.Errorf("%s: %s, want %s", state, got, want)
		}
	}
	if got := told(); !slices.Equal(got, []string{"definition.checked edge 1.0.0 missing", "definition.checked edge 1.0.0 complete"}) {
		t.Errorf("told %v", got)
	}
	s.publish("2.0.0")
	blob := store.Folder(s.dir).Blob(s.documentOf("1.0.0"))
	content, err := os.ReadFile(blob)
	s.must(err)
	content[len(content)/2] ^= 1
	s.must(os.Chmod(blob, 0o600))
	s.must(os.WriteFile(blob, content, 0o600))
	fresh, err := definitions.Open(t.Context(), s.store, definitions.Options{})
	s.must(err)
	list, err = fresh.CheckAll(t.Context())
	if s.must(err); len(list) != 2 || list[0].Problem == "" || !list[1].Complete() || !strings.Contains(list[0].String(), "could not be checked") {
		t.Errorf("%+v", list)
	}
	if all, err := fresh.List(t.Context()); err != nil || all[1].Problem == "" || all[0].Gate == nil {
		t.Errorf("%+v, %v", all, err)
	}
}

// Who asks much about other things neither fills the database nor makes the site forget
// what it knows of its own.
func TestCheckMuch(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := s.publish("1.0.0")
	s.checkAll()
	for n := range 250 {
		_, err := s.Check(t.Context(), "edge", definitions.CheckOptions{Platforms: []string{fmt.Sprintf("linux/a%d", n)}})
		s.must(err)
	}
	d.Description = "another one"
	_, err := s.CheckDocument(t.Context(), s.connected.Document(d), definitions.CheckOptions{})
	s.must(err)
	if s.only().Gate == nil {
		t.Error("what the gate found is forgotten")
	}
	kept := func() (n int) {
		t.Helper()
		database, err := sql.Open("sqlite", filepath.Join(s.dir, store.Database))
		s.must(err)
		defer database.Close()
		s.must(database.QueryRowContext(t.Context(), `SELECT count(*) FROM definition_checks`).Scan(&n))
		return n
	}
	if n := kept(); n != 1 {
		t.Errorf("%d checks are kept", n)
	}
	s.platforms = []string{"linux/arm64"}
	s.publish("2.0.0")
	s.checkAll()
	if n := kept(); n != 2 {
		t.Errorf("%d checks are kept for other platforms", n)
	}
	s.must(s.store.Delete(t.Context(), registry.Ref{Repository: "definitions.landfall.dev/edge", Tag: "1.0.0"}))
	s.checkAll()
	if n := kept(); n != 1 {
		t.Errorf("%d checks are kept when a definition is gone", n)
	}
}

// Whoever asks first after something came, clients are told, once; and the gate looks
// again by itself: what came while somebody's check took its time is not in that.
func TestCheckTells(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.publish("1.0.0")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Keep(ctx)
	}()
	defer func() { stop(); <-ended }()
	sub := s.events.Subscribe(s.events.Last())
	defer sub.Close()
	told := func() closure.State {
		t.Helper()
		e, err := sub.Next(t.Context())
		s.must(err)
		var r definitions.Result
		s.must(json.Unmarshal(e.Data, &r))
		if r.Reference != "definitions.landfall.dev/edge:1.0.0" || r.Document == "" {
			t.Errorf("%+v", r)
		}
		return r.Gate.State
	}
	if state := told(); state != closure.Missing {
		t.Error(state)
	}
	s.connected.Carry(s.store, app, db)
	_, err := s.Check(t.Context(), "edge", definitions.CheckOptions{})
	s.must(err)
	if state := told(); state != closure.Complete {
		t.Error(state)
	}
	first := s.only().Gate.Checked
	for began := time.Now(); !s.only().Gate.Checked.After(first); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatal("nobody looked again")
		}
	}
	s.events.Publish("end", nil)
	if e, err := sub.Next(t.Context()); err != nil || e.Type != "end" {
		t.Errorf("%+v, %v", e, err)
	}
}

// documentOf is the digest of the document of one of several versions.
func (s *site) documentOf(version string) digest.Digest {
	s.t.Helper()
	list, err := s.List(s.t.Context())
	s.must(err)
	i := slices.IndexFunc(list, func(one definitions.Summary) bool { return one.Version == version })
	return list[i].Document
}

// After something landed the results are told, and nothing fails.
func TestTell(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var lines []string
	tell := func(level slog.Level, message string, _ any) { lines = append(lines, level.String()+" "+message) }
	s.Tell(t.Context(), tell)
	if lines != nil {
		t.Errorf("told %v without any", lines)
	}
	s.publish("1.0.0")
	s.Tell(t.Context(), tell)
	s.connected.Carry(s.store, app, db)
	s.Tell(t.Context(), tell)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s.Tell(ended, tell)
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "WARN definition edge 1.0.0: incomplete") || lines[1] != "INFO definition edge 1.0.0: complete" || !strings.HasPrefix(lines[2], "WARN definitions could not be checked: ") {
		t.Errorf("%q", lines)
	}
}

// Without being asked the gate looks at the start, and when it is woken: of many
// changes at once, once.
func TestKeep(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.publish("1.0.0")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Keep(ctx)
	}()
	until := func(state closure.State) {
		t.Helper()
		for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
			if g := s.only().Gate; g != nil && g.State == state {
				return
			}
			if time.Since(began) > 30*time.Second {
				t.Fatalf("never %s", state)
			}
		}
	}
	until(closure.Missing)
	s.connected.Carry(s.store, app, db)
	for range 100 {
		s.Wake()
	}
	until(closure.Complete)
	stop()
	<-ended
	if !definitions.Concerns([]store.Change{{Kind: store.PinSet}, {Kind: store.TagSet}}) || definitions.Concerns([]store.Change{{Kind: store.PinSet}, {Kind: store.PolicySet}}) || definitions.Concerns(nil) {
		t.Error("not all changes concern definitions, and those of names do")
	}
}

// What is wanted is exactly what is missing, and names the site.
func TestWants(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.publish("1.0.0")
	s.connected.Carry(s.store, app)
	w, err := s.Wants(t.Context(), "edge")
	s.must(err)
	id, err := s.store.SiteID(t.Context())
	if s.must(err); w.Site != id || w.Definition.Version != "1.0.0" || len(w.Names) != 1 || w.Names[0].Name != db {
		t.Errorf("%+v", w)
	}
	_, err = w.Marshal()
	s.must(err)
	s.connected.Carry(s.store, db)
	if w, err = s.Wants(t.Context(), "edge"); err != nil || w != nil {
		t.Errorf("%+v, %v", w, err)
	}
}

// Reasons and differences are told; of a difference also what of it is here already.
func TestWhyAndDiff(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.publish("1.0.0")
	next := definitionstest.Definition("2.0.0", []definition.Image{s.connected.Image(app), s.connected.Image("docker.io/team/web:v9")})
	s.connected.Carry(s.store, s.connected.Publish(next).String())
	why, err := s.Why(t.Context(), "edge:1.0.0", "docker.io/team/db")
	if s.must(err); len(why) != 1 || why[0].Name != db || why[0].Why[0].Line != 8 {
		t.Errorf("%+v", why)
	}
	if _, err := s.Why(t.Context(), "edge", "nosuch"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("%v", err)
	}
	all, err := s.Diff(t.Context(), "edge:1.0.0", "edge:2.0.0")
	s.must(err)
	s.connected.Carry(s.store, app)
	some, err := s.Diff(t.Context(), "edge:1.0.0", "edge:2.0.0")
	s.must(err)
	if all.Carry != all.Bytes || some.Carry >= all.Carry || some.Carry == 0 || len(some.Images) != 2 {
		t.Errorf("%+v, then %+v", all, some)
	}
}

// Values are those of the definition's name; changes are in the audit log, without
// secrets, and the key stays in the data folder.
func TestValues(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	password := variable.Declaration{Name: "password", Type: variable.String, Sensitive: true}
	s.publish("1.0.0", variable.Declaration{Name: "domain", Type: variable.String, Default: "a.example"}, password)
	s.publish("2.0.0", variable.Declaration{Name: "domain", Type: variable.String, Default: "b.example"}, password)
	l, err := s.SetValues(t.Context(), "edge:1.0.0", sitevalues.Patch{Set: map[string]any{"password": "s3cret"}})
	if s.must(err); l.Scope != "edge" || l.Variables[1].Value != sitevalues.Hidden {
		t.Errorf("%+v", l)
	}
	if l, err = s.Values(t.Context(), "edge:2.0.0"); err != nil || l.Version != "2.0.0" || l.Variables[1].State != sitevalues.Given {
		t.Errorf("%+v, %v", l, err)
	}
	rows, err := s.CompareValues(t.Context(), "edge:1.0.0", "edge:2.0.0")
	if s.must(err); fmt.Sprint(rows) != "[{domain theirs true a.example b.example <nil> false } {password ours false <nil> <nil> set true }]" {
		t.Errorf("%v", rows)
	}
	entries, err := s.audit.List(t.Context(), audit.Filter{Action: "values.", Limit: 10})
	if s.must(err); len(entries) != 1 || entries[0].Target != "edge" || string(entries[0].After) != `{"password":"set"}` || entries[0].Before != nil {
		t.Errorf("%+v", entries)
	}
	if info, err := os.Stat(filepath.Join(s.dir, "values.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	other := definitionstest.Definition("1.0.0", nil)
	other.Name, other.Repository = "core", "registry.example/core"
	other.Layers[0].Images, other.Images = nil, []definition.Image{s.connected.Image(app)}
	s.connected.Carry(s.store, s.connected.Publish(other).String())
	if _, err := s.CompareValues(t.Context(), "edge", "core"); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("%v", err)
	}
	bare, err := definitions.Open(t.Context(), s.store, definitions.Options{})
	s.must(err)
	if _, err := bare.Values(t.Context(), "edge"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("%v", err)
	}
}
