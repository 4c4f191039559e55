package clusters

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/sitevalues"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
)

// valuesOf is the scope of a cluster's own values; no definition is called so.
func valuesOf(name string) string { return "cluster:" + name }

// own are the values of a cluster's own: those of its document, and over them those that
// were set since. What was set for variables that a definition does not have has no
// effect.
func (c *Clusters) own(ctx context.Context, r *row, d *definition.Definition) (map[string]any, error) {
	set, err := c.opts.Values.Given(ctx, valuesOf(r.name))
	if err != nil {
		return nil, err
	}
	own := maps.Clone(r.spec.Variables)
	if own == nil {
		own = map[string]any{}
	}
	for name, value := range set {
		if slices.ContainsFunc(d.Variables, func(v variable.Declaration) bool { return v.Name == name }) {
			own[name] = value
		}
	}
	return own, nil
}

// sealOwn moves the sensitive values of a document to where they are kept sealed.
func (c *Clusters) sealOwn(ctx context.Context, spec *cluster.Spec, d *definition.Definition) error {
	secret := takeSecret(spec, d)
	if len(secret) == 0 {
		return nil
	}
	if _, err := c.row(ctx, c.db.Read, spec.Name); !errors.Is(err, registry.ErrNotFound) {
		return err // there is a cluster of that name, whose values stay
	}
	return c.opts.Values.Set(ctx, valuesOf(spec.Name), d, sitevalues.Patch{Set: secret})
}

// takeSecret takes the values of sensitive variables out of a spec.
func takeSecret(spec *cluster.Spec, d *definition.Definition) map[string]any {
	secret := map[string]any{}
	for _, v := range d.Variables {
		if value, given := spec.Variables[v.Name]; given && v.Sensitive {
			secret[v.Name] = value
		}
	}
	if len(secret) > 0 {
		spec.Variables = maps.Clone(spec.Variables)
		maps.DeleteFunc(spec.Variables, func(name string, _ any) bool { _, is := secret[name]; return is })
	}
	return secret
}

// dropValues forgets the values of a cluster that is gone.
func (c *Clusters) dropValues(ctx context.Context, name string) error {
	l, err := c.opts.Values.Show(ctx, valuesOf(name), &definition.Definition{})
	if err != nil || len(l.Variables) == 0 {
		return err
	}
	var names []string
	for _, v := range l.Variables {
		names = append(names, v.Name)
	}
	return c.opts.Values.Set(ctx, valuesOf(name), &definition.Definition{}, sitevalues.Patch{Unset: names})
}
