package profile

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/strictyaml"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
)

// Bounds of texts, in bytes.
const (
	maxName  = 63
	maxTitle = 256
	maxProse = 16 << 10
)

// document reads one file of a profile.
type document struct {
	*reader
	file       string // as places have it
	base       string // folder of the file, from the folder of the outermost profile
	profile    Profile
	nodes      []*node            // layers, those of included profiles in their place
	scope      map[string][]*node // what names in dependsOn stand for
	own        map[string]Place   // layers that the file itself names
	at         map[string]Place   // of variables, "var.NAME", and of groups, "group.NAME"
	uses       []use              // of variables and groups
	limits     []limit            // to platforms
	inclusions []named
	hidden     bool // an included profile was not looked at
}

// use is where a variable or group is used.
type use struct {
	at    Place
	field string
	name  string // "var.NAME", "group.NAME"
}

// limit is the platforms of a layer or of an included profile.
type limit struct {
	field     strictyaml.Field
	platforms []registry.Platform
	included  string // NAME VERSION of the profile; "": of a layer
}

// parse reads a file; nil when there is nothing to go on with.
func (r *reader) parse(file, base string, content []byte) *document {
	r.files = append(r.files, file)
	r.sources = append(r.sources, Source{file, content})
	d := &document{reader: r, file: file, base: base, scope: map[string][]*node{}, own: map[string]Place{}, at: map[string]Place{}}
	if len(content) > MaxSize {
		d.add(&Problem{Place: Place{File: file}, Text: fmt.Sprintf("larger than %d bytes", MaxSize)})
		return nil
	}
	root, err := strictyaml.Read(content, registry.ErrInvalid)
	if err == nil && !root.IsFields() {
		err = root.Errorf("want a profile, which begins with apiVersion: %s", APIVersion)
	}
	if err != nil {
		d.add(problemOf(file, err))
		return nil
	}
	if !d.isProfile(root) {
		return nil
	}
	fields := d.object(root,
		part{"apiVersion", ignore}, part{"kind", ignore},
		part{"metadata", d.metadata}, part{"spec", d.spec})
	d.needs(root, fields, "metadata", "{name: edge, version: 1.0.0}")
	d.needs(root, fields, "spec", "with layers")
	d.check()
	return d
}

func ignore(strictyaml.Field) {}

// isProfile wants a version that is known: what other fields there may be depends on it.
func (d *document) isProfile(root strictyaml.Field) bool {
	fields, _ := root.KnownFields("apiVersion", "kind")
	for _, want := range []struct{ field, text string }{{"apiVersion", APIVersion}, {"kind", Kind}} {
		f, ok := fields[want.field]
		if !ok {
			d.fail(root, "%s is missing: a profile begins with apiVersion: %s and kind: %s", want.field, APIVersion, Kind)
			return false
		}
		text, err := f.Text()
		if err == nil && text != want.text {
			err = f.Errorf("%.80q is not known here; this program reads %s", text, want.text)
		}
		if err != nil {
			d.add(problemOf(d.file, err))
			return false
		}
	}
	return true
}

// fail is a problem at a field's place.
func (d *document) fail(f strictyaml.Field, format string, args ...any) {
	d.add(problemOf(d.file, f.Errorf(format, args...)))
}

// wrong is fail with an error, if there is one.
func (d *document) wrong(err error) bool {
	if err != nil {
		d.add(problemOf(d.file, err))
	}
	return err != nil
}

// notFound is a problem because something is not there.
func (d *document) notFound(f strictyaml.Field, format string, args ...any) {
	p := problemOf(d.file, f.Errorf(format, args...))
	p.cause = registry.ErrNotFound
	d.add(p)
}

func (d *document) place(f strictyaml.Field) Place { return Place{d.file, f.Line()} }

// needs tells that a field is missing.
func (d *document) needs(f strictyaml.Field, fields map[string]strictyaml.Field, name, cure string) {
	if _, ok := fields[name]; !ok {
		d.fail(f, "%s is missing; add %s: %s", name, name, cure)
	}
}

// part is a field and what reads it.
type part struct {
	name string
	read func(strictyaml.Field)
}

// object reads the fields of a mapping in the order of the list.
func (d *document) object(f strictyaml.Field, list ...part) map[string]strictyaml.Field {
	var known []string
	for _, p := range list {
		known = append(known, p.name)
	}
	fields, wrong := f.KnownFields(known...)
	for _, err := range wrong {
		d.wrong(err)
	}
	for _, p := range list {
		if f, ok := fields[p.name]; ok {
			p.read(f)
		}
	}
	return fields
}

// text is a part that is one value.
func text[T any](d *document, name string, to *T, parse func(string) (T, error)) part {
	return part{name, func(f strictyaml.Field) {
		if v, err := strictyaml.Text(f, parse); !d.wrong(err) {
			*to = v
		}
	}}
}

// prose is a part that is for people to read.
func (d *document) prose(name string, to *string, max int) part {
	return part{name, func(f strictyaml.Field) {
		if v, err := f.Prose(max); !d.wrong(err) {
			*to = strings.TrimSpace(v)
		}
	}}
}

// flag is a part that is true or false.
func (d *document) flag(name string, to *bool) part { return text(d, name, to, parseBool) }

// each is a part that is a list of at least one.
func (d *document) each(name string, read func(strictyaml.Field)) part {
	return part{name, func(f strictyaml.Field) {
		list, err := f.List()
		if err == nil && len(list) == 0 {
			err = f.Errorf("an empty list; leave the field out")
		}
		if d.wrong(err) {
			return
		}
		for _, e := range list {
			read(e)
		}
	}}
}

// texts is a part that is a list of values, none of them twice.
func texts[T any](d *document, name string, to *[]T, parse func(string) (T, error)) part {
	seen := map[string]int{}
	return d.each(name, func(f strictyaml.Field) {
		v, err := strictyaml.Text(f, parse)
		if d.wrong(err) {
			return
		}
		text, _ := f.Text()
		if line, twice := seen[text]; twice {
			d.fail(f, "%.80q is there twice, first in line %d", text, line)
			return
		}
		seen[text] = f.Line()
		*to = append(*to, v)
	})
}

func parseBool(text string) (bool, error) {
	if text != "true" && text != "false" {
		return false, errors.New("true or false is wanted")
	}
	return text == "true", nil
}

var labelPattern = regexp.MustCompile(`\A[a-z0-9]([a-z0-9-]*[a-z0-9])?\z`)

// parseLabel reads what names of profiles, layers and namespaces are: RFC 1123 labels.
func parseLabel(text string) (string, error) {
	if len(text) > maxName || !labelPattern.MatchString(text) {
		return "", fmt.Errorf("want lower-case letters, digits, and - between them, at most %d", maxName)
	}
	return text, nil
}

// parseVersion reads a semantic version.
func parseVersion(text string) (string, error) {
	switch {
	case variable.IsVersion(text):
		return text, nil
	case variable.IsVersion(strings.TrimPrefix(text, "v")):
		return "", fmt.Errorf("leave the v out: %s", text[1:])
	}
	return "", errors.New("want a semantic version of three numbers, like 1.2.0 or 1.2.0-rc.1; in quotes, or it is a number")
}

func parseLine(max int) func(string) (string, error) {
	return func(text string) (string, error) {
		if text = strings.TrimSpace(text); text == "" || len(text) > max {
			return "", fmt.Errorf("want one line of at most %d bytes", max)
		}
		return text, nil
	}
}

func oneOf[T ~string](known ...T) func(string) (T, error) {
	return func(text string) (T, error) {
		if !slices.Contains(known, T(text)) {
			var list []string
			for _, k := range known {
				list = append(list, string(k))
			}
			return "", fmt.Errorf("want one of %s", strings.Join(list, ", "))
		}
		return T(text), nil
	}
}

// parsePath reads the path of a file or folder, from the file's own folder, and
// gives it from the outermost profile's.
func (d *document) parsePath(text string) (string, error) {
	switch {
	case strings.TrimSpace(text) == "":
		return "", errors.New("it is empty; want the path of a file or folder")
	case strings.Contains(text, "://"):
		return "", errors.New("want a path, not an address: a chart of a registry has oci, and one of a repository has repository and name")
	case strings.Contains(text, "${"):
		return "", errors.New("no placeholders here: paths are of the machine that builds; values may have them")
	case filepath.IsAbs(text):
		return filepath.Clean(text), nil
	}
	return filepath.Join(d.base, text), nil
}

func (d *document) metadata(f strictyaml.Field) {
	p := &d.profile
	fields := d.object(f,
		text(d, "name", &p.Name, parseLabel),
		text(d, "version", &p.Version, parseVersion),
		d.prose("description", &p.Description, maxProse),
		part{"annotations", d.annotations})
	d.needs(f, fields, "name", "edge")
	d.needs(f, fields, "version", "1.0.0")
}

func (d *document) annotations(f strictyaml.Field) {
	entries, err := f.Entries()
	if d.wrong(err) {
		return
	}
	d.profile.Annotations = map[string]string{}
	for _, e := range entries {
		v, err := e.Value.Prose(maxProse)
		if err == nil && (len(e.Key) > maxTitle || e.Key == "" || strings.ContainsFunc(e.Key, func(c rune) bool { return c <= ' ' || c > '~' })) {
			err = e.Value.Errorf("%.80q: want a name of printable ASCII without spaces, at most %d bytes", e.Key, maxTitle)
		}
		if !d.wrong(err) {
			d.profile.Annotations[e.Key] = v
		}
	}
}

func (d *document) spec(f strictyaml.Field) {
	p := &d.profile
	fields := d.object(f,
		text(d, "repository", &p.Repository, parseRepository),
		texts(d, "platforms", &p.Platforms, parsePlatform),
		d.each("groups", d.group),
		d.each("variables", d.variable),
		part{"layers", d.layers})
	d.needs(f, fields, "layers", "[{name: app, images: [...]}]")
}

func parseRepository(text string) (string, error) {
	ref, err := registry.ParseName(text + ":x")
	if err != nil || ref.Repository != text {
		return "", errors.New("want the name of a repository without tag, like registry.example.com/definitions/edge")
	}
	return text, nil
}

var platformPattern = regexp.MustCompile(`\A[a-z0-9]+(/[a-z0-9._]+){1,2}\z`)

func parsePlatform(text string) (registry.Platform, error) {
	p, err := registry.ParsePlatform(text)
	if err != nil || !platformPattern.MatchString(text) {
		return p, errors.New("want os/architecture or os/architecture/variant, like linux/arm64")
	}
	return p, nil
}
