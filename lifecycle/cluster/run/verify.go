package run

import (
	"context"
	"fmt"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// told is how many of many things an error names.
const told = 10

// verify proves that pods run what the definition names, and nothing else. What runs in
// namespaces that are none of its is told.
func (r *runner) verify(ctx context.Context, client Kube, definition string, tell func(string)) error {
	allowed, err := r.Site.Allowed(ctx, definition)
	if err != nil {
		return err
	}
	violations, err := client.VerifyPods(ctx, allowed)
	if err != nil {
		return err
	}
	var outside, texts []string
	for _, v := range violations {
		if v.Outside {
			outside = append(outside, v.String())
		} else {
			texts = append(texts, v.String())
		}
	}
	if len(outside) > 0 {
		tell("also runs, outside the definition: " + first(outside))
	}
	if len(texts) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d containers run images that definition %s does not name: %s", registry.ErrDigest, len(texts), definition, first(texts))
}

// health proves that nodes, control plane and layers are as they should be.
func (r *runner) health(ctx context.Context, client Kube) error {
	findings, err := client.Health(ctx)
	if err != nil || len(findings) == 0 {
		return err
	}
	texts := make([]string, 0, len(findings))
	for _, f := range findings {
		texts = append(texts, f.Text)
	}
	return fmt.Errorf("%w: the cluster is not well: %s", registry.ErrConflict, first(texts))
}

func first(texts []string) string {
	if len(texts) > told {
		texts = append(texts[:told:told], fmt.Sprintf("and %d more", len(texts)-told))
	}
	return strings.Join(texts, "; ")
}
