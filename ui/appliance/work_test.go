package appliance_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
)

// newBundle is an unsigned bundle of the fixture's content, as bytes.
func newBundle(t testing.TB, f *registrytest.Fixture) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.bundle")
	if _, err := bundle.Export(t.Context(), path, f, f.Graph, bundle.CreateOptions{}, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// metadata is what is said of an upload.
func metadata(name, value string) string {
	return name + " " + base64.StdEncoding.EncodeToString([]byte(value))
}

// upload sends a file whole, and returns the id.
func (s *site) upload(who subject, name, content string) (id string) {
	s.t.Helper()
	got := s.as(who, "POST", "/api/v1/uploads", content, "Tus-Resumable", "1.0.0", "Upload-Length", fmt.Sprint(len(content)),
		"Upload-Metadata", metadata("filename", name), "Content-Type", "application/offset+octet-stream")
	if got.status != 201 {
		s.t.Fatalf("upload: %d %s", got.status, got.body)
	}
	return strings.TrimPrefix(got.header.Get("Location"), "/api/v1/uploads/")
}

// ended waits for the end of a job, and returns it.
func (s *site) ended(id string) string {
	s.t.Helper()
	body := ""
	eventually(s.t, "job "+id+" ends", func() bool {
		body = s.onSocket("GET", "/api/v1/jobs/"+id, "", 200)
		return !slices.Contains([]string{"queued", "running", "waiting"}, field(s.t, body, "state"))
	})
	return body
}

// A key starts its work once, whoever sends it again and how often; another body
// is refused, and another subject's key is another one.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	s.push(atTheMachine, teamRepository, "v1", "layer")
	operator, _ := s.addToken("operator", `"role":"operator"`)
	another, _ := s.addToken("another", `"role":"operator"`)
	upload := s.upload(operator, "a.bundle", newBundle(t, registrytest.NewFixture(t)))
	for _, c := range []struct{ path, body, other string }{
		{"content/scrub", `{}`, `{"fresh":true}`},
		{"bundles/exports", `{"names":["` + teamRepository + `:v1"]}`, `{"names":["` + teamRepository + `"]}`},
		{"bundles/verify", `{"upload":"` + upload + `"}`, ""},
		{"bundles/import", `{"upload":"` + upload + `"}`, `{"upload":"` + upload + `","verify":true}`},
	} {
		first := field(t, s.wantAs(operator, "POST", "/api/v1/"+c.path, c.body, 202, "Idempotency-Key", c.path), "id")
		if again := field(t, s.wantAs(operator, "POST", "/api/v1/"+c.path, c.body, 202, "Idempotency-Key", c.path), "id"); again != first {
			t.Errorf("%s: %s, then %s", c.path, first, again)
		}
		if c.other != "" {
			if got := s.as(operator, "POST", "/api/v1/"+c.path, c.other, "Idempotency-Key", c.path); got.status != 409 {
				t.Errorf("%s with another body: %d %s", c.path, got.status, got.body)
			}
		}
		if got := s.as(operator, "POST", "/api/v1/content/scrub", `{"rate":12345}`, "Idempotency-Key", c.path); got.status != 409 {
			t.Errorf("%s for another operation: %d %s", c.path, got.status, got.body)
		}
		if job := s.ended(first); !strings.Contains(job, `"state":"done"`) {
			t.Errorf("%s: %s", c.path, job)
		}
		if again := field(t, s.wantAs(operator, "POST", "/api/v1/"+c.path, c.body, 202, "Idempotency-Key", c.path), "id"); again != first {
			t.Errorf("%s, after its end: %s, then %s", c.path, first, again)
		}
	}
	theirs := field(t, s.wantAs(another, "POST", "/api/v1/content/scrub", `{}`, 202, "Idempotency-Key", "content/scrub"), "id")
	if ours := field(t, s.wantAs(operator, "POST", "/api/v1/content/scrub", `{}`, 202, "Idempotency-Key", "content/scrub"), "id"); ours == theirs {
		t.Error("a key of somebody else's is one's own")
	}
	s = s.restart()
	before := strings.Count(s.wantAs(operator, "GET", "/api/v1/jobs?kind=scrub", "", 200), `"kind":"scrub"`)
	ids := make(chan string)
	for range 50 {
		go func() {
			got := s.as(operator, "POST", "/api/v1/content/scrub", `{"fresh":true}`, "Idempotency-Key", "at once")
			ids <- fmt.Sprint(got.status, got.header.Get("Location"))
		}()
	}
	made := map[string]int{}
	for range 50 {
		made[<-ids]++
	}
	after := strings.Count(s.wantAs(operator, "GET", "/api/v1/jobs?kind=scrub", "", 200), `"kind":"scrub"`)
	if len(made) != 1 || after != before+1 {
		t.Errorf("%v, %d jobs more", made, after-before)
	}
}

// What has changed since it was read is not changed again unseen, and where a
// version has to be named it is asked for.
func TestETags(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	s.push(atTheMachine, teamRepository, "v1", "layer")
	id := s.addUser("someone", "viewer", "")
	cert, key := certificate(t)
	pair := fmt.Sprintf(`{"certificate":%s,"key":%s}`, quote(cert), quote(key))
	for _, c := range []struct {
		read, method, path, body string
		required                 bool
	}{
		{"settings", "PATCH", "settings", `{"site.name":"a"}`, true},
		{"users/" + id, "PATCH", "users/" + id, `{"display":"a"}`, true},
		{"users/" + id, "DELETE", "users/" + id, ``, true},
		{"content/policy", "PUT", "content/policy", `{"text":""}`, false},
		{"trust/policy", "PUT", "trust/policy", `{"text":""}`, false},
		{"tls", "PUT", "tls/certificate", pair, false},
		{"tls", "DELETE", "tls/certificate", ``, false},
		{"content/artifact?name=" + teamRepository + ":v1", "DELETE", "content/artifact?name=" + teamRepository + ":v1", ``, false},
	} {
		what := c.method + " " + c.path
		tag := s.send(s.local, "http://socket", "GET", "/api/v1/"+c.read, "").header.Get("ETag")
		if len(tag) < 3 || tag[0] != '"' || tag[len(tag)-1] != '"' {
			t.Errorf("%s: ETag %s", what, tag)
		}
		change := func(headers ...string) answer {
			return s.send(s.local, "http://socket", c.method, "/api/v1/"+c.path, c.body, headers...)
		}
		if got := change(); c.required && got.status != 422 && got.status != 428 {
			t.Errorf("%s without If-Match: %d %s", what, got.status, got.body)
		}
		if !c.required { // then it was done, for those that can be done twice
			s.again2(c.read, c.method)
			tag = s.send(s.local, "http://socket", "GET", "/api/v1/"+c.read, "").header.Get("ETag")
			if c.method == "DELETE" && tag == "" {
				continue
			}
		}
		for _, stale := range []string{`"999"`, `W/"1"`, `"x"`, `x`, `"sha256:` + strings.Repeat("0", 64) + `"`} {
			got := change("If-Match", stale)
			if got.status != 412 && (got.status != 400 || !c.required) {
				t.Errorf("%s with If-Match %s: %d %s", what, stale, got.status, got.body)
			}
		}
		if got := change("If-Match", tag); got.status >= 300 {
			t.Errorf("%s with If-Match %s, which it is: %d %s", what, tag, got.status, got.body)
		}
	}
}

// again2 brings back what a change without a condition has taken away.
func (s *site) again2(read, method string) {
	s.t.Helper()
	switch {
	case method != "DELETE":
	case read == "tls":
		cert, key := certificate(s.t.(*testing.T))
		s.onSocket("PUT", "/api/v1/tls/certificate", fmt.Sprintf(`{"certificate":%s,"key":%s}`, quote(cert), quote(key)), 200)
	default:
		s.push(atTheMachine, teamRepository, "v1", "layer")
	}
}

// Of many who change the same version at once, one does.
func TestETagRace(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	id := s.addUser("someone", "viewer", "")
	policy := func(n int) string { return fmt.Sprintf(`{"text":"version: 1\n# %d\n"}`, n) }
	for path, body := range map[string]func(n int) string{
		"PATCH settings":     func(n int) string { return fmt.Sprintf(`{"site.name":"n%d"}`, n) },
		"PATCH users/" + id:  func(n int) string { return fmt.Sprintf(`{"display":"n%d"}`, n) },
		"PUT content/policy": policy,
		"PUT trust/policy":   policy,
	} {
		method, path, _ := strings.Cut(path, " ")
		tag := s.send(s.local, "http://socket", "GET", "/api/v1/"+path, "").header.Get("ETag")
		statuses := make(chan int)
		for n := range 20 {
			go func() {
				statuses <- s.send(s.local, "http://socket", method, "/api/v1/"+path, body(n), "If-Match", tag).status
			}()
		}
		made := map[int]int{}
		for range 20 {
			made[<-statuses]++
		}
		if made[200] != 1 || made[412]+made[409] != 19 {
			t.Errorf("%s %s: %v, want one 200 and 412 for all others", method, path, made)
		}
	}
}
