package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/landfall-dev/landfall/lifecycle/closure"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/sitevalues"
	"github.com/landfall-dev/landfall/registry/wants"
	"github.com/landfall-dev/landfall/ui/definitions"
)

// definitionQuery is the query that names a definition; more alternate names and values.
func definitionQuery(name string, more ...string) string {
	query := url.Values{"name": {name}}
	for i := 0; i+1 < len(more); i += 2 {
		query.Set(more[i], more[i+1])
	}
	return "?" + query.Encode()
}

// Definitions lists the definitions that an appliance has.
func (c *Client) Definitions(ctx context.Context) (list []definitions.Summary, err error) {
	return list, c.call(ctx, http.MethodGet, "definitions", nil, &list)
}

// Definition reads the document of a definition: NAME:VERSION, NAME for its highest
// version, or a reference. ErrNotFound when there is none.
func (c *Client) Definition(ctx context.Context, name string) ([]byte, error) {
	// Without the document as JSON, which is not needed here.
	var s struct {
		Document string `json:"document"`
	}
	err := c.call(ctx, http.MethodGet, "definitions/show"+definitionQuery(name), nil, &s)
	return []byte(s.Document), err
}

// DefinitionReasons says why an image is in a definition.
func (c *Client) DefinitionReasons(ctx context.Context, name, image string) (list []definition.Image, err error) {
	return list, c.call(ctx, http.MethodGet, "definitions/why"+definitionQuery(name, "image", image), nil, &list)
}

// DefinitionDiff says how one definition differs from another, and how much of it the
// appliance does not have.
func (c *Client) DefinitionDiff(ctx context.Context, from, to string) (d *definition.Difference, err error) {
	query := url.Values{"from": {from}, "to": {to}}
	return d, c.call(ctx, http.MethodGet, "definitions/diff?"+query.Encode(), nil, &d)
}

// CheckDefinition asks the appliance's closure gate about a document, for some
// platforms or, without any, those of the site.
func (c *Client) CheckDefinition(ctx context.Context, document []byte, platforms []string, deep bool) (r *closure.Report, err error) {
	return r, c.call(ctx, http.MethodPost, "definitions/check", checkRequest{Document: string(document), Platforms: platforms, Deep: deep}, &r)
}

// CheckNamedDefinition is CheckDefinition for one that the appliance has.
func (c *Client) CheckNamedDefinition(ctx context.Context, name string, platforms []string, deep bool) (r *closure.Report, err error) {
	return r, c.call(ctx, http.MethodPost, "definitions/check", checkRequest{Name: name, Platforms: platforms, Deep: deep}, &r)
}

// DefinitionCheck is what the gate found last; ErrNotFound when it was not asked yet.
func (c *Client) DefinitionCheck(ctx context.Context, name string) (k definitions.Checked, err error) {
	return k, c.call(ctx, http.MethodGet, "definitions/check"+definitionQuery(name), nil, &k)
}

// DefinitionWants checks a definition and lists what is missing for it; nil when
// nothing is.
func (c *Client) DefinitionWants(ctx context.Context, name string) (*wants.Wants, error) {
	var w wantsAnswer
	err := c.call(ctx, http.MethodGet, "definitions/wants"+definitionQuery(name), nil, &w)
	return w.Wants, err
}

// DefinitionValues are the variables of a definition with what the site says to them.
func (c *Client) DefinitionValues(ctx context.Context, name string) (l *sitevalues.Listing, err error) {
	return l, c.call(ctx, http.MethodGet, "definitions/values"+definitionQuery(name), nil, &l)
}

// SetDefinitionValues changes what the site says; ErrPrecondition when the revision is
// another one by now. Values may be secrets: they are not
// sent where others can read them on the way.
func (c *Client) SetDefinitionValues(ctx context.Context, name string, p sitevalues.Patch) (l *sitevalues.Listing, err error) {
	if c.exposed != nil {
		return nil, c.exposed
	}
	body, err := patchBody(p)
	if err != nil {
		return nil, err
	}
	var headers []string
	if p.Revision != nil {
		headers = []string{"If-Match", versionTag(*p.Revision)}
	}
	answer, err := c.send(ctx, http.MethodPatch, "definitions/values"+definitionQuery(name), body, typeJSON, headers...)
	return l, c.read(ctx, answer, err, &l)
}

func patchBody(p sitevalues.Patch) (body valuesPatch, err error) {
	body = valuesPatch{Set: map[string]json.RawMessage{}, Unset: p.Unset}
	for name, value := range p.Set {
		if body.Set[name], err = json.Marshal(value); err != nil {
			return body, err
		}
	}
	return body, nil
}

// CompareDefinitionValues says what an upgrade from one version to another does to the
// site's values.
func (c *Client) CompareDefinitionValues(ctx context.Context, name, to string) (rows []sitevalues.Row, err error) {
	return rows, c.call(ctx, http.MethodGet, "definitions/values/compare"+definitionQuery(name, "to", to), nil, &rows)
}
