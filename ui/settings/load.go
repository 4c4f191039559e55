package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
)

// Where the configuration file is when nobody says so, and the variable that
// does.
const (
	DefaultFile = "/etc/landfall/config.yaml"
	FileEnv     = envPrefix + "CONFIG"
)

// Sources are who may say how the appliance is set up. With none of them, the
// defaults count.
type Sources struct {
	// File is the configuration file, which has to be there. Without it,
	// LANDFALL_CONFIG of Env names one.
	File string
	// Otherwise is the file when neither does; it need not be there.
	Otherwise string
	// Env is an environment, as os.Environ gives it. A variable that is empty
	// counts as not there.
	Env []string
	// Flags are the texts that each flag was given with, by its name.
	Flags map[string][]string
	// Defaults replace those of the table, by the field's name.
	Defaults map[string]string
}

// Effective is a Config and where each value of it comes from.
type Effective struct {
	Config   Config
	File     string   // that was read; empty: none
	Warnings []string // about what looks like a mistake
	layer
}

// Value is what a field is.
type Value struct {
	Name   string `json:"name"`
	Value  any    `json:"value"` // true, "64MiB" or ["a", "b"]; nothing secret
	Origin Origin `json:"origin"`
}

// layer is what one source says, or all together.
type layer struct {
	texts   map[string][]string // canonical, by the field's name
	origins map[string]Origin
}

func newLayer() layer { return layer{map[string][]string{}, map[string]Origin{}} }

// set notes what a field is.
func (l layer) set(f Field, texts []string, o Origin) error {
	canonical, err := f.canonical(texts)
	if err == nil {
		l.texts[f.Name], l.origins[f.Name] = canonical, o
	}
	return err
}

// Load asks all sources. Errors wrap ErrInvalid when one of them says what
// cannot be, and name all such places.
func Load(s Sources) (*Effective, error) {
	file, err := s.file()
	if err != nil {
		return nil, err
	}
	var layers []layer
	var wrong []error
	for _, read := range []func() (layer, error){
		s.defaults,
		func() (layer, error) {
			if file == "" {
				return newLayer(), nil
			}
			return readFile(file)
		},
		s.env,
		s.flags,
	} {
		l, err := read()
		layers, wrong = append(layers, l), append(wrong, err)
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	e, err := merge(layers)
	if err != nil {
		return nil, err
	}
	e.File, e.Warnings = file, s.strangers()
	return e, nil
}

// merge puts layers over each other, the last one on top.
func merge(layers []layer) (*Effective, error) {
	merged := koanf.New(".")
	all := newLayer()
	for _, l := range layers {
		values := map[string]any{}
		for name, texts := range l.texts {
			values[name], all.origins[name] = texts, l.origins[name]
		}
		if err := merged.Load(confmap.Provider(values, "."), nil); err != nil {
			return nil, err
		}
	}
	for _, f := range table {
		all.texts[f.Name] = merged.Strings(f.Name)
	}
	return build(all)
}

// build makes the Config of a layer that says everything.
func build(all layer) (*Effective, error) {
	e := &Effective{layer: all}
	for _, f := range table {
		if err := f.kind.bind(&e.Config).set(all.texts[f.Name]); err != nil {
			return nil, e.errorf(f.Name, "%v", err)
		}
	}
	return e, e.check()
}

// file is the file to read; empty for none.
func (s Sources) file() (string, error) {
	if s.File != "" {
		return s.File, nil
	}
	if name := s.variables()[FileEnv]; name != "" {
		return name, nil
	}
	if s.Otherwise == "" {
		return "", nil
	}
	_, err := os.Stat(s.Otherwise)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return s.Otherwise, err
}

func (s Sources) defaults() (layer, error) {
	l := newLayer()
	for _, f := range table {
		text := f.Default
		if other, ok := s.Defaults[f.Name]; ok {
			text = other
		}
		if err := l.read(f, f.split(text), Origin{Kind: FromDefault}); err != nil {
			return l, err
		}
	}
	return l, nil
}

func (s Sources) env() (layer, error) {
	l, wrong := newLayer(), []error{}
	variables := s.variables()
	for _, f := range table {
		if text := variables[f.Env()]; text != "" {
			wrong = append(wrong, l.read(f, f.split(text), Origin{FromEnv, f.Env()}))
		}
	}
	return l, errors.Join(wrong...)
}

func (s Sources) flags() (layer, error) {
	l, wrong := newLayer(), []error{}
	for _, f := range table {
		texts, ok := s.Flags[f.Flag]
		if !ok || f.Flag == "" {
			continue
		}
		if !f.List() && len(texts) > 1 {
			texts = texts[len(texts)-1:] // the last one counts
		}
		wrong = append(wrong, l.read(f, texts, Origin{FromFlag, "--" + f.Flag}))
	}
	return l, errors.Join(wrong...)
}

// read takes texts that are values of the field.
func (l layer) read(f Field, texts []string, o Origin) error {
	for _, text := range texts {
		if err := f.Check(text); err != nil {
			return &FieldError{Field: f.Name, Origin: o, Value: text, Want: err.Error()}
		}
	}
	if err := l.set(f, texts, o); err != nil {
		return &FieldError{Field: f.Name, Origin: o, Value: strings.Join(texts, ","), Want: err.Error()}
	}
	return nil
}

// variables are those of the environment that begin as ours do.
func (s Sources) variables() map[string]string {
	variables := map[string]string{}
	for _, entry := range s.Env {
		if name, value, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, envPrefix) {
			variables[name] = value
		}
	}
	return variables
}

// strangers warns of variables that look like ours and are not. They are no
// errors: Kubernetes sets LANDFALL_REGISTRY_PORT for a service of that name.
func (s Sources) strangers() (warnings []string) {
	known := map[string]bool{FileEnv: true}
	groups := []string{}
	for _, f := range table {
		known[f.Env()] = true
		if group, _, ok := strings.Cut(f.Name, "."); ok {
			groups = append(groups, envPrefix+strings.ToUpper(group)+"_")
		}
	}
	for name := range s.variables() {
		if !known[name] && slices.ContainsFunc(groups, func(g string) bool { return strings.HasPrefix(name, g) }) {
			warnings = append(warnings, fmt.Sprintf("the variable %s sets nothing; 'landfall config show' lists those that do", name))
		}
	}
	slices.Sort(warnings)
	return warnings
}

// Origin is where the value of a field comes from.
func (e *Effective) Origin(name string) Origin { return e.origins[name] }

// Values are all fields in the order of the table.
func (e *Effective) Values() []Value {
	values := make([]Value, len(table))
	for i, f := range table {
		values[i] = Value{f.Name, f.value(f.shown(e.texts[f.Name])), e.origins[f.Name]}
	}
	return values
}

// errorf is about a field that is in force, and where it comes from.
func (e *Effective) errorf(name, format string, args ...any) error {
	f, _ := FieldOf(name)
	return &FieldError{Field: name, Origin: e.origins[name], Value: strings.Join(f.shown(e.texts[name]), ", "), Want: fmt.Sprintf(format, args...)}
}
