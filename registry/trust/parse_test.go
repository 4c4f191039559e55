package trust_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

func TestParse(t *testing.T) {
	t.Parallel()
	k := generate(t, trust.ECDSA)
	p := policy(t, "keys:\n"+keyYAML(k, "build team", `channels: [stable]
    notBefore: 2026-01-01
    notAfter: 2028-01-01T12:00:00+02:00
    revoked: {since: 2027-01-01, reason: lost}`)+"pushes: refuse\n")
	got := p.Key(k.ID())
	if got == nil || got.Owner != "build team" || got.NotAfter.Hour() != 10 || got.Revoked.Reason != "lost" || p.Pushes() || !p.Set() || len(p.Keys()) != 1 {
		t.Errorf("%+v of %+v", got, p)
	}
	if zero := (&trust.Policy{}); zero.Set() || !zero.Pushes() || zero.Key("") != nil {
		t.Error("the zero policy asks for something")
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	k := generate(t, trust.ECDSA)
	key := func(more string) string { return "keys:\n" + keyYAML(k, "o", more) }
	for want, text := range map[string]string{
		"line 2, column 1: invalid: unknown field \"key\"":           "key: []",
		"line 3, column 5: keys[0]: invalid: owner and pem are both": "keys:\n  - {owner: a}",
		"keys[0].pem: invalid: invalid: not a key in PEM":            "keys:\n  - {owner: a, pem: b}",
		"keys[0].owner: invalid: \"\": it is empty":                  "keys:\n  - {owner: '', pem: b}",
		"is there twice": key("channels: [a]") + keyYAML(k, "p", "channels: [a]"),
		"keys[0].channels[0]: invalid: \"A\": invalid: channel":        key("channels: [A]"),
		"keys[0].notAfter: invalid: it is before notBefore":            key("notBefore: 2026-01-02\n    notAfter: 2026-01-01"),
		"keys[0].notAfter: invalid: \"soon\": want a day":              key("notAfter: soon"),
		"keys[0].revoked: invalid: since and reason are both needed":   key("revoked: {since: 2026-01-01}"),
		"bundles[0]: invalid: channel is missing":                      "bundles: [{signatures: 1}]",
		"bundles[0].signatures: invalid: \"2\": there are 1 keys only": key("channels: [a]") + "bundles: [{channel: a, signatures: 2}]",
		"bundles[0].signatures: invalid: \"0\": not a whole number":    "bundles: [{channel: a, signatures: 0}]",
		"bundles[0].rollback: invalid: \"yes\": allow or refuse":       "bundles: [{channel: a, rollback: yes}]",
		"bundles[0].maxAge: invalid: \"1\": not a time":                "bundles: [{channel: a, maxAge: 1}]",
		"bundles[1]: invalid: channel \"a\" is there twice":            "bundles: [{channel: a}, {channel: a}]",
		"images[0].keys[0]: invalid: \"x\": no key of this policy":     "images: [{repositories: [a], keys: [x]}]",
		"images[0]: invalid: repositories and keys are both needed":    "images: [{repositories: [a]}]",
		"images[0].repositories[0]: invalid: \"A\": no repository":     "images: [{repositories: [A], keys: [x]}]",
		"unsigned: invalid: \"maybe\": allow or refuse is wanted":      "unsigned: maybe",
	} {
		_, err := trust.Parse("p.yaml", []byte("version: 1\n"+text))
		if !errors.Is(err, registry.ErrInvalid) || !strings.HasPrefix(err.Error(), "p.yaml: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("version: 1\nkeys:\n" + keyYAML(generate(f, trust.Ed25519), "o", "channels: ['*']") + "bundles: [{channel: '**', maxAge: 3d}]\nunsigned: allow\n"))
	f.Add([]byte("version: 1\nimages: [{repositories: [a/**], keys: [b], unsigned: record}]"))
	f.Fuzz(func(t *testing.T, content []byte) {
		p, err := trust.Parse("name", content)
		if err != nil && (p != nil || !errors.Is(err, registry.ErrInvalid) || !strings.HasPrefix(err.Error(), "name: ")) {
			t.Fatalf("%v, %v", p, err)
		}
	})
}
