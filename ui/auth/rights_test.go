package auth

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
)

// The whole table: v, o and a are who has the right by role.
var rightsTable = map[Right]string{
	SystemRead: "voa", SystemWrite: "a",
	ContentRead: "voa", ContentWrite: "oa", ContentDelete: "a",
	BundlesRead: "voa", BundlesWrite: "oa", UploadsWrite: "oa",
	JobsRead: "voa", JobsWrite: "oa",
	TrustRead: "voa", TrustWrite: "a", HostsRead: "voa", HostsWrite: "oa",
	UsersRead: "a", UsersWrite: "a",
	TokensOwn: "voa", TokensWrite: "a",
	AuditRead: "a", SettingsRead: "a", SettingsWrite: "a",
	MirrorsRead: "voa", MirrorsWrite: "oa",
	DiagnosticsRead: "a", MetricsRead: "voa",
	DefinitionsRead: "voa", DefinitionsWrite: "oa",
	ClustersRead: "voa", ClustersWrite: "oa", ClustersAdmin: "a",
}

func TestRights(t *testing.T) {
	t.Parallel()
	if len(rightsTable) != len(AllRights()) {
		t.Errorf("the table has %d rights, there are %d", len(rightsTable), len(AllRights()))
	}
	for _, right := range AllRights() {
		who, ok := rightsTable[right]
		if !ok {
			t.Errorf("%s is not in the table", right)
		}
		for role, letter := range map[Role]string{Viewer: "v", Operator: "o", Admin: "a", NoRole: "none", "other": "none"} {
			want := strings.Contains(who, letter)
			s := Subject{Kind: Person, limits: []limit{{rights: role.Rights()}}}
			if s.May(right) != want {
				t.Errorf("%s has %s: %v", role, right, !want)
			}
			// Restricted to some repositories, little is left.
			s.limits[0].only = true
			narrow := want && (right == SystemRead || right == ContentRead || right == TokensOwn)
			if s.May(right) != narrow {
				t.Errorf("a restricted %s has %s: %v", role, right, !narrow)
			}
			// A token never makes personal tokens, and else changes nothing.
			s.limits = []limit{{rights: role.Rights()}, personalLimit(&Token{})}
			if got := s.May(right); got != (want && right != TokensOwn) {
				t.Errorf("the token of %s has %s: %v", role, right, got)
			}
			if robot := (Subject{limits: []limit{robotLimit(&Token{Role: role})}}); robot.May(right) != (want && right != TokensOwn) {
				t.Errorf("a robot that is %s has %s: %v", role, right, robot.May(right))
			}
			ctx := WithSubject(t.Context(), Subject{Kind: Person, limits: []limit{{rights: role.Rights()}}})
			if err := Allow(ctx, right); (err == nil) != want {
				t.Errorf("%s is allowed %s: %v", role, right, err)
			}
		}
		if (Subject{}).May(right) || (&Auth{}).anonymous("").May(right) {
			t.Errorf("nobody has %s", right)
		}
		if open := (&Auth{opts: Options{AnonymousPull: func() bool { return true }}}).anonymous(""); open.May(right) {
			t.Errorf("everybody has %s", right)
		}
		wants(t, "without a subject", Allow(t.Context(), right), ErrUnauthenticated)
		wants(t, "anonymous", Allow(WithSubject(t.Context(), (&Auth{}).anonymous("")), right), ErrUnauthenticated)
		if !(Subject{limits: everything}).May(right) {
			t.Errorf("who has the machine has not %s", right)
		}
	}
	if (Subject{limits: everything}).May("other.right") || (Subject{limits: everything}).MayRepository("other", "a") {
		t.Error("there is a right that is none")
	}
}

// What is pulled (p), pushed (P) and deleted (D) in some repositories.
func TestRepositories(t *testing.T) {
	t.Parallel()
	grant := func(prefix string, actions ...Action) Grant { return Grant{prefix, actions} }
	open := (&Auth{opts: Options{AnonymousPull: func() bool { return true }}}).anonymous("")
	person := func(role Role, only bool, grants ...Grant) Subject {
		normal, err := normalGrants(grants)
		if err != nil {
			t.Fatal(err)
		}
		return Subject{Kind: Person, limits: []limit{{role.Rights(), normal, only}}}
	}
	with := func(s Subject, token Token) Subject {
		var err error
		if token.Grants, err = normalGrants(token.Grants); err != nil {
			t.Fatal(err)
		}
		s.limits = append(slices.Clone(s.limits), personalLimit(&token))
		return s
	}
	robot := func(token Token) Subject { return Subject{Kind: Robot, limits: []limit{robotLimit(&token)}} }
	library := grant("docker.io/library/", Push)
	repositories := []string{"docker.io/library/nginx", "docker.io/library", "docker.io/library2/x", "quay.io/a", ""}
	for _, c := range []struct {
		who  string
		s    Subject
		want string // for each repository, with ?ns and others already resolved
	}{
		{"nobody", Subject{}, "- - - - -"},
		{"anonymous", (&Auth{}).anonymous(""), "- - - - -"},
		{"anonymous where everybody may pull", open, "p p p p p"},
		{"viewer", person(Viewer, false), "p p p p p"},
		{"operator", person(Operator, false), "pP pP pP pP pP"},
		{"admin", person(Admin, false), "pPD pPD pPD pPD pPD"},
		{"local", Subject{limits: everything}, "pPD pPD pPD pPD pPD"},
		{"viewer who pushes to library", person(Viewer, false, library), "pP pP p p p"},
		{"operator who deletes in library", person(Operator, false, grant("docker.io/library", Delete)), "pPD pPD pP pP pP"},
		{"viewer of library only", person(Viewer, true, grant("docker.io/library", Pull)), "p p - - -"},
		{"operator of library only", person(Operator, true, library), "pP pP - - -"},
		{"operator restricted to nothing", person(Operator, true), "- - - - -"},
		{"viewer of one repository", person(Viewer, true, grant("docker.io/library/nginx", Pull)), "p - - - -"},
		{"robot that may push everywhere", robot(Token{Grants: []Grant{{"", []Action{Pull, Push}}}}), "pP pP pP pP pP"},
		{"robot of library", robot(Token{Grants: []Grant{{"docker.io/library", []Action{Pull}}}}), "p p - - -"},
		{"robot that is viewer and pushes to library", robot(Token{Role: Viewer, Grants: []Grant{{"docker.io/library", []Action{Pull, Push}}}}), "pP pP p p p"},
		{"robot with one right", robot(Token{Rights: []Right{MetricsRead}}), "- - - - -"},
		{"robot with the right to read", robot(Token{Rights: []Right{ContentRead}}), "p p p p p"},
		{"robot whose role has not its right", robot(Token{Role: Viewer, Rights: []Right{ContentRead, ContentDelete}}), "p p p p p"},
		{"token of an admin", with(person(Admin, false), Token{}), "pPD pPD pPD pPD pPD"},
		{"token of an admin, viewer", with(person(Admin, false), Token{Role: Viewer}), "p p p p p"},
		{"token of an admin for library", with(person(Admin, false), Token{Grants: []Grant{library}}), "pP pP - - -"},
		{"token of a viewer, admin", with(person(Viewer, false), Token{Role: Admin}), "p p p p p"},
		{"token of a viewer to push", with(person(Viewer, false), Token{Grants: []Grant{library}}), "p p - - -"},
		{"token of a viewer with a grant", with(person(Viewer, false, library), Token{}), "pP pP p p p"},
		{"token of a viewer with a grant, reading", with(person(Viewer, false, library), Token{Rights: []Right{ContentRead}}), "p p p p p"},
		{"token of a restricted one, with more", with(person(Operator, true, library), Token{Grants: []Grant{{"", []Action{Push}}}}), "pP pP - - -"},
		{"token with grants that its role does not allow", with(person(Admin, false), Token{Role: Viewer, Grants: []Grant{library}}), "p p - - -"},
		{"token without any right to content", with(person(Admin, false), Token{Rights: []Right{JobsRead}}), "- - - - -"},
	} {
		var got []string
		for _, r := range repositories {
			may := ""
			for _, a := range []struct{ action, letter string }{{Pull, "p"}, {Push, "P"}, {Delete, "D"}} {
				if c.s.MayRepository(a.action, r) {
					may += a.letter
				}
				if MayRepository(WithSubject(t.Context(), c.s), a.action, r) != c.s.MayRepository(a.action, r) {
					t.Errorf("%s: the context says something else of %s %s", c.who, a.action, r)
				}
			}
			if may == "" {
				may = "-"
			}
			got = append(got, may)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s, want %s", c.who, strings.Join(got, " "), c.want)
		}
	}
	if MayRepository(t.Context(), Pull, "a") {
		t.Error("without a subject one may pull")
	}
}

func TestNormalGrants(t *testing.T) {
	t.Parallel()
	list, err := normalGrants([]Grant{{"docker.io/a/", []Action{Delete}}, {"10.0.0.5:5000/team", []Action{Push, Pull}}, {"docker.io/a", []Action{Push}}, {"Registry.Example", []Action{Pull}}, {"", []Action{Pull}}})
	if err != nil {
		t.Fatal(err)
	}
	want := []Grant{{"", []Action{Pull}}, {"10.0.0.5_5000/team", []Action{Pull, Push}}, {"docker.io/a", []Action{Pull, Push, Delete}}, {"registry.example", []Action{Pull}}}
	if len(list) != len(want) || !slices.EqualFunc(list, want, func(a, b Grant) bool { return a.Prefix == b.Prefix && slices.Equal(a.Actions, b.Actions) }) {
		t.Errorf("%v, want %v", list, want)
	}
	if !granted(list, Pull, registry.RepositoryPath("10.0.0.5:5000/team/app")) {
		t.Error("a host with a port is not reached by its name")
	}
	for _, bad := range []Grant{{"a", nil}, {"a", []Action{"write"}}, {"/", []Action{Pull}}, {"a//b", []Action{Pull}}, {"../a", []Action{Pull}}, {"A/B", []Action{Pull}}, {"a/*", []Action{Pull}}, {"a\x00", []Action{Pull}}} {
		_, err := normalGrants([]Grant{bad})
		wants(t, bad.Prefix, err, registry.ErrInvalid)
	}
	_, err = normalGrants(slices.Repeat([]Grant{{"a", []Action{Pull}}}, maxGrants+1))
	wants(t, "too many", err, registry.ErrInvalid)
}

// What is accepted as a prefix covers what begins with its segments, and no more.
func FuzzPrefix(f *testing.F) {
	f.Add("docker.io/library/", "docker.io/library/nginx")
	f.Add("10.0.0.5:5000", "10.0.0.5_5000/a")
	f.Add("", "a")
	f.Fuzz(func(t *testing.T, prefix, repository string) {
		normal, err := normalPrefix(prefix)
		if err != nil {
			return
		}
		if again, err := normalPrefix(normal); err != nil || again != normal {
			t.Errorf("%q becomes %q becomes %q, %v", prefix, normal, again, err)
		}
		covers := Grant{Prefix: normal}.covers(repository)
		segments := normal == "" || strings.HasPrefix(repository+"/", normal+"/")
		if covers != segments {
			t.Errorf("%q covers %q: %v", normal, repository, covers)
		}
	})
}

// Nobody gives more than they have, whoever calls.
func TestMayGive(t *testing.T) {
	t.Parallel()
	viewer, operator, admin := limit{rights: viewerRights}, limit{rights: operatorRights}, limit{rights: adminRights}
	only := limit{rights: viewerRights, grants: []Grant{{"a", []Action{Pull}}}, only: true}
	pusher := limit{rights: viewerRights, grants: []Grant{{"a", []Action{Pull, Push}}}}
	wider := limit{rights: viewerRights, grants: []Grant{{"", []Action{Pull, Push}}}}
	deeper := limit{rights: viewerRights, grants: []Grant{{"a/b", []Action{Pull, Push}}}}
	for _, c := range []struct {
		from, to limit
		may      bool
	}{
		{admin, admin, true}, {admin, operator, true}, {admin, only, true}, {admin, wider, true},
		{operator, admin, false}, {operator, viewer, true}, {operator, wider, true},
		{viewer, operator, false}, {viewer, only, true}, {viewer, pusher, false},
		{pusher, pusher, true}, {pusher, wider, false}, {pusher, deeper, true}, {deeper, pusher, false},
		{only, only, true}, {only, viewer, false}, {limit{}, only, false},
	} {
		err := Subject{limits: []limit{c.from}}.mayGive(c.to)
		if (err == nil) != c.may {
			t.Errorf("%+v gives %+v: %v", c.from, c.to, err)
		}
	}
	if s := maker(context.Background()); s.mayGive(admin) != nil {
		t.Error("the appliance itself may not give everything")
	}
}
