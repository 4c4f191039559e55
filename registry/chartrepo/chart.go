package chartrepo

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// chart is one repository.
type chart struct {
	versions []*version // in the index's order
	tags     map[string]*version
}

// version is one tag of a repository. What it is made of is known from the start;
// its artifact is made when somebody asks for it.
type version struct {
	ref     registry.Ref
	config  []byte            // the metadata as JSON
	notes   map[string]string // the manifest's annotations
	urls    []string          // of the archive, most wanted first; at least one unless err is set
	stated  digest.Digest     // the archive's, empty when the index states none
	err     error             // why it can never be had
	made    atomic.Pointer[artifact]
	gate    chan struct{} // holds one value while somebody makes the artifact, which protects archive
	archive *archive      // once it is known
}

// add makes repositories of listings, and notes what is wrong with those that
// cannot be one.
func (r *Repository) add(s site, listings []listing, found *problems) {
	claims := map[string]int{}
	for _, l := range listings {
		claims[s.repository(l.chart)]++
	}
	for _, l := range listings {
		name := s.repository(l.chart)
		switch {
		case name == "":
			found.add(fmt.Errorf("%s: %w: the chart's name cannot be part of a repository's name", l.at, registry.ErrInvalid))
		case claims[name] > 1 && s.name+"/"+l.chart != name:
			found.add(fmt.Errorf("%s: %w: another chart's name differs in upper and lower case only, which repositories cannot", l.at, registry.ErrInvalid))
		default:
			if c := newChart(s, name, l, found); len(c.tags) > 0 {
				r.charts[name] = c
			}
		}
	}
}

// repository is the name of a chart's repository: lower-cased, since nothing else
// is valid; empty when there is none.
func (s site) repository(chart string) string {
	name := s.name + "/" + strings.ToLower(chart)
	if strings.Contains(chart, "/") || !validRepository(name) {
		return ""
	}
	return name
}

func newChart(s site, name string, l listing, found *problems) *chart {
	c := &chart{tags: map[string]*version{}}
	for _, e := range l.entries {
		ref := registry.Ref{Repository: name, Tag: strings.ReplaceAll(e.Version, "+", "_")}
		switch {
		case !registry.ValidTag(ref.Tag):
			found.add(fmt.Errorf("%s: %w: version %.140q cannot be a tag", e.at, registry.ErrInvalid, e.Version))
		case c.tags[ref.Tag] != nil:
			found.add(fmt.Errorf("%s: %w: version %q has the tag of another one, %s", e.at, registry.ErrInvalid, e.Version, ref.Tag))
		default:
			v := newVersion(s, ref, e)
			c.versions, c.tags[ref.Tag] = append(c.versions, v), v
		}
	}
	return c
}

func newVersion(s site, ref registry.Ref, e entry) *version {
	v := &version{ref: ref, gate: make(chan struct{}, 1)}
	if v.err = e.err; v.err == nil {
		v.err = v.fill(s, e)
	}
	if v.err != nil {
		v.err = fmt.Errorf("%s: %w", ref, about(e.at, v.err))
	}
	return v
}

// fill takes over what the entry says.
func (v *version) fill(s site, e entry) (err error) {
	if v.stated, err = parseDigest(e.Digest); err != nil {
		return err
	}
	created, err := parseCreated(e.Created)
	if err != nil {
		return err
	}
	v.notes = e.manifestAnnotations(created)
	if v.config, err = json.Marshal(e.metadata); err != nil {
		return fmt.Errorf("%w: %v", registry.ErrInvalid, err)
	}
	var refused error
	for _, raw := range e.URLs {
		u, err := s.locate(raw)
		if err == nil {
			v.urls = append(v.urls, u)
		} else if refused == nil {
			refused = fmt.Errorf("urls: %w", err)
		}
	}
	switch {
	case len(v.urls) > 0:
		return nil
	case refused != nil:
		return refused
	}
	return fmt.Errorf("%w: urls is missing", registry.ErrInvalid)
}

// parseDigest reads the SHA-256 of an archive, in hexadecimal of either case.
func parseDigest(stated string) (digest.Digest, error) {
	if stated == "" {
		return "", nil
	}
	d, err := registry.ParseDigest("sha256:" + strings.TrimPrefix(strings.ToLower(stated), "sha256:"))
	if err != nil {
		return "", fmt.Errorf("%w: digest %.100q is not a SHA-256 in hexadecimal", registry.ErrInvalid, stated)
	}
	return d, nil
}

// parseCreated brings a time into UTC. Go's zero time is how Helm says none.
func parseCreated(stated string) (string, error) {
	if stated == "" {
		return "", nil
	}
	t, err := time.Parse(time.RFC3339, stated)
	if err != nil {
		return "", fmt.Errorf("%w: created %.60q is not a time of RFC 3339", registry.ErrInvalid, stated)
	}
	if t.IsZero() {
		return "", nil
	}
	return t.UTC().Format(time.RFC3339), nil
}

// try calls get with one URL after the other, as long as nothing is there or
// nobody answers. Of several failures, an unanswered one is what is reported: the
// archive may be there.
func (v *version) try(get func(url string) error) (err error) {
	for _, u := range v.urls {
		failed := get(u)
		if failed == nil {
			return nil
		}
		if !errors.Is(err, registry.ErrUnreachable) || !elsewhere(failed) {
			err = about(u, failed)
		}
		if !elsewhere(failed) {
			break
		}
	}
	return err
}

// elsewhere reports whether another URL may do better.
func elsewhere(err error) bool {
	return errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrUnreachable)
}
