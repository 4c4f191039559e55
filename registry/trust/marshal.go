package trust

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
		Version  json.Number  `json:"version"`
		Keys     []keyForm    `json:"keys"`
		Bundles  []bundleForm `json:"bundles,omitempty"`
		Images   []imageForm  `json:"images,omitempty"`
		Unsigned string       `json:"unsigned"`
		Pushes   string       `json:"pushes"`
	}
	keyForm struct {
		Owner     string       `json:"owner"`
		PEM       string       `json:"pem"`
		Channels  []string     `json:"channels,omitempty"`
		NotBefore string       `json:"notBefore,omitempty"`
		NotAfter  string       `json:"notAfter,omitempty"`
		Revoked   *revokedForm `json:"revoked,omitempty"`
	}
	revokedForm struct {
		Since  string `json:"since"`
		Reason string `json:"reason"`
	}
	bundleForm struct {
		Channel    string `json:"channel"`
		Signatures int    `json:"signatures"`
		MaxAge     string `json:"maxAge,omitempty"`
		Rollback   string `json:"rollback"`
	}
	imageForm struct {
		Repositories []string `json:"repositories"`
		Keys         []string `json:"keys"`
		Unsigned     string   `json:"unsigned"`
	}
)

// Marshal returns the policy as JSON that Parse reads back to the same policy.
func (p *Policy) Marshal() []byte {
	form := policyForm{Version: version, Keys: []keyForm{}, Unsigned: word(p.unsigned, "allow", "refuse"), Pushes: word(p.pushes, "allow", "refuse")}
	for _, k := range p.keys {
		form.Keys = append(form.Keys, k.form())
	}
	for _, r := range p.bundles {
		b := bundleForm{Channel: r.channel.String(), Signatures: r.signatures, Rollback: word(r.rollback, "allow", "refuse")}
		if r.maxAge > 0 {
			b.MaxAge = units.Age(r.maxAge)
		}
		form.Bundles = append(form.Bundles, b)
	}
	for _, r := range p.images {
		form.Images = append(form.Images, imageForm{texts(r.repositories), r.keys, word(r.require, "refuse", "record")})
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(form); err != nil {
		panic(err) // strings and numbers always encode
	}
	return b.Bytes()
}

func (k *TrustedKey) form() keyForm {
	f := keyForm{Owner: k.Owner, PEM: string(k.PEM()), Channels: texts(k.channels), NotBefore: moment(k.NotBefore), NotAfter: moment(k.NotAfter)}
	if k.Revoked != nil {
		f.Revoked = &revokedForm{moment(k.Revoked.Since), k.Revoked.Reason}
	}
	return f
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func word(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

func texts(globs []match.Glob) (list []string) {
	for _, g := range globs {
		list = append(list, g.String())
	}
	return list
}
