package powerloss

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// verdict is what a check found wrong, by what it means.
type verdict struct {
	lost   []error // acknowledged, and not there
	broken []error // visible, and not whole
	other  []error // it does not work
	log    string  // what the site printed
}

func (v *verdict) err() error {
	err := errors.Join(slices.Concat(v.lost, v.broken, v.other)...)
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w\nthe site printed: %s", err, v.log)
}

// check holds what a site shows after a cut against the ledger, and pushes to
// it. It returns what the names show.
func check(c *client, l *ledger, cut int64, random *rand.Rand) (map[name]string, verdict) {
	w := &walk{client: c, whole: map[string]bool{}}
	seen, err := w.names()
	if err != nil {
		w.verdict.other = append(w.verdict.other, err)
		return nil, w.verdict
	}
	w.compare(seen, l, cut)
	for _, a := range l.promisedAttachments(cut, seen) {
		w.checkAttachment(a)
	}
	for _, b := range l.promisedLoose(cut) {
		image := imageOf([][]byte{b.content}, imageType, nil)
		if err := w.pushAndRead(random, b.repository, image); err != nil {
			w.verdict.other = append(w.verdict.other, fmt.Errorf("a blob that was acknowledged alone, pushed again: %w", err))
		}
	}
	if err := w.pushAndRead(random, "check/new", newImage(random, 2)); err != nil {
		w.verdict.other = append(w.verdict.other, fmt.Errorf("a new push: %w", err))
	}
	return seen, w.verdict
}

// walk reads a site.
type walk struct {
	*client
	whole   map[string]bool // repository and digest of what was read
	verdict verdict
}

// names reads every name of the site with all that it reaches, and returns
// the digests that they show.
func (w *walk) names() (map[name]string, error) {
	repositories, err := w.repositories()
	if err != nil {
		return nil, err
	}
	seen := map[name]string{}
	for _, repository := range repositories {
		tags, err := w.tags(repository)
		if err != nil {
			return nil, err
		}
		for _, tag := range tags {
			n := name{repository, tag}
			digest, err := w.read(repository, tag)
			if err != nil {
				w.verdict.broken = append(w.verdict.broken, fmt.Errorf("%s:%s is visible and broken: %w", repository, tag, err))
			}
			seen[n] = digest
		}
	}
	return seen, nil
}

// read reads a manifest by tag or digest, with all that it reaches.
func (w *walk) read(repository, reference string) (string, error) {
	expected := ""
	if strings.HasPrefix(reference, "sha256:") {
		expected = reference
	}
	mediaType, content, err := w.get("/v2/"+repository+"/manifests/"+reference, expected)
	if err != nil {
		return "", err
	}
	digest := digestOf(content)
	if w.whole[repository+"@"+digest] {
		return digest, nil
	}
	var m manifest
	if err := json.Unmarshal(content, &m); err != nil || m.MediaType != mediaType {
		return digest, fmt.Errorf("%s is served as %s: %v: %.40s", digest, mediaType, err, content)
	}
	if err := w.readNamed(repository, m); err != nil {
		return digest, err
	}
	w.whole[repository+"@"+digest] = true
	return digest, w.readReferrers(repository, digest)
}

func (w *walk) readNamed(repository string, m manifest) error {
	for _, child := range m.Manifests {
		if _, err := w.read(repository, child.Digest); err != nil {
			return err
		}
	}
	if m.Config == nil {
		return nil
	}
	for _, b := range append(m.Layers, *m.Config) {
		key := repository + "@" + b.Digest
		if w.whole[key] {
			continue
		}
		if _, _, err := w.get("/v2/"+repository+"/blobs/"+b.Digest, b.Digest); err != nil {
			return err
		}
		w.whole[key] = true
	}
	return nil
}

func (w *walk) readReferrers(repository, digest string) error {
	referrers, err := w.referrers(repository, digest)
	if err != nil {
		return err
	}
	for _, r := range referrers {
		if _, err := w.read(repository, r.Digest); err != nil {
			return err
		}
	}
	return nil
}

// compare holds what names show against what they have to.
func (w *walk) compare(seen map[name]string, l *ledger, cut int64) {
	allowed := l.allowed(cut)
	for n, digests := range allowed {
		if !slices.Contains(digests, seen[n]) {
			w.verdict.lost = append(w.verdict.lost, fmt.Errorf("%s:%s shows %q, acknowledged or begun was %q", n.repository, n.tag, seen[n], digests))
		}
	}
	for n, digest := range seen {
		if _, known := allowed[n]; !known && !strings.HasPrefix(n.repository, "check/") {
			w.verdict.broken = append(w.verdict.broken, fmt.Errorf("%s:%s shows %s, which nobody pushed yet", n.repository, n.tag, digest))
		}
	}
	for _, d := range l.underWay(cut) {
		if d.whole {
			w.checkAllOrNone(d, l.allowed(d.from), l.touchedSince(d, cut), seen)
		}
	}
}

// checkAllOrNone is for an operation whose changes become visible together.
// Names that may have shown the same before, or may have changed since, say
// nothing.
func (w *walk) checkAllOrNone(d *deed, before map[name][]string, since map[name]bool, seen map[name]string) {
	done, all := 0, 0
	for _, c := range d.changes {
		if slices.Contains(before[c.name], c.digest) || since[c.name] {
			continue
		}
		all++
		if seen[c.name] == c.digest {
			done++
		}
	}
	if done != 0 && done != all {
		w.verdict.broken = append(w.verdict.broken, fmt.Errorf("%s: %d of its %d new names are visible", d.kind, done, all))
	}
}

func (w *walk) checkAttachment(a attachment) {
	referrers, err := w.referrers(a.repository, a.subject)
	if err != nil {
		w.verdict.other = append(w.verdict.other, err)
	}
	if !slices.ContainsFunc(referrers, func(d descriptor) bool { return d.Digest == a.digest }) {
		w.verdict.lost = append(w.verdict.lost, fmt.Errorf("%s@%s has no referrer %s any more", a.repository, a.subject, a.digest))
	}
}

// pushAndRead is what a site must be able to do after any cut.
func (w *walk) pushAndRead(random *rand.Rand, repository string, i *image) error {
	if err := w.push(random, repository, "check", i); err != nil {
		return err
	}
	digest, err := w.read(repository, "check")
	if err == nil && digest != i.Digest {
		err = fmt.Errorf("%s:check shows %s after %s was pushed", repository, digest, i.Digest)
	}
	if err != nil {
		return err
	}
	return w.delete(repository, "check")
}

// promisedAttachments are what a cut must leave to images that have a name.
func (l *ledger) promisedAttachments(cut int64, seen map[name]string) []attachment {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.attachments), func(a attachment) bool {
		for n, digest := range seen {
			if n.repository == a.repository && digest == a.subject {
				return a.acked > cut
			}
		}
		return true
	})
}

func (l *ledger) promisedLoose(cut int64) []loose {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.loose), func(b loose) bool { return b.acked > cut })
}
