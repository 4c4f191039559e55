package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/browse"
)

// browsing is a place whose content can be looked at.
func browsing(t *testing.T, change func(*api.Options)) *place {
	t.Helper()
	p := newPlace(t)
	p.server.Close()
	opts := api.Options{Site: p.store, Browser: browse.New(p.store, nil)}
	if change != nil {
		change(&opts)
	}
	p.server = httptest.NewServer(api.New(opts))
	t.Cleanup(p.server.Close)
	return p
}

func query(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return path + "?" + q.Encode()
}

const (
	appName  = registrytest.App + ":v1"
	toolName = registrytest.Tool + ":v2"
)

// Every operation on content answers with its status and what belongs to it.
func TestContent(t *testing.T) {
	t.Parallel()
	p := browsing(t, nil)
	signature := registry.SignatureTag(p.Index.Digest)
	for _, c := range []struct {
		method, path string
		status       int
		has          string
	}{
		{"GET", "names", 200, `"name":"` + toolName + `"`},
		{"GET", query("names", "q", "APP v1"), 200, `"tag":"v1"`},
		{"GET", query("names", "q", "nosuch"), 200, `{"items":[]}`},
		{"GET", query("names", "repository", registrytest.Tool), 200, `{"items":[{"name":"` + toolName},
		{"GET", query("names", "repository", "nosuch"), 200, `{"items":[]}`},
		{"GET", query("names", "limit", "1"), 200, `"next":"` + registrytest.App + ":" + signature + `"`},
		{"GET", query("names", "limit", "1", "after", registrytest.App+":"+signature), 200, `"next":"` + appName + `"`},
		{"GET", query("names", "limit", "0"), 422, `"location":"query.limit"`},
		{"GET", query("names", "limit", "x"), 422, `"location":"query.limit"`},
		{"GET", query("names", "q", strings.Repeat("x", 1025)), 422, `"location":"query.q"`},
		{"GET", query("names", "q", strings.Repeat("x ", 17)), 400, `"kind":"invalid"`},
		{"GET", query("names", "word", "x"), 422, `"kind":"invalid"`},
		{"GET", "repositories", 200, `"tags":2,"manifests":5`},
		{"GET", query("repositories", "q", "tool"), 200, `{"items":[{"name":"` + registrytest.Tool},
		{"GET", query("repositories", "limit", "1"), 200, `"next":"` + registrytest.App + `"`},
		{"GET", query("artifact", "name", appName), 200, `"kind":"index"`},
		{"GET", query("artifact", "name", registrytest.App+"@"+p.Images["arm64"].Digest.String()), 200, `"architecture":"amd64"`},
		{"GET", query("artifact", "name", "nosuch"), 404, `docker.io/library/nosuch:latest: not found`},
		{"GET", query("artifact", "name", "A B"), 400, `"kind":"invalid"`},
		{"GET", "artifact", 422, `"location":"query.name"`},
		{"GET", query("consequences", "name", toolName), 200, `"tags":["v2"]`},
		{"GET", query("consequences", "name", "nosuch"), 404, `"kind":"not_found"`},
		{"GET", query("blob", "repository", registrytest.App, "digest", p.Layer.Digest.String()), 200, string(p.Content[p.Layer.Digest])},
		{"GET", query("blob", "repository", "nosuch", "digest", p.Layer.Digest.String()), 404, `"kind":"not_found"`},
		{"GET", query("blob", "repository", registrytest.App, "digest", nothing), 404, `"kind":"not_found"`},
		{"GET", query("blob", "repository", registrytest.App, "digest", "../../x"), 400, `"location":"query.digest"`},
		{"GET", query("blob", "repository", registrytest.App), 422, `"location":"query.digest"`},
		{"DELETE", query("artifact", "name", "nosuch"), 404, `"kind":"not_found"`},
		{"DELETE", query("artifact", "name", toolName), 204, ``},
		{"DELETE", query("artifact", "name", toolName), 404, `"kind":"not_found"`},
		{"DELETE", query("artifact", "name", registrytest.App+"@"+p.Index.Digest.String()), 204, ``},
		{"GET", query("artifact", "name", appName), 404, `"kind":"not_found"`},
		{"POST", query("artifact", "name", appName), 405, `"kind":"not_found"`},
	} {
		status, body := p.request(c.method, "/api/v1/content/"+c.path, "")
		if status != c.status || !strings.Contains(body, c.has) {
			t.Errorf("%s %s: %d %.400q, want %d %.60q", c.method, c.path, status, body, c.status, c.has)
		}
		if strings.Contains(body, "null") && strings.HasPrefix(body, "{") {
			t.Errorf("%s %s: %.400q", c.method, c.path, body)
		}
	}
}

// A deletion can be bound to what was looked at.
func TestDeleteIfMatch(t *testing.T) {
	t.Parallel()
	p := browsing(t, nil)
	path := query("/api/v1/content/artifact", "name", toolName)
	r, err := http.Get(p.server.URL + path) //nolint:noctx // of a test
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	etag := r.Header.Get("ETag")
	if etag != `"`+p.Tool.Digest.String()+`"` {
		t.Errorf("ETag %s", etag)
	}
	if status, body := p.request("DELETE", path, "", "If-Match", `"`+p.Index.Digest.String()+`"`); status != 412 || !strings.Contains(body, `"kind":"changed"`) {
		t.Errorf("%d %s", status, body)
	}
	if _, err := p.store.Pin(t.Context(), registry.Ref{Repository: registrytest.Tool, Tag: "v2"}, "op", "because"); err != nil {
		t.Fatal(err)
	}
	if status, body := p.request("DELETE", path, "", "If-Match", etag); status != 409 || !strings.Contains(body, "because") {
		t.Errorf("%d %s", status, body)
	}
	if err := p.store.Unpin(t.Context(), registry.Ref{Repository: registrytest.Tool, Tag: "v2"}, "op"); err != nil {
		t.Fatal(err)
	}
	if status, body := p.request("DELETE", path, "", "If-Match", etag); status != 204 || body != "" {
		t.Errorf("%d %s", status, body)
	}
}

// Nobody's browser takes a blob for a page, and none is read that is large or not
// what its digest says.
func TestContentBlob(t *testing.T) {
	t.Parallel()
	p := browsing(t, nil)
	big := p.AddBlob(registrytest.App, 8<<20+1)
	p.AddImage(registry.Ref{Repository: registrytest.App, Tag: "big"}, registry.ManifestTypes[2], nil, big)
	g, err := registry.Walk(t.Context(), p.Fixture, []registry.Ref{{Repository: registrytest.App, Tag: "big"}}, registry.WalkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := registry.Copy(t.Context(), p.store, p.Fixture, g, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	path := func(d string) string {
		return query("/api/v1/content/blob", "repository", registrytest.App, "digest", d)
	}
	r, err := http.Get(p.server.URL + path(p.Layer.Digest.String())) //nolint:noctx // of a test
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if h := r.Header; h.Get("Content-Type") != "application/octet-stream" || h.Get("X-Content-Type-Options") != "nosniff" ||
		h.Get("Content-Disposition") != `attachment; filename="sha256-`+p.Layer.Digest.Encoded()+`"` {
		t.Errorf("%v", h)
	}
	if status, body := p.request("GET", path(big.Digest.String()), ""); status != 400 || !strings.Contains(body, "pull it instead") {
		t.Errorf("%d %.200s", status, body)
	}
	p.damage(p.Layer.Digest)
	if status, body := p.request("GET", path(p.Layer.Digest.String()), ""); status != 422 || !strings.Contains(body, `"kind":"digest"`) {
		t.Errorf("%d %.200s", status, body)
	}
}

// Whose rights are for some repositories sees nothing of the others, and deletes
// where that is allowed.
func TestContentOfOthers(t *testing.T) {
	t.Parallel()
	p := browsing(t, func(o *api.Options) {
		o.MayRepository = func(_ context.Context, action, repository string) bool {
			return action == "pull" && repository == registrytest.App
		}
	})
	layer := p.Layer.Digest.String()
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", query("artifact", "name", appName), 200},
		{"GET", query("artifact", "name", toolName), 404},
		{"GET", query("consequences", "name", toolName), 404},
		{"GET", query("blob", "repository", registrytest.App, "digest", layer), 200},
		{"GET", query("blob", "repository", registrytest.Tool, "digest", layer), 404},
		{"DELETE", query("artifact", "name", toolName), 404},
		{"DELETE", query("artifact", "name", appName), 403},
	} {
		if status, body := p.request(c.method, "/api/v1/content/"+c.path, ""); status != c.status || c.status != 200 && strings.Contains(body, p.Tool.Digest.String()) {
			t.Errorf("%s %s: %d %.200s, want %d", c.method, c.path, status, body, c.status)
		}
	}
	for path, want := range map[string]int{"names": 2, "repositories": 1, query("names", "repository", registrytest.Tool): 0, query("names", "q", "tool"): 0} {
		_, body := p.request("GET", "/api/v1/content/"+path, "")
		var list struct {
			Items []struct{ Name string } `json:"items"`
		}
		if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Items) != want || strings.Contains(body, registrytest.Tool) {
			t.Errorf("%s: %s, %v", path, body, err)
		}
	}
}

// Without a right nothing is told, and without a browser it is said so.
func TestContentNeedsRights(t *testing.T) {
	t.Parallel()
	p := browsing(t, func(o *api.Options) {
		o.Allow = func(_ context.Context, right api.Right) error {
			if right == "content.read" {
				return nil
			}
			return registry.ErrDenied
		}
		o.Browser = nil
	})
	for _, path := range []string{"names", "repositories", query("artifact", "name", appName), query("consequences", "name", appName),
		query("blob", "repository", registrytest.App, "digest", nothing)} {
		if status, body := p.request("GET", "/api/v1/content/"+path, ""); status != 404 || !strings.Contains(body, "this appliance shows no content") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body := p.request("DELETE", "/api/v1/content/"+query("artifact", "name", appName), ""); status != 403 {
		t.Errorf("%d %s", status, body)
	}
}
