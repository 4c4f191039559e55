// Package convert makes a profile of what others say their deployments in: a plain
// list of images, a Helmfile, a hauler manifest, a zarf.yaml. It reads the one file
// that it is given, runs no templates and dials nobody: charts, values files and
// manifests that the file names are named in the profile, and opened by who builds
// it. What a profile has no place for is listed, never left out in silence.
//
// Nouns. A format is whose file it is. A note says what became of a field: it is
// mapped to something in the profile, or unmapped, with a way out where there is one.
package convert

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/registry"
)

// Format is whose file it is.
type Format string

// The formats.
const (
	List     Format = "list"     // images, one in a line, or YAML: a list, or one under images
	Helmfile Format = "helmfile" // https://helmfile.readthedocs.io
	Hauler   Format = "hauler"   // content.hauler.cattle.io, https://docs.hauler.dev
	Zarf     Format = "zarf"     // ZarfPackageConfig, https://docs.zarf.dev
)

// Formats are all formats.
func Formats() []Format { return []Format{List, Helmfile, Hauler, Zarf} }

// Options say how a file is read. The zero value finds out.
type Options struct {
	Format  Format // "": found by the content
	Name    string // of the profile; "": what the file says, or else the file's own name
	Version string // of the profile; "": what the file says, or else 0.1.0
	// Base is the file's folder as seen from that of the profile. It is put in front of
	// relative paths. "" is the same folder.
	Base string
}

// Note says what became of a field.
type Note struct {
	File  string `json:"file"`
	Line  int    `json:"line"`  // 1 is the first; 0: not of a line
	Field string `json:"field"` // "releases[0].chart"; "": the document
	Text  string `json:"text"`
}

// String is FILE:LINE: FIELD: TEXT.
func (n Note) String() string {
	text := n.Text
	if n.Field != "" {
		text = n.Field + ": " + text
	}
	return profile.Place{File: n.File, Line: n.Line}.String() + ": " + text
}

// Result is a profile, and what it has of the file. The notes are in the order of
// the file's lines.
type Result struct {
	Format   Format `json:"format"`
	Profile  []byte `json:"-"` // YAML that profile.Parse reads
	Mapped   []Note `json:"mapped"`
	Unmapped []Note `json:"unmapped"`
}

const (
	maxFile        = 1 << 20 // bytes
	maxLayers      = 500     // those that stay empty are taken out; a profile may have 200
	defaultVersion = "0.1.0"
)

// Convert reads a file, whose name is for messages. What is wrong is ErrInvalid, each
// with FILE:LINE; so is a file with nothing in it that a profile could carry.
func Convert(file string, content []byte, opts Options) (*Result, error) {
	if len(content) > maxFile {
		return nil, fmt.Errorf("%s: %w: larger than %d bytes", file, registry.ErrInvalid, maxFile)
	}
	c := &converter{file: file, opts: opts, room: maxValues}
	format, docs, err := c.open(content)
	if err != nil {
		return nil, err
	}
	switch format {
	case List:
		c.list(content, docs)
	case Helmfile:
		c.helmfile(docs)
	case Hauler:
		c.hauler(docs)
	case Zarf:
		c.zarf(docs)
	}
	return c.result(format)
}

// converter is one conversion.
type converter struct {
	file      string
	opts      Options
	profile   draft
	templates func(text string) bool // whether a text has something that the format fills in; nil: never
	mapped    []Note
	unmapped  []Note
	errs      []error
	room      int  // values that may still be looked at
	full      bool // there was no room for another layer
}

// result writes the profile and reads it again.
func (c *converter) result(format Format) (*Result, error) {
	if err := errors.Join(c.errs...); err != nil {
		return nil, err
	}
	c.profile.layers = slices.DeleteFunc(c.profile.layers, func(l *layer) bool { return l.empty() })
	if len(c.profile.layers) == 0 {
		return nil, errors.Join(fmt.Errorf("%s: %w: read as %s, nothing in it is for a profile to carry", c.file, registry.ErrInvalid, format), c.left())
	}
	c.name()
	content, err := c.profile.marshal()
	if err != nil {
		return nil, err
	}
	if _, err := profile.Parse("the profile of "+c.file, content); err != nil {
		return nil, fmt.Errorf("%s: what it says makes no profile: %w", c.file, err)
	}
	byLine := func(a, b Note) int { return cmp.Compare(a.Line, b.Line) }
	slices.SortStableFunc(c.mapped, byLine)
	slices.SortStableFunc(c.unmapped, byLine)
	return &Result{Format: format, Profile: content, Mapped: append([]Note{}, c.mapped...), Unmapped: append([]Note{}, c.unmapped...)}, nil
}

// left are the notes of what was left out, for an error.
func (c *converter) left() error {
	var errs []error
	for _, n := range c.unmapped[:min(len(c.unmapped), maxErrors)] {
		errs = append(errs, errors.New(n.String()))
	}
	return errors.Join(errs...)
}

// name fills in what the file does not say of the profile itself.
func (c *converter) name() {
	p := &c.profile
	base := filepath.Base(c.file)
	p.name = slug(cmp.Or(c.opts.Name, p.name, strings.TrimSuffix(base, filepath.Ext(base))))
	if c.opts.Version == "" && p.version == "" {
		c.mapped = append(c.mapped, Note{c.file, 0, "version", "the file says none; it is " + defaultVersion + " now"})
	}
	p.version = cmp.Or(c.opts.Version, p.version, defaultVersion)
}

// slug makes a name of lower-case letters, digits and "-".
func slug(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else if s := b.String(); s != "" && !strings.HasSuffix(s, "-") {
			b.WriteByte('-')
		}
	}
	s := b.String()
	return cmp.Or(strings.Trim(s[:min(len(s), maxName)], "-"), "profile")
}

// maxName bounds names that are made here, in bytes; numbers come behind them.
const maxName = 50

// newLayer adds a layer, under a name that no other has.
func (c *converter) newLayer(name string) *layer {
	l := &layer{refs: map[registry.Ref]bool{}}
	if len(c.profile.layers) == maxLayers {
		if !c.full {
			c.errs = append(c.errs, fmt.Errorf("%s: %w: it would make more than %d layers; take it apart", c.file, registry.ErrInvalid, maxLayers))
		}
		c.full = true
		return l
	}
	c.rename(l, name)
	c.profile.layers = append(c.profile.layers, l)
	return l
}

// rename gives a layer a name that no other has.
func (c *converter) rename(l *layer, name string) {
	name = slug(name)
	taken := func(n string) bool {
		return slices.ContainsFunc(c.profile.layers, func(o *layer) bool { return o != l && o.name == n })
	}
	l.name = name
	for i := 2; taken(l.name); i++ {
		l.name = fmt.Sprintf("%s-%d", name, i)
	}
}

// path is a path as the profile has to say it.
func (c *converter) path(p string) string {
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	return path.Join(filepath.ToSlash(c.opts.Base), p)
}

// local reports whether a text names a file here: neither a URL nor what only a
// program of the format's own knows how to get, like github.com/team/app//deploy?ref=v1.
func local(text string) bool {
	return !strings.Contains(text, "//") && !strings.Contains(text, "::") && !strings.Contains(text, "?ref=") && !strings.HasPrefix(text, "git@")
}
