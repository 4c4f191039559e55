package auth

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/landfall-dev/landfall/registry"
)

func ptr[T any](v T) *T { return &v }

func TestAddUser(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	for _, bad := range []NewUser{
		{Name: "", Password: goodPassword, Role: Viewer},
		{Name: "robot$x", Password: goodPassword, Role: Viewer},
		{Name: "a:b", Password: goodPassword, Role: Viewer},
		{Name: "a b", Password: goodPassword, Role: Viewer},
		{Name: "ünsal", Password: goodPassword, Role: Viewer},
		{Name: ".a", Password: goodPassword, Role: Viewer},
		{Name: strings.Repeat("a", 65), Password: goodPassword, Role: Viewer},
		{Name: "ann", Password: "short", Role: Viewer},
		{Name: "marguerite", Password: "Marguerite-1", Role: Viewer},
		{Name: "ann", Password: goodPassword, Role: "root"},
		{Name: "ann", Password: goodPassword},
		{Name: "ann", Password: goodPassword, Role: Admin, Restricted: true},
		{Name: "ann", Password: goodPassword, Role: Viewer, Display: "a\x1b[2J"},
		{Name: "ann", Password: goodPassword, Role: Viewer, Grants: []Grant{{"A B", []Action{Pull}}}},
	} {
		_, err := s.AddUser(t.Context(), bad)
		wants(t, fmt.Sprintf("%+v", bad), err, registry.ErrInvalid)
	}
	u := s.addUser("Ann", Viewer, Grant{"docker.io/library/", []Action{Push}})
	if got, err := s.UserByName(t.Context(), "aNN"); err != nil || got.ID != u.ID || got.Name != "Ann" || !got.HasPassword || got.Version != 1 || len(got.Grants) != 1 || got.Grants[0].Prefix != "docker.io/library" {
		t.Errorf("%+v, %v", got, err)
	}
	_, err := s.AddUser(t.Context(), NewUser{Name: "ANN", Password: goodPassword, Role: Admin})
	wants(t, "the same name in capitals", err, registry.ErrConflict)
	for i := range 5 {
		s.addUser(fmt.Sprintf("user%d", i), Operator)
	}
	page, err := s.Users(t.Context(), "", 4)
	if err != nil || len(page) != 4 || page[0].Name != "Ann" || page[3].Name != "user2" || len(page[0].Grants) != 1 {
		t.Errorf("%v, %v", page, err)
	}
	if page, err = s.Users(t.Context(), "user2", 4); err != nil || len(page) != 2 || page[0].Name != "user3" {
		t.Errorf("%v, %v", page, err)
	}
	s.audited("user.create Ann ok by system/system/")
	s.hides(goodPassword)
	s.restart()
	if _, err := s.CheckPassword(t.Context(), "ann", goodPassword, ""); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// A change of an older version changes nothing, and of many at once one wins.
func TestVersions(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	u := s.addUser("ann", Viewer)
	v, err := s.ChangeUser(t.Context(), u.ID, u.Version, UserPatch{Display: ptr("Ann")})
	if err != nil || v.Version != 2 || v.Display != "Ann" || v.Role != Viewer {
		t.Fatalf("%+v, %v", v, err)
	}
	_, err = s.ChangeUser(t.Context(), u.ID, u.Version, UserPatch{Role: ptr(Admin)})
	wants(t, "stale", err, registry.ErrConflict)
	wants(t, "stale removal", s.RemoveUser(t.Context(), u.ID, 1), registry.ErrConflict)
	_, err = s.ChangeUser(t.Context(), "nobody", 1, UserPatch{})
	wants(t, "nobody", err, registry.ErrNotFound)
	var all sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 20 {
		all.Go(func() {
			_, err := s.ChangeUser(t.Context(), u.ID, 2, UserPatch{Display: ptr(fmt.Sprint(i))})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			}
		})
	}
	all.Wait()
	if got, _ := s.User(t.Context(), u.ID); won != 1 || got.Version != 3 {
		t.Errorf("%d changes of version 2, now %d", won, got.Version)
	}
}

// There is always an enabled administrator with a password, also when the last
// two take leave at once.
func TestLastAdmin(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	a := s.addUser("a", Admin)
	for what, p := range map[string]UserPatch{"demoted": {Role: ptr(Operator)}, "disabled": {Disabled: ptr(true)}} {
		_, err := s.ChangeUser(t.Context(), a.ID, a.Version, p)
		wants(t, what, err, registry.ErrConflict)
	}
	wants(t, "removed", s.RemoveUser(t.Context(), a.ID, a.Version), registry.ErrConflict)
	// Who logs in elsewhere does not count: elsewhere may be away.
	if _, err := s.Federated(t.Context(), Identity{Issuer: "https://id.example", Subject: "1", Name: "f", Role: Admin}); err != nil {
		t.Fatal(err)
	}
	wants(t, "removed, with another who has no password", s.RemoveUser(t.Context(), a.ID, a.Version), registry.ErrConflict)
	b := s.addUser("b", Admin)
	var all sync.WaitGroup
	errs := make([]error, 2)
	for i, u := range []User{a, b} {
		all.Go(func() { errs[i] = s.RemoveUser(t.Context(), u.ID, u.Version) })
	}
	all.Wait()
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Errorf("the last two: %v", errs)
	}
	s.audited("user.delete")
}

// What is not recorded does not happen.
func TestNothingUnrecorded(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	u := s.addUser("ann", Admin)
	ctx := s.as("ann")
	_, robot := s.addToken(NewToken{Name: "r", Role: Viewer})
	robots, _ := s.Tokens(t.Context(), TokenFilter{})
	if _, err := s.db.Read.Exec(`SELECT 1`); err != nil {
		t.Fatal(err)
	}
	s.breakAudit()
	_, err := s.AddUser(t.Context(), NewUser{Name: "bob", Password: goodPassword, Role: Viewer})
	for what, err := range map[string]error{
		"add":    err,
		"change": errOf(s.ChangeUser(ctx, u.ID, u.Version, UserPatch{Display: ptr("x")})),
		"remove": s.RemoveUser(t.Context(), u.ID, u.Version),
		"token":  errOf2(s.CreateToken(t.Context(), NewToken{Name: "n", Role: Viewer})),
		"revoke": s.RevokeToken(t.Context(), robots[0].ID),
		"renew":  errOf2(s.RenewRobot(t.Context(), robots[0].ID, robots[0].Expires)),
		"login":  errOf2(s.Login(t.Context(), "ann", goodPassword)),
		"logout": errOf(s.Logout(ctx)),
		"end":    s.EndSessions(ctx, u.ID),
	} {
		if err == nil {
			t.Errorf("%s: done without a record", what)
		}
	}
	if list, err := s.Users(t.Context(), "", 10); err != nil || len(list) != 1 || list[0].Display != "" || list[0].Version != 1 {
		t.Errorf("users %+v, %v", list, err)
	}
	if _, err := s.CheckToken(t.Context(), robot, ""); err != nil {
		t.Errorf("the robot: %v", err)
	}
	if list, err := s.Sessions(ctx, u.ID); err != nil || len(list) != 1 {
		t.Errorf("sessions %v, %v", list, err)
	}
}

// breakAudit makes every record fail.
func (s *site) breakAudit() {
	s.t.Helper()
	if _, err := s.db.Tables(s.t.Context(), "broken", breaking); err != nil {
		s.t.Fatal(err)
	}
}

func errOf[T any](_ T, err error) error { return err }

func errOf2[T, U any](_ T, _ U, err error) error { return err }

// A subject manages what it has the right to, and never gets more by it.
func TestManagers(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	admin, other := s.addUser("admin", Admin), s.addUser("other", Viewer)
	s.addUser("viewer", Viewer)
	s.addUser("operator", Operator)
	for _, name := range []string{"viewer", "operator"} {
		ctx := s.as(name)
		_, err := s.AddUser(ctx, NewUser{Name: "n", Password: goodPassword, Role: Viewer})
		wants(t, name+" adds", err, registry.ErrDenied)
		_, err = s.ChangeUser(ctx, other.ID, other.Version, UserPatch{Password: ptr("another good password")})
		wants(t, name+" changes another", err, registry.ErrDenied)
		wants(t, name+" removes", s.RemoveUser(ctx, other.ID, other.Version), registry.ErrDenied)
		me, _ := SubjectOf(ctx)
		_, err = s.ChangeUser(ctx, me.ID, 1, UserPatch{Role: ptr(Admin)})
		wants(t, name+" becomes admin", err, registry.ErrDenied)
		_, err = s.ChangeUser(ctx, me.ID, 1, UserPatch{Password: ptr("another good password")})
		wants(t, name+" sets its password without the old one", err, registry.ErrDenied)
		_, err = s.ChangeUser(ctx, me.ID, 1, UserPatch{Display: ptr("Me")})
		wants(t, name+" has another display name", err, nil)
		_, err = s.Users(ctx, "", 10)
		wants(t, name+" lists users", err, registry.ErrDenied)
		_, err = s.User(ctx, other.ID)
		wants(t, name+" sees another", err, registry.ErrDenied)
		_, err = s.User(ctx, me.ID)
		wants(t, name+" sees itself", err, nil)
		_, err = s.Sessions(ctx, other.ID)
		wants(t, name+" sees another's sessions", err, registry.ErrDenied)
		wants(t, name+" ends another's sessions", s.EndSessions(ctx, other.ID), registry.ErrDenied)
	}
	// A token that may manage users but little else cannot become an admin by it.
	_, text := s.addToken(NewToken{Name: "manager", Owner: admin.ID, Rights: []Right{UsersWrite, UsersRead, SystemRead, ContentRead}})
	manager, err := s.CheckToken(t.Context(), text, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx := WithSubject(t.Context(), manager)
	_, err = s.AddUser(ctx, NewUser{Name: "n", Password: goodPassword, Role: Admin})
	wants(t, "a token makes an admin", err, registry.ErrDenied)
	_, err = s.ChangeUser(ctx, admin.ID, admin.Version, UserPatch{Password: ptr("another good password")})
	wants(t, "a token takes an admin over", err, registry.ErrDenied)
	_, err = s.AddUser(ctx, NewUser{Name: "n", Password: goodPassword, Role: Viewer, Restricted: true, Grants: []Grant{{"a", []Action{Pull}}}})
	wants(t, "a token makes a restricted viewer", err, nil)
	if _, err := s.ChangeUser(s.as("admin"), other.ID, other.Version, UserPatch{Role: ptr(Admin)}); err != nil {
		t.Errorf("an admin: %v", err)
	}
	s.audited("user.change other ok by admin/user/session")
	nobody := WithSubject(context.Background(), s.anonymous("192.0.2.9"))
	_, err = s.AddUser(nobody, NewUser{Name: "x", Password: goodPassword, Role: Viewer})
	wants(t, "nobody adds", err, ErrUnauthenticated)
}
