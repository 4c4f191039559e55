package settings

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what is generated from the table")

// The documentation, the schema and the sample say what the table says.
func TestGenerated(t *testing.T) {
	t.Parallel()
	for path, want := range map[string][]byte{
		"config.schema.json":       schemaOf(t),
		"../../docs/CONFIG.md":     []byte(documentation()),
		"../../deploy/config.yaml": []byte(sample()),
	} {
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("%s is not what the table says; run this test with -update:\n%s", path, d)
		}
	}
	if !*update && !bytes.Equal(Schema, schemaOf(t)) {
		t.Error("the schema in the binary is an old one")
	}
}

// The sample says nothing as it is, and with its settings taken out of their
// comments what the defaults say.
func TestSample(t *testing.T) {
	t.Parallel()
	const path = "../../deploy/config.yaml"
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	nothing, err := parseFile(path, content)
	if err != nil || len(nothing.texts) != 0 {
		t.Errorf("%v, %v: want no field set", nothing.texts, err)
	}
	file := filepath.Join(t.TempDir(), "config.yaml")
	commented := regexp.MustCompile(`(?m)^#((  )*\w+:)`)
	if err := os.WriteFile(file, commented.ReplaceAll(content, []byte("$1")), 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := Load(Sources{File: file})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Defaults(), e.Config); d != "" {
		t.Error(d)
	}
	for _, f := range table {
		if e.Origin(f.Name).Kind != FromFile {
			t.Errorf("the sample does not have %s", f.Name)
		}
	}
}

func schemaOf(t *testing.T) []byte {
	t.Helper()
	root := schemaGroup("")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = "https://landfall.dev/schemas/config.schema.json"
	root["title"] = "config.yaml"
	root["description"] = "How a Landfall appliance is set up."
	root["properties"].(map[string]any)["version"] = map[string]any{"const": 1, "description": "Of the format."}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func schemaGroup(prefix string) map[string]any {
	properties := map[string]any{}
	for _, name := range below(prefix) {
		if f, ok := FieldOf(prefix + name); ok {
			properties[name] = schemaField(f)
		} else {
			properties[name] = schemaGroup(prefix + name + ".")
		}
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
}

func schemaField(f Field) map[string]any {
	s := map[string]any{"type": "string"}
	switch {
	case f.Bool():
		s["type"] = "boolean"
	case f.kind.oneOf != nil:
		s = map[string]any{"enum": f.kind.oneOf}
	case f.Type() == "size" || f.Type() == "time":
		s["type"] = []string{"string", "integer"} // 0
	}
	if f.kind.schema != "" {
		s["pattern"] = f.kind.schema
	}
	if f.List() {
		s = map[string]any{"type": []string{"array", "string"}, "items": s, "maxItems": maxList}
	}
	s["description"] = sentence(f.Doc)
	if f.Default != "" {
		s["default"] = f.value(f.split(f.Default))
	}
	return s
}

// sentence makes a field's text one.
func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] + "." }

const introduction = `# Configuration

What ` + "`landfall serve`" + ` is set up with. Each field can be said in a file, in a variable of
the environment and, for some, by a flag. A flag counts before a variable, that before the
file, and that before the default. ` + "`landfall config show`" + ` prints the values in force and
where each comes from; it takes the flags of ` + "`serve`" + `.

The file is the one of ` + "`--config`" + `, else of ` + "`LANDFALL_CONFIG`" + `, else ` + "`/etc/landfall/config.yaml`" + `
when that exists. It is strict: what is unknown, there twice or of the wrong kind is an error
that names line, column and field, and exit code 2. ` + "`landfall config check FILE`" + ` says so
without starting anything, ` + "`landfall config schema`" + ` prints its JSON Schema for editors, and
` + "`deploy/config.yaml`" + ` is a sample with all fields and their defaults. ` + "`version: 1`" + ` may be
its first field. Files that it names are found from its own folder. Its texts are printable
ASCII.

A dot in a field's name is a level in the file:

` + "```yaml" + `
listen: [127.0.0.1:5080, https://0.0.0.0:5443]
registry:
  anonymousPull: false
` + "```" + `

Sizes are whole numbers with a unit (64MiB, 10GB), times are like 90m, 24h, 7d or 2w. A list may
be one value; in a variable, its values have commas between them, and a flag is given several
times. A variable that is empty counts as not there. Secrets are never in the configuration:
fields name files that hold them.

The last column says how a field changes. *restart*: with the next start. *reload*: on SIGHUP
(` + "`systemctl reload`" + `), too; what is wrong then is logged, and the last configuration stays in
force. *run time*: also in the Local UI and over the API, by administrators, as long as
neither file, variable nor flag says what it is; it is kept in the data folder, and the audit
log has it.
`

func documentation() string {
	var b strings.Builder
	b.WriteString(introduction)
	group := "none yet"
	for _, f := range table {
		if g := f.Name[:max(0, strings.LastIndexByte(f.Name, '.'))]; g != group {
			group = g
			title := "## General"
			if g != "" {
				title = "## " + g
			}
			fmt.Fprintf(&b, "\n%s\n\n| field | value | default | meaning | flag, variable | change |\n|---|---|---|---|---|---|\n", title)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s`%s` | %s |\n", f.Name, wanted(f), code(f.Default), sentence(f.Doc), flagOf(f), f.Env(), change(f))
	}
	return b.String()
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

func wanted(f Field) string {
	if f.List() {
		return "list of: " + f.Want()
	}
	return f.Want()
}

func flagOf(f Field) string {
	if f.Flag == "" {
		return ""
	}
	return "`--" + f.Flag + "` "
}

func change(f Field) string {
	switch {
	case f.Runtime:
		return "run time"
	case f.Reload:
		return "reload"
	}
	return "restart"
}

const sampleHead = `# How this appliance is set up: a sample. What has one # in front is the default;
# take the # away, and those of the groups above it, to say something else. What
# is said here cannot be changed in the Local UI. docs/CONFIG.md says more, and
# 'landfall config check' whether the file is right.
version: 1
`

func sample() string {
	var b strings.Builder
	b.WriteString(sampleHead)
	var open []string
	for _, f := range table {
		groups := strings.Split(f.Name, ".")
		name := groups[len(groups)-1]
		groups = groups[:len(groups)-1]
		if len(groups) == 0 || len(open) == 0 || groups[0] != open[0] {
			b.WriteString("\n")
		}
		for i, g := range groups {
			if i >= len(open) || open[i] != g {
				fmt.Fprintf(&b, "#%s%s:\n", strings.Repeat("  ", i), g)
			}
		}
		open = groups
		fmt.Fprintf(&b, "# %s\n#%s%s: %s\n", sentence(f.Doc), strings.Repeat("  ", len(groups)), name, yamlOf(f))
	}
	return b.String()
}

func yamlOf(f Field) string {
	switch {
	case f.List():
		return "[" + strings.Join(f.split(f.Default), ", ") + "]"
	case f.Default == "":
		return `""`
	}
	return f.Default
}
