package chart

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/object"
	"github.com/landfall-dev/landfall/registry"
)

// metadata is what Chart.yaml says.
type metadata struct {
	apiVersion, name, version, appVersion, kubeVersion string
	dependencies                                       []dependency
}

// dependency has the fields and their order of Helm, which hashes them.
type dependency struct {
	Name         string   `json:"name"`
	Version      string   `json:"version,omitempty"`
	Repository   string   `json:"repository"`
	Condition    string   `json:"condition,omitempty"`
	Tags         []string `json:"tags,omitempty"`
	Enabled      bool     `json:"enabled,omitempty"`
	ImportValues []any    `json:"import-values,omitempty"`
	Alias        string   `json:"alias,omitempty"`
	line         int
}

// lock is what Chart.lock says.
type lock struct {
	digest       string
	dependencies []dependency
}

func readMetadata(at string, content []byte) (*metadata, error) {
	o, err := fields(at+"/Chart.yaml", content)
	if err != nil {
		return nil, err
	}
	m := &metadata{
		apiVersion: text(o.Content, "apiVersion"), name: text(o.Content, "name"), version: text(o.Content, "version"),
		appVersion: text(o.Content, "appVersion"), kubeVersion: text(o.Content, "kubeVersion"),
	}
	for field, value := range map[string]string{"name": m.name, "version": m.version} {
		if value == "" {
			return nil, fmt.Errorf("%s:%d: %w: it has no %s, a text", o.File, o.Line, registry.ErrInvalid, field)
		}
	}
	if m.name != path.Base(m.name) || m.name == "." || m.name == ".." {
		return nil, fmt.Errorf("%s:%d: %w: %.100q cannot be the name of a chart", o.File, o.LineOf("name"), registry.ErrInvalid, m.name)
	}
	m.dependencies, err = dependenciesOf(o)
	return m, err
}

func readLock(at string, content []byte) (*lock, error) {
	o, err := fields(at, content)
	if err != nil {
		return nil, err
	}
	l := &lock{digest: text(o.Content, "digest")}
	l.dependencies, err = dependenciesOf(o)
	return l, err
}

// fields reads a file that is one set of fields.
func fields(at string, content []byte) (object.Object, error) {
	objects, err := object.Read(object.File{Path: at, Content: string(content)})
	if err != nil {
		return object.Object{}, err
	}
	if len(objects) != 1 || objects[0].Content == nil {
		return object.Object{}, fmt.Errorf("%s:1: %w: fields are wanted", at, registry.ErrInvalid)
	}
	return objects[0], nil
}

func dependenciesOf(o object.Object) ([]dependency, error) {
	list, _ := o.Content["dependencies"].([]any)
	dependencies := make([]dependency, len(list))
	for i, value := range list {
		line := o.LineOf(fmt.Sprintf("dependencies[%d]", i))
		if value, ok := value.(map[string]any); ok {
			for _, name := range []string{"name", "version", "repository", "condition", "alias"} {
				if _, ok := value[name]; ok {
					value[name] = text(value, name)
				}
			}
		}
		b, err := json.Marshal(value)
		if err == nil {
			err = json.Unmarshal(b, &dependencies[i])
		}
		switch name := dependencies[i].Name; {
		case err != nil:
			return nil, fmt.Errorf("%s:%d: %w: not a dependency: %v", o.File, line, registry.ErrInvalid, err)
		case name == "" || name != path.Base(name):
			return nil, fmt.Errorf("%s:%d: %w: a dependency has no name, or one that is a path", o.File, line, registry.ErrInvalid)
		}
		dependencies[i].line = line
	}
	return dependencies, nil
}

// hash is what Helm writes into Chart.lock about the Chart.yaml that it was made for.
func hash(wanted, locked []dependency) (string, error) {
	b, err := json.Marshal([2][]dependency{wanted, locked})
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:]), err
}

// text is a field's text. A version that is written as a number is one, too.
func text(fields map[string]any, name string) string {
	switch v := fields[name].(type) {
	case string:
		return strings.TrimSpace(v)
	case int64, float64:
		return fmt.Sprint(v)
	}
	return ""
}
