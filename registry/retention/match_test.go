package retention_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/registry/retention"
)

func TestGlobs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		glob    string
		yes, no []string
	}{
		{"docker.io/library/nginx", []string{"docker.io/library/nginx"}, []string{"nginx", "docker.io/library/nginx-2", "docker.io/library/nginx/a", "dockerxio/library/nginx"}},
		{"docker.io/library/*", []string{"docker.io/library/nginx"}, []string{"docker.io/library", "docker.io/library/a/b"}},
		{"registry.local/team/**", []string{"registry.local/team", "registry.local/team/a", "registry.local/team/a/b"}, []string{"registry.local/team2", "registry.local"}},
		{"**/nginx", []string{"nginx", "docker.io/library/nginx"}, []string{"docker.io/nginx/a", "my-nginx"}},
		{"a/**/b/*", []string{"a/b/c", "a/x/b/c", "a/x/y/b/c", "a/b/b/b"}, []string{"a/b", "a/c", "a/b/c/d"}},
		{"**", []string{"a", "a/b/c", "10.0.0.5:5000/a"}, nil},
		{"*", []string{"a"}, []string{"a/b"}},
		{"*:5000/app-*", []string{"10.0.0.5:5000/app-1", "Localhost:5000/app-x"}, []string{"10.0.0.5:500/app-1", "10.0.0.5:5000/app"}},
		{"localhost:*/a*b*c", []string{"localhost:5000/abc", "localhost:1/axbxc"}, []string{"localhost:5000/acb", "localhost/abc"}},
		{"*.example.com/**", []string{"a.example.com/x", "a.b.example.com/x/y"}, []string{"example.com/x", "aexample.com/x"}},
	} {
		p := parse(t, rule("{repositories: ['"+c.glob+"']}"))
		for _, name := range c.yes {
			if p.Rule(name) == nil {
				t.Errorf("%s does not match %s", c.glob, name)
			}
		}
		for _, name := range c.no {
			if p.Rule(name) != nil {
				t.Errorf("%s matches %s", c.glob, name)
			}
		}
	}
}

func TestGlobsThatMatchNothing(t *testing.T) {
	t.Parallel()
	for _, glob := range []string{"", "/", "/a", "a/", "a//b", "A", "a/B", "a b", "a?", "[ab]", "a/***", "a**/b", "a:tag", "a/b:1", "a@b", "..", "a/../b", "{a,b}", "-a", "a_/b"} {
		if _, err := retention.Parse("p", []byte(rule(`{repositories: ["`+glob+`"]}`))); err == nil {
			t.Errorf("%q was accepted", glob)
		}
	}
}

// The first rule that matches decides alone.
func TestRule(t *testing.T) {
	t.Parallel()
	p := parse(t, `version: 1
rules:
- {repositories: [a/b, c], immutable: [first]}
- {repositories: [a/**], immutable: [second]}
`)
	for repository, want := range map[string]string{"a/b": "first", "c": "first", "a/c": "second", "a": "second", "b": ""} {
		r := p.Rule(repository)
		got := ""
		for _, tag := range []string{"first", "second"} {
			if pattern, ok := r.Immutable(tag); ok {
				got += pattern
			}
		}
		if got != want || (r == nil) != (want == "") {
			t.Errorf("%s: %q, want %q", repository, got, want)
		}
	}
	if (&retention.Policy{}).Rule("a") != nil {
		t.Error("the zero policy has a rule")
	}
}

func TestImmutable(t *testing.T) {
	t.Parallel()
	const digest = "sha256-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	r := parse(t, rule(`{repositories: [a], immutable: ['v\d+', '^rel', 'final$', 'sha.*']}`)).Rule("a")
	for tag, want := range map[string]string{
		"v1": `v\d+`, "v1.2": "", "xv1": "", "release": "^rel", "prerel": "", "1-final": "final$", "final-1": "",
		"sha": "sha.*", digest: "", digest + ".sig": "", digest + ".txt": "sha.*", digest + "0": "sha.*",
	} {
		if got, ok := r.Immutable(tag); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v; want %q", tag, got, ok, want)
		}
	}
}

func TestSemver(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text    string
		yes, no []string
	}{
		{">=1.2 <3", []string{"1.2.0", "v1.2", "1.27", "2", "2.99.99", "1.2.3_build.5"},
			[]string{"1.1.9", "3", "v3.0.0", "latest", "1.x", "V1.2.3", "1.2.3.4", "1.27-alpine", "1.3.0-rc.1", "20240131", "1.2.3_a_b", "99999999999999999999"}},
		// Pre-releases, and so variants, only when the alternative mentions one.
		{">=1.2.0-0 <3", []string{"1.2.0-rc.1", "1.27-alpine", "1.2.0", "3.0.0-rc.1"}, []string{"1.1.9", "3.0.0"}},
		{">=1.2, <1.3 || >=2.0.0-rc.1", []string{"1.2.5", "2.0.0-rc.2", "5"}, []string{"1.2.5-rc.1", "1.5.0", "2.0.0-alpha"}},
		{"~1.2", []string{"1.2.0", "1.2.9"}, []string{"1.3.0", "1.1.0"}},
		{"^1.2", []string{"1.2.0", "1.9.0"}, []string{"2.0.0", "1.1.0"}},
		{"1.2.x", []string{"1.2.0", "1.2.9"}, []string{"1.3.0"}},
		{"!=1.2.3", []string{"1.2.4"}, []string{"1.2.3", "latest"}},
		{"1.2 - 2", []string{"1.2.0", "2.0.0", "2.9"}, []string{"3.0.0"}},
		{"*", []string{"0.0.1", "9"}, []string{"latest", "1.0.0-rc.1"}},
	} {
		r := parse(t, keep("semver: '"+c.text+"'")).Rule("a")
		for _, tag := range slices.Concat(c.yes, c.no) {
			want := slices.Contains(c.yes, tag)
			if d := r.Plan([]retention.Tag{{Name: tag}}, noon)[0]; d.Keep != want {
				t.Errorf("%s: %s: %v, %s", c.text, tag, d.Keep, d.Reason)
			}
		}
	}
}

func TestQuotas(t *testing.T) {
	t.Parallel()
	p := parse(t, `version: 1
quotas:
- {prefix: "", size: 9B}
- {prefix: r.local/team, size: 3B}
- {prefix: r.local/team/app, size: 2B}
- {prefix: "h:5000", size: 1B}
`)
	for repository, want := range map[string][]string{
		"r.local/team":         {"", "r.local/team"},
		"r.local/team/app":     {"", "r.local/team", "r.local/team/app"},
		"r.local/team/app/x":   {"", "r.local/team", "r.local/team/app"},
		"r.local/team/app2":    {"", "r.local/team"},
		"r.local/team2":        {""},
		"h:5000/a":             {"", "h:5000"},
		"docker.io/library/ab": {""},
	} {
		var got []string
		for _, q := range p.Quotas(repository) {
			got = append(got, q.Prefix)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", repository, diff)
		}
	}
	if got := (&retention.Policy{}).Quotas("a"); got != nil {
		t.Errorf("the zero policy has quotas %v", got)
	}
}
