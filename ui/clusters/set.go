package clusters

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/chart"
	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/kube"
	"github.com/landfall-dev/landfall/lifecycle/cluster/plan"
	"github.com/landfall-dev/landfall/lifecycle/cluster/run"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/sitevalues"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/definitions"
)

// LayerChange is how a layer's objects change.
type LayerChange struct {
	Layer   string              `json:"layer"`
	Objects []kube.ObjectChange `json:"objects"`
}

// SetPreview is what other values of variables change.
type SetPreview struct {
	Definition string        `json:"definition"`
	Variables  []string      `json:"variables" doc:"Whose values change"`
	Layers     []LayerChange `json:"layers" doc:"Whose objects change; values of Secrets, and sensitive ones, are hidden"`
	Plan       *cluster.Plan `json:"plan,omitempty" doc:"What would be done, in order; absent: nothing that runs changes. No host rolls: variables reach rendered objects only"`
}

// setting is a change of a cluster's values that is looked at.
type setting struct {
	c             *Clusters
	row           *row
	st            *definitions.Stored
	patch         sitevalues.Patch
	before, after map[string]any // the cluster's own values
	old, now      map[string]any // those of all variables
}

// PreviewSet says what other values of a cluster's variables would change; nothing is
// kept.
func (c *Clusters) PreviewSet(ctx context.Context, name string, patch sitevalues.Patch) (*SetPreview, error) {
	s, err := c.setting(ctx, name, patch)
	if err != nil {
		return nil, err
	}
	p := &SetPreview{Definition: s.row.running, Variables: s.changed(), Layers: []LayerChange{}}
	if p.Layers, err = s.layers(ctx); err != nil {
		return nil, err
	}
	p.Plan, err = s.plan(ctx, p.Layers)
	return p, err
}

// Set keeps other values of a cluster's variables, and begins to apply what they change.
// All are kept, or, when one breaks a rule of the definition, none.
func (c *Clusters) Set(ctx context.Context, name string, patch sitevalues.Patch) (*Cluster, error) {
	switch again, err := c.again(ctx, name, cluster.Set); {
	case err != nil:
		return nil, err
	case again:
		return c.Get(ctx, name)
	}
	s, err := c.setting(ctx, name, patch)
	if err != nil {
		return nil, err
	}
	changes, err := s.layers(ctx)
	if err != nil {
		return nil, err
	}
	p, err := s.plan(ctx, changes)
	if err != nil {
		return nil, err
	}
	if _, err := blocked(ctx, c.db.Read, cluster.Set, name); err != nil {
		return nil, err
	}
	if err := c.opts.Values.Set(ctx, valuesOf(name), s.st.Definition, patch); err != nil {
		return nil, err
	}
	if p == nil {
		return c.Get(ctx, name)
	}
	return c.do(ctx, p)
}

func (c *Clusters) setting(ctx context.Context, name string, patch sitevalues.Patch) (*setting, error) {
	if len(patch.Set)+len(patch.Unset) == 0 {
		return nil, fmt.Errorf("cluster %s: %w: no variable is to change", name, registry.ErrInvalid)
	}
	r, err := c.running(ctx, name)
	if err != nil {
		return nil, err
	}
	s := &setting{c: c, row: r, patch: patch}
	if s.st, err = c.opts.Definitions.Get(ctx, r.running); err != nil {
		return nil, err
	}
	if s.before, err = c.own(ctx, r, s.st.Definition); err != nil {
		return nil, err
	}
	s.after = maps.Clone(s.before)
	if err := s.apply(s.after, func(variable.Declaration) bool { return true }); err != nil {
		return nil, err
	}
	given, err := c.opts.Values.Given(ctx, s.st.Definition.Name)
	if err != nil {
		return nil, err
	}
	var err2 error
	s.old, err = s.resolve(given, s.before)
	s.now, err2 = s.resolve(given, s.after)
	if err2 != nil { // the values before may have been wrong, the new ones may not be
		return nil, err2
	}
	if err != nil {
		s.old = map[string]any{}
		return s, nil
	}
	return s, s.immutable()
}

// apply changes own values by the patch, as far as its variables are wanted.
func (s *setting) apply(own map[string]any, wanted func(v variable.Declaration) bool) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s.patch.Set)) {
		i := slices.IndexFunc(s.st.Definition.Variables, func(v variable.Declaration) bool { return v.Name == name })
		if i < 0 {
			errs = append(errs, variable.Unknown(s.st.Definition.Variables, name))
			continue
		}
		value, err := s.st.Definition.Variables[i].Check(s.patch.Set[name])
		if errs = append(errs, err); err == nil && wanted(s.st.Definition.Variables[i]) {
			own[name] = value
		}
	}
	for _, name := range s.patch.Unset {
		i := slices.IndexFunc(s.st.Definition.Variables, func(v variable.Declaration) bool { return v.Name == name })
		if i >= 0 && !wanted(s.st.Definition.Variables[i]) {
			continue
		}
		delete(own, name)
		if value, written := s.row.spec.Variables[name]; written {
			own[name] = value
		}
	}
	return errors.Join(errs...)
}

// resolve are the values of all variables.
func (s *setting) resolve(given, own map[string]any) (map[string]any, error) {
	all := chart.Merge(given, nil)
	if all == nil {
		all = map[string]any{}
	}
	maps.DeleteFunc(all, func(name string, _ any) bool {
		return !slices.ContainsFunc(s.st.Definition.Variables, func(v variable.Declaration) bool { return v.Name == name })
	})
	maps.Copy(all, own)
	return variable.Resolve(s.st.Definition.Variables, all)
}

// immutable refuses other values of variables that a cluster keeps.
func (s *setting) immutable() error {
	var errs []error
	for _, v := range s.st.Definition.Variables {
		if v.Immutable && !reflect.DeepEqual(s.old[v.Name], s.now[v.Name]) {
			errs = append(errs, &variable.RuleError{Variable: v.Name, Rule: "immutable", Text: "cluster " + s.row.name + " has it already: it stays as it is"})
		}
	}
	return errors.Join(errs...)
}

// changed are the variables whose values change.
func (s *setting) changed() []string {
	list := []string{}
	for _, v := range s.st.Definition.Variables {
		if !reflect.DeepEqual(s.old[v.Name], s.now[v.Name]) {
			list = append(list, v.Name)
		}
	}
	return list
}

// layers are those whose objects change. What changes because of a sensitive value is
// found by rendering without its change, and hidden.
func (s *setting) layers(ctx context.Context) ([]LayerChange, error) {
	open := maps.Clone(s.before)
	if err := s.apply(open, func(v variable.Declaration) bool { return !v.Sensitive }); err != nil {
		return nil, err
	}
	list := []LayerChange{}
	hide := s.hide()
	for _, l := range s.st.Definition.Layers {
		if len(l.Charts)+len(l.Manifests) == 0 {
			continue
		}
		var forms [3]*kube.Layer
		for i, own := range []map[string]any{s.before, open, s.after} {
			var err error
			if forms[i], err = s.c.render(ctx, s.row, s.st, l.Name, own); err != nil {
				return nil, fmt.Errorf("layer %s: %w", l.Name, err)
			}
		}
		changes, err := kube.Changes(*forms[0], *forms[2], hide)
		if err != nil {
			return nil, err
		}
		secret, err := kube.Changes(*forms[1], *forms[2], hide)
		if err != nil {
			return nil, err
		}
		if conceal(changes, secret); len(changes) > 0 {
			list = append(list, LayerChange{l.Name, changes})
		}
	}
	return list, nil
}

// conceal hides the fields of changes that secrets have a part in.
func conceal(changes, secret []kube.ObjectChange) {
	for _, c := range changes {
		i := slices.IndexFunc(secret, func(o kube.ObjectChange) bool { return o.Object == c.Object })
		if i < 0 {
			continue
		}
		for j, f := range c.Fields {
			if slices.ContainsFunc(secret[i].Fields, func(s kube.FieldChange) bool { return s.Path == f.Path }) {
				c.Fields[j].From, c.Fields[j].To = kube.Hidden, kube.Hidden
			}
		}
	}
}

// hide reports whether a text, JSON, has a sensitive value in it.
func (s *setting) hide() func(text string) bool {
	var secrets []string
	for _, v := range s.st.Definition.Variables {
		if !v.Sensitive {
			continue
		}
		for _, value := range []any{s.old[v.Name], s.now[v.Name]} {
			text, is := value.(string)
			if content, err := json.Marshal(value); !is && err == nil && value != nil {
				text = string(content)
			}
			if text == "" {
				continue
			}
			quoted, _ := json.Marshal(text)
			secrets = append(secrets, text, strings.Trim(string(quoted), `"`), base64.StdEncoding.EncodeToString([]byte(text)))
		}
	}
	return func(text string) bool {
		return slices.ContainsFunc(secrets, func(secret string) bool { return strings.Contains(text, secret) })
	}
}

// plan applies the layers that change, and those that a run that stopped was to apply;
// nil when there are none.
func (s *setting) plan(ctx context.Context, changes []LayerChange) (*cluster.Plan, error) {
	var names []string
	for _, l := range changes {
		names = append(names, l.Layer)
	}
	left, err := s.left(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range left {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	in, err := s.c.input(ctx, s.row, s.row.running, "")
	if err != nil {
		return nil, err
	}
	return plan.Set(*in, names)
}

// left are the layers that a run that stopped has not applied.
func (s *setting) left(ctx context.Context) (names []string, err error) {
	last, err := lastRun(ctx, s.c.db.Read, s.row.name)
	if err != nil || last == nil || last.kind != cluster.Set || !last.state.open() {
		return nil, err
	}
	steps, err := s.c.steps(ctx, last.id, `''`)
	if err != nil {
		return nil, err
	}
	for _, w := range last.plan.Waves {
		for _, step := range w.Steps {
			for _, a := range step.Acts {
				if a.Kube != nil && a.Kube.Do == cluster.ApplyLayer && steps[step.ID].State != run.Done && hasLayer(s.st.Definition, a.Kube.Layer) {
					names = append(names, a.Kube.Layer)
				}
			}
		}
	}
	return names, nil
}

func hasLayer(d *definition.Definition, name string) bool {
	return slices.ContainsFunc(d.Layers, func(l definition.Layer) bool { return l.Name == name })
}
