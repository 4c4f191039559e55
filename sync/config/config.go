// Package config is mirror.yaml: which registries there are and how they are
// reached, and what is mirrored from them. It is data, and a strict reader of it;
// it dials nobody.
//
// Nouns. A registry here is what is special about one host. A mirror is a choice
// of repositories and tags that is kept level with its sources. A window is a time
// of the week in which a link may be used.
package config

import (
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/match"
	"github.com/landfall-dev/landfall/internal/version"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/remote"
	"github.com/landfall-dev/landfall/registry/trust"
)

// File is a mirror.yaml.
type File struct {
	Registries []Registry
	Mirrors    []Mirror
	Offline    bool // nobody is ever dialled
}

// Registry is what is special about a host.
type Registry struct {
	Host      string
	Remote    remote.Host
	Transfers int // blobs at once; 0: as the run says
	Windows   *Windows
}

// Registry returns the settings of a host, those of none without any.
func (f *File) Registry(host string) Registry {
	for _, r := range f.Registries {
		if r.Host == host {
			return r
		}
	}
	return Registry{Host: host}
}

// Mirror returns the mirror of a name, nil when there is none.
func (f *File) Mirror(name string) *Mirror {
	for i := range f.Mirrors {
		if f.Mirrors[i].Name == name {
			return &f.Mirrors[i]
		}
	}
	return nil
}

// Hosts are the hosts' settings for the registries' client.
func (f *File) Hosts() map[string]remote.Host {
	hosts := map[string]remote.Host{}
	for _, r := range f.Registries {
		hosts[r.Host] = r.Remote
	}
	return hosts
}

// Mirror is one choice of content.
type Mirror struct {
	Name      string
	Sources   []Source   // of registries; or
	Charts    *ChartRepo // of a classic chart repository
	Tags      Tags
	Platforms []registry.Platform // empty: all
	Referrers Referrers
	Recheck   bool // look below root digests that have not changed
	To        Destination
	Delete    Delete
	Verify    []Verify
	Schedule  *Schedule // nil: only when it is asked for
	OnDemand  *OnDemand // nil: it is copied ahead
	Offline   bool      // nobody is ever dialled for it
}

// Source is repositories of one host: one by its name, or all that a glob matches.
type Source struct {
	Host string
	Name string      // full; "" for a glob
	Glob *match.Glob // over full names
}

// Match reports whether a repository, by its full name, is meant.
func (s Source) Match(repository string) bool {
	if s.Glob == nil {
		return s.Name == repository
	}
	return s.Glob.Match(repository)
}

// String is the source as it was written.
func (s Source) String() string {
	if s.Glob == nil {
		return s.Name
	}
	return s.Glob.String()
}

// ChartRepo is a classic chart repository.
type ChartRepo struct {
	URL   string
	Only  []match.Glob // names of charts; empty: all
	Hosts []string     // other hosts, which have settings here, that files may be on
}

// Takes reports whether a chart is chosen.
func (c *ChartRepo) Takes(chart string) bool {
	return len(c.Only) == 0 || slices.ContainsFunc(c.Only, func(g match.Glob) bool { return g.Match(chart) })
}

// means: charts are one element below the address.
func (c *ChartRepo) means(repository string) bool {
	_, address, _ := strings.Cut(c.URL, "://")
	chart, ok := strings.CutPrefix(repository, strings.ToLower(strings.TrimRight(address, "/"))+"/")
	return ok && !strings.Contains(chart, "/") && c.Takes(chart)
}

// Tags chooses tags. The zero value takes all.
type Tags struct {
	Names     []string        // always taken; an error when they are not there
	Regex     []match.Pattern // one has to match
	Exclude   []match.Pattern // none may match
	Semver    *version.Range
	NewerThan time.Time     // of the image's own time of creation; or
	Younger   time.Duration // before now
	Latest    int           // of those that the others choose; 0: all
}

// All reports whether nothing but names chooses: a list of tags is not needed.
func (t Tags) onlyNames() bool {
	return len(t.Names) > 0 && len(t.Regex) == 0 && t.Semver == nil && t.NewerThan.IsZero() && t.Younger == 0 && t.Latest == 0
}

// Listed reports whether the source's tags have to be listed to choose.
func (t Tags) Listed() bool { return !t.onlyNames() }

// Match reports whether a tag is chosen as far as its name tells.
func (t Tags) Match(tag string) bool {
	if slices.Contains(t.Names, tag) {
		return true
	}
	if t.onlyNames() {
		return false
	}
	matches := func(p match.Pattern) bool { return p.Match(tag) }
	if len(t.Regex) > 0 && !slices.ContainsFunc(t.Regex, matches) || slices.ContainsFunc(t.Exclude, matches) {
		return false
	}
	if t.Semver == nil {
		return true
	}
	in, _ := t.Semver.Contains(tag)
	return in
}

// Dated reports whether the images' times of creation are needed to choose.
func (t Tags) Dated() bool { return !t.NewerThan.IsZero() || t.Younger > 0 }

// After is the time that images have to be newer than.
func (t Tags) After(now time.Time) time.Time {
	if t.Younger > 0 {
		return now.Add(-t.Younger)
	}
	return t.NewerThan
}

// Newest are those of the tags that latest leaves, in no order.
func (t Tags) Newest(tags []string) []string {
	if t.Latest == 0 || len(tags) <= t.Latest {
		return tags
	}
	tags = slices.SortedFunc(slices.Values(tags), version.Compare)
	return tags[len(tags)-t.Latest:]
}

// Referrers chooses what is tied to images. The zero value takes all.
type Referrers struct {
	None  bool
	Types []match.Glob // of artifact types; empty: all
}

// Match reports whether referrers of an artifact type are taken.
func (r Referrers) Match(artifactType string) bool {
	if r.None {
		return false
	}
	return len(r.Types) == 0 || slices.ContainsFunc(r.Types, func(g match.Glob) bool { return g.Match(artifactType) })
}

// Destination is under which names content lands. The zero value keeps the
// original ones.
type Destination struct {
	Prefix   string // of repositories; then the host is left out, unless
	KeepHost bool
}

// Repository is where a repository lands.
func (d Destination) Repository(source string) string {
	if d.Prefix == "" {
		return source
	}
	if d.KeepHost {
		return d.Prefix + "/" + registry.RepositoryPath(source)
	}
	_, path, _ := registry.CutHost(source)
	return d.Prefix + "/" + path
}

// Source is the repository of a host that one of the destination stands for.
func (d Destination) Source(host, repository string) (string, bool) {
	if d.Prefix == "" {
		return repository, true
	}
	rest, ok := strings.CutPrefix(repository, d.Prefix+"/")
	if !ok || !d.KeepHost {
		return host + "/" + rest, ok
	}
	path, ok := strings.CutPrefix(rest, registry.RepositoryPath(host+"/"))
	return host + "/" + path, ok
}

// Delete says what is removed at the destination. The zero value is nothing.
type Delete struct {
	Gone     bool    // tags that the source does not have any more
	Keep     int     // all but the newest of so many versions; 0: not
	MaxShare float64 // of the mirror's tags that one run may remove, above 0 to 1
}

// Never reports whether nothing is removed.
func (d Delete) Never() bool { return !d.Gone && d.Keep == 0 }

// Verify says whose signatures images of some repositories need.
type Verify struct {
	Repositories []match.Glob
	Rule         trust.ImageRule
}

// Means reports whether a repository of the source is one of the mirror's.
func (m *Mirror) Means(repository string) bool {
	if m.Charts != nil {
		return m.Charts.means(repository)
	}
	return slices.ContainsFunc(m.Sources, func(s Source) bool { return s.Match(repository) })
}

// Rule returns the first rule for a repository of the source, nil without one.
func (m *Mirror) Rule(repository string) *trust.ImageRule {
	for i := range m.Verify {
		v := &m.Verify[i]
		if len(v.Repositories) == 0 || slices.ContainsFunc(v.Repositories, func(g match.Glob) bool { return g.Match(repository) }) {
			return &v.Rule
		}
	}
	return nil
}

// OnDemand is a mirror whose content comes when it is first pulled.
type OnDemand struct {
	Refresh time.Duration // for so long a tag is served without asking again
}
