package ondemand

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/sync/config"
)

// place is a repository that comes on demand.
type place struct {
	*settings
	repository string // its full name
	path       string // under which it is served
	host       string
	mirrors    []*config.Mirror // that choose it, at least one; the first one's words count
}

// errElsewhere: it is none of the business of this package.
var errElsewhere = fmt.Errorf("%w: it does not come on demand", registry.ErrNotFound)

// place finds out whether something comes on demand. A tag is the first mirror's that
// chooses both the repository and the tag; a digest is that of all mirrors that
// choose the repository. What is offline does not come.
func (u *Upstream) place(ref registry.Ref) (place, bool) {
	p := place{settings: u.settings.Load(), path: registry.RepositoryPath(ref.Repository)}
	tagged := ref.Digest == "" && !registry.IsSignatureTag(ref.Tag)
	for i := range p.file.Mirrors {
		m := &p.file.Mirrors[i]
		if m.OnDemand == nil || tagged && !m.Tags.Match(ref.Tag) {
			continue
		}
		for _, s := range m.Sources {
			name, ok := original(s.Host, p.path)
			if !ok || !s.Match(name) {
				continue
			}
			if p.file.Offline || m.Offline {
				return place{}, false
			}
			p.repository, p.host = name, s.Host
			p.mirrors = append(p.mirrors, m)
			break
		}
		if tagged && len(p.mirrors) > 0 {
			break
		}
	}
	return p, len(p.mirrors) > 0
}

// original is the name on a host of a repository that is served under a path. Names
// that Docker would complete to others are nobody's.
func original(host, path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(registry.RepositoryPath(host+"/"), "/")+"/")
	if !ok {
		return "", false
	}
	name := host + "/" + rest
	full, err := registry.NormalizeRepository(name)
	return name, err == nil && full == name
}

// defaultRefresh is for how long a tag is served without asking again when nothing
// is said: a rollout over many nodes asks once.
const defaultRefresh = time.Minute

func (p *place) refresh() time.Duration { return cmp.Or(p.mirrors[0].OnDemand.Refresh, defaultRefresh) }

// jobs is how many blobs are brought at once.
func (u *Upstream) jobs(p *place) int { return cmp.Or(p.file.Registry(p.host).Transfers, u.opts.Jobs) }

// at is a key of the place.
func (p *place) at(reference string) key { return key{p.path, reference} }

// ref is a tag of the place.
func (p *place) ref(tag string) registry.Ref { return registry.Ref{Repository: p.repository, Tag: tag} }
