package bundle

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/registry"
)

// ParseList reads the references that a bundle is made of: one a line, with
// comments from # on, or YAML with images: and nothing else. name is for
// messages. ErrInvalid names the line or field; an empty list is ErrInvalid.
func ParseList(name string, content []byte) ([]registry.Ref, error) {
	texts, err := listEntries(content)
	if err == nil && len(texts) == 0 {
		err = fmt.Errorf("%w: it lists no reference", registry.ErrInvalid)
	}
	refs := make([]registry.Ref, len(texts))
	for i, text := range texts {
		if err != nil {
			break
		}
		refs[i], err = registry.ParseRef(text.text)
		if err != nil {
			err = fmt.Errorf("line %d: %w", text.line, err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return refs, nil
}

type listEntry struct {
	text string
	line int
}

func listEntries(content []byte) ([]listEntry, error) {
	var list []listEntry
	lines := bufio.NewScanner(bytes.NewReader(content))
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		text = strings.TrimSpace(text)
		if len(list) == 0 && (text == "---" || strings.HasPrefix(text, "images:")) {
			return yamlEntries(content)
		}
		if text != "" {
			list = append(list, listEntry{text, n})
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%w: %v", registry.ErrInvalid, err)
	}
	return list, nil
}

func yamlEntries(content []byte) ([]listEntry, error) {
	var doc struct {
		Images []yaml.Node `yaml:"images"`
	}
	d := yaml.NewDecoder(bytes.NewReader(content))
	d.KnownFields(true)
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("%w: %v", registry.ErrInvalid, err)
	}
	if err := d.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more than one YAML document", registry.ErrInvalid)
	}
	var list []listEntry
	for _, n := range doc.Images {
		var text string
		if err := n.Decode(&text); err != nil || n.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("%w: line %d: an image has to be one reference", registry.ErrInvalid, n.Line)
		}
		list = append(list, listEntry{strings.TrimSpace(text), n.Line})
	}
	return list, nil
}
