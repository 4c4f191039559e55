package api_test

import (
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/browse"
)

// What set a tag is told by who it was, and how they came.
func TestTagActions(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{AcceptIncomplete: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	log, err := audit.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	s.OnChange(log.Recorder())
	handler := api.New(api.Options{Site: s, Browser: browse.New(s, nil), Audit: log})
	f := registrytest.NewFixture(t)
	cases := []struct {
		actor audit.Actor
		want  string
	}{
		{audit.Actor{Name: "anna", Kind: "user", Via: "password"}, "pushed"},
		{audit.Actor{Name: "ci", Kind: "robot", Via: "token:abc"}, "pushed"},
		{audit.Actor{Name: "anna", Kind: "user", Via: "job:import"}, "imported"},
		{audit.Actor{Name: "system", Kind: "system", Via: "job:sync"}, "mirrored"},
		{audit.Actor{Name: "anna", Kind: "user", Via: "job:sync"}, "mirrored"},
		{audit.Actor{Name: "system", Kind: "system"}, "mirrored"},
		{audit.Actor{Name: "root", Kind: "local", Via: "socket"}, "pushed"},
		{audit.Actor{Name: "root", Kind: "local"}, "set"},
		{audit.Actor{Name: "anna", Kind: "user", Via: "job"}, "set"}, // of a version before
		{audit.Actor{Name: "anna", Kind: "user", Via: "job:other"}, "set"},
	}
	images := []string{"amd64", "arm64"}
	for n, d := range cases {
		image := f.Images[images[n%2]]
		if err := s.PutManifest(audit.WithActor(t.Context(), d.actor), app, image, f.Content[image.Digest]); err != nil {
			t.Fatal(err)
		}
	}
	got := httptest.NewRecorder()
	handler.ServeHTTP(got, httptest.NewRequest("GET", "/api/v1/content/history?name="+registrytest.App+":v1", nil))
	var page struct{ Items []struct{ Action string } }
	if err := json.Unmarshal(got.Body.Bytes(), &page); err != nil || len(page.Items) != len(cases) {
		t.Fatalf("%v %s", err, got.Body)
	}
	for n, d := range cases {
		if is := page.Items[len(page.Items)-1-n].Action; is != d.want {
			t.Errorf("%+v: %s, want %s", d.actor, is, d.want)
		}
	}
}
