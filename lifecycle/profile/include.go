package profile

import (
	"cmp"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/strictyaml"
	"github.com/landfall-dev/landfall/lifecycle/variable"
)

// inclusion is what a layer says of the profile that it stands for.
type inclusion struct {
	path, name, version string // path from the outermost profile
}

// included is a profile that was read because another one includes it.
type included struct {
	document *document // nil: it could not be read
	at       Place     // where it was first included
	file     string
}

// frame is a profile that is being read.
type frame struct {
	real string // path without links
	file string // as places have it
	at   Place  // where it is included; of the outermost none
}

func (d *document) inclusion(f strictyaml.Field) *inclusion {
	i := &inclusion{}
	before := len(d.list) + d.more
	fields := d.object(f,
		text(d, "path", &i.path, d.parsePath),
		text(d, "name", &i.name, parseLabel),
		text(d, "version", &i.version, parseVersion))
	d.needs(f, fields, "path", "../base")
	d.needs(f, fields, "version", "the exact version of the profile, like 1.2.0")
	if len(d.list)+d.more > before {
		return nil
	}
	return i
}

// include puts the layers of another profile where the layer n stands.
func (d *document) include(f strictyaml.Field, n *node, i *inclusion) {
	if n.Name != "" {
		d.scope[n.Name] = nil
	}
	var doc *document
	isNew := false
	if d.follow && i != nil {
		doc, isNew = d.readIncluded(f, i)
	}
	if doc == nil {
		d.hidden = true
		return
	}
	d.hidden = d.hidden || doc.hidden
	d.mergeDeclared(f, doc)
	if p := &doc.profile; len(p.Platforms) > 0 {
		d.limits = append(d.limits, limit{f, p.Platforms, p.Name + " " + p.Version})
	}
	for _, other := range doc.nodes {
		for _, dep := range n.dependsOn {
			dep.forAll = true
			other.dependsOn = append(other.dependsOn, dep)
		}
	}
	if n.Name != "" {
		d.scope[n.Name] = doc.nodes
	}
	if isNew {
		d.nodes = append(d.nodes, doc.nodes...)
		d.inclusions = append(d.inclusions, named{n.Name, doc.nodes})
	}
}

// readIncluded finds and reads an included profile, and reports whether that is the
// first time. Nil means that it could not.
func (d *document) readIncluded(f strictyaml.Field, i *inclusion) (*document, bool) {
	file, base := d.find(f, i)
	if file == "" {
		return nil, false
	}
	real := realPath(file)
	if k := slices.IndexFunc(d.stack, func(s frame) bool { return s.real == real }); k >= 0 {
		var chain []string
		for _, s := range d.stack[k+1:] {
			chain = append(chain, s.at.String())
		}
		chain = append(chain, d.place(f).String(), d.stack[k].file)
		d.fail(f, "profiles include each other: %s; take one of these out", strings.Join(chain, " → "))
		return nil, false
	}
	done, known := d.included[real]
	if !known {
		done = &included{at: d.place(f), file: file}
		d.included[real] = done
		done.document = d.readNew(f, file, base, real)
	}
	if done.document == nil || !d.isWanted(f, i, real, done) {
		return nil, false
	}
	return done.document, !known
}

func (d *document) readNew(f strictyaml.Field, file, base, real string) *document {
	switch {
	case len(d.stack) >= MaxDepth:
		d.fail(f, "more than %d profiles include each other in a row; put some of them together", MaxDepth)
		return nil
	case len(d.sources) >= maxIncluded:
		d.fail(f, "more than %d profiles altogether; put some of them together", maxIncluded)
		return nil
	}
	content, err := readFile(file)
	if err != nil {
		text, cause := fileError(err)
		d.add(&Problem{Place: d.place(f), Field: f.Path(), Text: file + ": " + text, cause: cause})
		return nil
	}
	d.stack = append(d.stack, frame{real, file, d.place(f)})
	defer func() { d.stack = d.stack[:len(d.stack)-1] }()
	return d.parse(file, base, content)
}

// isWanted: the profile is the one that is meant, and no other has its name.
func (d *document) isWanted(f strictyaml.Field, i *inclusion, real string, done *included) bool {
	p := &done.document.profile
	if p.Name == "" || p.Version == "" {
		return false // told already
	}
	if i.name != "" && p.Name != i.name || p.Version != i.version {
		d.notFound(f, "%s is %s %s, and %s %s is wanted; change version here, or path", done.file, p.Name, p.Version, cmp.Or(i.name, p.Name), i.version)
		return false
	}
	for other, o := range d.included {
		if other != real && o.document != nil && o.document.profile.Name == p.Name {
			d.fail(f, "%s is included already, as %s %s (%s, at %s); include one of the two everywhere", p.Name, p.Name, o.document.profile.Version, o.file, o.at)
			return false
		}
	}
	return true
}

func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return path
}

// mergeDeclared takes variables and groups of an included profile over.
func (d *document) mergeDeclared(f strictyaml.Field, doc *document) {
	p := &d.profile
	differs := func(what, key, name string) {
		d.fail(f, "%s %s is declared otherwise there (%s) and here (%s); make the two the same, or give one another name", what, name, doc.at[key], d.at[key])
	}
	for _, v := range doc.profile.Variables {
		key := "var." + v.Name
		i := slices.IndexFunc(p.Variables, func(o variable.Declaration) bool { return o.Name == v.Name })
		switch {
		case i < 0:
			p.Variables = append(p.Variables, v)
			d.at[key] = doc.at[key]
		case !reflect.DeepEqual(p.Variables[i], v):
			differs("variable", key, v.Name)
		}
	}
	for _, g := range doc.profile.Groups {
		key := "group." + g.Name
		i := slices.IndexFunc(p.Groups, func(o Group) bool { return o.Name == g.Name })
		switch {
		case i < 0:
			p.Groups = append(p.Groups, g)
			d.at[key] = doc.at[key]
		case p.Groups[i] != g:
			differs("group", key, g.Name)
		}
	}
}
