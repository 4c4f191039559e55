package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/parallel"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/chartrepo"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/sync/config"
)

// planner makes a plan.
type planner struct {
	cfg        *config.File
	up         Upstream
	dst        Destination // nil: nothing is there
	opts       Options
	registries *source
	plan       *Plan
}

// MakePlan finds out what has to be done for the mirrors of a configuration. dst is
// asked what it has; nil is a place that has nothing. What of it cannot be found out
// is in the plan; an error means that there is none.
func MakePlan(ctx context.Context, cfg *config.File, up Upstream, dst Destination, opts Options) (*Plan, error) {
	opts = opts.withDefaults()
	for _, name := range opts.Mirrors {
		if cfg.Mirror(name) == nil {
			return nil, fmt.Errorf("%w: no mirror is called %q (%s)", registry.ErrInvalid, name, strings.Join(cfg.Names(), ", "))
		}
	}
	p := &planner{cfg: cfg, up: up, dst: dst, opts: opts, registries: newSource(up), plan: &Plan{
		Made: opts.Now().UTC(), Images: []Image{}, Deletions: []Deletion{}, unplanned: dst == nil,
		transfers: map[digest.Digest]*transfer{}, verdicts: map[registry.Ref]trust.ImageVerdict{},
	}}
	for k := range cfg.Mirrors {
		if m := &cfg.Mirrors[k]; opts.means(m) {
			p.mirror(ctx, m)
		}
	}
	p.unique()
	if err := p.images(ctx); err != nil {
		return nil, err
	}
	if err := p.measure(ctx); err != nil {
		return nil, err
	}
	return p.plan, context.Cause(ctx)
}

// mirror adds what one mirror chooses.
func (p *planner) mirror(ctx context.Context, m *config.Mirror) {
	chosen := Chosen{Name: m.Name}
	defer func() { p.plan.Mirrors = append(p.plan.Mirrors, chosen) }()
	switch {
	case m.OnDemand != nil:
		chosen.OnDemand = true
		return
	case p.cfg.Offline || m.Offline:
		chosen.Problem = "offline: nothing is asked for"
		return
	}
	if m, chosen.Deferred = open(p.cfg, m, p.opts.Now()); m == nil {
		return
	}
	c := &chooser{mirror: m, source: p.registries, lock: p.opts.Lock, now: p.opts.Now(), have: map[string][]string{}}
	if m.Charts != nil && c.lock != nil {
		if _, err := c.charts(ctx, p.up); err != nil {
			c.errs = append(c.errs, err)
		}
	}
	c.choose(ctx, p.up)
	for _, i := range c.images {
		i.Mirror, i.mirror, i.source = m.Name, m, c.source
		i.Source = i.from.String()
		i.to = registry.Ref{Repository: m.To.Repository(i.from.Repository), Tag: i.from.Tag}
		i.Destination = i.to.String()
		p.plan.Images = append(p.plan.Images, i)
	}
	chosen.Tags, chosen.Left = len(c.images), c.left
	if len(c.errs) == 0 && chosen.Deferred == nil {
		deletions, err := p.deletions(ctx, c)
		p.plan.Deletions = append(p.plan.Deletions, deletions...)
		c.errs = append(c.errs, err)
	}
	if chosen.err = errors.Join(c.errs...); chosen.err != nil {
		chosen.Problem = oneLine(chosen.err)
	}
}

// unique gives each name to the first mirror that has it, in the order of the file;
// by destination within a mirror.
func (p *planner) unique() {
	order := map[string]int{}
	for k, m := range p.cfg.Mirrors {
		order[m.Name] = k
	}
	slices.SortStableFunc(p.plan.Images, func(a, b Image) int {
		return cmp.Or(cmp.Compare(order[a.Mirror], order[b.Mirror]), cmp.Compare(a.Destination, b.Destination))
	})
	taken := map[string]*Image{}
	var images []Image
	for k := range p.plan.Images {
		i := &p.plan.Images[k]
		first := taken[i.Destination]
		switch {
		case first == nil:
			taken[i.Destination] = i
		case first.Source == i.Source:
			continue // chosen twice
		default:
			i.fail(fmt.Errorf("%w: %s of mirror %s has this name already: give one of them another destination", registry.ErrConflict, first.Source, first.Mirror))
		}
		images = append(images, *i)
	}
	p.plan.Images = append([]Image{}, images...)
}

// images decides about every image.
func (p *planner) images(ctx context.Context) error {
	list := make([]*Image, len(p.plan.Images))
	for k := range p.plan.Images {
		list[k] = &p.plan.Images[k]
	}
	verdicts := make(chan verdict, 2*len(list)) // by the mirror, and by the site
	err := parallel.Do(ctx, requests, list, func(ctx context.Context, i *Image) error {
		if i.Action != "" {
			return nil
		}
		if err := p.image(ctx, i, verdicts); err != nil {
			if ctx.Err() != nil {
				return err
			}
			i.fail(err)
		}
		return nil
	})
	close(verdicts)
	for v := range verdicts {
		p.plan.verdicts[v.at] = v.ImageVerdict
	}
	return err
}

type verdict struct {
	at registry.Ref
	trust.ImageVerdict
}

func (p *planner) image(ctx context.Context, i *Image, verdicts chan<- verdict) error {
	reason, err := p.compare(ctx, i)
	if err != nil || i.Action == Skip && !p.opts.Locking {
		return err
	}
	if err := p.walk(ctx, i); err != nil || i.Action == Skip {
		return err
	}
	if err := p.judge(ctx, i, verdicts); err != nil {
		return err
	}
	i.Action, i.Reason = Copy, reason+sparse(i)
	return nil
}

// compare asks both sides what the name stands for, and says why it is copied.
func (p *planner) compare(ctx context.Context, i *Image) (reason string, err error) {
	have, err := p.resolveAt(ctx, i.to)
	if err != nil {
		return "", err
	}
	i.Was = have.Digest
	if repo, ok := i.source.origin.(*chartrepo.Repository); ok && i.Was != "" && p.sameChart(ctx, repo, i) {
		i.Digest = i.Was
		i.skip("the chart is the same")
		return "", nil
	}
	if i.Digest == "" {
		d, err := i.source.Resolve(ctx, i.from)
		if err != nil {
			return "", err
		}
		i.Digest = d.Digest
	}
	switch {
	case i.Was == "":
		return "new", nil
	case i.Was != i.Digest:
		return "moved from " + short(i.Was), nil
	case p.opts.Recheck || i.mirror.Recheck:
		return "checked below its digest", nil
	}
	if why, err := p.incomplete(ctx, i); why != "" || err != nil {
		return why, err
	}
	i.skip("same digest")
	return "", nil
}

func (i *Image) skip(reason string) { i.Action, i.Reason = Skip, reason }

func short(d digest.Digest) string { return d.Encoded()[:12] }

// resolveAt is the zero Descriptor for what the destination has not.
func (p *planner) resolveAt(ctx context.Context, ref registry.Ref) (registry.Descriptor, error) {
	if p.dst == nil {
		return registry.Descriptor{}, nil
	}
	d, err := p.dst.Resolve(ctx, ref)
	if errors.Is(err, registry.ErrNotFound) {
		return registry.Descriptor{}, nil
	}
	return d, registry.DestinationError(ref.String(), err)
}

// sameChart compares archives: an index that is made anew dates its entries anew.
func (p *planner) sameChart(ctx context.Context, repo *chartrepo.Repository, i *Image) bool {
	dst, ok := p.dst.(registry.Reader)
	archive := repo.LayerDigest(i.from.Repository, i.from.Tag)
	if !ok || archive == "" {
		return false
	}
	d, content, err := dst.Manifest(ctx, i.to)
	if err != nil {
		return false
	}
	m, err := registry.ParseManifest(d.MediaType, content)
	return err == nil && slices.ContainsFunc(m.Blobs, func(b registry.Descriptor) bool { return b.Digest == archive })
}

// near is a destination that answers without the network.
type near interface {
	registry.Reader
	MissingBlobs(ctx context.Context, blobs []registry.Descriptor) ([]registry.Descriptor, error)
}

// incomplete says why an image whose digest is the same is copied nevertheless:
// platforms that were not chosen before, or signatures that came since.
func (p *planner) incomplete(ctx context.Context, i *Image) (string, error) {
	if dst, ok := p.dst.(near); ok {
		d, content, err := dst.Manifest(ctx, i.to)
		if err != nil {
			return "it cannot be read at the destination", nil
		}
		m, err := registry.ParseManifest(d.MediaType, content)
		if err != nil {
			return "", err
		}
		if len(i.mirror.Platforms) > 0 {
			for _, c := range registry.SelectChildren(m.Children, i.mirror.Platforms) {
				if there, err := p.dst.Exists(ctx, i.to.Repository, c); !there || err != nil {
					return "platforms are missing", err
				}
			}
		}
	}
	if i.mirror.Referrers.None || p.opts.Lock != nil {
		return "", nil
	}
	tags, err := i.source.list(ctx, i.from.Repository)
	if err != nil {
		return "", nil // then they cannot be compared
	}
	for _, tag := range registry.CompanionTags(i.Digest) {
		if _, found := slices.BinarySearch(tags, tag); !found || !i.mirror.Referrers.Match(registry.CompanionType(tag)) {
			continue
		}
		want, err := i.source.Resolve(ctx, registry.Ref{Repository: i.from.Repository, Tag: tag})
		if err != nil {
			return "", err
		}
		have, err := p.resolveAt(ctx, registry.Ref{Repository: i.to.Repository, Tag: tag})
		if err != nil || have.Digest != want.Digest {
			return "its signatures have changed", err
		}
	}
	return "", nil
}

// walk reads all that an image reaches.
func (p *planner) walk(ctx context.Context, i *Image) (err error) {
	opts := registry.WalkOptions{Platforms: i.mirror.Platforms, NoReferrers: i.mirror.Referrers.None, Sparse: len(i.mirror.Platforms) == 0}
	refs := []registry.Ref{{Repository: i.from.Repository, Tag: i.from.Tag, Digest: i.Digest}}
	if p.opts.Lock != nil {
		refs = append(refs, p.opts.Lock.companions(i.from)...)
		opts.Referrer = p.opts.Lock.referrer(i.from)
	} else if len(i.mirror.Referrers.Types) > 0 {
		opts.Referrer = func(d registry.Descriptor) bool { return i.mirror.Referrers.Match(d.ArtifactType) }
	}
	if i.graph, err = registry.Walk(ctx, i.source, refs, opts); err != nil {
		return err
	}
	i.Size = i.graph.Size()
	for k := range i.graph.Manifests {
		if n := &i.graph.Manifests[k]; !i.source.keeps(n.Descriptor.Digest) {
			n.Content = nil // it is read again when it is copied
		}
	}
	return nil
}

// sparse tells of platforms that the source itself is without.
func sparse(i *Image) string {
	there := map[digest.Digest]bool{}
	for _, n := range i.graph.Manifests {
		there[n.Descriptor.Digest] = true
	}
	missing := 0
	for _, n := range i.graph.Manifests {
		for _, c := range n.Manifest.Children {
			if !there[c.Digest] {
				missing++
			}
		}
	}
	if missing == 0 {
		return ""
	}
	return fmt.Sprintf("; %d of its manifests are not at the source", missing)
}

// judge tries the signatures that the mirror and the site ask for.
func (p *planner) judge(ctx context.Context, i *Image, verdicts chan<- verdict) error {
	rules := []*trust.ImageRule{i.mirror.Rule(i.from.Repository)}
	if p.opts.Trust != nil {
		rules = append(rules, p.opts.Trust.ImageRule(i.to.Repository))
	}
	for _, rule := range rules {
		if rule == nil {
			continue
		}
		v, err := rule.JudgeImage(ctx, i.source, i.from.Repository, i.Digest, p.opts.Now())
		if err != nil {
			return fmt.Errorf("signatures: %w", err)
		}
		if err := v.Refused(rule); err != nil {
			return err
		}
		v.Repository = i.to.Repository
		verdicts <- verdict{i.to.ByDigest(i.Digest), v}
	}
	return nil
}
