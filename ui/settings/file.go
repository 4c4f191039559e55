package settings

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/strictyaml"
	"github.com/landfall-dev/landfall/registry"
)

// maxFile bounds a configuration file, in bytes.
const maxFile = 1 << 20

// fileVersion is the one version of the file's format.
const fileVersion = "1"

// readFile reads a configuration file.
func readFile(name string) (layer, error) {
	f, err := os.Open(name)
	if err != nil {
		return layer{}, fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return layer{}, fmt.Errorf("configuration: %w", err)
	}
	return parseFile(name, content)
}

// parseFile reads the content of a configuration file; name is what errors and
// origins begin with, and paths are found from its folder. It goes on after a
// wrong value, so that all are told at once.
func parseFile(name string, content []byte) (layer, error) {
	if len(content) > maxFile {
		return layer{}, fmt.Errorf("%s: %w: larger than %d bytes", name, registry.ErrInvalid, maxFile)
	}
	root, err := strictyaml.Read(content, registry.ErrInvalid)
	if err != nil {
		return layer{}, fmt.Errorf("%s: %w", name, err)
	}
	p := parser{name: name, to: newLayer()}
	p.group(root, "")
	return p.to, errors.Join(p.wrong...)
}

// parser fills a layer from a file.
type parser struct {
	name  string
	to    layer
	wrong []error
}

func (p *parser) fail(err error) {
	if err != nil {
		p.wrong = append(p.wrong, fmt.Errorf("%s: %w", p.name, err))
	}
}

// group reads what is below a prefix: "", "auth." or "auth.oidc.".
func (p *parser) group(f strictyaml.Field, prefix string) {
	known := below(prefix)
	if prefix == "" {
		known = append([]string{"version"}, known...)
	}
	_, err := f.Fields(known...)
	p.fail(err)
	entries, err := f.Entries()
	if err != nil {
		return // told already
	}
	for _, e := range entries {
		field, isField := FieldOf(prefix + e.Key)
		switch {
		case !slices.Contains(known, e.Key):
		case isField:
			p.value(e.Value, field)
		case prefix+e.Key == "version":
			_, err := strictyaml.Text(e.Value, parseVersion)
			p.fail(err)
		default:
			p.group(e.Value, prefix+e.Key+".")
		}
	}
}

func parseVersion(text string) (string, error) {
	if text != fileVersion {
		return "", errors.New("not a version that is known here (" + fileVersion + ")")
	}
	return text, nil
}

// below lists the names of fields and groups right below a prefix.
func below(prefix string) (names []string) {
	for _, f := range table {
		rest, ok := strings.CutPrefix(f.Name, prefix)
		name, _, _ := strings.Cut(rest, ".")
		if ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// value reads a field; a list of one value may be written without being one.
func (p *parser) value(f strictyaml.Field, field Field) {
	list := []strictyaml.Field{f}
	if field.List() {
		if several, err := f.List(); err == nil {
			list = several
		}
	}
	texts := make([]string, len(list))
	for i, f := range list {
		var err error
		if texts[i], err = p.text(f, field); err != nil {
			p.fail(err)
			return
		}
	}
	if err := p.to.set(field, texts, Origin{FromFile, fmt.Sprintf("%s:%d", p.name, lineOf(f))}); err != nil {
		p.fail(f.Errorf("%v", err))
	}
}

func (p *parser) text(f strictyaml.Field, field Field) (text string, err error) {
	if field.kind.lines > 0 {
		text, err = f.Block(field.kind.lines)
	} else {
		text, err = f.Text()
	}
	if err != nil {
		return "", err
	}
	if err := field.Check(text); err != nil {
		return "", f.Errorf("%.80q: %v", text, err)
	}
	if field.kind.path && text != "" && !filepath.IsAbs(text) {
		text = filepath.Join(filepath.Dir(p.name), text)
	}
	return text, nil
}

// lineOf is a field's line, which only its errors tell.
func lineOf(f strictyaml.Field) (line int) {
	_, _ = fmt.Sscanf(f.Errorf("").Error(), "line %d", &line)
	return line
}
