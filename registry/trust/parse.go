package trust

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/landfall-dev/landfall/internal/match"
	"github.com/landfall-dev/landfall/internal/strictyaml"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
)

const (
	// MaxSize bounds a policy, in bytes.
	MaxSize = 1 << 20
	version = "1"
	// maxSignatures bounds how many signatures a rule can ask for, and a bundle have.
	maxSignatures = 16
)

// Parse reads a policy of version 1, YAML or JSON, of at most MaxSize bytes:
//
//	version: 1
//	keys:
//	  - owner: build team
//	    pem: |                        # as 'landfall key generate' writes NAME.pub
//	      -----BEGIN PUBLIC KEY-----
//	      ...
//	    channels: ["stable", "edge/**"] # of bundles that it may sign; * is all, also none
//	    notBefore: 2026-01-01         # UTC; of the bundles' own time
//	    notAfter: 2028-01-01          # of the bundles' time and of the present
//	    revoked: {since: 2026-05-01, reason: laptop lost}
//	bundles:                          # the first that matches decides; without one, one signature
//	  - channel: stable
//	    signatures: 2                 # of different keys
//	    maxAge: 90d
//	    rollback: allow               # refuse, when it is not given
//	images:
//	  - repositories: ["docker.io/library/**"]
//	    keys: [ID, ID]                # one of these has to have signed
//	    unsigned: record              # refuse, when it is not given
//	unsigned: refuse                  # or allow: bundles without any signature, of no channel above
//	pushes: allow                     # or refuse: what comes by docker push and the like
//
// What is unknown, there twice or without effect is ErrInvalid; errors begin
// with name and tell line, column and field.
func Parse(name string, content []byte) (*Policy, error) {
	p, err := parse(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

func parse(content []byte) (*Policy, error) {
	fields, err := strictyaml.ReadFields(content, MaxSize, registry.ErrInvalid, version, "keys", "bundles", "images", "unsigned", "pushes")
	if err != nil {
		return nil, err
	}
	r := &reader{policy: &Policy{set: true, pushes: true}, compiler: match.NewCompiler()}
	for _, part := range []struct {
		name string
		read func(strictyaml.Field) error
	}{
		{"keys", r.keys}, {"bundles", r.bundles}, {"images", r.images},
		{"unsigned", allowed(&r.policy.unsigned)},
		{"pushes", allowed(&r.policy.pushes)},
	} {
		if f, ok := fields[part.name]; ok {
			if err := part.read(f); err != nil {
				return nil, err
			}
		}
	}
	return r.policy, nil
}

// reader fills a policy.
type reader struct {
	policy   *Policy
	compiler *match.Compiler
}

func (r *reader) keys(f strictyaml.Field) error {
	list, err := f.List()
	for _, f := range list {
		k, err := r.key(f)
		if err != nil {
			return err
		}
		if r.policy.Key(k.ID()) != nil {
			return f.Errorf("key %s is there twice", k.ID())
		}
		r.policy.keys = append(r.policy.keys, k)
	}
	return err
}

func (r *reader) key(f strictyaml.Field) (k TrustedKey, err error) {
	fields, err := f.Fields("owner", "pem", "channels", "notBefore", "notAfter", "revoked")
	if err != nil {
		return k, err
	}
	owner, hasOwner := fields["owner"]
	pem, hasPEM := fields["pem"]
	if !hasOwner || !hasPEM {
		return k, f.Errorf("owner and pem are both needed")
	}
	if k.Owner, err = strictyaml.Text(owner, notEmpty); err != nil {
		return k, err
	}
	text, err := pem.Block(maxPEM)
	if err != nil {
		return k, err
	}
	if k.Key, err = ParseKey([]byte(text)); err != nil {
		return k, pem.Errorf("%v", err)
	}
	if f, ok := fields["channels"]; ok {
		k.channels, err = strictyaml.List(f, r.channel)
	}
	return k, errors.Join(err, k.times(fields))
}

func (k *TrustedKey) times(fields map[string]strictyaml.Field) (err error) {
	for name, at := range map[string]*time.Time{"notBefore": &k.NotBefore, "notAfter": &k.NotAfter} {
		if f, ok := fields[name]; ok {
			if *at, err = strictyaml.Text(f, parseTime); err != nil {
				return err
			}
		}
	}
	if f := fields["notAfter"]; !k.NotAfter.IsZero() && k.NotAfter.Before(k.NotBefore) {
		return f.Errorf("it is before notBefore")
	}
	f, ok := fields["revoked"]
	if !ok {
		return nil
	}
	parts, err := f.Fields("since", "reason")
	if err != nil {
		return err
	}
	since, hasSince := parts["since"]
	reason, hasReason := parts["reason"]
	if !hasSince || !hasReason {
		return f.Errorf("since and reason are both needed")
	}
	k.Revoked = &Revocation{}
	if k.Revoked.Since, err = strictyaml.Text(since, parseTime); err != nil {
		return err
	}
	k.Revoked.Reason, err = strictyaml.Text(reason, notEmpty)
	return err
}

func (r *reader) bundles(f strictyaml.Field) error {
	list, err := f.List()
	seen := map[string]bool{}
	for _, f := range list {
		rule, err := r.bundleRule(f)
		if err != nil {
			return err
		}
		if seen[rule.channel.String()] {
			return f.Errorf("channel %q is there twice; the first rule decides", rule.channel)
		}
		seen[rule.channel.String()] = true
		r.policy.bundles = append(r.policy.bundles, rule)
	}
	return err
}

func (r *reader) bundleRule(f strictyaml.Field) (rule bundleRule, err error) {
	fields, err := f.Fields("channel", "signatures", "maxAge", "rollback")
	if err != nil {
		return rule, err
	}
	channel, ok := fields["channel"]
	if !ok {
		return rule, f.Errorf("channel is missing")
	}
	rule.signatures = 1
	rule.channel, err = strictyaml.Text(channel, r.channel)
	if f, ok := fields["signatures"]; ok && err == nil {
		rule.signatures, err = strictyaml.Text(f, r.parseSignatures)
	}
	if f, ok := fields["maxAge"]; ok && err == nil {
		rule.maxAge, err = strictyaml.Text(f, units.ParseAge)
	}
	if f, ok := fields["rollback"]; ok && err == nil {
		err = allowed(&rule.rollback)(f)
	}
	return rule, err
}

// parseSignatures refuses more than there are keys: nothing could be let in.
func (r *reader) parseSignatures(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxSignatures {
		return 0, fmt.Errorf("not a whole number from 1 to %d", maxSignatures)
	}
	if n > len(r.policy.keys) {
		return 0, fmt.Errorf("there are %d keys only", len(r.policy.keys))
	}
	return n, nil
}

func (r *reader) images(f strictyaml.Field) error {
	list, err := f.List()
	for _, f := range list {
		rule, err := r.imageRule(f)
		if err != nil {
			return err
		}
		r.policy.images = append(r.policy.images, rule)
	}
	return err
}

func (r *reader) imageRule(f strictyaml.Field) (rule imageRule, err error) {
	fields, err := f.Fields("repositories", "keys", "unsigned")
	if err != nil {
		return rule, err
	}
	repositories, hasRepositories := fields["repositories"]
	keys, hasKeys := fields["keys"]
	if !hasRepositories || !hasKeys {
		return rule, f.Errorf("repositories and keys are both needed")
	}
	rule.repositories, err = strictyaml.List(repositories, func(text string) (match.Glob, error) {
		return r.compiler.Glob(text, checkRepository)
	})
	if err == nil {
		rule.keys, err = strictyaml.List(keys, r.knownKey)
	}
	record := false
	if f, ok := fields["unsigned"]; ok && err == nil {
		err = choice(&record, "record")(f)
	}
	rule.require = !record
	return rule, err
}

func (r *reader) knownKey(id string) (string, error) {
	if r.policy.Key(id) == nil {
		return "", errors.New("no key of this policy has such an id")
	}
	return id, nil
}

func (r *reader) channel(text string) (match.Glob, error) { return r.compiler.Glob(text, CheckChannel) }

func checkRepository(example string) error {
	if ref, err := registry.ParseName(example + ":0"); err != nil || ref.Repository != example {
		return errors.New("no repository can have such a name")
	}
	return nil
}

// allowed reads allow or refuse.
func allowed(to *bool) func(strictyaml.Field) error { return choice(to, "allow") }

// choice reads a word, or refuse.
func choice(to *bool, word string) func(strictyaml.Field) error {
	return func(f strictyaml.Field) (err error) {
		*to, err = strictyaml.Text(f, func(text string) (bool, error) {
			if text != word && text != "refuse" {
				return false, fmt.Errorf("%s or refuse is wanted", word)
			}
			return text == word, nil
		})
		return err
	}
}

func notEmpty(text string) (string, error) {
	if text == "" {
		return "", errors.New("it is empty")
	}
	return text, nil
}

// parseTime reads a day, or a time with its zone.
func parseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t, err = time.Parse(time.RFC3339, text)
	}
	if err != nil {
		return t, errors.New("want a day like 2026-01-31, or a time like 2026-01-31T12:00:00Z")
	}
	return t.UTC(), nil
}
