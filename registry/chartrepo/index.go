package chartrepo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/registry"
)

const (
	// maxFields bounds a mapping of an entry: the YAML decoder compares each of
	// its keys with each other.
	maxFields = 1024
	// maxMarks bounds what can begin or end a value in an index: the decoder needs
	// hundreds of bytes of memory for each value, however short it is written. The
	// largest index with ordinary values has some six million marks.
	maxMarks = 8 << 20
	// maxProblems bounds how many problems are told one by one.
	maxProblems = 100
)

// listing is what the index says of one chart.
type listing struct {
	chart   string
	at      string // its place in the index
	entries []entry
}

// entry is what the index says of one version of a chart.
type entry struct {
	metadata `yaml:",inline"`
	URLs     []string `yaml:"urls"`
	Created  string   `yaml:"created"`
	Digest   string   `yaml:"digest"`

	at  string // its place in the index
	err error  // what is wrong with its fields
}

// parseIndex reads an index: of fields that it does not know nothing is asked,
// as Helm adds some now and then. An error means that nothing can be used; the
// problems are the charts and entries that were left out. All wrap ErrInvalid.
func parseIndex(content []byte) (listings []listing, found *problems, err error) {
	root, err := parseDocument(content)
	if err != nil {
		return nil, nil, err
	}
	fields, err := fieldsOf(root, "the index")
	if err != nil {
		return nil, nil, err
	}
	version, entries := fields["apiVersion"], fields["entries"]
	switch {
	case version == nil:
		return nil, nil, fmt.Errorf("%w: apiVersion is missing: not the index of a chart repository", registry.ErrInvalid)
	case version.Kind != yaml.ScalarNode || version.Value != "v1":
		return nil, nil, invalid(version, "apiVersion", "%.40q, only v1 is known", version.Value)
	case entries == nil:
		return nil, nil, fmt.Errorf("%w: entries is missing", registry.ErrInvalid)
	}
	if _, err := fieldsOf(entries, "entries"); err != nil {
		return nil, nil, err
	}
	found = &problems{}
	for i := 0; i < len(entries.Content); i += 2 {
		listings = append(listings, parseListing(entries.Content[i].Value, entries.Content[i+1], found))
	}
	return listings, found, nil
}

// problems collects what is wrong with charts and entries that are left out.
type problems struct {
	list []error
	more int // that are not in list
}

func (p *problems) add(err error) {
	if len(p.list) < maxProblems {
		p.list = append(p.list, err)
		return
	}
	p.more++
}

// all is the problems, of which the last may stand for many.
func (p *problems) all() []error {
	if p.more == 0 {
		return p.list
	}
	return append(slices.Clip(p.list), fmt.Errorf("%w: %d more charts or versions cannot be used", registry.ErrInvalid, p.more))
}

// parseDocument reads the one document of an index into its nodes, which hold
// neither anchors nor aliases: no index needs them, and a few nested ones can
// stand for any amount of memory.
func parseDocument(content []byte) (*yaml.Node, error) {
	if start := bytes.TrimSpace(content); len(start) == 0 {
		return nil, fmt.Errorf("%w: it is empty", registry.ErrInvalid)
	} else if start[0] == '<' {
		return nil, fmt.Errorf("%w: it is a web page, not the index of a chart repository", registry.ErrInvalid)
	}
	if marks(content) > maxMarks {
		return nil, fmt.Errorf("%w: it has more values than the index of a chart repository can have", registry.ErrInvalid)
	}
	var root, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(content))
	if err := d.Decode(&root); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: it is empty", registry.ErrInvalid)
	} else if err != nil {
		return nil, fmt.Errorf("%w: not YAML: %s", registry.ErrInvalid, yamlText(err))
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more than one YAML document", registry.ErrInvalid)
	}
	return root.Content[0], plain(&root)
}

// marks counts the characters of which every value needs one or has one in common
// with its key.
func marks(content []byte) (n int) {
	for _, c := range content {
		switch c {
		case ',', ':', '-', '?', '[', '{', '\n':
			n++
		}
	}
	return n
}

// plain refuses anchors and aliases.
func plain(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return invalid(n, "", "an anchor or alias; write the value out")
	}
	for _, c := range n.Content {
		if err := plain(c); err != nil {
			return err
		}
	}
	return nil
}

// fieldsOf is the values of a mapping, in which each key is there once.
func fieldsOf(n *yaml.Node, at string) (map[string]*yaml.Node, error) {
	if n.Kind != yaml.MappingNode {
		return nil, invalid(n, at, "fields are wanted")
	}
	fields := map[string]*yaml.Node{}
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			return nil, invalid(key, at, "the name of a field is wanted")
		}
		if fields[key.Value] != nil {
			return nil, invalid(key, at, "%.80q is there twice", key.Value)
		}
		fields[key.Value] = n.Content[i+1]
	}
	return fields, nil
}

// parseListing reads the entries of one chart. The first of those with the same
// version counts, as for Helm.
func parseListing(name string, n *yaml.Node, found *problems) listing {
	within := fmt.Sprintf("entries.%.80s", onOneLine(name))
	l := listing{chart: name, at: place(n, within)}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		found.add(fmt.Errorf("%s: %w: a list of the chart's versions is wanted", l.at, registry.ErrInvalid))
		return l
	}
	seen := map[string]bool{}
	for i, c := range n.Content {
		path := fmt.Sprintf("%s[%d]", within, i)
		e := parseEntry(c, path)
		switch {
		case e.Version == "" && e.err != nil:
			found.add(e.err)
		case e.Version == "":
			found.add(invalid(c, path, "version is missing"))
		case !seen[e.Version]:
			seen[e.Version] = true
			e.check(name)
			l.entries = append(l.entries, e)
		}
	}
	return l
}

// parseEntry reads what it can of an entry, and notes what it cannot.
func parseEntry(n *yaml.Node, path string) entry {
	e := entry{at: place(n, path)}
	if n.Kind != yaml.MappingNode {
		e.err = invalid(n, path, "fields are wanted")
		return e
	}
	e.Version = versionOf(n)
	if wide := tooWide(n); wide != nil {
		e.err = invalid(wide, path, "more than %d fields in one place", maxFields)
		return e
	}
	if err := n.Decode(&e); err != nil {
		e.err = fmt.Errorf("%s: %w: %s", e.at, registry.ErrInvalid, yamlText(err))
	}
	return e
}

// versionOf is an entry's version, so that it has a name whatever else is wrong.
func versionOf(n *yaml.Node) string {
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == "version" && n.Content[i+1].ShortTag() != "!!null" {
			return n.Content[i+1].Value
		}
	}
	return ""
}

// tooWide is a mapping with too many fields, of n and those below it.
func tooWide(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.MappingNode && len(n.Content) > 2*maxFields {
		return n
	}
	for _, c := range n.Content {
		if wide := tooWide(c); wide != nil {
			return wide
		}
	}
	return nil
}

// check completes an entry whose fields could be read, and holds it against the
// name that it is listed under.
func (e *entry) check(chart string) {
	if e.Name == "" {
		e.Name = chart
	}
	if e.err == nil && e.Name != chart {
		e.err = fmt.Errorf("%s: %w: name %.80q is not the %.80q that it is listed under", e.at, registry.ErrInvalid, e.Name, chart)
	}
	e.complete()
}

// place says where in the index a value is.
func place(n *yaml.Node, path string) string {
	if path == "" {
		return fmt.Sprintf("line %d", n.Line)
	}
	return fmt.Sprintf("line %d: %s", n.Line, path)
}

func invalid(n *yaml.Node, path, format string, args ...any) error {
	return fmt.Errorf("%s: %w: %s", place(n, path), registry.ErrInvalid, fmt.Sprintf(format, args...))
}

// yamlText is an error of the YAML decoder on one line.
func yamlText(err error) string {
	if many := (*yaml.TypeError)(nil); errors.As(err, &many) {
		return strings.Join(many.Errors[:min(len(many.Errors), 3)], "; ")
	}
	return strings.TrimPrefix(err.Error(), "yaml: ")
}
