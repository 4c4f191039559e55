package clusters_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/sitevalues"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/clusters"
)

func set(pairs ...any) sitevalues.Patch {
	p := sitevalues.Patch{Set: map[string]any{}}
	for i := 0; i < len(pairs); i += 2 {
		p.Set[pairs[i].(string)] = pairs[i+1]
	}
	return p
}

// A preview says which fields change, keeps nothing and tells no secret; then they do
// change, and no host is asked for anything.
func TestSet(t *testing.T) {
	t.Parallel()
	s := newSite(t, "c1")
	s.publish("1.0.0", "1.35.4")
	const secret, next = "first-s3cret", "second-s3cret"
	s.create(document("1.0.0", []string{"c1"}, nil, "  variables: {password: "+secret+"}\n"))
	s.hosts.let(nil)
	for _, patch := range []sitevalues.Patch{set("greeting", "good day"), set("greeting", "good day", "password", next)} {
		p, err := s.PreviewSet(t.Context(), "shop", patch)
		s.must(err)
		content, err := json.Marshal(p)
		s.must(err)
		if text := string(content); strings.Contains(text, "s3cret") || !strings.Contains(text, `"path":"data.greeting","from":"\"hello\"","to":"\"good day\""`) || p.Plan == nil {
			t.Errorf("%s", text)
		}
		if hidden := strings.Count(string(content), "(hidden)"); hidden != 4*(len(patch.Set)-1) { // of the Secret, and of what has it in a text
			t.Errorf("%d values are hidden: %s", hidden, content)
		}
	}
	if strings.Contains(s.kube.text("app"), "good day") {
		t.Error("a preview has changed the cluster")
	}
	_, err := s.Set(t.Context(), "shop", set("greeting", "good day", "password", next))
	s.must(err)
	c := s.ends(clusters.Ready)
	if text := s.kube.text("app"); !strings.Contains(text, "good day") || !strings.Contains(text, next) {
		t.Errorf("%s", text)
	}
	if got := s.hosts.were("c1"); len(got) > 0 || c.Running != "edge:1.0.0" {
		t.Errorf("%q; %+v", got, c)
	}
	content, err := json.Marshal(c)
	s.must(err)
	if strings.Contains(string(content), "s3cret") {
		t.Errorf("the cluster tells its secret: %s", content)
	}
	s.stop() // all is on the disk
	s.noSecret("s3cret")
}

// noSecret proves that no file of the site has a text in the open.
func (s *site) noSecret(text string) {
	s.t.Helper()
	s.must(filepath.WalkDir(s.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), text) {
			s.t.Errorf("%s has %s in the open", path, text)
		}
		return err
	}))
}

// What breaks a rule, changes what stays, or comes while something else is done, is
// refused, and no value is kept.
func TestSetRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, "c1")
	s.publish("1.0.0", "1.35.4")
	s.create(document("1.0.0", []string{"c1"}, nil))
	for want, patch := range map[string]sitevalues.Patch{
		"type":                     set("greeting", 7),
		"immutable":                set("greeting", "hi", "range", "10.9.0.0/16"),
		"unknown":                  set("greting", "hi"),
		"no variable is to change": {},
	} {
		if _, err := s.Set(t.Context(), "shop", patch); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	p, err := s.PreviewSet(t.Context(), "shop", set("range", "10.1.0.0/16")) // as it is
	s.must(err)
	if len(p.Variables) != 0 || len(p.Layers) != 0 || p.Plan != nil {
		t.Errorf("%+v", p)
	}
	s.kube.refuse(errFull)
	_, err = s.Set(t.Context(), "shop", set("greeting", "broken"))
	s.must(err)
	s.ends(clusters.Stopped)
	if _, err := s.Renew(t.Context(), "shop"); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("renewed while a run is open: %v", err)
	}
	s.kube.refuse(nil)
	_, err = s.Set(t.Context(), "shop", set("greeting", "hello"))
	s.must(err)
	s.ends(clusters.Ready)
	if text := s.kube.text("app"); strings.Contains(text, "broken") {
		t.Errorf("%s", text)
	}
}
