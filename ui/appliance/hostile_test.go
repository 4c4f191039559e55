package appliance_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// problem is an error as clients get it (RFC 9457).
type problem struct {
	Type, Title, Detail, Kind string
	Status                    int
	Errors                    []struct{ Message, Location string }
}

// probe sends a request of which nobody knows what comes of it, as the machine's
// administrator, and reads what comes at once.
func (s *site) probe(method, path, body string, headers ...string) answer {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://socket"+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	got, err := s.local.Do(r)
	if err != nil {
		s.t.Errorf("%s %.200s %.200s: %v", method, path, body, err)
		return answer{}
	}
	defer got.Body.Close()
	endless := got.StatusCode == 200 && (got.Header.Get("Content-Type") == "text/event-stream" || strings.HasPrefix(path, "/api/v1/content/hold"))
	if endless {
		return answer{got.StatusCode, got.Header, ""}
	}
	content, err := io.ReadAll(got.Body)
	if err != nil {
		s.t.Errorf("%s %.200s %.200s: %v", method, path, body, err)
	}
	return answer{got.StatusCode, got.Header, string(content)}
}

// bears proves what holds for every answer: the appliance never fails, an error is
// a problem, and nothing of the machine is told in one.
func (s *site) bears(what string, got answer) (p problem) {
	s.t.Helper()
	if got.status >= 500 || got.status < 200 {
		s.t.Errorf("%s: %d %s", what, got.status, got.body)
	}
	if got.status < 400 {
		return p
	}
	if kind := got.header.Get("Content-Type"); kind != "application/problem+json" {
		s.t.Errorf("%s: %d %s %s", what, got.status, kind, got.body)
	}
	if got.body != "" { // of HEAD
		if err := json.Unmarshal([]byte(got.body), &p); err != nil || p.Status != got.status || p.Kind == "" || p.Title == "" || p.Type == "" || p.Detail == "" {
			s.t.Errorf("%s: %v %s", what, err, got.body)
		}
	}
	for _, secret := range []string{s.dir, os.TempDir(), "/usr/", "goroutine ", ".go:", "SQL", "sqlite"} {
		if strings.Contains(got.body, secret) {
			s.t.Errorf("%s tells %q: %s", what, secret, got.body)
		}
	}
	return p
}

// names reports whether a problem names a field, or one within it.
func (p problem) names(field string) bool {
	for _, e := range p.Errors {
		if e.Location == field || strings.HasPrefix(e.Location, field+".") || strings.HasPrefix(e.Location, field+"[") {
			return true
		}
	}
	return false
}

// schemas are those of the document.
type schemas map[string]map[string]any

func (s schemas) resolve(schema map[string]any) map[string]any {
	if ref, ok := schema["$ref"].(string); ok {
		return s[strings.TrimPrefix(ref, "#/components/schemas/")]
	}
	return schema
}

// kinds are the JSON types of a schema.
func kinds(schema map[string]any) (list []string) {
	switch t := schema["type"].(type) {
	case string:
		list = append(list, t)
	case []any:
		for _, e := range t {
			list = append(list, e.(string))
		}
	}
	return list
}

// sample is a value that a schema takes.
func (s schemas) sample(schema map[string]any) any {
	schema = s.resolve(schema)
	if values, ok := schema["enum"].([]any); ok {
		return values[0]
	}
	list := kinds(schema)
	if len(list) == 0 {
		return nil
	}
	switch list[0] {
	case "object":
		object := map[string]any{}
		properties, _ := schema["properties"].(map[string]any)
		required, _ := schema["required"].([]any)
		for _, name := range required {
			object[name.(string)] = s.sample(properties[name.(string)].(map[string]any))
		}
		return object
	case "array":
		return []any{}
	case "integer", "number":
		return 1
	case "boolean":
		return false
	}
	if schema["format"] == "date-time" {
		return "2030-01-01T00:00:00Z"
	}
	return "x"
}

// wrong are values of other types than a schema has.
func wrong(schema map[string]any) (values []any) {
	values = append(values, "x", 1.5, true, []any{}, map[string]any{})
	return slices.DeleteFunc(values, func(v any) bool {
		fits := map[string]bool{}
		switch v.(type) {
		case string:
			fits = map[string]bool{"string": true}
		case float64:
			fits = map[string]bool{"number": true}
		case bool:
			fits = map[string]bool{"boolean": true}
		case []any:
			fits = map[string]bool{"array": true}
		case map[string]any:
			fits = map[string]bool{"object": true}
		}
		return slices.ContainsFunc(kinds(schema), func(k string) bool { return fits[k] }) || len(kinds(schema)) == 0
	})
}

// body is the schema of an operation's body, if it has one of JSON.
func (o operation) body() (map[string]any, bool) {
	if o.RequestBody == nil {
		return nil, false
	}
	media, ok := o.RequestBody.Content["application/json"]
	return media.Schema, ok
}

// Every field of every body refuses every wrong type, and is named.
func TestWrongTypes(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	operations, list := s.operations()
	known, tried := schemas(list), 0
	var vary func(o operation, schema map[string]any, at string, put func(any) any, depth int)
	vary = func(o operation, schema map[string]any, at string, put func(any) any, depth int) {
		schema = known.resolve(schema)
		for _, v := range wrong(schema) {
			content, _ := json.Marshal(put(v))
			what := fmt.Sprintf("%s %s %s", o.method, o.path, content)
			got := s.probe(o.method, filled(o.path), string(content), "If-Match", `"1"`)
			tried++
			if p := s.bears(what, got); got.status != 422 || !p.names(at) {
				t.Errorf("%s: %d, want 422 for %s: %s", what, got.status, at, got.body)
			}
		}
		properties, _ := schema["properties"].(map[string]any)
		whole, _ := known.sample(schema).(map[string]any)
		for name, property := range properties {
			if depth < 4 {
				vary(o, property.(map[string]any), at+"."+name, func(v any) any {
					object := maps.Clone(whole)
					object[name] = v
					return put(object)
				}, depth+1)
			}
		}
		if items, ok := schema["items"].(map[string]any); ok && depth < 4 {
			vary(o, items, at+"[0]", func(v any) any { return put([]any{v}) }, depth+1)
		}
	}
	for _, o := range operations {
		if schema, ok := o.body(); ok {
			vary(o, schema, "body", func(v any) any { return v }, 0)
		}
	}
	if tried < 400 {
		t.Errorf("%d bodies were tried only", tried)
	}
}

// bodies are what no operation takes.
func bodies() map[string]string {
	return map[string]string{
		"nothing":     "",
		"garbage":     "\x00\xff\xfe{",
		"half":        `{"name":`,
		"two":         `{} {}`,
		"null":        `null`,
		"text":        `"x"`,
		"number":      `1e999`,
		"deep":        strings.Repeat(`{"a":`, 20_000),
		"deep lists":  strings.Repeat(`[`, 100_000),
		"huge":        `{"name":"` + strings.Repeat("x", 5<<20) + `"}`,
		"NUL":         `{"name":"a\u0000b"}`,
		"not UTF-8":   "{\"name\":\"\xff\xfe\"}",
		"surrogate":   `{"name":"\ud800"}`,
		"unknown":     `{"no\u001b[31msuch":1}`,
		"prototype":   `{"__proto__":{"role":"admin"}}`,
		"many fields": "{" + strings.Repeat(`"a":1,`, 50_000) + `"b":1}`,
	}
}

// Every operation that takes a body refuses what is none, whatever it is called.
func TestWrongBodies(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	operations, _ := s.operations()
	for _, o := range operations {
		if _, ok := o.body(); !ok {
			continue
		}
		for name, body := range bodies() {
			for _, kind := range []string{"application/json", "text/plain", "application/xml", "application/cbor", "multipart/form-data", "", "\xff"} {
				if kind != "application/json" && name != "half" {
					continue
				}
				what := fmt.Sprintf("%s %s with %s as %q", o.method, o.path, name, kind)
				got := s.probe(o.method, filled(o.path), body, "If-Match", `"1"`, "Content-Type", kind)
				s.bears(what, got)
				// A definition's document may be large.
				large := name == "huge" && o.OperationID != "check-definition"
				if got.status < 400 && (name != "null" || o.OperationID != "find-missing") || large && got.status != http.StatusRequestEntityTooLarge {
					t.Errorf("%s: %d %s", what, got.status, got.body)
				}
			}
		}
	}
}

// Every parameter refuses what it must not be, and is named.
func TestWrongParameters(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	operations, _ := s.operations()
	for _, o := range operations {
		if strings.HasPrefix(o.path, "/api/v1/uploads") {
			continue
		}
		for _, p := range o.Parameters {
			for _, v := range wrongTexts(p.Schema) {
				path, headers := filled(o.path), []string{"If-Match", `"1"`}
				switch p.In {
				case "path":
					path = strings.Replace(o.path, "{"+p.Name+"}", url.PathEscape(v), 1)
				case "query":
					path += "?" + url.QueryEscape(p.Name) + "=" + url.QueryEscape(v)
				case "header":
					headers = []string{p.Name, v}
				}
				what := fmt.Sprintf("%s %.200s %s=%.80q", o.method, path, p.Name, v)
				got := s.probe(o.method, path, "", headers...)
				if found := s.bears(what, got); got.status != 422 && got.status != 400 || !found.names(p.In+"."+p.Name) {
					t.Errorf("%s: %d, want 422 for %s: %s", what, got.status, p.Name, got.body)
				}
			}
		}
		got := s.probe(o.method, filled(o.path)+"?no%1b[31msuch=1", "", "If-Match", `"1"`)
		if p := s.bears(o.path, got); got.status != 422 || len(p.Errors) == 0 || strings.ContainsRune(got.body, 0x1b) {
			t.Errorf("%s %s with an unknown parameter: %d %q", o.method, o.path, got.status, got.body)
		}
	}
}

// wrongTexts are values that a parameter's schema does not take.
func wrongTexts(schema map[string]any) (list []string) {
	if _, ok := schema["enum"]; ok {
		list = append(list, "nosuch", "\x1b[31m")
	}
	if longest, ok := schema["maxLength"].(float64); ok {
		list = append(list, strings.Repeat("x", int(longest)+1))
	}
	switch kinds(schema)[0] {
	case "integer":
		list = append(list, "x", "1.5", "99999999999999999999", "0x10")
		if least, ok := schema["minimum"].(float64); ok {
			list = append(list, fmt.Sprint(int(least)-1))
		}
		if most, ok := schema["maximum"].(float64); ok {
			list = append(list, fmt.Sprint(int(most)+1))
		}
	case "string":
		if schema["format"] == "date-time" {
			list = append(list, "yesterday", "2030-13-01T00:00:00Z")
		}
	}
	return list
}

// No path and no method does harm: nothing is listed, nothing outside is read.
func TestWrongPaths(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	operations, _ := s.operations()
	methods := map[string][]string{}
	for _, o := range operations {
		methods[o.path] = append(methods[o.path], o.method)
	}
	escapes := []string{"%2e%2e", "..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%5c..", "%00", "a%00b", "%ff%fe", "%0d%0aSet-Cookie:%20a=b", "%1b[31m",
		"%252e%252e%252f", "a/b", "/", "//", ".", "..", "%2f", "%2fetc%2fpasswd", "~root", "C:%5c", strings.Repeat("x", 8<<10), strings.Repeat("%2e%2e%2f", 1000), "ａ", "*", "{id}"}
	for path, has := range methods {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "BREW"} {
			if slices.Contains(has, method) {
				continue
			}
			got := s.probe(method, filled(path), "")
			s.bears(method+" "+path, got)
			if strings.HasPrefix(path, "/api/v1/uploads") {
				continue // tus asks for its header first
			}
			if got.status != http.StatusMethodNotAllowed && got.status != http.StatusNotFound {
				t.Errorf("%s %s: %d %s", method, path, got.status, got.body)
			}
		}
		at := strings.IndexByte(path, '{')
		for _, escape := range escapes {
			end := path + "/" + escape
			if at >= 0 {
				end = path[:at] + escape + path[strings.IndexByte(path, '}')+1:]
			}
			for _, method := range has {
				got := s.probe(method, filled(end), "{}", "If-Match", `"1"`, "Tus-Resumable", "1.0.0")
				what := fmt.Sprintf("%s %.200s", method, end)
				s.bears(what, got)
				if strings.Contains(got.body, "root:x:") || strings.Contains(got.body, "<pre>") || strings.ContainsRune(got.body, 0x1b) || got.header.Get("Set-Cookie") != "" {
					t.Errorf("%s: %d %q", what, got.status, got.body)
				}
			}
		}
	}
}
