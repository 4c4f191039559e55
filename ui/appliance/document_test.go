package appliance_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/ui/definitions/definitionstest"
)

// What an appliance serves is the document of the repository, to the letter of its
// JSON: clients are made from that one.
func TestServedDocument(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	content, err := os.ReadFile("../../docs/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var served, kept any
	if err := joined(json.Unmarshal([]byte(s.want("GET", "/api/v1/openapi.json", "", 200)), &served), json.Unmarshal(content, &kept)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(served, kept) {
		t.Error("docs/openapi.json is another document: go test ./ui/api -run OpenAPI -update")
	}
}

// fits is what keeps a value from being one of a schema; empty when it is one.
func (s schemas) fits(schema map[string]any, v any, at string) (faults []string) {
	schema = s.resolve(schema)
	if len(kinds(schema)) > 0 && !slices.ContainsFunc(kinds(schema), func(k string) bool { return isKind(k, v) }) {
		return []string{fmt.Sprintf("%s is %.60v, no %v", at, v, kinds(schema))}
	}
	if values, ok := schema["enum"].([]any); ok && v != nil && !slices.Contains(values, v) {
		faults = append(faults, fmt.Sprintf("%s is %v, none of %v", at, v, values))
	}
	switch v := v.(type) {
	case string:
		if _, err := time.Parse(time.RFC3339, v); schema["format"] == "date-time" && err != nil {
			faults = append(faults, fmt.Sprintf("%s: %v", at, err))
		}
	case []any:
		items, _ := schema["items"].(map[string]any)
		for i, e := range v {
			faults = append(faults, s.fits(items, e, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				faults = append(faults, at+" has no "+name.(string))
			}
		}
		for name, e := range v {
			if property, ok := properties[name].(map[string]any); ok {
				faults = append(faults, s.fits(property, e, at+"."+name)...)
			} else if more, isSchema := schema["additionalProperties"].(map[string]any); isSchema {
				faults = append(faults, s.fits(more, e, at+"."+name)...)
			} else if schema["additionalProperties"] == false {
				faults = append(faults, at+" has "+name)
			}
		}
	}
	return faults
}

// isKind reports whether a value is of a type of JSON Schema.
func isKind(kind string, v any) bool {
	switch v := v.(type) {
	case nil:
		return kind == "null"
	case string:
		return kind == "string"
	case bool:
		return kind == "boolean"
	case float64:
		return kind == "number" || kind == "integer" && v == float64(int64(v))
	case []any:
		return kind == "array"
	case map[string]any:
		return kind == "object"
	}
	return false
}

// nulls are the lists in a value that are null, where clients would have none.
func nulls(v any, at string) (list []string) {
	switch v := v.(type) {
	case nil:
		list = append(list, at)
	case []any:
		for i, e := range v {
			list = append(list, nulls(e, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case map[string]any:
		for name, e := range v {
			list = append(list, nulls(e, at+"."+name)...)
		}
	}
	return list
}

// lived is a site in which there is something of everything, and what to ask for.
func lived(t *testing.T) (s *site, parameters map[string]map[string]string) {
	t.Helper()
	s = start(t, siteOptions{})
	admin := s.first("admin")
	s.addUser("someone", "viewer", `,"restricted":true,"grants":[{"prefix":"docker.io/team","actions":["pull"]}]`)
	token, _ := s.addToken("robot", `"role":"operator","rights":["content.read"],"expires":"2099-01-01T00:00:00Z"`)
	manifest, layer := s.push(atTheMachine, teamRepository, "v1", "layer")
	s.onSocket("POST", "/api/v1/content/pins", fmt.Sprintf(`{"repository":%q,"tag":"v1","owner":"x","reason":"y"}`, teamRepository), 200)
	upload := s.upload(atTheMachine, "a.bundle", newBundle(t, registrytest.NewFixture(t)))
	bundle := fmt.Sprintf(`{"upload":%q}`, upload)
	s.onSocket("POST", "/api/v1/bundles/inspect", bundle, 200)
	for _, work := range [][2]string{{"bundles/verify", bundle}, {"bundles/import", bundle}, {"content/scrub", "{}"}, {"content/collect", "{}"}} {
		s.ended(field(t, s.onSocket("POST", "/api/v1/"+work[0], work[1], 202), "id"))
	}
	export := field(t, s.onSocket("POST", "/api/v1/bundles/exports", `{"names":["`+teamRepository+`:v1"]}`, 202), "id")
	s.ended(export)
	failed := field(t, s.onSocket("POST", "/api/v1/bundles/exports", `{"names":["docker.io/no/such:v1"]}`, 202), "id")
	s.ended(failed)
	c := definitionstest.NewConnected(t)
	s.land(c, c.Publish(edge(c, "1.0.0")).String(), c.Publish(edge(c, "1.1.0")).String(), appName)
	s.onSocket("PATCH", "/api/v1/definitions/values?name=edge", `{"set":{"password":"x","replicas":1}}`, 200)
	edge := map[string]string{"name": "edge:1.0.0", "to": "edge", "image": dbName}
	name := map[string]string{"name": teamRepository + ":v1"}
	return s, map[string]map[string]string{
		"/api/v1/users/{id}": {"id": admin.id}, "/api/v1/users/{id}/sessions": {"id": admin.id}, "/api/v1/tokens/{id}": {"id": token.id},
		"/api/v1/jobs/{id}": {"id": failed}, "/api/v1/jobs/{id}/lines": {"id": export}, "/api/v1/bundles/exports/{id}/content": {"id": export},
		"/api/v1/content/manifests/{digest}": {"digest": manifest}, "/api/v1/content/referrers/{digest}": {"digest": manifest}, "/api/v1/content/why/{digest}": {"digest": layer},
		"/api/v1/content/artifact": name, "/api/v1/content/history": name, "/api/v1/content/consequences": name, "/api/v1/content/blob": {"repository": teamRepository, "digest": layer},
		"/api/v1/definitions/check": pick(edge, "name"), "/api/v1/definitions/show": pick(edge, "name"), "/api/v1/definitions/values": pick(edge, "name"), "/api/v1/definitions/wants": pick(edge, "name"),
		"/api/v1/definitions/why": pick(edge, "name", "image"), "/api/v1/definitions/values/compare": pick(edge, "name", "to"), "/api/v1/definitions/diff": {"from": "edge:1.0.0", "to": "edge"},
		"/api/v1/backup/blobs/{digest}": {"digest": layer}, "/api/v1/hosts/node-config/{kind}": {"kind": "k3s"}, "/api/v1/uploads/{id}": {"id": upload},
	}
}

// pick is some of what a map has.
func pick(all map[string]string, names ...string) map[string]string {
	some := map[string]string{}
	for _, name := range names {
		some[name] = all[name]
	}
	return some
}

// fill is the path of a request for what is there.
func (o operation) fill(parameters map[string]string) string {
	path, query := o.path, url.Values{}
	for name, value := range parameters {
		if strings.Contains(path, "{"+name+"}") {
			path = strings.ReplaceAll(path, "{"+name+"}", value)
		} else {
			query.Set(name, value)
		}
	}
	return path + "?" + query.Encode()
}

// absent is what a site has none of that watches no drives, keeps no mirrors and manages
// no hosts.
var absent = []string{
	"list-drives", "list-mirrors", "list-mirror-runs", "get-mirror-run",
	"list-linked-hosts", "get-linked-host", "list-host-tokens", "list-clusters", "get-cluster", "get-cluster-kubeconfig", "preview-cluster-upgrade", "get-cluster-drift",
}

// Answers are what the document says of them, in a site that has just begun and in
// one that has lived; and no list is null.
func TestAnswersMatchDocument(t *testing.T) {
	t.Parallel()
	s, parameters := lived(t)
	fresh := start(t, siteOptions{})
	checked := 0
	for _, at := range []*site{fresh, s} {
		operations, list := at.operations()
		for _, o := range operations {
			media, ok := o.Responses["200"].Content["application/json"]
			if o.method != "GET" || !ok || o.OperationID == "hold-content" {
				continue
			}
			got := at.probe("GET", strings.TrimSuffix(o.fill(maps.Clone(parameters[o.path])), "?"), "")
			if got.status != 200 {
				if at == s && !slices.Contains(absent, o.OperationID) {
					t.Errorf("%s: %d %s", o.path, got.status, got.body)
				}
				continue
			}
			var v any
			if err := json.Unmarshal([]byte(got.body), &v); err != nil {
				t.Errorf("%s: %v", o.path, err)
			}
			for _, fault := range append(schemas(list).fits(media.Schema, v, "body"), nulls(v, "null: body")...) {
				if strings.Contains(fault, ".after.") || strings.Contains(fault, ".before.") {
					continue // of the audit log: as it was written
				}
				t.Errorf("%s %s: %s", o.method, o.path, fault)
			}
			checked++
		}
	}
	if checked < 65 {
		t.Errorf("%d answers were checked only", checked)
	}
}

// Page by page a list is the list: nothing is missing, and nothing there twice.
func TestPaging(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	for n := range 7 {
		s.push(atTheMachine, fmt.Sprint("docker.io/team/app", n), "v1", fmt.Sprint("layer", n))
		s.addToken(fmt.Sprint("robot", n), `"role":"viewer"`)
		s.begin(atTheMachine, fmt.Sprint("upload", n))
		s.onSocket("POST", "/api/v1/content/scrub", `{}`, 202)
	}
	for n := range 4 {
		s.addUser(fmt.Sprint("user", n), "viewer", "")
	}
	for path, c := range map[string]struct {
		place, items, key string
		least             int
	}{
		"users": {"after", "items", "id", 4}, "tokens": {"after", "items", "id", 7}, "jobs": {"before", "items", "id", 7}, "audit": {"before", "items", "id", 30},
		"content/names": {"after", "items", "name", 7}, "content/repositories": {"after", "items", "name", 7}, "uploads": {"after", "uploads", "id", 7},
	} {
		for _, limit := range []int{1, 2, 3, 100} {
			seen, place := map[any]bool{}, ""
			for range 200 {
				var page map[string]any
				body := s.onSocket("GET", fmt.Sprintf("/api/v1/%s?limit=%d%s", path, limit, place), "", 200)
				if err := json.Unmarshal([]byte(body), &page); err != nil {
					t.Fatal(err)
				}
				list := page[c.items].([]any)
				for _, item := range list {
					key := item.(map[string]any)[c.key]
					if seen[key] {
						t.Errorf("%s by %d: %v is there twice", path, limit, key)
					}
					seen[key] = true
				}
				next, more := page["next"].(string)
				if !more {
					break
				}
				if len(list) != limit {
					t.Errorf("%s by %d: a page of %d that is not the last", path, limit, len(list))
				}
				place = "&" + c.place + "=" + url.QueryEscape(next)
			}
			if len(seen) < c.least {
				t.Errorf("%s by %d: %d, want at least %d", path, limit, len(seen), c.least)
			}
		}
	}
}
