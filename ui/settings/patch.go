package settings

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// parse reads a patch as texts by field; nil texts stand for the default.
func (k *Keeper) parse(patch map[string]any) (map[string][]string, error) {
	changes, wrong := map[string][]string{}, []error{}
	for _, name := range slices.Sorted(maps.Keys(patch)) {
		f, ok := FieldOf(name)
		if !ok || !f.Runtime {
			wrong = append(wrong, &FieldError{Field: name, Want: "not a setting that can be changed while the appliance runs"})
			continue
		}
		if o := k.base.origins[name]; o.Kind != FromDefault {
			wrong = append(wrong, &FixedError{name, o})
			continue
		}
		texts, err := f.parse(patch[name])
		changes[name], wrong = texts, append(wrong, err)
	}
	return changes, errors.Join(wrong...)
}

// parse reads a value as JSON has it; nil for nil.
func (f Field) parse(value any) ([]string, error) {
	texts := []string{}
	switch v := value.(type) {
	case nil:
		return nil, nil
	case bool:
		if !f.Bool() {
			return nil, f.wrong(v)
		}
		texts = append(texts, fmt.Sprint(v))
	case string:
		if f.List() || f.Bool() {
			return nil, f.wrong(v)
		}
		texts = append(texts, v)
	case []string:
		if !f.List() {
			return nil, f.wrong(v)
		}
		texts = append(texts, v...)
	case []any:
		for _, item := range v {
			text, ok := item.(string)
			if !ok || !f.List() {
				return nil, f.wrong(v)
			}
			texts = append(texts, text)
		}
	default:
		return nil, f.wrong(v)
	}
	for _, text := range texts {
		if err := f.Check(text); err != nil {
			return nil, &FieldError{Field: f.Name, Value: text, Want: err.Error()}
		}
	}
	texts, err := f.canonical(texts)
	if err != nil {
		return nil, &FieldError{Field: f.Name, Value: fmt.Sprint(value), Want: err.Error()}
	}
	return texts, nil
}

func (f Field) wrong(value any) error {
	want := "want " + f.Want()
	if f.List() {
		want = "want a list; each of " + f.Want()
	}
	return &FieldError{Field: f.Name, Value: fmt.Sprint(value), Want: want}
}

// apply changes the document and tells what was and is different.
func (d document) apply(changes map[string][]string) (before, after map[string]any) {
	before, after = map[string]any{}, map[string]any{}
	for name, texts := range changes {
		old, was := d.texts[name]
		if was == (texts != nil) && slices.Equal(old, texts) {
			continue
		}
		f, _ := FieldOf(name)
		before[name], after[name] = nil, nil
		if was {
			before[name] = f.value(old)
		}
		if delete(d.texts, name); texts != nil {
			d.texts[name], after[name] = texts, f.value(texts)
		}
	}
	return before, after
}

func (d document) write(ctx context.Context, tx *sql.Tx) error {
	text, err := json.Marshal(d.texts)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO settings (id, version, document, changed_at) VALUES (1, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET version = excluded.version, document = excluded.document, changed_at = excluded.changed_at`,
		d.version, string(text), d.changed.UnixMilli())
	return err
}
