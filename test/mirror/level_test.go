package mirror

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// path is where a repository of a host lands by default.
func path(host, repository string) string {
	return strings.Replace(host, ":", "_", 1) + "/" + repository
}

// level reads everything back: each image under its name and byte for byte, all
// that belongs to it, and no other tag. at tells where a repository is.
func level(t *testing.T, p place, c content, at func(repository string) string) {
	t.Helper()
	for _, i := range c {
		if err := p.holds(i, at(i.repository)); err != nil {
			t.Error(err)
		}
	}
	for _, repository := range c.repositories() {
		onlyTags(t, p, c, repository, at(repository))
	}
}

// onlyTags: a registry that lists no referrers may have their tags as well.
func onlyTags(t *testing.T, p place, c content, repository, at string) {
	t.Helper()
	var want []string
	for _, i := range c.tagged() {
		if i.repository == repository {
			want = append(want, i.tag)
		}
	}
	slices.Sort(want)
	got, err := p.tags(at)
	if err != nil {
		t.Error(err)
	}
	got = slices.DeleteFunc(got, func(tag string) bool { return strings.HasPrefix(tag, "sha256-") && !strings.Contains(tag, ".") })
	if !slices.Equal(got, want) {
		t.Errorf("%s has the tags %q, want %q", at, got, want)
	}
}

// holds says what of an image is not in a repository.
func (p place) holds(i image, at string) error {
	for _, below := range i.below {
		if err := p.holds(below, at); err != nil {
			return err
		}
	}
	got, err := p.manifest(at, i.reference())
	if err != nil {
		return err
	}
	if !bytes.Equal(got, i.manifest) {
		return fmt.Errorf("%s:%s is %.60q, want %.60q", at, i.reference(), got, i.manifest)
	}
	for _, b := range i.blobs {
		r, err := p.do("GET", "/v2/"+at+"/blobs/"+digestOf(b), nil)
		if err != nil || r.status != http.StatusOK || !bytes.Equal(r.body, b) {
			return fmt.Errorf("%s:%s: blob %s: HTTP %d, %d bytes of %d, %v", at, i.reference(), digestOf(b), r.status, len(r.body), len(b), err)
		}
	}
	if i.subject == "" {
		return nil
	}
	tied, err := p.referrers(at, i.subject)
	if err == nil && !slices.Contains(tied, i.digest()) {
		err = fmt.Errorf("%s: %s is not among the referrers of %s: %q", at, i.digest(), i.subject, tied)
	}
	return err
}

// absent: nothing has the name or digest of an image.
func absent(t *testing.T, p place, i image, at string) {
	t.Helper()
	got, err := p.manifest(at, i.reference())
	if got != nil || err != nil {
		t.Errorf("%s:%s is there, or not to be asked for: %.60q, %v", at, i.reference(), got, err)
	}
}
