package appliance_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/landfall-dev/landfall/ui/auth"
)

var update = flag.Bool("update", false, "write golden files anew")

// rolesFile says who may do what: a line for each thing that can be asked for, a
// column for each kind of subject. It is the authorisation table of the appliance;
// a change of it is to be looked at by a person.
const rolesFile = "testdata/roles.txt"

const rolesHead = `# Who may do what. yes: let in, whatever comes of it; 401: nobody knows who it is; 403: known, and may not.
# A line for each operation of the API and whatever else is answered; made by 'go test ./ui/appliance -run Roles -update'.
# anonymous     shows nothing (pulls are open to everybody here: registry.anonymousPull)
# viewer, operator, admin   users, by a session; on the registry by name and password
# restricted    a viewer who may pull below docker.io/team only
# robot         a token of a robot with the role operator
# robot-grant   a token of a robot that may push below docker.io/team, without a role
# token-right   an administrator's personal token for content.read only
# revoked       a token after its end
# expired       a session after its end
# socket        the machine's administrator, on the unix socket
`

// column is a kind of subject, and what it is expected to have.
type column struct {
	subject
	registry []string // headers that registry clients send
	rights   []string
	known    bool
	dead     bool         // what it shows is refused, whatever it asks for
	all      []string     // actions in all repositories
	grants   []auth.Grant // others
}

// row is something that can be asked for.
type row struct {
	method, path string // as the table has them
	request      string // the path of a request that changes nothing
	right        string // as the operation says; or what follows
	or           string // a right that does as well
	whole        bool
	rule         rule
}

// rule is who may, for what is no operation of the API.
type rule struct {
	open       bool   // whoever it is; what is shown is not even looked at
	login      bool   // whoever shows something
	pass       bool   // so, or whoever may pull everything
	anyone     bool   // whoever it is, but not with what has ended
	action     string // in a repository
	repository string
}

// columns makes a subject of each kind.
func (s *site) columns() []column {
	s.t.Helper()
	grant := func(action string) string {
		return fmt.Sprintf(`"grants":[{"prefix":"docker.io/team","actions":[%q]}]`, action)
	}
	team := func(actions ...string) []auth.Grant {
		return []auth.Grant{{Prefix: "docker.io/team", Actions: actions}}
	}
	admin := s.first("admin")
	s.addUser("viewer", "viewer", "")
	s.addUser("operator", "operator", "")
	s.addUser("restricted", "viewer", `,"restricted":true,`+grant("pull"))
	robot, _ := s.addToken("robot", `"role":"operator"`)
	granted, _ := s.addToken("robot-grant", grant("push"))
	single, _ := s.addToken("token-right", fmt.Sprintf(`"owner":%q,"rights":["content.read"]`, admin.id))
	revoked, _ := s.addToken("revoked", `"role":"admin"`)
	s.onSocket("DELETE", "/api/v1/tokens/"+revoked.id, "", 204)
	expired := s.signIn("operator")
	s.endSession("operator")
	user := func(name string, role auth.Role, actions ...string) column {
		who := s.signIn(name)
		return column{subject: who, registry: []string{"Authorization", basic(name, goodPassword)}, rights: role.Rights().List(), known: true, all: actions}
	}
	token := func(who subject, rights []string, actions ...string) column {
		return column{subject: who, registry: who.headers, rights: rights, known: true, all: actions}
	}
	narrow := user("restricted", auth.NoRole)
	narrow.rights, narrow.grants = []string{auth.SystemRead, auth.ContentRead, auth.TokensOwn}, team(auth.Pull)
	push := token(granted, nil)
	push.grants = team(auth.Pull, auth.Push)
	operator := slices.DeleteFunc(auth.Operator.Rights().List(), func(r string) bool { return r == auth.TokensOwn })
	return []column{
		{subject: subject{name: "anonymous"}, all: []string{auth.Pull}},
		user("viewer", auth.Viewer, auth.Pull), user("operator", auth.Operator, auth.Pull, auth.Push),
		user("admin", auth.Admin, auth.Pull, auth.Push, auth.Delete), narrow,
		token(robot, operator, auth.Pull, auth.Push), push, token(single, []string{auth.ContentRead}, auth.Pull),
		{subject: revoked, registry: revoked.headers, dead: true},
		{subject: subject{name: "expired", headers: expired.headers}, registry: expired.headers, all: []string{auth.Pull}},
		{subject: atTheMachine, rights: auth.AllRights(), known: true, all: []string{auth.Pull, auth.Push, auth.Delete}},
	}
}

// endSession is the time at which a user's sessions have expired.
func (s *site) endSession(user string) {
	s.t.Helper()
	db, err := s.appliance.Database(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	err = db.Write(s.t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(context.Background(), `UPDATE auth_sessions SET expires_at = ? WHERE holder = (SELECT id FROM auth_users WHERE name = ?)`,
			time.Now().Add(-time.Second).UnixMilli(), user)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// operation is one of the OpenAPI document.
type operation struct {
	OperationID string
	Tags        []string
	Parameters  []struct {
		Name, In string
		Required bool
		Schema   map[string]any
	}
	RequestBody *struct {
		Content map[string]struct{ Schema map[string]any }
	}
	Responses map[string]struct {
		Content map[string]struct{ Schema map[string]any }
	}
	Right string `json:"x-landfall-right"`
	Or    string `json:"x-landfall-or-right"`
	Whole bool   `json:"x-landfall-whole"`

	method, path string
}

// operations are all that the served document has, by path and method.
func (s *site) operations() (list []operation, schemas map[string]map[string]any) {
	s.t.Helper()
	var d struct {
		Paths      map[string]map[string]operation
		Components struct{ Schemas map[string]map[string]any }
	}
	if err := json.Unmarshal([]byte(s.want("GET", "/api/v1/openapi.json", "", 200)), &d); err != nil {
		s.t.Fatal(err)
	}
	for path, methods := range d.Paths {
		for method, o := range methods {
			o.method, o.path = strings.ToUpper(method), path
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b operation) int {
		return strings.Compare(a.path+" "+a.method, b.path+" "+b.method)
	})
	return list, d.Components.Schemas
}

const someDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

// filled is a path whose parameters name nothing that is there.
func filled(path string) string {
	return strings.NewReplacer("{digest}", someDigest, "{kind}", "k3s", "{id}", "nosuch", "{session}", "nosuch").Replace(path)
}

// rows are all that can be asked for. A parameter that no operation has makes sure
// that those that are let in do nothing; uploads, which are not of the API, want a
// header for that.
func (s *site) rows() (list []row) {
	s.t.Helper()
	operations, _ := s.operations()
	for _, o := range operations {
		r := row{method: o.method, path: o.path, request: filled(o.path) + "?nosuch=1", right: o.Right, or: o.Or, whole: o.Whole}
		if r.right == "" {
			r.rule.anyone = true
		}
		list = append(list, r)
	}
	v2 := func(method, repository, rest, action string) row {
		return row{method: method, path: "/v2/" + repository + rest, rule: rule{action: action, repository: repository}}
	}
	list = append(list,
		row{method: "GET", path: "/api/v1/openapi.json", rule: rule{anyone: true}},
		row{method: "GET", path: "/api/v1/nosuch", rule: rule{anyone: true}},
		row{method: "GET", path: "/", rule: rule{open: true}},
		row{method: "GET", path: "/healthz", rule: rule{open: true}},
		row{method: "GET", path: "/metrics", right: auth.MetricsRead},
		row{method: "GET", path: "/auth/token", rule: rule{pass: true}},
		row{method: "POST", path: "/auth/token", rule: rule{open: true}},
		row{method: "GET", path: "/v2/", rule: rule{login: true}},
		row{method: "GET", path: "/v2/_catalog", rule: rule{action: auth.Pull}},
	)
	for _, repository := range []string{teamRepository, otherRepository} {
		list = append(list,
			v2("GET", repository, "/manifests/nosuch", auth.Pull), v2("GET", repository, "/tags/list", auth.Pull),
			v2("GET", repository, "/blobs/{digest}", auth.Pull), v2("GET", repository, "/referrers/{digest}", auth.Pull),
			v2("POST", repository, "/blobs/uploads/", auth.Push), v2("PATCH", repository, "/blobs/uploads/nosuch", auth.Push),
			v2("PUT", repository, "/manifests/nosuch", auth.Push),
			v2("DELETE", repository, "/manifests/nosuch", auth.Delete), v2("DELETE", repository, "/blobs/{digest}", auth.Delete))
	}
	for i := range list {
		if list[i].request == "" {
			list[i].request = filled(list[i].path)
		}
	}
	return list
}

// expected is what a subject is to get by its rights and grants.
func (c column) expected(r row) string {
	refused := "401"
	if c.known {
		refused = "403"
	}
	var may bool
	switch {
	case r.rule.open:
		return "yes"
	case c.dead:
		return "401"
	case r.rule.anyone:
		may = true
	case r.rule.login, r.rule.pass:
		may = c.known || r.rule.pass && slices.Contains(c.all, auth.Pull)
	case r.rule.action != "":
		may = slices.Contains(c.all, r.rule.action) || slices.ContainsFunc(c.grants, func(g auth.Grant) bool {
			return strings.HasPrefix(r.rule.repository, g.Prefix+"/") && slices.Contains(g.Actions, r.rule.action)
		})
	default:
		may = (slices.Contains(c.rights, r.right) || r.or != "" && slices.Contains(c.rights, r.or)) && (!r.whole || slices.Contains(c.all, auth.Pull))
	}
	if may {
		return "yes"
	}
	return refused
}

// got is what a subject gets.
func (s *site) got(c column, r row) string {
	s.t.Helper()
	who := c.subject
	if strings.HasPrefix(r.path, "/v2/") || strings.HasPrefix(r.path, "/auth/") {
		who.headers = c.registry
	}
	return cell(s.as(who, r.method, r.request, "").status)
}

func cell(status int) string {
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		return fmt.Sprint(status)
	}
	return "yes"
}

// Every subject gets what the table says, for everything that can be asked for; and
// the table says what rights and grants say.
func TestRoles(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	columns, rows := s.columns(), s.rows()
	text := &strings.Builder{}
	text.WriteString(rolesHead)
	table := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "METHOD\tPATH\tRIGHT")
	for _, c := range columns {
		fmt.Fprint(table, "\t"+c.name)
	}
	for _, r := range rows {
		fmt.Fprintf(table, "\n%s\t%s\t%s", r.method, r.path, r.needs())
		for _, c := range columns {
			got := s.got(c, r)
			fmt.Fprint(table, "\t"+got)
			if want := c.expected(r); got != want {
				t.Errorf("%s %s: %s gets %s, by its rights %s", r.method, r.path, c.name, got, want)
			}
			if got != "yes" && !c.socket {
				s.deaf(c, r, got)
			}
		}
	}
	fmt.Fprintln(table)
	table.Flush()
	golden(t, rolesFile, text.String())
}

// needs is what a row's right is called in the table.
func (r row) needs() string {
	switch {
	case r.whole:
		return r.right + " (all repositories)"
	case r.right != "":
		return r.right
	case r.rule.action != "":
		return r.rule.action
	case r.rule.login:
		return "(a login)"
	case r.rule.pass:
		return "(a login, or pull)"
	}
	return "-"
}

// golden compares a text with a file, line by line.
func golden(t *testing.T, path, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, want := strings.Split(text, "\n"), strings.Split(string(content), "\n")
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("%s has no line\n%s", filepath.Base(path), line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("%s has a line of its own\n%s", filepath.Base(path), line)
		}
	}
}

// deaf proves that who is refused is refused before the body is looked at: one that
// is no JSON, and of which most never comes.
func (s *site) deaf(c column, r row, want string) {
	s.t.Helper()
	headers := c.headers
	if strings.HasPrefix(r.path, "/v2/") || strings.HasPrefix(r.path, "/auth/") {
		headers = c.registry
	}
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 3000000000\r\n", r.method, r.request)
	for i := 0; i < len(headers); i += 2 {
		head += headers[i] + ": " + headers[i+1] + "\r\n"
	}
	status, body := s.raw(head + "\r\n{\"\x00\xff garbage")
	if cell(status) != want {
		s.t.Errorf("%s %s: %s with a body gets %d, want %s: %s", r.method, r.path, c.name, status, want, body)
	}
}

// raw sends bytes to the plain listener and reads one answer.
func (s *site) raw(request string) (status int, body string) {
	s.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.plain, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	if _, err := conn.Write([]byte(request)); err != nil {
		s.t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	got, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return 0, err.Error()
	}
	defer got.Body.Close()
	content := make([]byte, 4096)
	n, _ := got.Body.Read(content)
	return got.StatusCode, string(content[:n])
}
