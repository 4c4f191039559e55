package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/sync/config"
)

// deletions are the tags of the destination that a mirror's delete policy lets go.
// Only tags that the mirror could have brought are looked at; when they were too
// many at once, something else is wrong, and none is.
func (p *planner) deletions(ctx context.Context, c *chooser) ([]Deletion, error) {
	m := c.mirror
	if m.Delete.Never() || p.dst == nil {
		return nil, nil
	}
	lister, ok := p.dst.(registry.Lister)
	if _, deletes := p.dst.(registry.Deleter); !ok || !deletes {
		return nil, errors.New("delete: the destination cannot list or delete")
	}
	d := &deleter{planner: p, found: c, sources: map[string]string{}, chosen: map[registry.Ref]bool{}}
	for source := range c.have {
		d.sources[registry.RepositoryPath(m.To.Repository(source))] = source
	}
	for _, i := range c.images {
		d.chosen[registry.Ref{Repository: m.To.Repository(i.from.Repository), Tag: i.from.Tag}] = true
	}
	for repository, err := range lister.Repositories(ctx, "") {
		if err != nil {
			return nil, fmt.Errorf("delete: %w", registry.DestinationError("repositories", err))
		}
		if from, ours := d.owned(repository); ours {
			if err := d.look(ctx, lister, from, repository); err != nil {
				return nil, fmt.Errorf("delete: %w", registry.DestinationError(repository, err))
			}
		}
	}
	if share := m.Delete.MaxShare; float64(d.going) > share*float64(d.total) {
		return nil, fmt.Errorf("delete: %w: %d of %d tags would go, at most %.0f%% may in one run (maxShare): none is deleted", registry.ErrConflict, d.going, d.total, share*100)
	}
	return d.list, nil
}

// deleter collects what goes.
type deleter struct {
	planner      *planner
	found        *chooser
	sources      map[string]string     // of the repositories that were looked at, by path at the destination
	chosen       map[registry.Ref]bool // at the destination
	total, going int
	list         []Deletion
}

// owned finds the repository of the source that one of the destination stands for.
func (d *deleter) owned(repository string) (from string, ok bool) {
	if from, ok := d.sources[registry.RepositoryPath(repository)]; ok {
		return from, true
	}
	m := d.found.mirror
	if m.Charts != nil {
		return "", false
	}
	for _, s := range m.Sources {
		if from, ok := m.To.Source(s.Host, repository); ok && s.Match(from) {
			return from, true
		}
	}
	return "", false
}

// look decides about the tags of one repository.
func (d *deleter) look(ctx context.Context, lister registry.Lister, from, repository string) error {
	m := d.found.mirror
	var tags, all []string
	for tag, err := range lister.Tags(ctx, repository, "") {
		if err != nil {
			return err
		}
		all = append(all, tag)
		if !companion.MatchString(tag) && m.Tags.Match(tag) {
			tags = append(tags, tag)
		}
	}
	d.total += len(tags)
	kept, there := d.newest(m, repository, tags), set(d.found.have[from])
	var gone []Deletion
	for _, tag := range tags {
		ref := registry.Ref{Repository: repository, Tag: tag}
		reason := ""
		switch {
		case d.chosen[ref]:
		case m.Delete.Gone && !there[tag]:
			var err error
			if reason, err = d.gone(ctx, registry.Ref{Repository: from, Tag: tag}); err != nil {
				return err
			}
		case m.Delete.Keep > 0 && !kept[tag]:
			reason = fmt.Sprintf("not among the newest %d", m.Delete.Keep)
		}
		if reason != "" {
			gone = append(gone, Deletion{Mirror: m.Name, Name: ref.String(), Reason: reason, ref: ref})
		}
	}
	d.going += len(gone)
	return d.add(ctx, repository, all, gone)
}

// gone says so of a tag that a list is without. A list may lack what is there: each
// tag is asked for before it is deleted.
func (d *deleter) gone(ctx context.Context, from registry.Ref) (reason string, err error) {
	if d.found.lock != nil {
		return "it is not in the lock", nil
	}
	switch _, err := d.found.source.Resolve(ctx, from); {
	case errors.Is(err, registry.ErrNotFound):
		return "it is gone at the source", nil
	case err != nil:
		return "", registry.SourceError(from.String(), err)
	}
	return "", nil
}

// newest are the tags that keep leaves, with those that are about to come.
func (d *deleter) newest(m *config.Mirror, repository string, tags []string) map[string]bool {
	if m.Delete.Keep == 0 {
		return nil
	}
	all := slices.Clone(tags)
	for ref := range d.chosen {
		if ref.Repository == repository {
			all = append(all, ref.Tag)
		}
	}
	slices.Sort(all)
	return set(config.Tags{Latest: m.Delete.Keep}.Newest(slices.Compact(all)))
}

// add takes tags with their signatures, unless another tag stands for the same.
func (d *deleter) add(ctx context.Context, repository string, all []string, gone []Deletion) error {
	if len(gone) == 0 {
		return nil
	}
	stays := map[string]bool{} // companions of what stays
	leaving := map[string]bool{}
	for _, g := range gone {
		leaving[g.ref.Tag] = true
	}
	signed := slices.ContainsFunc(all, companion.MatchString)
	for _, tag := range all {
		if leaving[tag] || !signed || companion.MatchString(tag) {
			continue
		}
		at, err := d.planner.resolveAt(ctx, registry.Ref{Repository: repository, Tag: tag})
		if err != nil {
			return err
		}
		for _, c := range registry.CompanionTags(at.Digest) {
			stays[c] = true
		}
	}
	for _, g := range gone {
		at, err := d.planner.resolveAt(ctx, g.ref)
		if err != nil {
			return err
		}
		g.Digest = at.Digest
		d.list = append(d.list, g)
		for _, c := range registry.CompanionTags(at.Digest) {
			if slices.Contains(all, c) && !stays[c] {
				stays[c] = true // once
				ref := registry.Ref{Repository: repository, Tag: c}
				d.list = append(d.list, Deletion{Mirror: g.Mirror, Name: ref.String(), Reason: "it belongs to " + g.ref.Tag, ref: ref})
			}
		}
	}
	return nil
}
