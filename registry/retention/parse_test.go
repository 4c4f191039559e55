package retention_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/retention"
)

const example = `# What this site keeps.
version: 1
rules:
  - repositories: ["docker.io/library/*", "registry.local/team/**"]
    keep:
      last: 5
      tags: ["^v1\\.", "latest"]
      semver: ">=1.2  <3"
      younger: 720h
    immutable: ["v.*"]
  - repositories: ["**"]
quotas:
  - prefix: "registry.local/team"
    size: 50GiB
  - prefix: ""
    size: 1500MB
`

const exampleJSON = `{"version":1,"rules":[` +
	`{"repositories":["docker.io/library/*","registry.local/team/**"],` +
	`"keep":{"last":5,"tags":["^v1\\.","latest"],"semver":">=1.2 <3","younger":"30d"},"immutable":["v.*"]},` +
	`{"repositories":["**"]}],` +
	`"quotas":[{"prefix":"registry.local/team","size":"50GiB"},{"prefix":"","size":"1500MB"}]}` + "\n"

func parse(t *testing.T, text string) *retention.Policy {
	t.Helper()
	p, err := retention.Parse("policy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMarshal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"yaml":        {example, exampleJSON},
		"json":        {exampleJSON, exampleJSON},
		"indented":    {strings.ReplaceAll(exampleJSON, ",", ",\n\t\t"), exampleJSON},
		"only":        {"version: 1", `{"version":1,"rules":[],"quotas":[]}` + "\n"},
		"empty lists": {"version: 1\nrules: []\nquotas: []\n", `{"version":1,"rules":[],"quotas":[]}` + "\n"},
	} {
		if diff := cmp.Diff(c.want, string(parse(t, c.in).Marshal())); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
	if got := string((&retention.Policy{}).Marshal()); got != `{"version":1,"rules":[],"quotas":[]}`+"\n" {
		t.Errorf("the zero policy is %s", got)
	}
}

// A value keeps its spelling where YAML would make it a number.
func TestParseSpelling(t *testing.T) {
	t.Parallel()
	p := parse(t, "version: 1\nrules:\n- repositories: [a]\n  keep: {tags: [1.10, true], semver: 1.10}\n")
	want := `{"version":1,"rules":[{"repositories":["a"],"keep":{"tags":["1.10","true"],"semver":"1.10"}}],"quotas":[]}` + "\n"
	if diff := cmp.Diff(want, string(p.Marshal())); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

var column = regexp.MustCompile(`, column \d+`)

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"empty":         {"", "invalid: it is empty"},
		"comment":       {"# nothing\n", "invalid: it is empty"},
		"null":          {"---\n", "line 2: invalid: the first field has to be version: 1"},
		"large":         {strings.Repeat("#", retention.MaxSize+1), "invalid: larger than 1048576 bytes"},
		"large as JSON": {"version: 1\nquotas: [" + manyQuotas(42000) + "]", "invalid: larger than 1048576 bytes as JSON"},
		"syntax":        {"version: 1\nrules: [\n", "invalid: yaml: line 2: did not find expected node content"},
		"text":          {"keep everything", "line 1: invalid: the first field has to be version: 1"},
		"late version":  {"rules: []\nversion: 1", "line 1: invalid: the first field has to be version: 1"},
		"version":       {"version: 2\nfuture: 1", `line 1: version: invalid: "2": not a version that is known here (1)`},
		"documents":     {"version: 1\n---\nversion: 1", "line 2: invalid: more than one YAML document"},
		"later syntax":  {"version: 1\n---\n[", "invalid: yaml: line 3: did not find expected node content"},
		"unknown":       {"version: 1\nrule: []", `line 2: invalid: unknown field "rule" (version, rules, quotas)`},
		"twice":         {"version: 1\nrules: []\nrules: []", `line 3: invalid: field "rules" is there twice`},
		"twice in JSON": {`{"version":1,"version":1}`, `line 1: invalid: field "version" is there twice`},
		"rules":         {"version: 1\nrules: {}", "line 2: rules: invalid: a list is wanted"},
		"no rules":      {"version: 1\nrules:", "line 2: rules: invalid: a list is wanted"},
		"no quotas":     {"version: 1\nquotas:", "line 2: quotas: invalid: a list is wanted"},
		"rule":          {rule("a"), "line 3: rules[0]: invalid: fields are wanted (repositories, keep, immutable)"},
		"unknown in rule": {rule("{repositories: [a], keeps: 1}"),
			`line 3: rules[0]: invalid: unknown field "keeps" (repositories, keep, immutable)`},
		"merge":           {rule("{<<: {keep: 1}}"), `line 3: rules[0]: invalid: unknown field "<<" (repositories, keep, immutable)`},
		"no repositories": {rule("{immutable: [a]}"), "line 3: rules[0]: invalid: repositories is missing"},
		"repositories":    {rule("{repositories: []}"), "line 3: rules[0].repositories: invalid: an empty list; leave the field out"},
		"null repository": {rule("{repositories: [a, ]}\n- repositories: [~]"),
			"line 4: rules[1].repositories[0]: invalid: it has no value; leave the field out"},
		"glob": {rule("{repositories: [a, b**]}"),
			`line 3: rules[0].repositories[1]: invalid: "b**": ** stands alone between slashes`},
		"same glob": {rule("{repositories: [a]}\n- repositories: [b, a]"),
			`line 4: rules[1]: invalid: repositories: "a" is there twice; the first rule decides`},
		"no keep":    {rule("{repositories: [a], keep: }"), "line 3: rules[0].keep: invalid: fields are wanted (last, tags, semver, younger)"},
		"empty keep": {rule("{repositories: [a], keep: {}}"), "line 3: rules[0].keep: invalid: it says nothing; leave it out to keep all"},
		"last":       {keep("last: five"), `line 5: rules[0].keep.last: invalid: "five": not a whole number, 1 or more`},
		"last 0":     {keep("last: 0"), `line 5: rules[0].keep.last: invalid: "0": not a whole number, 1 or more`},
		"last list":  {keep("last: [1]"), "line 5: rules[0].keep.last: invalid: one value is wanted"},
		"tags":       {keep("tags: latest"), "line 5: rules[0].keep.tags: invalid: a list is wanted"},
		"no tags":    {keep("tags: []"), "line 5: rules[0].keep.tags: invalid: an empty list; leave the field out"},
		"pattern": {keep("tags:\n      - a\n      - '('"),
			"line 7: rules[0].keep.tags[1]: invalid: \"(\": error parsing regexp: missing closing ): `(`"},
		"two halves": {keep("tags: ['a)(b']"),
			"line 5: rules[0].keep.tags[0]: invalid: \"a)(b\": error parsing regexp: unexpected ): `a)(b`"},
		"no pattern": {keep("tags: ['']"), `line 5: rules[0].keep.tags[0]: invalid: "": no tag is empty`},
		"not ASCII":  {keep("tags: [é]"), `line 5: rules[0].keep.tags[0]: invalid: "é" has characters other than printable ASCII`},
		"long":       {keep("tags: [" + strings.Repeat("a", 1025) + "]"), "line 5: rules[0].keep.tags[0]: invalid: longer than 1024 bytes"},
		"alias":      {keep("tags: [&a b, *a]"), "line 5: rules[0].keep.tags[1]: invalid: an alias; write the value out"},
		"binary":     {keep("tags: [!!binary YQ==]"), `line 5: rules[0].keep.tags[0]: invalid: a value of type "!!binary"`},
		"semver":     {keep("semver: '>>1'"), `line 5: rules[0].keep.semver: invalid: ">>1": improper constraint: ">>1"`},
		"no semver":  {keep("semver: ' '"), `line 5: rules[0].keep.semver: invalid: " ": a range of versions is empty`},
		"younger":    {keep("younger: 30"), `line 5: rules[0].keep.younger: invalid: "30": not a time from 1s to 36500d (720h, 30d, 2w)`},
		"programs": {keep("tags: [" + strings.Repeat("'a{1000}', ", 300) + "]"),
			`line 5: rules[0].keep.tags[123]: invalid: "a{1000}": the globs and patterns up to here are too large together; take some out or write them shorter`},
		"immutable": {rule("{repositories: [a], immutable: ['*']}"),
			"line 3: rules[0].immutable[0]: invalid: \"*\": error parsing regexp: missing argument to repetition operator: `*`"},
		"quota":    {quota("{size: 1B}"), "line 3: quotas[0]: invalid: prefix and size are both needed"},
		"no size":  {quota("{prefix: a}"), "line 3: quotas[0]: invalid: prefix and size are both needed"},
		"prefix":   {quota("{prefix: a/, size: 1B}"), `line 3: quotas[0].prefix: invalid: "a/": no repository can be under such a prefix`},
		"size":     {quota("{prefix: a, size: 50}"), `line 3: quotas[0].size: invalid: "50": not a whole number of bytes with a unit, below 8EiB (B, KB, KiB, MB, MiB … PiB)`},
		"same":     {quota("{prefix: a, size: 1B}\n- {prefix: a, size: 2B}"), `line 4: quotas[1]: invalid: prefix "a" is there twice`},
		"in quota": {quota("{prefix: a, sizes: 1B}"), `line 3: quotas[0]: invalid: unknown field "sizes" (prefix, size)`},
	} {
		p, err := retention.Parse("policy.yaml", []byte(c.in))
		if p != nil || !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%s: %v, %v; want ErrInvalid", name, p, err)
		} else if diff := cmp.Diff("policy.yaml: "+c.want, column.ReplaceAllString(err.Error(), "")); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

func manyQuotas(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{prefix: %d,size: 1B},", i)
	}
	return b.String()
}

func rule(text string) string  { return "version: 1\nrules:\n- " + text }
func quota(text string) string { return "version: 1\nquotas:\n- " + text }
func keep(text string) string {
	return "version: 1\nrules:\n- repositories: [a]\n  keep:\n    " + text
}

// A thousand repositories with a rule each are fine.
func TestParseManyRules(t *testing.T) {
	t.Parallel()
	text := "version: 1\nrules:\n"
	for i := range 1000 {
		text += fmt.Sprintf("- {repositories: [registry.local/team/app-%d/**], keep: {last: 5}, immutable: ['v\\d+.*']}\n", i)
	}
	if parse(t, text).Rule("registry.local/team/app-999/web") == nil {
		t.Error("the last rule is lost")
	}
}

func TestAges(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"720h": "30d", "30d": "30d", "2w": "14d", "1h30m": "1h30m0s", "1s": "1s", "36500d": "36500d", "24h": "1d", "5214w": "36498d",
	} {
		got := string(parse(t, keep("younger: "+in)).Marshal())
		if !strings.Contains(got, fmt.Sprintf(`"younger":%q`, want)) {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
	for _, in := range []string{"0d", "-1d", "36501d", "5215w", "99999999999w", "1.5d", "1d12h", "1 d", "1y", "d", "-720h", "500ms", "2562047h"} {
		if _, err := retention.Parse("p", []byte(keep("younger: "+in))); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", in, err)
		}
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int64{
		"1B": 1, "50GiB": 50 << 30, "50GB": 50e9, "1024KiB": 1 << 20, "7PiB": 7 << 50, "8191PiB": 8191 << 50, "1KB": 1000,
	} {
		p := parse(t, quota("{prefix: '', size: "+in+"}"))
		if got := p.Quotas("a")[0].Size; got != want {
			t.Errorf("%s is %d, want %d", in, got, want)
		}
	}
	for _, in := range []string{"0B", "-1B", "8192PiB", "99999999999999999999B", "1.5GiB", "1 GiB", "1G", "GiB", "1gib", "1EiB"} {
		if _, err := retention.Parse("p", []byte(quota("{prefix: '', size: "+in+"}"))); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", in, err)
		}
	}
}

// FuzzParse holds that an error is ErrInvalid and begins with the name, and
// that the canonical form of what was parsed is stable.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{example, exampleJSON, "version: 1", rule("{repositories: [a, '*.b:5/**/c-*'], immutable: [$]}"),
		keep("semver: 1.2 - 3 || ~4.x\n    tags: [a|b$]\n    younger: 90m"), quota("{prefix: 'a:5', size: 1B}"), "{version: 1, rules: *a}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		p, err := retention.Parse("name", content)
		if err != nil {
			if p != nil || !errors.Is(err, registry.ErrInvalid) || !strings.HasPrefix(err.Error(), "name: ") {
				t.Fatalf("%v, %v", p, err)
			}
			return
		}
		canonical := p.Marshal()
		again, err := retention.Parse("canonical", canonical)
		if err != nil {
			t.Fatalf("%v\n%s", err, canonical)
		}
		if diff := cmp.Diff(string(canonical), string(again.Marshal())); diff != "" {
			t.Fatal(diff)
		}
	})
}
