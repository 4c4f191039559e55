package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/auth"
)

var update = flag.Bool("update", false, "write golden files anew")

const golden = "../../docs/openapi.json"

// document is what an OpenAPI document says, as far as it is looked at here.
type document struct {
	OpenAPI    string
	Info       struct{ Title, Version, Description string }
	Paths      map[string]map[string]operation
	Components struct {
		Schemas         map[string]any
		SecuritySchemes map[string]any
	}
}

type operation struct {
	OperationID string
	Summary     string
	Tags        []string
	Parameters  []struct {
		Name, In    string
		Description string
		Required    bool
		Schema      map[string]any
	}
	RequestBody *struct{ Content map[string]any }
	Responses   map[string]struct {
		Description string
		Headers     map[string]any
		Content     map[string]any
	}
	Security []map[string][]string
	Right    string `json:"x-landfall-right"`
}

// has reports whether the operation has a parameter.
func (o *operation) has(in, name string) bool {
	for _, p := range o.Parameters {
		if p.In == in && p.Name == name {
			return true
		}
	}
	return false
}

// served is the document as the API answers with it.
func served(t *testing.T) (content []byte, d document) {
	t.Helper()
	got := httptest.NewRecorder()
	api.New(api.Options{Site: (*store.Store)(nil)}).ServeHTTP(got, httptest.NewRequest("GET", api.Prefix+"/openapi.json", nil))
	if got.Code != 200 {
		t.Fatal(got.Code, got.Body)
	}
	decoder := json.NewDecoder(bytes.NewReader(got.Body.Bytes()))
	if err := decoder.Decode(&d); err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, bytes.TrimSpace(got.Body.Bytes()), "", "  "); err != nil {
		t.Fatal(err)
	}
	indented.WriteByte('\n')
	return indented.Bytes(), d
}

// The document that an appliance serves is the one of the repository, which
// clients are made from: go test ./ui/api -run OpenAPI -update
func TestOpenAPIGolden(t *testing.T) {
	t.Parallel()
	content, _ := served(t)
	if *update {
		if err := os.WriteFile(golden, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(content, want) {
		return
	}
	got, kept := strings.Split(string(content), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(got), len(kept)) {
		if got[i] != kept[i] {
			t.Fatalf("%s:%d says %q, the API %q; -update writes it anew", golden, i+1, kept[i], got[i])
		}
	}
	t.Fatalf("%s has %d lines, the API's document %d; -update writes it anew", golden, len(kept), len(got))
}

// open are the operations that need no right, and why.
var open = map[string]string{
	"get-health":      "tells nothing but that it answers",
	"get-session":     "who asks is told who it is",
	"sign-in":         "has the password",
	"sign-out":        "ends one's own session",
	"set-up":          "has the secret of the console",
	"change-password": "has the session and the old password",
	"change-profile":  "has the session, and changes one's own",
	"get-ca":          "is what hosts trust before they know anybody",
}

// unversioned change things that have no ETag, and why not.
var unversioned = map[string]string{
	"change-password":  "names the old one",
	"change-profile":   "is one's own: the last word counts",
	"sign-out":         "ends one's own session",
	"end-session":      "ends: nothing of it can have changed",
	"end-sessions":     "ends: nothing of them can have changed",
	"revoke-token":     "ends at once, whatever it was",
	"delete-export":    "a bundle never changes",
	"delete-upload":    "tus has no conditions",
	"append-to-upload": "tus has Upload-Offset",

	"rename-linked-host": "names the old one",
	"unlink-host":        "ends, whatever it was",
	"revoke-host-token":  "ends at once, whatever it was",
	"delete-cluster":     "ends, whatever it was",
}

// whole are lists that come at once, and what bounds them.
var whole = map[string]string{
	"list-pins":           "people make them, one by one",
	"list-definitions":    "people make them, one by one",
	"list-drives":         "what is plugged in",
	"list-mirrors":        "a file of the administrator's",
	"list-sessions":       "50 of a user",
	"list-trusted-keys":   "the policy's size",
	"list-image-verdicts": "the images that were landed with signatures",
	"list-referrers":      "those of one manifest",
	"list-linked-hosts":   "the machines of a site",
	"list-host-tokens":    "1000 that are open",
	"list-clusters":       "of the machines of a site",
}

// Every operation says what it is, who may do it, and keeps to the conventions.
func TestOpenAPIConventions(t *testing.T) {
	t.Parallel()
	_, d := served(t)
	if d.OpenAPI != "3.1.0" || d.Info.Title == "" || d.Info.Version != "v1" || len(d.Paths) < 60 {
		t.Errorf("%s %+v, %d paths", d.OpenAPI, d.Info, len(d.Paths))
	}
	used := map[string]bool{}
	ids := map[string]string{}
	for path, methods := range d.Paths {
		for method, o := range methods {
			at := strings.ToUpper(method) + " " + path
			if ids[o.OperationID] != "" || o.OperationID == "" {
				t.Errorf("%s is called %q as %s", at, o.OperationID, ids[o.OperationID])
			}
			ids[o.OperationID] = at
			for what, problem := range problemsOf(method, path, &o, used) {
				t.Errorf("%s (%s): %s %s", at, o.OperationID, what, problem)
			}
		}
	}
	for _, list := range []map[string]string{open, unversioned, whole} {
		for id := range list {
			if !used[id] {
				t.Errorf("%s is excepted and needs not", id)
			}
		}
	}
}

// problemsOf is what an operation does not keep to.
func problemsOf(method, path string, o *operation, used map[string]bool) map[string]string {
	found := map[string]string{}
	excepted := func(list map[string]string) bool {
		_, ok := list[o.OperationID]
		used[o.OperationID] = used[o.OperationID] || ok
		return ok
	}
	if len(o.Tags) != 1 || o.Summary == "" || strings.HasSuffix(o.Summary, ".") {
		found["description"] = fmt.Sprint(o.Tags, o.Summary)
	}
	if public := excepted(open); public != (o.Right == "") || !public && !slices.Contains(auth.AllRights(), o.Right) || public != (len(o.Security) == 0) {
		found["right"] = fmt.Sprintf("%q, security %v", o.Right, o.Security)
	}
	for _, name := range templates(path) {
		if !o.has("path", name) {
			found["path"] = "has no parameter " + name
		}
	}
	for _, p := range o.Parameters {
		if p.Schema == nil || p.In == "path" && !slices.Contains(templates(path), p.Name) {
			found["parameter "+p.Name] = fmt.Sprintf("%+v", p)
		}
	}
	if _, job := o.Responses["202"]; job && !o.has("header", "Idempotency-Key") {
		found["work"] = "is started without an Idempotency-Key"
	}
	if method == "put" || method == "patch" || method == "delete" {
		if o.has("header", "If-Match") == excepted(unversioned) {
			found["change"] = "without If-Match"
		}
	}
	if method == "get" && strings.HasPrefix(o.OperationID, "list-") {
		if (o.has("query", "limit") && (o.has("query", "before") || o.has("query", "after"))) == excepted(whole) {
			found["list"] = "is not paged"
		}
	}
	if _, ok := o.Responses["default"].Content["application/problem+json"]; !ok {
		found["errors"] = "are not told"
	}
	if len(o.Responses) != 2 {
		found["responses"] = fmt.Sprint(slices.Sorted(maps.Keys(o.Responses)))
	}
	return found
}

// templates are the parameters in a path.
func templates(path string) (names []string) {
	for part := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(part, "{") {
			names = append(names, strings.Trim(part, "{}"))
		}
	}
	return names
}

// What things with an ETag answer is what a change of them names.
func TestOpenAPIETags(t *testing.T) {
	t.Parallel()
	_, d := served(t)
	for path, methods := range d.Paths {
		get, ok := methods["get"]
		if _, tagged := get.Responses["200"].Headers["ETag"]; !ok || !tagged {
			continue
		}
		for _, method := range []string{"put", "patch", "delete"} {
			if o, ok := methods[method]; ok && !o.has("header", "If-Match") {
				t.Errorf("%s %s takes no If-Match", method, path)
			}
		}
	}
}

// Every reference leads somewhere, every schema is of types that JSON has, and none
// is there for nothing.
func TestOpenAPISchemas(t *testing.T) {
	t.Parallel()
	content, d := served(t)
	var all any
	if err := json.Unmarshal(content, &all); err != nil {
		t.Fatal(err)
	}
	meant := map[string]bool{}
	var look func(at string, v any)
	look = func(at string, v any) {
		switch v := v.(type) {
		case []any:
			for i, e := range v {
				look(fmt.Sprintf("%s[%d]", at, i), e)
			}
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				name, found := strings.CutPrefix(ref, "#/components/schemas/")
				if meant[name] = true; !found || d.Components.Schemas[name] == nil {
					t.Errorf("%s refers to %s", at, ref)
				}
			}
			if fault := wrongType(v["type"]); fault != "" && !strings.HasSuffix(at, ".properties") && !strings.Contains(at, "securitySchemes") {
				t.Errorf("%s: type %s", at, fault)
			}
			for k, e := range v {
				look(at+"."+k, e)
			}
		}
	}
	look("", all)
	for name := range d.Components.Schemas {
		if !meant[name] {
			t.Errorf("schema %s is not used", name)
		}
	}
	if len(d.Components.SecuritySchemes) != 2 {
		t.Error(d.Components.SecuritySchemes)
	}
}

var jsonTypes = []string{"object", "array", "string", "number", "integer", "boolean", "null"}

func wrongType(v any) string {
	switch v := v.(type) {
	case string:
		if !slices.Contains(jsonTypes, v) {
			return v
		}
	case []any:
		for _, e := range v {
			if text, ok := e.(string); !ok || !slices.Contains(jsonTypes, text) {
				return fmt.Sprint(v)
			}
		}
	}
	return ""
}
