package api_test

import (
	"bytes"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/audit"
)

// An appliance's log is read in pages, exported, and compared with what was
// carried away earlier without taking the appliance's word for it.
func TestAuditClient(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	log := must(t, first(audit.Open(t.Context(), s)), nil)
	note := func(n int) {
		for range n {
			if err := log.Note(t.Context(), audit.Entry{Action: "test", Target: "<a & b>"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	server := httptest.NewServer(api.New(api.Options{Site: failing{}, Audit: log, Keys: s}))
	defer server.Close()
	c := newClient(t, api.ClientOptions{Server: server.URL}).Audit()
	export := func() audit.Checkpoint {
		t.Helper()
		var b bytes.Buffer
		if err := c.Export(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		return must(t, first(audit.VerifyExport(&b, "")), nil)
	}
	early := []audit.Checkpoint{export()}
	for _, n := range []int{1, 1, 203} {
		note(n)
		early = append(early, export())
	}
	note(1)
	for _, cp := range early {
		if v, err := c.Verify(t.Context(), &cp); err != nil || v.Entries != 206 {
			t.Errorf("against %d entries: %+v, %v", cp.Entries, v, err)
		}
	}
	if v := must(t, first(c.Verify(t.Context(), nil)), nil); v.Entries != 206 {
		t.Errorf("%+v", v)
	}
	for limit, want := range map[int]int{0: 206, 2: 2, 205: 205} {
		if list := must(t, first(c.List(t.Context(), audit.Filter{Limit: limit})), nil); len(list) != want || list[0].ID != 206 {
			t.Errorf("limit %d: %d", limit, len(list))
		}
	}
	if list := must(t, first(c.List(t.Context(), audit.Filter{Before: 3, Action: "te", Target: "& b", Since: early[0].Time.Add(-1), Limit: 9})), nil); len(list) != 2 || list[1].ID != 1 {
		t.Errorf("%+v", list)
	}
	for what, change := range map[string]func(*audit.Checkpoint){
		"made anew":   func(cp *audit.Checkpoint) { cp.Hash = strings.Repeat("0", 64) },
		"missing":     func(cp *audit.Checkpoint) { cp.Entries = 207 },
		"of another":  func(cp *audit.Checkpoint) { cp.Site = "another" },
		"another one": func(cp *audit.Checkpoint) { cp.Entries = 1 },
	} {
		cp := early[2]
		change(&cp)
		want := registry.ErrDigest
		if what == "of another" {
			want = registry.ErrUntrusted
		}
		_, err := c.Verify(t.Context(), &cp)
		if wantError(t, err, want); !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
