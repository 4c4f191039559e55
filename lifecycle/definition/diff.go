package definition

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/variable"
)

// Difference is what changes from one definition to another.
type Difference struct {
	From      Version          `json:"from"`
	To        Version          `json:"to"`
	Fields    []Change         `json:"fields,omitempty"` // kubernetes, platforms, the order of layers and the like
	Layers    []LayerChange    `json:"layers,omitempty"` // in the order of the newer one, removed ones last
	Variables []VariableChange `json:"variables,omitempty"`
	Images    []ImageChange    `json:"images,omitempty"` // ascending by name
	Bytes     int64            `json:"bytes"`            // of the newer one's closure, each digest once
	Carry     int64            `json:"carry"`            // of those, what the site is without
	Carried   int              `json:"carried"`          // how many digests that is
	Known     bool             `json:"known"`            // the site, or its receipt, said what it has; else it has the older one
}

// Version names a definition.
type Version struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// The kinds of changes.
const (
	Added   = "added"
	Removed = "removed"
	Changed = "changed"
)

// Change is a field with another value: JSON, empty where there is none.
type Change struct {
	Path string          `json:"path"` // "charts.apps/web.values.image.tag"
	Old  json.RawMessage `json:"old,omitempty"`
	New  json.RawMessage `json:"new,omitempty"`
}

// LayerChange is what changes in a layer.
type LayerChange struct {
	Name   string   `json:"name"`
	Change string   `json:"change"`
	Fields []Change `json:"fields,omitempty"`
	// Providers are those that come, go or become others, in the order of their names.
	Providers []ProviderChange `json:"providers,omitempty"`
}

// ProviderChange is a provider that comes, goes, or has another version or content.
type ProviderChange struct {
	Name       string        `json:"name"`
	Platforms  []string      `json:"platforms,omitempty"` // whose hosts it is for; none: all of the layer's
	Change     string        `json:"change"`
	OldVersion string        `json:"oldVersion,omitempty"`
	NewVersion string        `json:"newVersion,omitempty"`
	Old        digest.Digest `json:"old,omitempty"`
	New        digest.Digest `json:"new,omitempty"`
	Bytes      int64         `json:"bytes"` // of it that the site is without
}

// VariableChange is what changes in the rules of a variable.
type VariableChange struct {
	Name   string   `json:"name"`
	Change string   `json:"change"`
	Fields []Change `json:"fields,omitempty"`
}

// ImageChange is an image that comes, goes or stands for something else.
type ImageChange struct {
	Name   string        `json:"name"`
	Change string        `json:"change"`
	Old    digest.Digest `json:"old,omitempty"`
	New    digest.Digest `json:"new,omitempty"`
	Was    string        `json:"was,omitempty"` // the one name of its repository that only the older one has
	Bytes  int64         `json:"bytes"`         // of it that the site is without
}

// Diff compares two definitions. has says what the site has, from a receipt; nil: it
// has all of a, and nothing else.
func Diff(a, b *Definition, has func(digest.Digest) bool) *Difference {
	d := &Difference{From: Version{a.Name, a.Version}, To: Version{b.Name, b.Version}, Known: has != nil}
	if has == nil {
		old := map[digest.Digest]bool{}
		for e := range Graph(a, nil) {
			old[e.Descriptor.Digest] = true
		}
		has = func(d digest.Digest) bool { return old[d] }
	}
	d.Fields = append(fieldChanges(headOf(a), headOf(b)), orderChange(a, b)...)
	d.Layers = layerChanges(a, b, has)
	d.Variables = variableChanges(a.Variables, b.Variables)
	d.Images = imageChanges(a, b, has)
	seen := map[digest.Digest]bool{}
	for e := range Graph(b, nil) {
		if seen[e.Descriptor.Digest] {
			continue
		}
		seen[e.Descriptor.Digest] = true
		d.Bytes += e.Descriptor.Size
		if !has(e.Descriptor.Digest) {
			d.Carry += e.Descriptor.Size
			d.Carried++
		}
	}
	return d
}

// Empty reports whether nothing changes but the version.
func (d *Difference) Empty() bool {
	return len(d.Fields)+len(d.Layers)+len(d.Variables)+len(d.Images) == 0
}

// headOf is what is compared of a definition beside its parts.
func headOf(d *Definition) map[string]any {
	head := map[string]any{"description": d.Description, "repository": d.Repository, "platforms": d.Platforms}
	if d.Kubernetes != nil {
		head["kubernetes"] = *d.Kubernetes
	}
	if len(d.Annotations) > 0 {
		head["annotations"] = d.Annotations
	}
	return head
}

// orderChange tells layers that both have in another order.
func orderChange(a, b *Definition) []Change {
	before, after := namesIn(a, b), namesIn(b, a)
	if slices.Equal(before, after) {
		return nil
	}
	return []Change{{"layers", jsonOf(before), jsonOf(after)}}
}

// namesIn are the layers of one definition that the other has, too.
func namesIn(d, other *Definition) (names []string) {
	has := map[string]bool{}
	for _, l := range other.Layers {
		has[l.Name] = true
	}
	for _, l := range d.Layers {
		if has[l.Name] {
			names = append(names, l.Name)
		}
	}
	return names
}

func layerChanges(a, b *Definition, has func(digest.Digest) bool) (list []LayerChange) {
	old := map[string]*Layer{}
	for i := range a.Layers {
		old[a.Layers[i].Name] = &a.Layers[i]
	}
	for i := range b.Layers {
		l := &b.Layers[i]
		before := old[l.Name]
		delete(old, l.Name)
		if before == nil {
			list = append(list, LayerChange{Name: l.Name, Change: Added, Providers: providerChanges(nil, l.Providers, has)})
			continue
		}
		x, y := layerOf(before), layerOf(l)
		shorten(x, y)
		shorten(y, x)
		fields, providers := fieldChanges(x, y), providerChanges(before.Providers, l.Providers, has)
		if len(fields)+len(providers) > 0 {
			list = append(list, LayerChange{l.Name, Changed, fields, providers})
		}
	}
	for _, l := range a.Layers {
		if old[l.Name] != nil {
			list = append(list, LayerChange{Name: l.Name, Change: Removed, Providers: providerChanges(l.Providers, nil, has)})
		}
	}
	return list
}

// providerChanges compares providers, each by its name and the platforms that it is for.
func providerChanges(a, b []Provider, has func(digest.Digest) bool) (list []ProviderChange) {
	same := func(x *Provider) func(Provider) bool {
		return func(y Provider) bool { return x.Name == y.Name && slices.Equal(x.Platforms, y.Platforms) }
	}
	for i := range b {
		p := &b[i]
		c := ProviderChange{Name: p.Name, Platforms: p.Platforms, Change: Added, NewVersion: p.Version, New: p.Digest}
		if !has(p.Digest) {
			c.Bytes = p.Size
		}
		if at := slices.IndexFunc(a, same(p)); at >= 0 {
			if a[at].Digest == p.Digest && a[at].Version == p.Version {
				continue
			}
			c.Change, c.OldVersion, c.Old = Changed, a[at].Version, a[at].Digest
		}
		list = append(list, c)
	}
	for i := range a {
		if p := &a[i]; !slices.ContainsFunc(b, same(p)) {
			list = append(list, ProviderChange{Name: p.Name, Platforms: p.Platforms, Change: Removed, OldVersion: p.Version, Old: p.Digest})
		}
	}
	slices.SortStableFunc(list, func(x, y ProviderChange) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), slices.Compare(x.Platforms, y.Platforms))
	})
	return list
}

// layerOf is a layer as it is compared: charts by release, manifests and files by
// path, so that what moves in the list does not count.
func layerOf(l *Layer) map[string]any {
	charts, manifests, files := map[string]any{}, map[string]any{}, map[string]any{}
	for _, h := range l.Charts {
		sets := map[string]any{}
		for _, s := range h.ValueSets {
			sets[s.Name] = s.Values
		}
		charts[h.Namespace+"/"+h.Release] = map[string]any{
			"name": h.Name, "version": h.Version, "digest": h.Digest, "values": h.Values, "valueSets": sets, "apiVersions": h.APIVersions, "origin": h.Origin,
		}
	}
	for _, p := range l.Manifests {
		manifests[p.Path] = p
	}
	for _, p := range l.Files {
		files[cmp.Or(p.Target, p.Path)] = p
	}
	return map[string]any{
		"type": string(l.Type), "version": l.Version, "from": l.From, "dependsOn": l.DependsOn, "platforms": l.Platforms, "namespace": l.Namespace,
		"upgrade": l.Upgrade, "charts": charts, "manifests": manifests, "files": files, "images": l.Images,
	}
}

// shorten makes one text of a part that the other layer does not have.
func shorten(layer, other map[string]any) {
	for _, kind := range []string{"charts", "manifests", "files"} {
		have, them := layer[kind].(map[string]any), other[kind].(map[string]any)
		for key, part := range have {
			if _, both := them[key]; both {
				continue
			}
			switch part := part.(type) {
			case map[string]any:
				have[key] = fmt.Sprintf("%s %s", part["name"], part["version"])
			case Part:
				have[key] = part.Digest
			}
		}
	}
}

func variableChanges(a, b []variable.Declaration) (list []VariableChange) {
	old := map[string]variable.Declaration{}
	for _, v := range a {
		old[v.Name] = v
	}
	for _, v := range b {
		before, known := old[v.Name]
		delete(old, v.Name)
		if !known {
			list = append(list, VariableChange{Name: v.Name, Change: Added})
		} else if fields := fieldChanges(before, v); len(fields) > 0 {
			list = append(list, VariableChange{v.Name, Changed, fields})
		}
	}
	for _, v := range a {
		if _, removed := old[v.Name]; removed {
			list = append(list, VariableChange{Name: v.Name, Change: Removed})
		}
	}
	return list
}

func imageChanges(a, b *Definition, has func(digest.Digest) bool) (list []ImageChange) {
	old, now := digestsOf(a), digestsOf(b)
	gone := map[string][]string{} // names by repository
	for i := range a.Images {
		if m := &a.Images[i]; now[m.Name] == "" {
			list = append(list, ImageChange{Name: m.Name, Change: Removed, Old: m.Digest})
			repository := m.Ref().Repository
			gone[repository] = append(gone[repository], m.Name)
		}
	}
	for i := range b.Images {
		m := &b.Images[i]
		before := old[m.Name]
		if before == m.Digest {
			continue
		}
		c := ImageChange{Name: m.Name, Change: Changed, Old: before, New: m.Digest, Bytes: m.lacking(has)}
		if before == "" {
			c.Change = Added
			if names := gone[m.Ref().Repository]; len(names) == 1 {
				c.Was = names[0]
			}
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(x, y ImageChange) int { return strings.Compare(x.Name, y.Name) })
	return list
}

func digestsOf(d *Definition) map[string]digest.Digest {
	list := map[string]digest.Digest{}
	for _, m := range d.Images {
		list[m.Name] = m.Digest
	}
	return list
}

// lacking is how many bytes of an image a site is without.
func (m *Image) lacking(has func(digest.Digest) bool) (bytes int64) {
	seen := map[digest.Digest]bool{}
	for e := range m.entries(nil) {
		if d := e.Descriptor; !seen[d.Digest] && !has(d.Digest) {
			seen[d.Digest] = true
			bytes += d.Size
		}
	}
	return bytes
}

// fieldChanges compares two values of one type as their JSON, mapping by mapping.
func fieldChanges(a, b any) (list []Change) {
	if reflect.DeepEqual(a, b) {
		return nil
	}
	compareValues("", plainValue(a), plainValue(b), &list)
	return list
}

// plainValue is a value as mappings, lists and what JSON has else.
func plainValue(v any) any {
	content, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v) // no document has such a value
	}
	d := json.NewDecoder(strings.NewReader(string(content)))
	d.UseNumber()
	var plain any
	_ = d.Decode(&plain) // it was made by Marshal
	return plain
}

func compareValues(path string, a, b any, list *[]Change) {
	x, isX := a.(map[string]any)
	y, isY := b.(map[string]any)
	switch {
	case isX && isY, isX && b == nil, isY && a == nil:
		keys := slices.Concat(slices.Collect(maps.Keys(x)), slices.Collect(maps.Keys(y)))
		slices.Sort(keys)
		for _, key := range slices.Compact(keys) {
			compareValues(join(path, key), x[key], y[key], list)
		}
	case reflect.DeepEqual(a, b), isEmptyValue(a) && isEmptyValue(b):
	default:
		*list = append(*list, Change{path, jsonOf(a), jsonOf(b)})
	}
}

// join makes "charts.apps/web.values.image.tag"; keys with a point are in quotes.
func join(path, key string) string {
	if strings.ContainsAny(key, ". ") {
		key = fmt.Sprintf("%q", key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func isEmptyValue(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

func jsonOf(v any) json.RawMessage {
	if isEmptyValue(v) {
		return nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil
	}
	return bytes.TrimSpace(b.Bytes())
}
