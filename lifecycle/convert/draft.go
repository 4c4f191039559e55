package convert

import (
	"bytes"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/registry"
)

// draft is a profile that is being made.
type draft struct {
	name, version, description string
	platforms                  []string
	variables                  []*yaml.Node
	layers                     []*layer
}

// layer is one of its layers. All are add-ons: others' files do not say more.
type layer struct {
	at        value // what it is of, where that is one thing
	name      string
	namespace string
	dependsOn []string
	platforms []string
	charts    []*yaml.Node
	manifests []*yaml.Node
	images    []string
	refs      map[registry.Ref]bool // of images
	files     []*yaml.Node
}

func (l *layer) empty() bool {
	return len(l.charts)+len(l.manifests)+len(l.images)+len(l.files) == 0
}

// marshal writes the profile as docs/PROFILE.md orders it.
func (d *draft) marshal() ([]byte, error) {
	metadata := mapping{}
	metadata.text("name", d.name)
	metadata.text("version", d.version)
	metadata.text("description", d.description)
	spec := mapping{}
	spec.texts("platforms", d.platforms)
	spec.list("variables", d.variables)
	var layers []*yaml.Node
	for _, l := range d.layers {
		layers = append(layers, l.node())
	}
	spec.list("layers", layers)
	root := mapping{}
	root.text("apiVersion", profile.APIVersion)
	root.text("kind", profile.Kind)
	root.put("metadata", metadata.node())
	root.put("spec", spec.node())
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(root.node()); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}

func (l *layer) node() *yaml.Node {
	m := mapping{}
	m.text("name", l.name)
	m.text("type", string(profile.Addon))
	m.texts("dependsOn", l.dependsOn)
	m.texts("platforms", l.platforms)
	m.text("namespace", l.namespace)
	m.list("charts", l.charts)
	m.list("manifests", l.manifests)
	m.texts("images", l.images)
	m.list("files", l.files)
	return m.node()
}

// mapping is fields in the order in which they were put.
type mapping struct{ content []*yaml.Node }

func (m *mapping) node() *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: m.content}
}

func (m *mapping) put(key string, n *yaml.Node) {
	m.content = append(m.content, textNode(key), n)
}

// text puts a text, list a list, unless it is empty.
func (m *mapping) text(key, text string) {
	if text != "" {
		m.put(key, textNode(text))
	}
}

func (m *mapping) list(key string, nodes []*yaml.Node) {
	if len(nodes) > 0 {
		m.put(key, &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: nodes})
	}
}

func (m *mapping) texts(key string, texts []string) {
	var nodes []*yaml.Node
	for _, t := range texts {
		nodes = append(nodes, textNode(t))
	}
	m.list(key, nodes)
}

func (m *mapping) yes(key string, is bool) {
	if is {
		m.put(key, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
	}
}

// words of YAML 1.1 that Helm, and so a profile, reads as true and false.
var words = []string{"y", "yes", "on", "n", "no", "off"}

// textNode is a text that stays one, whatever it looks like.
func textNode(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if slices.Contains(words, strings.ToLower(text)) || strings.ContainsAny(text, "\r\t\u0085\u2028\u2029\ufeff") {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
