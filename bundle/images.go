package bundle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// judgeImages tries the signatures of all names that the policy has a rule for,
// offline: with its keys, and what the bundle carries. All that is refused is
// reported, joined.
func judgeImages(ctx context.Context, policy *trust.Policy, src Source, now time.Time) (list []trust.ImageVerdict, err error) {
	var refused []error
	for _, n := range src.Graph().Names {
		rule := policy.ImageRule(n.Ref.Repository)
		if rule == nil || registry.IsSignatureTag(n.Ref.Tag) {
			continue
		}
		verdict, err := rule.JudgeImage(ctx, src, n.Ref.Repository, n.Descriptor.Digest, now)
		if err != nil {
			return nil, fmt.Errorf("signatures of %s: %w", n.Ref, err)
		}
		list = append(list, verdict)
		if err := verdict.Refused(rule); err != nil {
			refused = append(refused, err)
		}
	}
	return list, errors.Join(refused...)
}
