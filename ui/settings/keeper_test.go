package settings

import (
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
)

// site is a database and what is kept in it.
type site struct {
	*sqldb.DB
	keeper *Keeper
}

var noTables = fstest.MapFS{"0001_none.sql": {Data: []byte("-- +goose Up\nSELECT 1;\n")}}

func open(t *testing.T, path string, base *Effective) *site {
	t.Helper()
	db, err := sqldb.Open(t.Context(), path, noTables)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{DB: db}
	t.Cleanup(func() { s.Close() })
	log, err := audit.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if s.keeper, err = Open(t.Context(), s, log, base); err != nil {
		t.Fatal(err)
	}
	return s
}

func load(t *testing.T, env ...string) *Effective {
	t.Helper()
	e, err := Load(Sources{Env: env})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (s *site) audited(t *testing.T) (n int) {
	t.Helper()
	if err := s.Read.QueryRow(`SELECT count(*) FROM audit WHERE action = 'settings.update'`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A setting is changed, told, audited, there after a restart, and taken back.
func TestSet(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	s := open(t, path, load(t))
	var told []Settings
	stop := s.keeper.OnChange(func(now Settings) { told = append(told, now) })
	if now := s.keeper.Get(); now.Version != 0 || !now.Config.Registry.AnonymousPull {
		t.Errorf("%+v", now)
	}
	now, err := s.keeper.Set(t.Context(), 0, map[string]any{
		"registry.anonymousPull": false, "site.name": "Werk Süd", "tls.names": []any{"a.example", "10.0.0.5"}, "uploads.quota": "2048MiB", "site.banner": "one\ntwo\n"})
	if err != nil {
		t.Fatal(err)
	}
	c := now.Config
	if now.Version != 1 || c.Registry.AnonymousPull || c.Site.Name != "Werk Süd" || len(c.TLS.Names) != 2 || c.Uploads.Quota != 2<<30 || c.Site.Banner != "one\ntwo" {
		t.Errorf("%+v", now)
	}
	if now.Origin("site.name").Kind != FromSetting || now.Origin("media.importPolicy").Kind != FromDefault {
		t.Error(now.Values())
	}
	if len(told) != 1 || told[0].Version != 1 || s.audited(t) != 1 {
		t.Errorf("told %d times, audited %d times", len(told), s.audited(t))
	}
	stop()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, load(t))
	if now = s.keeper.Get(); now.Version != 1 || now.Config.Uploads.Quota != 2<<30 || time.Since(now.Changed) > time.Hour {
		t.Errorf("%+v", now)
	}
	if now, err = s.keeper.Set(t.Context(), 1, map[string]any{"registry.anonymousPull": nil, "tls.names": nil}); err != nil || !now.Config.Registry.AnonymousPull || now.Version != 2 {
		t.Errorf("%+v, %v", now, err)
	}
	// What changes nothing is no change.
	if now, err = s.keeper.Set(t.Context(), 2, map[string]any{"site.name": "Werk Süd", "tls.names": nil}); err != nil || now.Version != 2 || s.audited(t) != 2 {
		t.Errorf("%+v, %v", now, err)
	}
	if len(told) != 1 {
		t.Error("told after the end")
	}
}

// What is wrong names each field, and changes nothing.
func TestRefused(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "db"), load(t, "LANDFALL_UPLOADS_QUOTA=1GiB"))
	_, err := s.keeper.Set(t.Context(), 0, map[string]any{
		"site.name": "x", "registry.anonymousPull": "false", "media.importPolicy": "always", "auth.sessionIdle": 3600.0,
		"tls.names": []any{"a", 1}, "uploads.expiry": true, "uploads.quota": "2GiB", "data": "/elsewhere", "nosuch": 1, "site.banner": "a\x1b[31m", "auth.sessionLifetime": "100d"})
	for _, want := range []string{
		`registry.anonymousPull: invalid: "false": want true or false`,
		`media.importPolicy: invalid: "always": want manual or signed`,
		`auth.sessionIdle: invalid: "": not a setting that can be changed`,
		`tls.names: invalid: "[a 1]": want a list; each of a host name, which may begin with *., or an IP address`,
		`uploads.expiry: invalid: "true": want a time`,
		`uploads.quota: conflict: env LANDFALL_UPLOADS_QUOTA says what it is; change it there`,
		`data: invalid: "": not a setting that can be changed while the appliance runs`,
		`nosuch: invalid: "": not a setting`,
		`site.banner: invalid: "a\x1b[31m": want a text of at most 4096 bytes`,
		`auth.sessionLifetime: invalid: "": not a setting that can be changed`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	if !errors.Is(err, registry.ErrInvalid) || !errors.Is(err, registry.ErrConflict) {
		t.Error(err)
	}
	var fixed *FixedError
	if _, err := s.keeper.Set(t.Context(), 0, map[string]any{"uploads.quota": "1GiB"}); !errors.As(err, &fixed) || fixed.Field != "uploads.quota" {
		t.Error(err)
	}
	if now := s.keeper.Get(); now.Version != 0 || now.Config.Site.Name != "" || s.audited(t) != 0 {
		t.Errorf("%+v", now)
	}
	for _, setting := range s.keeper.Get().Settings() {
		if setting.Fixed != (setting.Name == "uploads.quota") {
			t.Errorf("%+v", setting)
		}
	}
}

// Of two who change the same version, one is told to read again.
func TestVersions(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "db"), load(t))
	var all sync.WaitGroup
	results := make(chan error, 20)
	for i := range 20 {
		all.Go(func() {
			_, err := s.keeper.Set(t.Context(), 0, map[string]any{"site.name": string(rune('a' + i))})
			results <- err
		})
	}
	all.Wait()
	close(results)
	done := 0
	for err := range results {
		var version *VersionError
		switch {
		case err == nil:
			done++
		case !errors.As(err, &version) || !errors.Is(err, registry.ErrConflict):
			t.Error(err)
		}
	}
	if done != 1 || s.keeper.Get().Version != 1 {
		t.Errorf("%d were done, version %d", done, s.keeper.Get().Version)
	}
	if now, err := s.keeper.Set(t.Context(), -1, map[string]any{"site.name": "any"}); err != nil || now.Version != 2 {
		t.Errorf("%+v, %v", now, err)
	}
}

// A change whose audit entry cannot be written does not happen.
func TestAudited(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "db"), load(t))
	if err := s.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`DROP TABLE audit`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.keeper.Set(t.Context(), 0, map[string]any{"site.name": "x"}); err == nil {
		t.Error("changed without an entry")
	}
	d, err := readDocument(t.Context(), s.Read)
	if err != nil || d.version != 0 || s.keeper.Get().Config.Site.Name != "" {
		t.Errorf("%+v, %v", d, err)
	}
}

// The file counts before what was changed while the appliance ran, and when it
// says nothing any more, that counts again.
func TestRebase(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "db"), load(t))
	if _, err := s.keeper.Set(t.Context(), 0, map[string]any{"media.importPolicy": "signed"}); err != nil {
		t.Fatal(err)
	}
	var told []string
	s.keeper.OnChange(func(now Settings) {
		told = append(told, now.Config.Media.ImportPolicy+" "+now.Origin("media.importPolicy").String())
	})
	for _, base := range []*Effective{load(t, "LANDFALL_MEDIA_IMPORT_POLICY=manual"), load(t)} {
		if _, err := s.keeper.Rebase(base); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"manual env LANDFALL_MEDIA_IMPORT_POLICY", "signed setting"}; !slices.Equal(told, want) {
		t.Errorf("%q, want %q", told, want)
	}
}

// What another version has kept and this one does not understand is told, and
// stops nothing.
func TestForeign(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	s := open(t, path, load(t))
	err := s.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO settings (id, version, document, changed_at) VALUES (1, 7, ?, 0)`,
			`{"site.name":["x"],"media.importPolicy":["never"],"registry.anonymousPull":[],"gone":["1"],"data":["/elsewhere"]}`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, path, load(t))
	now := s.keeper.Get()
	if now.Version != 7 || now.Config.Site.Name != "x" || now.Config.Media.ImportPolicy != ImportManual || !now.Config.Registry.AnonymousPull || now.Config.Data == "/elsewhere" || len(now.Problems) != 4 {
		t.Errorf("%+v %q", now.Config, now.Problems)
	}
	if now, err = s.keeper.Set(t.Context(), 7, map[string]any{"registry.anonymousPull": nil, "media.importPolicy": "signed"}); err != nil || len(now.Problems) != 2 {
		t.Errorf("%q, %v", now.Problems, err)
	}
}
