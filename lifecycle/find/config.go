package find

import (
	"encoding/base64"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/landfall-dev/landfall/lifecycle/object"
)

// maxEmbedded is how deep texts that are YAML are looked for in each other.
const maxEmbedded = 3

// config finds images in the texts of a ConfigMap or Secret: by the name of the key,
// by the look of the text, and in the document that the text may be.
func (f finder) config(kind string, content map[string]any, path string) {
	for _, field := range []string{"data", "stringData"} {
		data := fieldsOf(content, field)
		var vars []variable
		for _, name := range slices.Sorted(maps.Keys(data)) {
			text := scalarOf(data, name)
			if kind == "Secret" && field == "data" {
				text = decoded(text)
			}
			at := sub(sub(path, field), name)
			switch {
			case strings.ContainsAny(text, "\n{") && f.document(text, at):
			case strings.Contains(text, "\n"):
				f.lines(text, at, ruleConfig)
			case text != "":
				vars = append(vars, variable{name, text, at})
			}
		}
		f.named(vars, ruleConfig)
	}
}

// decoded is the text of a Secret, empty when it is none.
func decoded(text string) string {
	b, err := base64.StdEncoding.DecodeString(strings.Map(func(r rune) rune {
		if r == '\n' || r == ' ' {
			return -1
		}
		return r
	}, text))
	if err != nil || !utf8.Valid(b) || strings.ContainsRune(string(b), 0) {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// document looks through a text that is YAML or JSON, and reports whether it is.
// Objects in it may be run, as those that an injector puts beside containers are.
func (f finder) document(text, path string) bool {
	if f.embedded == maxEmbedded {
		return false
	}
	objects, err := object.Read(object.File{Content: text})
	if err != nil {
		return false
	}
	f.embedded++
	any := false
	for _, o := range objects {
		if o.Content == nil {
			continue
		}
		any = true
		if o.ID.Kind != "" && textOf(o.Content, "apiVersion") != "" {
			f.content(o.ID, o.Content, path)
		} else {
			f.fields("", o.Content, path)
		}
	}
	return any
}

var imageLine = regexp.MustCompile(`(?m)(?:^|[\s{,"'-])([A-Za-z_.-]*[iI](?:mage|MAGE))["']?\s*[:=]\s*["']?([^\s"',}]+)`)

// lines looks through a text that is not YAML, such as a template that is filled in
// at the site: for what is called an image, and for references in full.
func (f finder) lines(text, path, rule string) {
	for _, m := range imageLine.FindAllStringSubmatch(text, -1) {
		if value := bare(m[2]); isShort(value) && pinned(value) {
			f.add(value, path, rule, Doubtful)
		}
	}
	for _, t := range tokens(text) {
		f.add(t, path, rule, Doubtful)
	}
}
