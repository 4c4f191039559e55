package auth

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

func (s *site) token(text string) (Subject, error) {
	return s.CheckToken(s.t.Context(), text, "192.0.2.5")
}

func TestTokens(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	u := s.addUser("ann", Operator)
	personal, text := s.addToken(NewToken{Name: "laptop", Owner: u.ID})
	robot, robotText := s.addToken(NewToken{Name: "ci", Grants: []Grant{{"team/", []Action{Push}}}})
	if !regexp.MustCompile(`^lf_[a-z2-7]{20}_[A-Za-z0-9_-]{43}[0-9a-f]{8}$`).MatchString(text) {
		t.Errorf("text %q", text)
	}
	for _, restarted := range []bool{false, true} {
		got, err := s.token(text)
		if err != nil || got.Name != "ann" || got.Kind != Person || got.Token != personal.ID || got.ID != u.ID || !got.May(ContentWrite) || got.May(TokensOwn) || got.May(UsersRead) {
			t.Errorf("restarted %v: %+v, %v", restarted, got, err)
		}
		got, err = s.token(robotText)
		if err != nil || got.Name != "robot$ci" || got.Kind != Robot || got.ID != robot.ID || got.May(ContentRead) || !got.MayRepository(Push, "team/app") || got.MayRepository(Pull, "other") {
			t.Errorf("restarted %v: %+v, %v", restarted, got, err)
		}
		s.restart()
	}
	for _, c := range []struct {
		name, text string
		good       bool
	}{{"ann", text, true}, {"ANN", text, true}, {"bob", text, false}, {"", text, false}, {"robot$ci", robotText, true}, {"ci", robotText, false}, {"ann", robotText, false}} {
		if _, err := s.CheckNamedToken(t.Context(), c.name, c.text, "192.0.2.5"); (err == nil) != c.good {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// A right id with another secret is as unknown as a wrong id.
	_, other := newSecret()
	_, err := s.token(tokenText(personal.ID, other))
	wants(t, "another secret", err, ErrUnauthenticated)
	_, err2 := s.token(tokenText(newID(), other))
	wants(t, "another id", err2, ErrUnauthenticated)
	if err.Error() != err2.Error() {
		t.Errorf("%v, %v", err, err2)
	}
	mine, err := s.Tokens(s.as("ann"), TokenFilter{Owner: u.ID})
	if err != nil || len(mine) != 1 || mine[0].Name != "laptop" || mine[0].LastUsed.IsZero() || mine[0].LastAddress != "192.0.2.5" {
		t.Errorf("%+v, %v", mine, err)
	}
	robots, err := s.Tokens(t.Context(), TokenFilter{})
	if err != nil || len(robots) != 1 || len(robots[0].Grants) != 1 || !robots[0].Expires.IsZero() {
		t.Errorf("%+v, %v", robots, err)
	}
	s.audited("token.create personal laptop " + personal.ID + " ok by system")
	_, secret, err := parseToken(text)
	if err != nil {
		t.Fatal(err)
	}
	s.hides(text, text[24:67], string(secret))
}

// Revoked is revoked when RevokeToken returns, whoever uses the token meanwhile.
func TestRevoke(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	token, text := s.addToken(NewToken{Name: "ci", Role: Viewer})
	var current atomic.Value
	current.Store(text)
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = s.token(current.Load().(string))
				}
			}
		})
	}
	for range 50 {
		if _, err := s.token(text); err != nil {
			t.Fatal(err)
		}
		if err := s.RevokeToken(t.Context(), token.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := s.token(text); err == nil {
			t.Fatal("a revoked token lets in")
		}
		token, text = s.addToken(NewToken{Name: "ci", Role: Viewer})
		current.Store(text)
	}
	close(stop)
	all.Wait()
	wants(t, "again", s.RevokeToken(t.Context(), token.ID), nil)
	wants(t, "and again", s.RevokeToken(t.Context(), token.ID), nil)
	wants(t, "none", s.RevokeToken(t.Context(), "nothing"), registry.ErrNotFound)
	s.restart()
	_, err := s.token(text)
	wants(t, "after a restart", err, ErrUnauthenticated)
	if n := slices.IndexFunc(s.entries(), func(l string) bool { return strings.HasPrefix(l, "token.revoke robot ci "+token.ID) }); n < 0 {
		t.Error("the revocation is not recorded")
	}
}

func TestTokenTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, Options{})
		u := s.addUser("ann", Viewer)
		now := time.Now()
		for _, bad := range []NewToken{
			{Name: "x", Owner: u.ID, Expires: now.Add(longestPersonal + time.Hour)},
			{Name: "x", Owner: u.ID, Expires: now.Add(-time.Hour)},
			{Name: "x", Role: Viewer, Expires: now},
		} {
			_, _, err := s.CreateToken(t.Context(), bad)
			wants(t, bad.Expires.String(), err, registry.ErrInvalid)
		}
		short, shortText := s.addToken(NewToken{Role: Viewer, Expires: now.Add(time.Hour)})
		usual, usualText := s.addToken(NewToken{Owner: u.ID})
		_, everText := s.addToken(NewToken{Name: "ever", Role: Viewer})
		if usual.Expires.Sub(usual.Created) != personalLife {
			t.Errorf("it lasts for %s", usual.Expires.Sub(usual.Created))
		}
		time.Sleep(time.Hour - time.Second)
		if _, err := s.token(shortText); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		_, err := s.token(shortText)
		wants(t, "expired", err, ErrUnauthenticated)
		if err == nil || !strings.Contains(err.Error(), "expired on") {
			t.Errorf("the reason is not told: %v", err)
		}
		// A robot that has expired can be given another end.
		renewed, text, err := s.RenewRobot(t.Context(), short.ID, time.Now().Add(time.Hour))
		if err != nil || renewed.Version != 2 {
			t.Fatalf("%+v, %v", renewed, err)
		}
		_, err = s.token(shortText)
		wants(t, "the text of before", err, ErrUnauthenticated)
		if _, err := s.token(text); err != nil {
			t.Error(err)
		}
		// Its use is noted once a minute.
		for i, wait := range []time.Duration{0, 58 * time.Second, time.Second} {
			time.Sleep(wait)
			before, _ := s.Token(t.Context(), short.ID)
			_, _ = s.token(text)
			after, _ := s.Token(t.Context(), short.ID)
			if noted := !after.LastUsed.Equal(before.LastUsed); noted != (i == 2) {
				t.Errorf("after %s it is noted: %v", wait, noted)
			}
		}
		time.Sleep(personalLife)
		_, err = s.token(usualText)
		wants(t, "after 90 days", err, ErrUnauthenticated)
		if _, err := s.token(everText); err != nil {
			t.Error(err)
		}
	})
}

// A personal token is never more than its user is now.
func TestPersonal(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	u := s.addUser("ann", Operator)
	_, text := s.addToken(NewToken{Name: "all", Owner: u.ID, Role: Admin, Rights: []Right{ContentRead, ContentWrite, UsersWrite, TokensOwn, TokensWrite}})
	if got, _ := s.token(text); !got.May(ContentWrite) || got.May(UsersWrite) || got.May(TokensOwn) || got.May(JobsWrite) {
		t.Errorf("of an operator: %v", got.Rights())
	}
	s.change(u.ID, UserPatch{Role: ptr(Viewer)})
	if got, _ := s.token(text); got.May(ContentWrite) || !got.May(ContentRead) {
		t.Errorf("of a viewer: %v", got.Rights())
	}
	s.change(u.ID, UserPatch{Role: ptr(Admin)})
	if got, _ := s.token(text); !got.May(UsersWrite) || got.May(TokensOwn) {
		t.Errorf("of an admin: %v", got.Rights())
	}
	s.addUser("another", Admin)
	s.change(u.ID, UserPatch{Disabled: ptr(true)})
	_, err := s.token(text)
	wants(t, "of one who is disabled", err, ErrUnauthenticated)
	s.change(u.ID, UserPatch{Disabled: ptr(false), Password: ptr("another good password")})
	if _, err := s.token(text); err != nil {
		t.Errorf("a new password ends tokens: %v", err)
	}
	u, _ = s.User(t.Context(), u.ID)
	if err := s.RemoveUser(t.Context(), u.ID, u.Version); err != nil {
		t.Fatal(err)
	}
	_, err = s.token(text)
	wants(t, "of one who is gone", err, ErrUnauthenticated)
	var n int
	if err := s.db.Read.QueryRow(`SELECT (SELECT count(*) FROM auth_tokens) + (SELECT count(*) FROM auth_grants)`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows are left, %v", n, err)
	}
}

// Who may make which tokens.
func TestMakeTokens(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	admin, viewer := s.addUser("admin", Admin), s.addUser("viewer", Viewer)
	_, adminText := s.addToken(NewToken{Name: "a", Owner: admin.ID})
	_, narrowText := s.addToken(NewToken{Name: "n", Owner: admin.ID, Rights: []Right{TokensWrite, ContentRead}})
	_, robotText := s.addToken(NewToken{Name: "keeper", Role: Admin})
	as := func(text string) context.Context {
		subject, err := s.token(text)
		if err != nil {
			t.Fatal(err)
		}
		return WithSubject(t.Context(), subject)
	}
	nobody := WithSubject(t.Context(), s.anonymous(""))
	own, robot := NewToken{Owner: viewer.ID}, NewToken{Role: Viewer}
	for i, c := range []struct {
		who  string
		ctx  context.Context
		new  NewToken
		kind error
	}{
		{"viewer, own", s.as("viewer"), own, nil},
		{"viewer, another's", s.as("viewer"), NewToken{Owner: admin.ID}, registry.ErrDenied},
		{"viewer, robot", s.as("viewer"), robot, registry.ErrDenied},
		{"admin, another's", s.as("admin"), own, registry.ErrDenied},
		{"admin, robot", s.as("admin"), NewToken{Role: Admin}, nil},
		{"token, own", as(adminText), NewToken{Owner: admin.ID}, registry.ErrDenied},
		{"token, robot", as(adminText), robot, nil},
		{"narrow token, robot that may more", as(narrowText), robot, registry.ErrDenied},
		{"narrow token, robot that pushes", as(narrowText), NewToken{Grants: []Grant{{"a", []Action{Push}}}}, registry.ErrDenied},
		{"narrow token, robot that pulls", as(narrowText), NewToken{Grants: []Grant{{"a", []Action{Pull}}}}, nil},
		{"narrow token, robot with its rights", as(narrowText), NewToken{Rights: []Right{ContentRead}}, nil},
		{"robot, robot", as(robotText), NewToken{Role: Operator}, nil},
		{"robot, personal", as(robotText), own, registry.ErrDenied},
		{"nobody", nobody, robot, ErrUnauthenticated},
		{"nobody, personal", nobody, own, registry.ErrDenied},
		{"local, personal", WithSubject(t.Context(), Subject{Kind: Local, limits: everything}), own, nil},
		{"of nobody", t.Context(), NewToken{Owner: "none"}, registry.ErrNotFound},
		{"that may nothing", t.Context(), NewToken{}, registry.ErrInvalid},
		{"with a right that is none", t.Context(), NewToken{Rights: []Right{"all"}}, registry.ErrInvalid},
		{"with a role that is none", t.Context(), NewToken{Role: "all"}, registry.ErrInvalid},
		{"with another's name", t.Context(), NewToken{Name: "KEEPER", Role: Viewer}, registry.ErrConflict},
		{"with a bad name", t.Context(), NewToken{Name: "$", Role: Viewer}, registry.ErrInvalid},
	} {
		if c.new.Name == "" {
			c.new.Name = fmt.Sprintf("t%d", i)
		}
		_, _, err := s.CreateToken(c.ctx, c.new)
		wants(t, c.who, err, c.kind)
	}
	// Renewing and revoking ask for no less.
	keeper, _ := s.Tokens(t.Context(), TokenFilter{})
	i := slices.IndexFunc(keeper, func(t Token) bool { return t.Name == "keeper" })
	wants(t, "a narrow token revokes an admin's robot", s.RevokeToken(as(narrowText), keeper[i].ID), registry.ErrDenied)
	_, _, err := s.RenewRobot(as(narrowText), keeper[i].ID, time.Time{})
	wants(t, "a narrow token renews an admin's robot", err, registry.ErrDenied)
	_, err = s.Tokens(s.as("viewer"), TokenFilter{})
	wants(t, "a viewer lists robots", err, registry.ErrDenied)
	_, err = s.Tokens(s.as("viewer"), TokenFilter{Owner: admin.ID})
	wants(t, "a viewer lists another's", err, registry.ErrDenied)
	_, err = s.Token(s.as("viewer"), keeper[i].ID)
	wants(t, "a viewer looks for a robot", err, registry.ErrNotFound)
	personal, _ := s.Tokens(t.Context(), TokenFilter{Owner: admin.ID})
	wants(t, "a viewer revokes another's", s.RevokeToken(s.as("viewer"), personal[0].ID), registry.ErrDenied)
	mine, _ := s.Tokens(t.Context(), TokenFilter{Owner: viewer.ID})
	wants(t, "a viewer revokes its own", s.RevokeToken(s.as("viewer"), mine[0].ID), nil)
	_, _, err = s.RenewRobot(t.Context(), mine[0].ID, time.Time{})
	wants(t, "a personal token is renewed", err, registry.ErrConflict)
	for range maxTokens - len(mine) + 1 {
		s.addToken(own)
	}
	_, _, err = s.CreateToken(t.Context(), NewToken{Name: "x", Owner: viewer.ID})
	wants(t, "too many", err, registry.ErrConflict)
}

// What is read as a token is what tokenText writes.
func FuzzToken(f *testing.F) {
	_, secret := newSecret()
	f.Add(tokenText(newID(), secret))
	f.Add(tokenText(strings.Repeat("_", idLength), secret))
	f.Add(tokenText(strings.Repeat("a", idLength), strings.Repeat("\n", 43)))
	f.Fuzz(func(t *testing.T, text string) {
		id, secret, err := parseToken(text)
		if err != nil {
			return
		}
		if again := tokenText(id, strictURL.EncodeToString(secret)); again != text || len(secret) != 32 {
			t.Errorf("%q is read as %q", text, again)
		}
	})
}
