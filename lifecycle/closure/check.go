package closure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/parallel"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// Options say what is checked. The zero value is all that a file can say, by what the
// site's tables and the sizes of files tell.
type Options struct {
	// Platforms are those of the site's hosts; all of the definition's when empty.
	Platforms []registry.Platform
	// Deep reads every blob and proves its digest.
	Deep bool
	// Artifact demands the definition's own artifact even when it has no parts: it came
	// from the store.
	Artifact bool
	// Jobs is how many things are looked at at once; the number of processors when 0.
	Jobs int
}

// checker is one call of Check.
type checker struct {
	site       Site
	definition *definition.Definition
	document   []byte
	opts       Options
	asked      []registry.Platform // of the site's hosts, or the definition's
	platforms  []registry.Platform // those of asked that the definition is for
	needs      map[place]*need
	items      []*item

	policy *trust.Policy
	now    time.Time // the latest time that is certain
}

// Check looks for all that a definition needs at a site. What is not there is in the
// report; an error means that nothing could be found out. ErrInvalid for a definition
// that breaks its rules.
func Check(ctx context.Context, site Site, d *definition.Definition, opts Options) (*Report, error) {
	document, err := definition.Marshal(d)
	if err != nil {
		return nil, err
	}
	opts.Jobs = cmp.Or(opts.Jobs, runtime.GOMAXPROCS(0))
	c := &checker{site: site, definition: d, document: document, opts: opts, needs: map[place]*need{}}
	if err := c.choose(); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{c.collect, c.tags, c.manifests, c.blobs, c.prove, c.quarantined, c.elsewhere, c.conclude} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("definition %s %s: %w", d.Name, d.Version, cmp.Or(context.Cause(ctx), err))
		}
	}
	return c.report(), nil
}

// choose finds out for which platforms is checked. One that the definition is not for
// is an item of its own.
func (c *checker) choose() error {
	c.asked = slices.Clone(c.opts.Platforms)
	offered, err := registry.ParsePlatforms(c.definition.Platforms)
	if err != nil {
		return err
	}
	if len(c.asked) == 0 {
		c.asked = offered
	}
	for _, p := range c.asked {
		if len(offered) == 0 || registry.Offers(offered, p) {
			c.platforms = append(c.platforms, p)
		}
	}
	var not []string
	for _, text := range texts(c.asked) {
		if !slices.Contains(texts(c.platforms), text) {
			not = append(not, fmt.Sprintf("it is not built for %s, which the site's hosts are: build it with --platform %s", text, text))
		}
	}
	if len(not) > 0 {
		name := c.definition.Name + " " + c.definition.Version
		c.items = append(c.items, &item{Item: Item{Name: name, Kind: KindDefinition, State: Missing, Problems: not}})
	}
	return nil
}

// each does something for all of a list, several at a time.
func each[T any](ctx context.Context, c *checker, list []T, do func(context.Context, T) error) error {
	return parallel.Do(ctx, c.opts.Jobs, list, do)
}

// tags finds out what names stand for. A companion that has been replaced at the site,
// as cosign does with each signature that it adds, is no need any more.
func (c *checker) tags(ctx context.Context) error {
	var tagged []*branch
	for _, i := range c.items {
		for _, b := range i.branches {
			if b.tag.Tag != "" {
				tagged = append(tagged, b)
			}
		}
	}
	err := each(ctx, c, tagged, func(ctx context.Context, b *branch) error {
		d, err := c.site.Resolve(ctx, b.tag)
		if errors.Is(err, registry.ErrNotFound) {
			return nil
		}
		b.stands = d.Digest
		return err
	})
	for _, i := range c.items {
		i.branches = slices.DeleteFunc(i.branches, func(b *branch) bool { return b.companion && b.stands != "" && b.stands != b.name.Digest })
	}
	used := map[place]*need{}
	for _, i := range c.items {
		for _, b := range i.branches {
			for _, e := range b.entries {
				used[e.place] = e.need
			}
		}
	}
	c.needs = used
	return err
}

// needed are the manifests or the blobs, in a fixed order.
func (c *checker) needed(manifests bool, states ...presence) (list []*need) {
	for _, n := range c.needs {
		if n.manifest == manifests && slices.Contains(states, n.state) {
			list = append(list, n)
		}
	}
	slices.SortFunc(list, func(a, b *need) int {
		return cmp.Or(strings.Compare(a.repository, b.repository), cmp.Compare(a.digest, b.digest))
	})
	return list
}

// manifests reads all manifests in their repositories.
func (c *checker) manifests(ctx context.Context) error {
	return each(ctx, c, c.needed(true, absent), func(ctx context.Context, n *need) error {
		d, content, err := c.site.Manifest(ctx, registry.Ref{Repository: n.repository, Digest: n.digest})
		switch {
		case errors.Is(err, registry.ErrNotFound):
			return nil
		case registry.WrongBytes(err):
			n.state, n.cause = damaged, err.Error()
			return nil
		case err != nil:
			return err
		}
		n.state = whole
		n.parsed, err = registry.ParseManifest(d.MediaType, content)
		return err
	})
}

// blobs asks each repository for all of its blobs in one go.
func (c *checker) blobs(ctx context.Context) error {
	wanted := map[string][]registry.Descriptor{}
	for _, n := range c.needed(false, absent) {
		n.state = whole
		wanted[n.repository] = append(wanted[n.repository], n.descriptor)
	}
	return each(ctx, c, slices.Sorted(maps.Keys(wanted)), func(ctx context.Context, repository string) error {
		missing, err := c.site.Missing(ctx, repository, wanted[repository])
		for _, d := range missing {
			c.needs[place{repository, d.Digest, false}].state = absent
		}
		return err
	})
}

// prove reads every blob that is there, once.
func (c *checker) prove(ctx context.Context) error {
	if !c.opts.Deep {
		return nil
	}
	by := map[digest.Digest][]*need{}
	for _, n := range c.needed(false, whole) {
		by[n.digest] = append(by[n.digest], n)
	}
	return each(ctx, c, slices.Sorted(maps.Keys(by)), func(ctx context.Context, d digest.Digest) error {
		err := c.site.Prove(ctx, d)
		if err == nil || !registry.WrongBytes(err) && !errors.Is(err, registry.ErrNotFound) {
			return err
		}
		for _, n := range by[d] {
			n.state, n.cause = damaged, strings.TrimPrefix(err.Error(), "blob "+d.String()+": ")
		}
		return nil
	})
}

// quarantined marks what is known to be damaged: until it is brought again it counts
// as absent, whoever links it.
func (c *checker) quarantined(ctx context.Context) error {
	list, err := c.site.Damaged(ctx)
	bad := map[digest.Digest]string{}
	for _, d := range list {
		bad[d.Digest] = d.Cause
	}
	for _, n := range c.needs {
		if cause, known := bad[n.digest]; known {
			n.state, n.cause = damaged, cause
		}
	}
	return err
}

// elsewhere finds what the site has in other repositories than those where it has to be.
func (c *checker) elsewhere(ctx context.Context) error {
	blobs := map[digest.Digest]registry.Descriptor{}
	for _, n := range c.needed(false, absent) {
		blobs[n.digest] = n.descriptor
	}
	missing, err := c.site.MissingBlobs(ctx, slices.Collect(maps.Values(blobs)))
	if err != nil {
		return err
	}
	for _, d := range missing {
		delete(blobs, d.Digest)
	}
	for _, n := range c.needed(false, absent) {
		if _, there := blobs[n.digest]; there {
			n.state = elsewhere
		}
	}
	return each(ctx, c, c.needed(true, absent), func(ctx context.Context, n *need) error {
		_, _, err := c.site.ManifestOf(ctx, n.digest)
		if err == nil {
			n.state = elsewhere
		}
		if errors.Is(err, registry.ErrNotFound) {
			return nil
		}
		return err
	})
}

// conclude says of each item how it is.
func (c *checker) conclude(ctx context.Context) error {
	var err error
	if c.policy, err = c.site.TrustPolicy(ctx); err != nil {
		return fmt.Errorf("trust policy: %w", err)
	}
	state, err := c.site.TrustState(ctx)
	if err != nil {
		return fmt.Errorf("trust state: %w", err)
	}
	if c.now = time.Now(); state.Newest.After(c.now) {
		c.now = state.Newest // it cannot be earlier
	}
	var mu sync.Mutex // protects errs
	var errs []error
	err = each(ctx, c, c.items, func(ctx context.Context, i *item) error {
		i.examine()
		err := c.judge(ctx, i)
		mu.Lock()
		defer mu.Unlock()
		errs = append(errs, err)
		return nil
	})
	return cmp.Or(err, errors.Join(errs...))
}

// judge asks the policy about an image that is there.
func (c *checker) judge(ctx context.Context, i *item) error {
	rule := c.policy.ImageRule(i.repository)
	if !i.signed || rule == nil || !rule.Require || i.Missing > 0 || order[i.State] >= order[Missing] {
		return nil // what is missing may be the signature
	}
	verdict, err := rule.JudgeImage(ctx, c.site, i.repository, i.Digest, c.now)
	if err != nil && !verdict.Verified {
		if ctx.Err() != nil || !errors.Is(err, registry.ErrNotFound) && !registry.WrongBytes(err) {
			return fmt.Errorf("signatures of %s: %w", i.Name, err)
		}
		verdict.Problems = append([]string{err.Error()}, verdict.Problems...)
	}
	if refused := verdict.Refused(rule); refused != nil {
		i.worse(Refused, "%v: carry a signature by a key of the policy's rule with it, or change the rule ('landfall trust policy')", refused)
	}
	return nil
}
