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
}

// LandOptions say how a bundle lands.
type LandOptions struct {
	Keys     []trust.Key // when there are any, only their signatures count
	Override string      // why to let in what is old or expired
	Verify   bool        // prove every byte before anything is brought in
	Copy     registry.CopyOptions
}

// Land brings a bundle into a site, whose content goes to dst: first it is judged
// by the site's trust policy, with the signatures of its images, then its content
// is brought in, then its names become visible, and with them the site remembers
// how far its channel is. A *trust.Refusal or a *MissingError changes nothing.
func Land(ctx context.Context, dst registry.Writer, site Site, r *Reader, opts LandOptions) (*trust.Verdict, error) {
	a, err := Admit(ctx, site, r, opts)
	if err != nil {
		return nil, err
	}
	return a.Verdict, a.Land(ctx, dst, opts.Copy)
}

// Admission is a bundle that may land.
type Admission struct {
	*Completed
	Verdict *trust.Verdict
	images  []trust.ImageVerdict
}

// Admit judges a bundle, and finds what it stands on. Nothing is changed yet.
func Admit(ctx context.Context, site Site, r *Reader, opts LandOptions) (*Admission, error) {
	policy, err := site.TrustPolicy(ctx)
	if err != nil {
		return nil, fmt.Errorf("trust policy: %w", err)
	}
	state, err := site.TrustState(ctx)
	if err != nil {
		return nil, fmt.Errorf("trust state: %w", err)
	}
	a := &Admission{}
	if a.Verdict, err = policy.Judge(state, trust.Question{Signed: r.Signed(), Now: time.Now(), Keys: opts.Keys, Override: opts.Override}); err != nil {
		return nil, err
	}
	if a.Completed, err = complete(ctx, site, r); err != nil {
		return nil, err
	}
	if a.images, err = judgeImages(ctx, policy, a.Completed, a.Verdict.Now); err == nil && opts.Verify {
		err = r.Verify(ctx, nil)
	}
	return a, err
}

// Land brings the content in. Together with the names the site remembers how far
// the channel is, if dst is the site itself.
func (a *Admission) Land(ctx context.Context, dst registry.Writer, opts registry.CopyOptions) error {
	opts.BeforeCommit = func(b registry.Batch) {
		if r, ok := b.(trust.Rememberer); ok {
			r.Remember(a.Verdict.Apply, a.images)
		}
	}
	return Import(ctx, dst, a.Completed, opts)
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
