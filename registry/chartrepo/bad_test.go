package chartrepo_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/chartrepo"
)

func TestUnusableIndex(t *testing.T) {
	t.Parallel()
	for content, words := range map[string]string{
		"":                                "it is empty",
		"# nothing\n":                     "it is empty",
		" <!doctype html>\n<html></html>": "a web page",
		"a: b: c":                         "not YAML: mapping values",
		"\x00\x01":                        "not YAML",
		"just text":                       "line 1: the index: invalid: fields are wanted",
		"entries: {}":                     "apiVersion is missing",
		"apiVersion: v2\nentries: {}":     `line 1: apiVersion: invalid: "v2", only v1`,
		"apiVersion: [v1]\nentries: {}":   "line 1: apiVersion",
		"apiVersion: v1":                  "entries is missing",
		"apiVersion: v1\nentries:":        "line 2: entries: invalid: fields are wanted",
		"apiVersion: v1\nentries: []":     "line 2: entries: invalid: fields are wanted",
		"apiVersion: v1\nentries: {a: [], a: []}":                 `"a" is there twice`,
		"apiVersion: v1\nentries: {}\n---\nx: 1":                  "more than one YAML document",
		"apiVersion: v1\nentries: {}\nx: &a [1]\n":                "line 3: invalid: an anchor or alias",
		"apiVersion: v1\nentries: &e {b: *e}":                     "line 2: invalid: an anchor or alias",
		"apiVersion: v1\nentries: {? [a] : []}":                   "the name of a field is wanted",
		"apiVersion: v1\nentries: [" + strings.Repeat(",", 9<<20): "more values",
		strings.Repeat("#", 64<<20+1):                             "67108865 bytes, at most 67108864",
	} {
		s := newServer(t, map[string]string{"index.yaml": content})
		_, err := chartrepo.Open(t.Context(), fetcher{}, s.URL+"/stable/")
		wantError(t, err, registry.ErrInvalid, s.URL+"/stable/index.yaml", words)
	}
	s := newServer(t, map[string]string{})
	_, err := chartrepo.Open(t.Context(), fetcher{}, s.URL+"/stable")
	wantError(t, err, registry.ErrNotFound, s.URL+"/stable/index.yaml")
	s = newServer(t, map[string]string{"index.yaml": strings.Repeat("#", 64<<20+1)})
	_, err = chartrepo.Open(t.Context(), sizeless{}, s.URL+"/stable")
	wantError(t, err, registry.ErrInvalid, "more than the 67108864 bytes")
}

// sizeless is told no size.
type sizeless struct{ fetcher }

func (s sizeless) Fetch(ctx context.Context, url string, offset int64) (io.ReadCloser, int64, error) {
	body, _, err := s.fetcher.Fetch(ctx, url, offset)
	return body, -1, err
}

func TestUnusableBase(t *testing.T) {
	t.Parallel()
	for base, words := range map[string]string{
		"":                               "https:// or http://",
		"charts.example.com":             "https:// or http://",
		"oci://charts.example.com":       "https:// or http://",
		"https://":                       "https:// or http://",
		"https://user:secret@host/x":     "credentials",
		"user:secret@host/x":             "credentials",
		"https://host.example/x?a=secre": "without a query",
		"https://host.example/~ann":      "host.example/~ann",
		"https://host.example/a%20b":     "cannot be the beginning",
		"https://[::1]:80/charts":        "cannot be the beginning",
		"https://host.example/\x7f":      "not a URL",
	} {
		_, err := chartrepo.Open(t.Context(), fetcher{}, base)
		wantError(t, err, registry.ErrInvalid, words)
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("tells a password: %v", err)
		}
	}
}

// entries makes an index of one chart.
func entries(versions ...string) map[string]string {
	text := "apiVersion: v1\nentries:\n  web:\n"
	for _, v := range versions {
		text += "  - {name: web, " + v + "}\n"
	}
	return map[string]string{"index.yaml": text, "a.tgz": tgz, "b.tgz": tgz}
}

// A version that cannot be had is listed, and says why; the others can be had.
func TestUnusableVersion(t *testing.T) {
	t.Parallel()
	for fields, words := range map[string]string{
		"other: x":                             "urls is missing",
		"urls: []":                             "urls is missing",
		"urls: ":                               "urls is missing",
		"urls: ['']":                           `urls: invalid: "" is not a URL`,
		"urls: a.tgz":                          "line 4: cannot unmarshal",
		"urls: [':']":                          `":" is not a URL`,
		"urls: ['oci://host.example/web']":     "oci://host.example/web is in an OCI registry",
		"urls: ['s3://bucket/a.tgz']":          "neither http nor https",
		"urls: ['https://else.example/a.tgz']": "the chart's file is on another host, else.example, and only 127.0.0.1:",
		"urls: ['//else.example:80/a.tgz']":    "another host, else.example:80",
		"urls: ['http://127.0.0.1:1/a.tgz']":   "another host, 127.0.0.1:1,",
		"urls: ['https://127.0.0.1/a.tgz']":    "another host",
		"urls: [a.tgz], digest: abc":           `digest "abc" is not a SHA-256`,
		"urls: [a.tgz], digest: sha512:abc":    `digest "sha512:abc"`,
		"urls: [a.tgz], created: yesterday":    `created "yesterday"`,
		"urls: [a.tgz], deprecated: [1]":       "cannot unmarshal",
		"urls: [a.tgz], home: a, home: b":      "already defined",
		"urls: [a.tgz], name: other":           "already defined",
		"urls: [a.tgz], dependencies: [{name: d, import-values: [.nan]}]":      "unsupported value",
		"urls: [a.tgz], annotations: {" + strings.Repeat("a: 1, ", 1025) + "}": "more than 1024 fields",
	} {
		s := newServer(t, entries("version: 1.0.0, "+fields, "version: 2.0.0, urls: [a.tgz]"))
		r := s.open(t)
		if tags := collect(t, r.Tags(t.Context(), s.name+"/web", "")); len(tags) != 2 || r.Problems() != nil {
			t.Errorf("%s: %q, %v", fields, tags, r.Problems())
		}
		_, err := r.Resolve(t.Context(), registry.Ref{Repository: s.name + "/web", Tag: "1.0.0"})
		wantError(t, err, registry.ErrInvalid, s.name+"/web:1.0.0", "line 4: entries.web[0]", words)
		d, err := r.Resolve(t.Context(), registry.Ref{Repository: s.name + "/web", Tag: "2.0.0"})
		if err != nil {
			t.Error(err)
		}
		if _, err := s.open(t).Resolve(t.Context(), registry.Ref{Repository: s.name + "/web", Digest: d.Digest}); err != nil {
			t.Error(err)
		}
	}
	s := newServer(t, map[string]string{"index.yaml": "apiVersion: v1\nentries: {web: [{version: 1, name: net}]}"})
	_, err := s.open(t).Resolve(t.Context(), registry.Ref{Repository: s.name + "/web", Tag: "1"})
	wantError(t, err, registry.ErrInvalid, `name "net" is not the "web" that it is listed under`)
}

// What cannot be named is a problem, and not listed.
func TestProblems(t *testing.T) {
	t.Parallel()
	s := newServer(t, map[string]string{"index.yaml": `apiVersion: v1
entries:
  web:
  - urls: [a.tgz]
  - version: not a tag
  - version: [1]
  - text
  - null
  - {version: 1.0+a}
  - {version: 1.0_a}
  - {version: 1.0+a}
  Web: [{version: 1}]
  Twice: [{version: 1}]
  TWICE: [{version: 1}]
  a/b: [{version: 1}]
  -dash: [{version: 1}]
  a:b: [{version: 1}]
  "": [{version: 1}]
  none: []
  null-chart:
  Upper: [{version: 1}]
  ` + strings.Repeat("x", 250) + `: [{version: 1}]
`})
	r := s.open(t)
	var got []string
	for _, p := range r.Problems() {
		wantError(t, p, registry.ErrInvalid, s.URL+"/stable/index.yaml: line ")
		text := strings.TrimPrefix(p.Error(), s.URL+"/stable/index.yaml: ")
		got = append(got, text[:min(len(text), 60)])
	}
	want := []string{
		"line 4: entries.web[0]: invalid: version is missing",
		"line 6: entries.web[2]: invalid: line 6: cannot unmarshal !!s",
		"line 7: entries.web[3]: invalid: fields are wanted",
		"line 8: entries.web[4]: invalid: fields are wanted",
		"line 19: entries.none: invalid: a list of the chart's version",
		"line 20: entries.null-chart: invalid: a list of the chart's v",
		`line 5: entries.web[1]: invalid: version "not a tag" cannot b`,
		`line 10: entries.web[6]: invalid: version "1.0_a" has the tag`,
		"line 12: entries.Web: invalid: another chart's name differs i",
		"line 13: entries.Twice: invalid: another chart's name differs",
		"line 14: entries.TWICE: invalid: another chart's name differs",
		"line 15: entries.a/b: invalid: the chart's name cannot be par",
		"line 16: entries.-dash: invalid: the chart's name cannot be p",
		"line 17: entries.a:b: invalid: the chart's name cannot be par",
		"line 18: entries.: invalid: the chart's name cannot be part o",
		"line 22: entries.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	}
	for i := range want {
		want[i] = want[i][:min(len(want[i]), 60)]
	}
	if !slices.Equal(got, want) {
		t.Errorf("problems\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if names := collect(t, r.Repositories(t.Context(), "")); !slices.Equal(names, []string{s.name + "/upper", s.name + "/web"}) {
		t.Errorf("repositories %q", names)
	}
	if tags := collect(t, r.Tags(t.Context(), s.name+"/web", "")); !slices.Equal(tags, []string{"1.0_a"}) {
		t.Errorf("tags %q", tags)
	}
}

// An index that is wrong everywhere does not make as many errors.
func TestManyProblems(t *testing.T) {
	t.Parallel()
	s := newServer(t, map[string]string{"index.yaml": "apiVersion: v1\nentries: {web: [" + strings.Repeat("x, ", 5000) + "]}"})
	p := s.open(t).Problems()
	if len(p) != 101 {
		t.Fatalf("%d problems", len(p))
	}
	wantError(t, p[100], registry.ErrInvalid, s.URL, "4900 more")
}

// Of several URLs, those that can be used are tried in turn.
func TestFallback(t *testing.T) {
	t.Parallel()
	files := entries("version: 1.0.0, digest: "+hexOf(tgz)+", urls: ['https://else.example/a.tgz', cut.tgz, gone.tgz, HTTP://HOST/stable/a.tgz, b.tgz]",
		"version: 2.0.0, urls: [gone.tgz, b.tgz]", "version: 3.0.0, urls: [cut.tgz, gone.tgz]", "version: 4.0.0, urls: [gone.tgz, 403.tgz, a.tgz]")
	files["cut.tgz"], files["403.tgz"] = "cut", "403"
	s := newServer(t, files)
	s.set("index.yaml", strings.Replace(files["index.yaml"], "HOST", strings.TrimPrefix(s.URL, "http://"), 1))
	r, web := s.open(t), s.name+"/web"
	for _, tag := range []string{"1.0.0", "2.0.0"} {
		_, m := manifestOf(t, r, registry.Ref{Repository: web, Tag: tag})
		if got, err := registry.ReadBlob(t.Context(), r, web, m.Layers[0]); err != nil || string(got) != tgz {
			t.Errorf("%s: %q, %v", tag, got, err)
		}
	}
	if s.requests("HEAD a.tgz") != 1 || s.requests("HEAD b.tgz") != 0 {
		t.Error("went on although a URL had answered")
	}
	_, err := r.Resolve(t.Context(), registry.Ref{Repository: web, Tag: "3.0.0"})
	wantError(t, err, registry.ErrUnreachable, s.URL+"/stable/cut.tgz", web+":3.0.0")
	_, err = r.Resolve(t.Context(), registry.Ref{Repository: web, Tag: "4.0.0"})
	wantError(t, err, registry.ErrDenied, s.URL+"/stable/403.tgz")
	_, err = r.Resolve(t.Context(), registry.Ref{Repository: web, Digest: digest.FromString("x")})
	wantError(t, err, registry.ErrUnreachable, "3.0.0") // it may be that one
	s.set("gone.tgz", tgz)
	manifestOf(t, r, registry.Ref{Repository: web, Tag: "3.0.0"}) // a failure is not remembered
}

func TestWrongBytes(t *testing.T) {
	t.Parallel()
	s := newServer(t, entries("version: 1.0.0, urls: [a.tgz], digest: "+hexOf("other")))
	r, ref := s.open(t), registry.Ref{Repository: s.name + "/web", Tag: "1.0.0"}
	_, m := manifestOf(t, r, ref)
	_, err := registry.ReadBlob(t.Context(), r, ref.Repository, m.Layers[0])
	wantError(t, err, registry.ErrDigest, hexOf("other"), hexOf(tgz))
	s.noHead = true
	_, err = s.open(t).Resolve(t.Context(), ref)
	wantError(t, err, registry.ErrDigest, ref.String(), s.URL+"/stable/a.tgz", hexOf("other"), hexOf(tgz))
}

// lying states a size.
type lying struct {
	fetcher
	size int64
}

func (l lying) Size(context.Context, string) (int64, error) { return l.size, nil }

func (l lying) Fetch(ctx context.Context, url string, offset int64) (io.ReadCloser, int64, error) {
	body, size, err := l.fetcher.Fetch(ctx, url, offset)
	if strings.HasSuffix(url, ".tgz") {
		size = l.size
	}
	return body, size, err
}

func TestAbsurdSizes(t *testing.T) {
	t.Parallel()
	for _, known := range []string{"", ", digest: " + hexOf(tgz)} {
		files := entries("version: 1.0.0, urls: [a.tgz]" + known)
		s := newServer(t, files)
		ref := registry.Ref{Repository: s.name + "/web", Tag: "1.0.0"}
		r, err := chartrepo.Open(t.Context(), lying{size: 1 << 50}, s.URL+"/stable")
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Resolve(t.Context(), ref)
		wantError(t, err, registry.ErrInvalid, "more than 1073741824 bytes", "a.tgz")
		s.set("a.tgz", "")
		_, err = s.open(t).Resolve(t.Context(), ref)
		wantError(t, err, registry.ErrInvalid, "empty", "a.tgz")
	}
	s := newServer(t, entries("version: 1.0.0, urls: [a.tgz]"))
	r, err := chartrepo.Open(t.Context(), lying{size: 7}, s.URL+"/stable")
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Resolve(t.Context(), registry.Ref{Repository: s.name + "/web", Tag: "1.0.0"})
	wantError(t, err, registry.ErrSize, fmt.Sprintf("%d bytes came, the server states 7", len(tgz)))

	s = newServer(t, entries("version: 1.0.0, urls: [a.tgz]"))
	s.set("a.tgz.prov", signed+strings.Repeat("x", 1<<20))
	_, err = s.open(t).Resolve(t.Context(), registry.Ref{Repository: s.name + "/web", Tag: "1.0.0"})
	wantError(t, err, registry.ErrInvalid, "a.tgz.prov", "more than 1048576 bytes")
	s.set("a.tgz.prov", "cut")
	_, err = s.open(t).Resolve(t.Context(), registry.Ref{Repository: s.name + "/web", Tag: "1.0.0"})
	wantError(t, err, registry.ErrUnreachable, "a.tgz.prov") // not: without provenance

	s = newServer(t, entries("version: 1.0.0, urls: [a.tgz], annotations: {a: "+strings.Repeat("x", registry.MaxManifestSize)+"}"))
	_, err = s.open(t).Resolve(t.Context(), registry.Ref{Repository: s.name + "/web", Tag: "1.0.0"})
	wantError(t, err, registry.ErrInvalid, "manifest of")
}
