package retention

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/landfall-dev/landfall/internal/match"
	"github.com/landfall-dev/landfall/internal/strictyaml"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/internal/version"
	"github.com/landfall-dev/landfall/registry"
)

const (
	// MaxSize bounds a policy, in bytes.
	MaxSize       = 1 << 20
	formatVersion = "1"
)

// Parse reads a policy of version 1, YAML or JSON, of at most MaxSize bytes:
//
//	version: 1
//	rules:
//	  - repositories: ["docker.io/library/*", "registry.local/team/**"]
//	    keep:               # any of these; without keep the rule keeps all
//	      last: 5           # that many tags, those that changed last
//	      tags: ["v1\\..*"] # RE2, whole tags
//	      semver: ">=1.2 <3"
//	      younger: 30d      # since the last change; h, m and s, d, or w
//	    immutable: ["v.*"]  # tags that may not move or go
//	quotas:
//	  - prefix: registry.local/team
//	    size: 50GiB
//
// What is unknown, there twice or without effect is ErrInvalid; errors begin
// with name and tell the line and the field.
func Parse(name string, content []byte) (*Policy, error) {
	p, err := parse(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

func parse(content []byte) (*Policy, error) {
	fields, err := strictyaml.ReadFields(content, MaxSize, registry.ErrInvalid, formatVersion, "rules", "quotas")
	if err != nil {
		return nil, err
	}
	p := &Policy{}
	if f, ok := fields["rules"]; ok {
		p.rules, err = parseRules(f, compiler{match.NewCompiler()})
	}
	if f, ok := fields["quotas"]; ok && err == nil {
		p.quotas, err = parseQuotas(f)
	}
	// JSON may be the longer form, and has to be read back.
	if err == nil && len(p.Marshal()) > MaxSize {
		err = fmt.Errorf("%w: larger than %d bytes as JSON", registry.ErrInvalid, MaxSize)
	}
	return p, err
}

// parseRules also refuses a glob that an earlier rule has: it decides nothing.
func parseRules(f strictyaml.Field, c compiler) ([]Rule, error) {
	list, err := f.List()
	rules := make([]Rule, len(list))
	seen := map[string]bool{}
	for i, f := range list {
		if rules[i], err = parseRule(f, c); err != nil {
			return nil, err
		}
		for _, g := range rules[i].repositories {
			if seen[g.String()] {
				return nil, f.Errorf("repositories: %q is there twice; the first rule decides", g.String())
			}
			seen[g.String()] = true
		}
	}
	return rules, err
}

func parseRule(f strictyaml.Field, c compiler) (r Rule, err error) {
	fields, err := f.Fields("repositories", "keep", "immutable")
	if err != nil {
		return Rule{}, err
	}
	repositories, ok := fields["repositories"]
	if !ok {
		return Rule{}, f.Errorf("repositories is missing")
	}
	r.repositories, err = strictyaml.List(repositories, c.glob)
	if f, ok := fields["keep"]; ok && err == nil {
		r.keep, err = parseKeep(f, c)
	}
	if f, ok := fields["immutable"]; ok && err == nil {
		r.immutable, err = strictyaml.List(f, c.Pattern)
	}
	return r, err
}

// parseKeep returns at least one clause: a keep without any would read as
// keeping nothing, and mean that all is kept.
func parseKeep(f strictyaml.Field, c compiler) ([]clause, error) {
	fields, err := f.Fields("last", "tags", "semver", "younger")
	if err == nil && len(fields) == 0 {
		err = f.Errorf("it says nothing; leave it out to keep all")
	}
	if err != nil {
		return nil, err
	}
	var clauses []clause
	for _, read := range []struct {
		name  string
		parse func(strictyaml.Field) (clause, error)
	}{
		{"last", func(f strictyaml.Field) (clause, error) { return strictyaml.Text(f, parseLast) }},
		{"tags", func(f strictyaml.Field) (clause, error) {
			list, err := strictyaml.List(f, c.Pattern)
			return patterns(list), err
		}},
		{"semver", func(f strictyaml.Field) (clause, error) {
			r, err := strictyaml.Text(f, version.ParseRange)
			return inRange{r}, err
		}},
		{"younger", func(f strictyaml.Field) (clause, error) {
			age, err := strictyaml.Text(f, units.ParseAge)
			return younger(age), err
		}},
	} {
		if f, ok := fields[read.name]; ok {
			clause, err := read.parse(f)
			if err != nil {
				return nil, err
			}
			clauses = append(clauses, clause)
		}
	}
	return clauses, nil
}

func parseLast(text string) (newest, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 {
		return 0, errors.New("not a whole number, 1 or more")
	}
	return newest(n), nil
}

// parseQuotas refuses two sizes for one prefix.
func parseQuotas(f strictyaml.Field) ([]Quota, error) {
	list, err := f.List()
	quotas := make([]Quota, len(list))
	seen := map[string]bool{}
	for i, f := range list {
		if quotas[i], err = parseQuota(f); err != nil {
			return nil, err
		}
		if seen[quotas[i].Prefix] {
			return nil, f.Errorf("prefix %q is there twice", quotas[i].Prefix)
		}
		seen[quotas[i].Prefix] = true
	}
	return quotas, err
}

// parseQuota wants the prefix spelled out even when it is empty: a forgotten
// one must not bound the whole site.
func parseQuota(f strictyaml.Field) (q Quota, err error) {
	fields, err := f.Fields("prefix", "size")
	if err != nil {
		return Quota{}, err
	}
	prefix, hasPrefix := fields["prefix"]
	size, hasSize := fields["size"]
	if !hasPrefix || !hasSize {
		return Quota{}, f.Errorf("prefix and size are both needed")
	}
	if q.Prefix, err = strictyaml.Text(prefix, parsePrefix); err != nil {
		return Quota{}, err
	}
	q.Size, err = strictyaml.Text(size, units.ParseSize)
	return q, err
}

// compiler reads the expressions of a policy.
type compiler struct{ *match.Compiler }

// glob refuses what no repository name can match.
func (c compiler) glob(text string) (match.Glob, error) {
	return c.Glob(text, func(example string) error {
		if !validRepository(example) {
			return errors.New("no repository can have such a name")
		}
		return nil
	})
}

// parsePrefix refuses what no repository can be under; "" is fine.
func parsePrefix(text string) (string, error) {
	if text != "" && !validRepository(text+"/0") {
		return "", errors.New("no repository can be under such a prefix")
	}
	return text, nil
}

func validRepository(name string) bool {
	ref, err := registry.ParseName(name + ":0")
	return err == nil && ref.Repository == name
}
