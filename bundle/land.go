package bundle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// Site is what decides on bundles that land, and what thin ones stand on.
type Site interface {
	Base
	// SiteID tells the site from others; empty when it has no id yet.
	SiteID(ctx context.Context) (string, error)
	// TrustPolicy is the policy in force; the zero Policy without one.
	TrustPolicy(ctx context.Context) (*trust.Policy, error)
	// TrustState is what earlier bundles have left.
	TrustState(ctx context.Context) (trust.State, error)
	// SetImageVerdicts remembers what was found out about images.
	SetImageVerdicts(ctx context.Context, list []trust.ImageVerdict) error
	// UpdateTrustState changes it in one step, durable when it returns.
	UpdateTrustState(ctx context.Context, change func(trust.State) trust.State) error
}

// LandOptions say how a bundle lands.
type LandOptions struct {
	Keys     []trust.Key // when there are any, only their signatures count
	Override string      // why to let in what is old or expired
	Copy     registry.CopyOptions
}

// Land brings a bundle into a site, whose content goes to dst: first it is judged by the site's trust
// policy, with the signatures of its images, then its content is brought in, then its
// names become visible, and last the site remembers how far its channel is. A *trust.Refusal or a
// *MissingError changes nothing.
func Land(ctx context.Context, dst registry.Writer, site Site, r *Reader, opts LandOptions) (*trust.Verdict, error) {
	policy, err := site.TrustPolicy(ctx)
	if err != nil {
		return nil, fmt.Errorf("trust policy: %w", err)
	}
	state, err := site.TrustState(ctx)
	if err != nil {
		return nil, fmt.Errorf("trust state: %w", err)
	}
	verdict, err := policy.Judge(state, trust.Question{Signed: r.Signed(), Now: time.Now(), Keys: opts.Keys, Override: opts.Override})
	if err != nil {
		return nil, err
	}
	c, err := complete(ctx, site, r)
	if err != nil {
		return nil, err
	}
	images, err := judgeImages(ctx, policy, c, verdict.Now)
	if err != nil {
		return nil, err
	}
	if err := Import(ctx, dst, c, opts.Copy); err != nil {
		return nil, err
	}
	if err := site.SetImageVerdicts(ctx, images); err != nil {
		return nil, err
	}
	return verdict, site.UpdateTrustState(ctx, verdict.Apply)
}

// complete names the site that something is missing at.
func complete(ctx context.Context, site Site, r *Reader) (*Completed, error) {
	c, err := r.Complete(ctx, site)
	missing := (*MissingError)(nil)
	if !errors.As(err, &missing) {
		return c, err
	}
	if missing.Site, err = site.SiteID(ctx); err != nil {
		return nil, err
	}
	return nil, missing
}
