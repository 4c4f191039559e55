package profile

import (
	"errors"
	"path/filepath"
	"strings"

	"github.com/landfall-dev/landfall/internal/strictyaml"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
)

// free reads a value of any shape within what all values together may take. texts
// hears each text in it.
func (d *document) free(f strictyaml.Field, texts func(strictyaml.Field, string)) (any, error) {
	v, err := f.Free(strictyaml.Limits{Values: min(strictyaml.DefaultValues, d.values), Text: texts})
	if err != nil {
		return nil, err
	}
	return v, d.spend(f, v)
}

func (d *document) spend(f strictyaml.Field, v any) error {
	values, bytes := size(v)
	d.values -= values
	if d.text -= bytes; d.text < 0 || d.values <= 0 {
		d.values, d.text = 1, 0
		return f.Errorf("the values of all charts together are more than %d, or more than %d bytes of text, aliases written out", maxValues, maxText)
	}
	return nil
}

func size(v any) (values, bytes int) {
	add := func(e any) {
		n, b := size(e)
		values, bytes = values+n, bytes+b
	}
	switch v := v.(type) {
	case string:
		bytes = len(v)
	case []any:
		for _, e := range v {
			add(e)
		}
	case map[string]any:
		for key, e := range v {
			bytes += len(key)
			add(e)
		}
	}
	return values + 1, bytes
}

// valuesPart is values that are written in the profile.
func (d *document) valuesPart(to *map[string]any) part {
	return part{"values", func(f strictyaml.Field) {
		v, err := d.free(f, func(at strictyaml.Field, text string) { d.placeholders(d.file, at, text) })
		if d.wrong(err) {
			return
		}
		values, ok := v.(map[string]any)
		if !ok {
			d.fail(f, "fields are wanted: the values of the chart by name")
			return
		}
		*to = values
	}}
}

// placeholders notes what a text uses, to be looked up when all is declared.
func (d *document) placeholders(file string, f strictyaml.Field, text string) {
	names, err := variable.Placeholders(text)
	at := Place{file, f.Line()}
	if err != nil {
		d.add(&Problem{Place: at, Field: f.Path(), Text: strings.TrimPrefix(err.Error(), registry.ErrInvalid.Error()+": ")})
		return
	}
	for _, name := range names {
		if strings.HasPrefix(name, "var.") {
			d.uses = append(d.uses, use{at, f.Path(), name})
		}
	}
}

// valueFiles is a list of files of values.
func (d *document) valueFiles(to *[]ValueFile) part {
	return d.each("valueFiles", func(f strictyaml.Field) {
		path, err := strictyaml.Text(f, d.parsePath)
		if d.wrong(err) {
			return
		}
		file := ValueFile{Path: path}
		if d.follow {
			file.Values = d.valueFile(f, path)
		}
		*to = append(*to, file)
	})
}

// shownPath is a path of the result as it is found from where the program runs.
func (r *reader) shownPath(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(r.dir, path)
}

// valueFile reads a file of values, as Helm reads them.
func (d *document) valueFile(f strictyaml.Field, path string) map[string]any {
	shown := d.shownPath(path)
	content, err := readFile(shown)
	if err != nil {
		text, cause := fileError(err)
		d.add(&Problem{Place: d.place(f), Field: f.Path(), Text: shown + ": " + text + "; paths are from the folder of the profile's file", cause: cause})
		return nil
	}
	v, err := strictyaml.ReadFree(content, registry.ErrInvalid, strictyaml.Limits{
		Values: min(strictyaml.DefaultValues, d.values),
		Text:   func(at strictyaml.Field, text string) { d.placeholders(shown, at, text) },
	})
	if err != nil {
		d.add(problemOf(shown, err))
		return nil
	}
	if d.wrong(d.spend(f, v)) || v == nil {
		return map[string]any{}
	}
	values, ok := v.(map[string]any)
	if !ok {
		d.add(problemOf(shown, errors.New("fields are wanted: the values of the chart by name")))
	}
	return values
}
