package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/auth/password"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// site is the identities of a site, in a database of its own.
type site struct {
	*Auth
	t    *testing.T
	db   *sqldb.DB
	path string
	opts Options
}

const goodPassword = "correct horse battery"

func newSite(t *testing.T, opts Options) *site {
	t.Helper()
	opts.Passwords = password.Params{Memory: 64, Time: 1, Threads: 1}
	s := &site{t: t, path: filepath.Join(t.TempDir(), "landfall.db"), opts: opts}
	s.open()
	t.Cleanup(func() { s.db.Close() })
	return s
}

func (s *site) open() {
	s.t.Helper()
	var err error
	s.db, err = sqldb.Open(s.t.Context(), s.path, fstest.MapFS{"0001_none.sql": {Data: []byte("-- +goose Up\nSELECT 1;\n")}})
	if err != nil {
		s.t.Fatal(err)
	}
	if s.opts.Audit, err = audit.Open(s.t.Context(), s.db); err != nil {
		s.t.Fatal(err)
	}
	if s.Auth, err = Open(s.t.Context(), s.db, s.opts); err != nil {
		s.t.Fatal(err)
	}
}

// restart is the appliance's end and its next start.
func (s *site) restart() {
	s.t.Helper()
	if err := s.db.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.open()
}

func (s *site) addUser(name string, role Role, grants ...Grant) User {
	s.t.Helper()
	u, err := s.AddUser(s.t.Context(), NewUser{Name: name, Password: goodPassword, Role: role, Grants: grants})
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

func (s *site) change(id string, p UserPatch) User {
	s.t.Helper()
	u, err := s.User(s.t.Context(), id)
	if err == nil {
		u, err = s.ChangeUser(s.t.Context(), id, u.Version, p)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

func (s *site) addToken(n NewToken) (Token, string) {
	s.t.Helper()
	if n.Name == "" {
		n.Name = "t"
	}
	token, text, err := s.CreateToken(s.t.Context(), n)
	if err != nil {
		s.t.Fatal(err)
	}
	return token, text
}

// as is the context of a request of a user who has logged in.
func (s *site) as(name string) context.Context {
	s.t.Helper()
	ctx := context.WithValue(s.t.Context(), clientKey{}, Client{Address: "192.0.2.1", Agent: "test"})
	_, subject, err := s.Login(ctx, name, goodPassword)
	if err != nil {
		s.t.Fatal(err)
	}
	return WithSubject(ctx, subject)
}

// entries are the audit log's lines: action, target, outcome and who.
func (s *site) entries() (list []string) {
	s.t.Helper()
	rows, err := s.db.Read.Query(`SELECT action || ' ' || target || ' ' || outcome || ' by ' || actor || '/' || kind || '/' || via FROM audit ORDER BY id`)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			s.t.Fatal(err)
		}
		list = append(list, line)
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return list
}

// audited wants a line in the audit log.
func (s *site) audited(want string) {
	s.t.Helper()
	if list := s.entries(); !slices.ContainsFunc(list, func(line string) bool { return strings.Contains(line, want) }) {
		s.t.Errorf("the audit log has not %q:\n%s", want, strings.Join(list, "\n"))
	}
}

// hides wants none of the secrets in any byte of the database.
func (s *site) hides(secrets ...string) {
	s.t.Helper()
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(s.path + suffix)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, secret := range secrets {
			if len(secret) < 8 {
				s.t.Fatalf("%q is no secret", secret)
			}
			if bytes.Contains(content, []byte(secret)) {
				s.t.Errorf("the database has a secret: %s", secret)
			}
		}
	}
}

// wants an error of a kind, or none.
func wants(t *testing.T, what string, err, kind error) {
	t.Helper()
	if kind == nil && err != nil || kind != nil && !errors.Is(err, kind) {
		t.Errorf("%s: %v, want %v", what, err, kind)
	}
}

// server answers with who asks, behind Wrap.
func (s *site) handler() http.Handler {
	return s.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		subject, _ := SubjectOf(r.Context())
		_ = json.NewEncoder(w).Encode(map[string]any{
			"name": subject.Name, "kind": subject.Kind, "via": subject.Via, "address": subject.Address, "actor": audit.ActorOf(r.Context()),
		})
	}), func(w http.ResponseWriter, _ *http.Request, err error) {
		status := http.StatusForbidden
		if errors.Is(err, ErrUnauthenticated) {
			status = http.StatusUnauthorized
		}
		http.Error(w, err.Error(), status)
	})
}

// ask is the answer of handler to a request with headers.
func (s *site) ask(method string, headers ...string) (status int, body string) {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, "http://site.example/", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// breaking makes the audit log refuse everything.
var breaking = fstest.MapFS{"0001_broken.sql": {Data: []byte("-- +goose Up\nALTER TABLE audit RENAME TO audit_gone;\n")}}
