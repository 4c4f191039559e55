package convert

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// open finds out whose file it is, if nobody said, and reads it as YAML. A list in
// lines has no documents.
func (c *converter) open(content []byte) (Format, []value, error) {
	format := c.opts.Format
	if format != "" && !slices.Contains(Formats(), format) {
		return "", nil, fmt.Errorf("%w: format %.40q: known are %s", registry.ErrInvalid, string(format), formats())
	}
	if (format == "" || format == List) && inLines(content) {
		return List, nil, nil
	}
	if filepath.Ext(c.file) == ".gotmpl" {
		return "", nil, c.errTemplate(content)
	}
	docs, err := c.documents(content)
	if err != nil {
		if format != List && bytes.Contains(content, []byte("{{")) {
			err = c.errTemplate(content)
		}
		return "", nil, err
	}
	if format == "" {
		if format = detect(docs); format == "" {
			return "", nil, fmt.Errorf("%s:1: %w: none of the formats that are known here (%s); say which it is", c.file, registry.ErrInvalid, formats())
		}
	}
	if format == List && (len(docs) == 0 || scalar(docs[0])) {
		return List, nil, nil // in lines, one of them wrong
	}
	return format, docs, nil
}

func formats() string {
	var texts []string
	for _, f := range Formats() {
		texts = append(texts, string(f))
	}
	return strings.Join(texts, ", ")
}

// errTemplate: what makes a Helmfile of it is Helmfile's own.
func (c *converter) errTemplate(content []byte) error {
	before, _, _ := bytes.Cut(content, []byte("{{"))
	return fmt.Errorf("%s:%d: %w: a template of a Helmfile, which is not run here; convert what \"helmfile build\" prints",
		c.file, 1+bytes.Count(before, []byte("\n")), registry.ErrInvalid)
}

// inLines reports whether each line that says something begins with an image.
func inLines(content []byte) bool {
	n := 0
	for line := range strings.Lines(string(content)) {
		words := strings.Fields(uncommented(line))
		if len(words) == 0 {
			continue
		}
		if _, err := registry.ParseRef(strings.TrimPrefix(words[0], transport)); err != nil {
			return false
		}
		n++
	}
	return n > 0
}

// detect is the format of YAML documents, "" when it is none that is known.
func detect(docs []value) Format {
	if len(docs) == 0 {
		return ""
	}
	d := docs[0]
	kind, group := peek(d, "kind"), peek(d, "apiVersion")
	switch {
	case haulerGroup(group):
		return Hauler
	case kind == "ZarfPackageConfig" || kind == "ZarfInitConfig":
		return Zarf
	case group != "" || kind != "":
		return "" // of somebody else
	case slices.ContainsFunc(docs, isHelmfile):
		return Helmfile
	case scalar(d) || d.node.ShortTag() == "!!seq" || has(d, "images"):
		return List
	}
	return ""
}

func isHelmfile(d value) bool {
	return slices.ContainsFunc([]string{"releases", "helmfiles", "repositories", "helmDefaults", "bases"}, func(key string) bool { return has(d, key) })
}

func scalar(v value) bool { return len(v.node.Content) == 0 && v.node.Value != "" }

// has reports whether a document has a field, peek what a field says; without looking
// into aliases.
func has(v value, key string) bool {
	return v.node.ShortTag() == "!!map" && field(v.node, key) != nil
}

func peek(v value, key string) string {
	if !has(v, key) {
		return ""
	}
	return field(v.node, key).Value
}
