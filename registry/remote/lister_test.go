package remote

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/landfall-dev/landfall/registry"
)

func tags(t *testing.T, r *Registry, after string) (list []string) {
	t.Helper()
	for tag, err := range r.Tags(t.Context(), app, after) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, tag)
	}
	return list
}

// Pages in the order of pushing, continued by Link, "last" understood as a
// position: what GitHub's registry does.
func TestUnsortedPages(t *testing.T) {
	t.Parallel()
	pages := [][]string{{"v2", "v10"}, {"v1", "v2", "sha256:0"}, {"v3", "latest"}}
	r := open(t, v2(func(w http.ResponseWriter, req *http.Request) {
		i, _ := strconv.Atoi(req.URL.Query().Get("next"))
		if i+1 < len(pages) {
			w.Header().Add("Link", `</x>; rel="prev", <`+req.URL.Path+`?next=`+strconv.Itoa(i+1)+`>; rel="next"`)
		}
		json.NewEncoder(w).Encode(map[string]any{"name": app, "tags": pages[i]})
	}))
	for after, want := range map[string][]string{"": {"latest", "v1", "v10", "v2", "v3"}, "v1": {"v10", "v2", "v3"}, "v3": nil} {
		if got := tags(t, r, after); !slices.Equal(got, want) {
			t.Errorf("after %q: %q, want %q", after, got, want)
		}
	}
}

// Full pages without a Link are continued by "last", until nothing new comes.
func TestPagesWithoutLink(t *testing.T) {
	t.Parallel()
	var all []string
	for i := range 2 * pageSize {
		all = append(all, fmt.Sprintf("t%04d", i))
	}
	h := &counter{}
	h.Handler = v2(func(w http.ResponseWriter, req *http.Request) {
		i, _ := slices.BinarySearch(all, req.URL.Query().Get("last"))
		if req.URL.Query().Get("last") != "" {
			i++
		}
		rest := all[i:]
		json.NewEncoder(w).Encode(map[string]any{"tags": rest[:min(pageSize, len(rest))]})
	})
	if got := tags(t, open(t, h), ""); !slices.Equal(got, all) {
		t.Errorf("%d tags", len(got))
	}
	if len(h.seen) != 4 {
		t.Errorf("requests %q", h.seen)
	}
}

// A registry that always sends the same page is read once more, not forever.
func TestRepeatedPage(t *testing.T) {
	t.Parallel()
	r := open(t, v2(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Link", "<"+req.URL.Path+`?again>; rel=next`)
		json.NewEncoder(w).Encode(map[string]any{"tags": []string{"b", "a"}})
	}))
	if got := tags(t, r, ""); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("%q", got)
	}
}

func TestNotAList(t *testing.T) {
	t.Parallel()
	r := open(t, v2(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Please log in") }))
	for _, err := range r.Tags(t.Context(), app, "") {
		wantError(t, err, registry.ErrInvalid, app, "something else than a list")
	}
}
