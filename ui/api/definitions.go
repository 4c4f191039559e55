package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/closure"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/sitevalues"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/wants"
	"github.com/landfall-dev/landfall/ui/auth"
	"github.com/landfall-dev/landfall/ui/definitions"
)

// maxDocument bounds a request with a definition's document, in bytes; checksAtOnce
// are checked at once.
const (
	maxDocument  = 32 << 20
	checksAtOnce = 2
)

// aboutNames says how definitions are named.
const aboutNames = "A definition is named by its reference, as NAME:VERSION or, for its highest version, as NAME."

// DefinitionInput names a definition.
type DefinitionInput struct {
	Name string `query:"name" required:"true" minLength:"1" maxLength:"512" doc:"NAME:VERSION, NAME for its highest version, or a reference" example:"edge:1.0.0"`
}

type reasonsInput struct {
	DefinitionInput
	Image string `query:"image" required:"true" minLength:"1" maxLength:"512" doc:"Its name, with or without tag, or its digest"`
}

type differenceInput struct {
	From string `query:"from" required:"true" minLength:"1" maxLength:"512" doc:"The definition before"`
	To   string `query:"to" required:"true" minLength:"1" maxLength:"512" doc:"The definition after"`
}

type comparisonInput struct {
	DefinitionInput
	To string `query:"to" required:"true" minLength:"1" maxLength:"512" doc:"The version after"`
}

// storedDefinition is a definition of the site.
type storedDefinition struct {
	Reference  string                 `json:"reference"`
	Digest     digest.Digest          `json:"digest" doc:"Of the artifact's manifest"`
	Document   string                 `json:"document" doc:"The canonical document (YAML), which is what signatures are of"`
	Definition *definition.Definition `json:"definition" doc:"The same as JSON"`
}

// checkRequest is what the closure gate is asked.
type checkRequest struct {
	Name      string   `json:"name,omitempty" maxLength:"512" doc:"A definition of the site"`
	Document  string   `json:"document,omitempty" doc:"Instead: the document of one, which need not be at the site; this needs the right content.read"`
	Platforms []string `json:"platforms,omitempty" maxItems:"64" doc:"That the content is wanted for, like linux/arm64; the site's when there are none"`
	Deep      bool     `json:"deep,omitempty" doc:"Read every byte; this needs the right content.write"`
}

// wantsAnswer is what a site is missing for a definition.
type wantsAnswer struct {
	Complete bool         `json:"complete" doc:"Nothing is missing"`
	Wants    *wants.Wants `json:"wants,omitempty" doc:"For 'landfall bundle create --wants' on the connected side, as the file has it"`
}

// valuesPatch is what is to change of a site's values.
type valuesPatch struct {
	Set   map[string]json.RawMessage `json:"set,omitempty" doc:"New values by variable"`
	Unset []string                   `json:"unset,omitempty" maxItems:"1000" doc:"Variables that get their defaults again"`
}

type valuesInput struct {
	DefinitionInput
	IfMatch string `header:"If-Match" doc:"The ETag that was read: what was said since is not overwritten unseen"`
	Body    valuesPatch
}

type valuesAnswer struct {
	ETag string `header:"ETag" doc:"The revision of the values"`
	Body *sitevalues.Listing
}

// giveValues answers with values and their revision.
func giveValues(l *answer[*sitevalues.Listing], err error) (*valuesAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &valuesAnswer{versionTag(l.Body.Revision), l.Body}, nil
}

func (a *API) definitionRoutes() {
	add(a, route{method: http.MethodGet, path: "/definitions", id: "list-definitions", right: auth.DefinitionsRead,
		summary: "List the cluster definitions of the site, with what the closure gate found"},
		func(ctx context.Context, _ *nothing) (*answer[[]definitions.Summary], error) {
			return withDefinitions(a, func(d *definitions.Definitions) ([]definitions.Summary, error) { return d.List(ctx) })
		})
	add(a, route{method: http.MethodGet, path: "/definitions/show", id: "get-definition", right: auth.DefinitionsRead, about: aboutNames,
		summary: "Read a definition"}, a.showDefinition)
	add(a, route{method: http.MethodGet, path: "/definitions/why", id: "explain-definition", right: auth.DefinitionsRead,
		summary: "Say why an image is in a definition"},
		func(ctx context.Context, in *reasonsInput) (*answer[[]definition.Image], error) {
			return withDefinitions(a, func(d *definitions.Definitions) ([]definition.Image, error) { return d.Why(ctx, in.Name, in.Image) })
		})
	add(a, route{method: http.MethodGet, path: "/definitions/diff", id: "compare-definitions", right: auth.DefinitionsRead,
		summary: "Say how one definition differs from another, and what of it the site does not have"},
		func(ctx context.Context, in *differenceInput) (*answer[*definition.Difference], error) {
			return withDefinitions(a, func(d *definitions.Definitions) (*definition.Difference, error) { return d.Diff(ctx, in.From, in.To) })
		})
	a.gateRoutes()
	a.valueRoutes()
}

// withDefinitions answers with what the site's definitions say, if it keeps any.
func withDefinitions[T any](a *API, ask func(*definitions.Definitions) (T, error)) (*answer[T], error) {
	if err := offered(a.opts.Definitions != nil, "keeps no definitions"); err != nil {
		return nil, err
	}
	return give(ask(a.opts.Definitions))
}

func (a *API) showDefinition(ctx context.Context, in *DefinitionInput) (*answer[storedDefinition], error) {
	return withDefinitions(a, func(d *definitions.Definitions) (s storedDefinition, err error) {
		st, err := d.Get(ctx, in.Name)
		if err != nil {
			return s, err
		}
		return storedDefinition{st.Ref.String(), st.Digest, string(st.Document), st.Definition}, nil
	})
}

func (a *API) gateRoutes() {
	add(a, route{method: http.MethodPost, path: "/definitions/check", id: "check-definition", right: auth.DefinitionsRead, body: maxDocument,
		summary: "Ask the closure gate whether all that a definition reaches is here, whole and allowed",
		about:   "The answer is one of success whatever the gate finds: its state says it."}, a.checkDefinition)
	add(a, route{method: http.MethodGet, path: "/definitions/check", id: "get-definition-check", right: auth.DefinitionsRead,
		summary: "Read what the closure gate found last"},
		func(ctx context.Context, in *DefinitionInput) (*answer[*definitions.Checked], error) {
			return withDefinitions(a, func(d *definitions.Definitions) (*definitions.Checked, error) { return d.Last(ctx, in.Name) })
		})
	add(a, route{method: http.MethodGet, path: "/definitions/wants", id: "get-definition-wants", right: auth.DefinitionsRead,
		summary: "Check a definition, and list exactly what is missing for it"},
		func(ctx context.Context, in *DefinitionInput) (*answer[wantsAnswer], error) {
			return withDefinitions(a, func(d *definitions.Definitions) (answer wantsAnswer, err error) {
				err = a.inTurn(ctx, func() error {
					w, err := d.Wants(ctx, in.Name)
					answer = wantsAnswer{err == nil && w == nil, w}
					return err
				})
				return answer, err
			})
		})
}

func (a *API) checkDefinition(ctx context.Context, in *struct{ Body checkRequest }) (*answer[*closure.Report], error) {
	if (in.Body.Name == "") == (in.Body.Document == "") {
		return nil, fmt.Errorf("%w: want a name or a document", registry.ErrInvalid)
	}
	if err := in.Body.allowed(ctx, a); err != nil {
		return nil, err
	}
	return withDefinitions(a, func(d *definitions.Definitions) (report *closure.Report, err error) {
		opts := definitions.CheckOptions{Platforms: in.Body.Platforms, Deep: in.Body.Deep}
		err = a.inTurn(ctx, func() error {
			if in.Body.Document != "" {
				report, err = d.CheckDocument(ctx, []byte(in.Body.Document), opts)
			} else {
				report, err = d.Check(ctx, in.Body.Name, opts)
			}
			return err
		})
		return report, err
	})
}

// allowed asks for the rights that a check needs beyond definitions.read: a document can
// ask about any content, and what is found damaged goes into quarantine.
func (r *checkRequest) allowed(ctx context.Context, a *API) error {
	if r.Document != "" {
		if err := a.opts.Allow(ctx, auth.ContentRead); err != nil {
			return err
		}
	}
	if r.Deep {
		return a.opts.Allow(ctx, auth.ContentWrite)
	}
	return nil
}

// inTurn does a check when not too many are under way.
func (a *API) inTurn(ctx context.Context, check func() error) error {
	select {
	case a.checks <- struct{}{}:
		defer func() { <-a.checks }()
		return check()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (a *API) valueRoutes() {
	add(a, route{method: http.MethodGet, path: "/definitions/values", id: "get-definition-values", right: auth.DefinitionsRead,
		summary: "Read the variables of a definition, and what the site says to them", about: "Sensitive values are never told."},
		func(ctx context.Context, in *DefinitionInput) (*valuesAnswer, error) {
			return giveValues(withDefinitions(a, func(d *definitions.Definitions) (*sitevalues.Listing, error) { return d.Values(ctx, in.Name) }))
		})
	add(a, route{method: http.MethodPatch, path: "/definitions/values", id: "change-definition-values", right: auth.DefinitionsWrite,
		summary: "Change what the site says to variables", about: "All is changed, or, when one value breaks a rule of the definition, nothing."},
		func(ctx context.Context, in *valuesInput) (*valuesAnswer, error) {
			patch, err := in.patch()
			if err != nil {
				return nil, err
			}
			return giveValues(withDefinitions(a, func(d *definitions.Definitions) (*sitevalues.Listing, error) {
				l, err := d.SetValues(ctx, in.Name, patch)
				return l, ruleProblem(stale(in.IfMatch, err))
			}))
		})
	add(a, route{method: http.MethodGet, path: "/definitions/values/compare", id: "compare-definition-values", right: auth.DefinitionsRead,
		summary: "Say for each variable what an upgrade to another version does: ours, theirs, new"},
		func(ctx context.Context, in *comparisonInput) (*answer[[]sitevalues.Row], error) {
			return withDefinitions(a, func(d *definitions.Definitions) ([]sitevalues.Row, error) {
				return d.CompareValues(ctx, in.Name, in.To)
			})
		})
}

func (in *valuesInput) patch() (sitevalues.Patch, error) {
	patch := sitevalues.Patch{Set: map[string]any{}, Unset: in.Body.Unset}
	if tagged(in.IfMatch) != "" {
		revision, err := versionOf(in.IfMatch)
		if err != nil {
			return patch, ErrPrecondition // it is none that was ever read
		}
		patch.Revision = &revision
	}
	return patch, in.Body.decode(patch.Set)
}

// decode reads the values of a patch.
func (p *valuesPatch) decode(into map[string]any) error {
	for name, content := range p.Set {
		value, err := sitevalues.Decode(content)
		if err != nil {
			return &FieldError{"body.set." + name, err}
		}
		into[name] = value
	}
	return nil
}

// ruleProblem names the variables whose rules are broken as fields of the request.
func ruleProblem(err error) error {
	var broken []*variable.RuleError
	for _, one := range leaves(err) {
		if rule := (*variable.RuleError)(nil); errors.As(one, &rule) {
			broken = append(broken, rule)
		}
	}
	if len(broken) == 0 {
		return err
	}
	p := *NewProblem(fmt.Errorf("%w: %s", registry.ErrInvalid, strings.ReplaceAll(err.Error(), "\n", "; ")))
	for _, b := range broken {
		p.Errors = append(p.Errors, Fault{Message: b.Error(), Location: "body.set." + b.Variable})
	}
	return &p
}

// leaves are the errors that were joined to one.
func leaves(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // the join itself
	if !ok {
		return slices.DeleteFunc([]error{err}, func(err error) bool { return err == nil })
	}
	var list []error
	for _, one := range joined.Unwrap() {
		list = append(list, leaves(one)...)
	}
	return list
}
