package appliance_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/lifecycle/closure"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/sitevalues"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/wants"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/definitions"
	"github.com/landfall-dev/landfall/ui/definitions/definitionstest"
)

const (
	appName = "docker.io/team/app:v1"
	dbName  = "docker.io/team/db:v2"
)

// land carries names of the connected side to the site in a bundle, and returns the
// job.
func (s *site) land(c *definitionstest.Connected, names ...string) (id string) {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "a.bundle")
	if _, err := bundle.Export(s.t.Context(), path, c, c.Graph(names...), bundle.CreateOptions{}, registry.CopyOptions{}); err != nil {
		s.t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	upload := s.upload(atTheMachine, "a.bundle", string(content))
	id = field(s.t, s.onSocket("POST", "/api/v1/bundles/import", fmt.Sprintf(`{"upload":%q}`, upload), 202), "id")
	if job := s.ended(id); field(s.t, job, "state") != "done" {
		s.t.Fatal(job)
	}
	return id
}

// edge is a definition of two images, with variables.
func edge(c *definitionstest.Connected, version string) *definition.Definition {
	return definitionstest.Definition(version, []definition.Image{c.Image(appName), c.Image(dbName)},
		variable.Declaration{Name: "replicas", Type: variable.Integer, Default: int64(2)},
		variable.Declaration{Name: "domain", Type: variable.String, Required: true, Pattern: "[a-z.]+"},
		variable.Declaration{Name: "password", Type: variable.String, Sensitive: true})
}

// get reads an answer.
func get[T any](s *site, path string) (v T) {
	s.t.Helper()
	if body := s.onSocket("GET", "/api/v1/"+path, "", 200); json.Unmarshal([]byte(body), &v) != nil {
		s.t.Fatal(body)
	}
	return v
}

// gate is what the gate found last about the one definition of the site.
func (s *site) gate() definitions.Gate {
	s.t.Helper()
	list := get[[]definitions.Summary](s, "definitions")
	if len(list) != 1 || list[0].Gate == nil {
		s.t.Fatalf("%+v", list)
	}
	return *list[0].Gate
}

// After each import the gate is asked: the job's log, the API and an event tell what it
// found. What is missing is listed, and what brings exactly that makes it complete. What
// goes is noticed, too, and so are other platforms.
func TestGate(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	if list := s.onSocket("GET", "/api/v1/definitions", "", 200); list != "[]\n" {
		t.Errorf("%s", list)
	}
	viewer, _ := s.addToken("viewer", `"role":"viewer"`)
	st := s.follow(viewer, "?types=definition.checked")
	c := definitionstest.NewConnected(t)
	ref := c.Publish(edge(c, "1.0.0")).String()
	job := s.land(c, ref, appName)
	if log := s.onSocket("GET", "/api/v1/jobs/"+job+"/lines", "", 200); !strings.Contains(log, "definition edge 1.0.0: incomplete: 1 of 3 items, ") || !strings.Contains(log, "landfall definition check edge:1.0.0") {
		t.Errorf("%s", log)
	}
	told := func(state closure.State) {
		t.Helper()
		e, ok := st.next()
		var r definitions.Result
		if err := json.Unmarshal(e.Data, &r); !ok || err != nil || e.Type != definitions.EventChecked || r.Gate.State != state || r.Name != "edge" {
			t.Errorf("%+v, want %s", e, state)
		}
	}
	told(closure.Missing)
	if g := s.gate(); g.State != closure.Missing || g.Bad != 1 || g.Lacking == 0 {
		t.Errorf("%+v", g)
	}
	last := get[definitions.Checked](s, "definitions/check?name=edge")
	if last.Report.State != closure.Missing || last.At.IsZero() {
		t.Errorf("%+v", last)
	}
	missing := get[struct {
		Complete bool
		Wants    *wants.Wants
	}](s, "definitions/wants?name=edge:1.0.0")
	if missing.Complete || len(missing.Wants.Names) != 1 || missing.Wants.Names[0].Name != dbName || missing.Wants.Site == "" {
		t.Errorf("%+v", missing)
	}
	job = s.land(c, dbName)
	if log := s.onSocket("GET", "/api/v1/jobs/"+job+"/lines", "", 200); !strings.Contains(log, "definition edge 1.0.0: complete") {
		t.Errorf("%s", log)
	}
	told(closure.Complete)
	if body := s.onSocket("GET", "/api/v1/definitions/wants?name=edge", "", 200); !strings.Contains(body, `"complete":true`) || strings.Contains(body, `"wants"`) {
		t.Errorf("%s", body)
	}
	s.onSocket("DELETE", "/api/v1/content/artifact?name="+dbName, "", 204)
	told(closure.Missing)
	s.land(c, dbName)
	told(closure.Complete)
	tag := s.send(s.local, "http://socket", "GET", "/api/v1/settings", "").header.Get("ETag")
	s.onSocket("PATCH", "/api/v1/settings", `{"definitions.platforms":["linux/riscv64"]}`, 200, "If-Match", tag)
	told(closure.Missing)
	if g := s.gate(); len(g.Platforms) != 1 || g.Platforms[0] != "linux/riscv64" {
		t.Errorf("%+v", g)
	}
	if st := s.send(s.local, "http://socket", "PATCH", "/api/v1/settings", `{"definitions.platforms":["riscv64"]}`, "If-Match", `"1"`).status; st != 400 && st != 422 {
		t.Errorf("a platform that is none: %d", st)
	}
}

// The gate looks at the start: content may have come while no appliance ran.
func TestGateAtStart(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	c := definitionstest.NewConnected(t)
	s.land(c, c.Publish(edge(c, "1.0.0")).String(), appName, dbName)
	before := s.gate()
	s = s.restart()
	eventually(t, "it is checked anew", func() bool { return s.gate().Checked.After(before.Checked) })
}

// Definitions are read, explained, compared and checked over the API, by the client as
// the verbs do it.
func TestDefinitions(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	c := definitionstest.NewConnected(t)
	d := edge(c, "1.0.0")
	next := definitionstest.Definition("1.1.0", []definition.Image{c.Image(appName)}, d.Variables[1:]...)
	s.land(c, c.Publish(d).String(), c.Publish(next).String(), appName)
	client, err := api.NewClient(api.ClientOptions{Server: "unix://" + filepath.Join(s.dir, "landfall.sock")})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	document, err := client.Definition(t.Context(), "edge:1.0.0")
	if err != nil || string(document) != string(c.Document(d)) {
		t.Errorf("%v: %s", err, document)
	}
	names := s.onSocket("GET", "/api/v1/content/names?kind=definition", "", 200)
	if strings.Count(names, `"kind":"definition"`) != 2 || strings.Count(names, `"kind"`) != 2 {
		t.Errorf("%s", names)
	}
	s.onSocket("GET", "/api/v1/content/names?kind=nosuch", "", 422)
	list, err := client.Definitions(t.Context())
	if err != nil || len(list) != 2 || list[0].Version != "1.1.0" || list[0].Gate.State != closure.Complete {
		t.Errorf("%+v, %v", list, err)
	}
	why, err := client.DefinitionReasons(t.Context(), "edge:1.0.0", dbName)
	if err != nil || len(why) != 1 || why[0].Name != dbName {
		t.Errorf("%+v, %v", why, err)
	}
	diff, err := client.DefinitionDiff(t.Context(), "edge:1.0.0", "edge")
	if err != nil || len(diff.Images) != 1 || diff.Images[0].Name != dbName || diff.Carry != 0 {
		t.Errorf("%+v, %v", diff, err)
	}
	report, err := client.CheckDefinition(t.Context(), document, []string{"linux/arm64"}, true)
	if err != nil || report.State != closure.Missing || !report.Deep || report.Err() == nil {
		t.Errorf("%+v, %v", report, err)
	}
	w := report.Wants(d)
	if w == nil || len(w.Names) != 1 || len(w.Platforms) != 1 {
		t.Errorf("%+v", w)
	}
	if report, err = client.CheckNamedDefinition(t.Context(), "edge", nil, false); err != nil || report.State != closure.Complete {
		t.Errorf("%+v, %v", report, err)
	}
	if last, err := client.DefinitionCheck(t.Context(), "edge:1.0.0"); err != nil || last.Report.State != closure.Missing {
		t.Errorf("%+v, %v", last, err)
	}
	if w, err := client.DefinitionWants(t.Context(), "edge"); err != nil || w != nil {
		t.Errorf("%+v, %v", w, err)
	}
	for path, status := range map[string]int{
		"definitions/show?name=nosuch": 404, "definitions/show": 422, "definitions/why?name=edge&image=nosuch": 404, "definitions/diff?from=edge&to=nosuch": 404, "definitions/check?name=nosuch": 404, "definitions/values?name=nosuch": 404,
	} {
		s.onSocket("GET", "/api/v1/"+path, "", status)
	}
	for _, body := range []string{`{}`, `{"name":"edge","document":"x"}`, `{"document":"x"}`, `{"name":"edge","platforms":["x"]}`} {
		s.onSocket("POST", "/api/v1/definitions/check", body, 400)
	}
	viewer, _ := s.addToken("viewer", `"role":"viewer"`)
	s.wantAs(viewer, "POST", "/api/v1/definitions/check", `{"name":"edge"}`, 200)
	s.wantAs(viewer, "POST", "/api/v1/definitions/check", `{"name":"edge","deep":true}`, 403)
	// A document can ask about content that its author may not see.
	own, err := client.Definition(t.Context(), "edge")
	if err != nil {
		t.Fatal(err)
	}
	request, err := json.Marshal(map[string]string{"document": string(own)})
	if err != nil {
		t.Fatal(err)
	}
	narrow, _ := s.addToken("narrow", `"rights":["definitions.read"]`)
	s.wantAs(narrow, "POST", "/api/v1/definitions/check", `{"name":"edge"}`, 200)
	s.wantAs(narrow, "POST", "/api/v1/definitions/check", string(request), 403)
	s.wantAs(viewer, "POST", "/api/v1/definitions/check", string(request), 200)
}

// What a site says to variables keeps the definition's rules, and survives versions;
// each change is in the audit log.
func TestSiteValues(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	c := definitionstest.NewConnected(t)
	d, next := edge(c, "1.0.0"), edge(c, "2.0.0")
	next.Variables[0].Default = int64(3)
	max := 4.0
	next.Variables[0].Max = &max
	s.land(c, c.Publish(d).String(), c.Publish(next).String())
	operator, _ := s.addToken("operator", `"role":"operator"`)
	viewer, _ := s.addToken("viewer", `"role":"viewer"`)
	const path = "/api/v1/definitions/values?name=edge:1.0.0"
	s.wantAs(viewer, "PATCH", path, `{"set":{"replicas":5}}`, 403)
	wrong := s.wantAs(operator, "PATCH", path, `{"set":{"replicas":"5","domain":"A B","nosuch":1}}`, 400)
	for _, part := range []string{`"location":"body.set.replicas"`, `"location":"body.set.domain"`, `"location":"body.set.nosuch"`, "rule pattern", `"kind":"invalid"`} {
		if !strings.Contains(wrong, part) {
			t.Errorf("no %s in %s", part, wrong)
		}
	}
	s.wantAs(operator, "PATCH", path, `{"set":{"replicas":5,"domain":"a.example","password":"s3cret"}}`, 200)
	l := get[sitevalues.Listing](s, "definitions/values?name=edge:2.0.0")
	if len(l.Variables) != 3 || l.Scope != "edge" || l.Variables[0].State != sitevalues.Invalid || l.Variables[1].Value != "a.example" || l.Variables[2].Value != sitevalues.Hidden {
		t.Errorf("%+v", l)
	}
	states := ""
	for _, r := range get[[]sitevalues.Row](s, "definitions/values/compare?name=edge:1.0.0&to=edge:2.0.0") {
		states += fmt.Sprintf("%s %s %v; ", r.Name, r.State, r.Ours)
	}
	if states != "replicas invalid 5; domain ours a.example; password ours set; " {
		t.Error(states)
	}
	tag := s.as(viewer, "GET", path, "").header.Get("ETag")
	for stale, status := range map[string]int{`"0"`: 412, `"x"`: 412, `W/` + tag: 412, tag: 200} {
		s.wantAs(operator, "PATCH", path, `{"set":{"domain":"a.example"}}`, status, "If-Match", stale)
	}
	s.wantAs(operator, "PATCH", path, `{"unset":["replicas"]}`, 200)
	s.wantAs(operator, "PATCH", path, `{"unset":["replicas"]}`, 404)
	s = s.restart()
	if l = get[sitevalues.Listing](s, "definitions/values?name=edge:2.0.0"); l.Variables[0].State != sitevalues.Default || l.Variables[2].State != sitevalues.Given {
		t.Errorf("%+v", l)
	}
	log := s.onSocket("GET", "/api/v1/audit?action=values.", "", 200)
	if strings.Count(log, `"action":"values.set"`) != 2 || !strings.Contains(log, `"name":"robot$operator"`) || !strings.Contains(log, `"password":"set"`) || strings.Contains(log, "s3cret") {
		t.Error(log)
	}
}
