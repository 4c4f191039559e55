package retention

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/landfall-dev/landfall/internal/match"
	"github.com/landfall-dev/landfall/internal/units"
)

// The canonical form, in the order of its fields.
type (
	policyForm struct {
		Version json.Number `json:"version"`
		Rules   []ruleForm  `json:"rules"`
		Quotas  []quotaForm `json:"quotas"`
	}
	ruleForm struct {
		Repositories []string  `json:"repositories"`
		Keep         *keepForm `json:"keep,omitempty"`
		Immutable    []string  `json:"immutable,omitempty"`
	}
	keepForm struct {
		Last    int      `json:"last,omitempty"`
		Tags    []string `json:"tags,omitempty"`
		Semver  string   `json:"semver,omitempty"`
		Younger string   `json:"younger,omitempty"`
	}
	quotaForm struct {
		Prefix string `json:"prefix"`
		Size   string `json:"size"`
	}
)

// Marshal returns the policy as one line of JSON that Parse reads back to the
// same policy: fields in fixed order, ages in days where they are whole days,
// sizes in their greatest whole unit, the rest as it was written.
func (p *Policy) Marshal() []byte {
	form := policyForm{Version: formatVersion, Rules: []ruleForm{}, Quotas: []quotaForm{}}
	for _, r := range p.rules {
		form.Rules = append(form.Rules, r.form())
	}
	for _, q := range p.quotas {
		form.Quotas = append(form.Quotas, quotaForm{q.Prefix, units.Size(q.Size)})
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // ranges are full of < and >
	if err := e.Encode(form); err != nil {
		panic(err) // strings and numbers always encode
	}
	return b.Bytes()
}

func (r *Rule) form() ruleForm {
	form := ruleForm{Immutable: texts(r.immutable)}
	for _, g := range r.repositories {
		form.Repositories = append(form.Repositories, g.String())
	}
	if len(r.keep) > 0 {
		form.Keep = &keepForm{}
	}
	for _, c := range r.keep {
		switch c := c.(type) {
		case newest:
			form.Keep.Last = int(c)
		case patterns:
			form.Keep.Tags = texts(c)
		case inRange:
			form.Keep.Semver = c.String()
		case younger:
			form.Keep.Younger = units.Age(time.Duration(c))
		}
	}
	return form
}

func texts(list []match.Pattern) (texts []string) {
	for _, p := range list {
		texts = append(texts, p.String())
	}
	return texts
}
