package ondemand

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// judge tries the signatures of an image that nothing known names: those of its
// upstream, by the rules of the site and of the mirrors. ErrUntrusted for what they
// do not let in.
func (u *Upstream) judge(ctx context.Context, p *place, d digest.Digest) ([]trust.ImageVerdict, error) {
	rules, err := u.rules(ctx, p)
	if err != nil || len(rules) == 0 {
		return nil, err
	}
	state, err := u.store.TrustState(ctx)
	if err != nil {
		return nil, fmt.Errorf("trust state: %w", err)
	}
	now := u.now()
	if state.Newest.After(now) {
		now = state.Newest
	}
	var verdicts []trust.ImageVerdict
	for _, rule := range rules {
		v, err := rule.JudgeImage(ctx, &source{upstream: u, place: p}, p.repository, d, now)
		if err == nil {
			err = v.Refused(rule)
		}
		if err != nil {
			return nil, fmt.Errorf("signatures of %s: %w", registry.Ref{Repository: p.repository, Digest: d}, err)
		}
		verdicts = append(verdicts, v)
	}
	return verdicts, nil
}

// rules are all that have a say on images of a place.
func (u *Upstream) rules(ctx context.Context, p *place) (rules []*trust.ImageRule, err error) {
	policy, err := u.store.TrustPolicy(ctx)
	if err != nil {
		return nil, fmt.Errorf("trust policy: %w", err)
	}
	if rule := policy.ImageRule(p.repository); rule != nil {
		rules = append(rules, rule)
	}
	for _, m := range p.mirrors {
		if rule := m.Rule(p.repository); rule != nil {
			rules = append(rules, rule)
		}
	}
	return rules, nil
}
