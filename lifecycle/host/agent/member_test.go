package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// members is a stand-in for the gateway of an etcd with some by name, each at 10.0.0.N.
func members(t *testing.T, refuse string, names ...string) (g gateway, left func() string) {
	t.Helper()
	answer := func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ ID string }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || r.Method != http.MethodPost {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		switch r.URL.Path {
		case "/v3/cluster/member/list":
			var list []string
			for i, name := range names {
				if name != "gone" {
					list = append(list, fmt.Sprintf(`{"ID":"%d","name":%q,"peerURLs":["https://10.0.0.%d:2380"]}`, i+1, name, i+1))
				}
			}
			fmt.Fprintf(w, `{"header":{"cluster_id":"1"},"members":[%s]}`, strings.Join(list, ","))
		case "/v3/cluster/member/remove":
			if refuse != "" {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(w, `{"error":%[1]q,"code":9,"message":%[1]q}`, refuse)
				return
			}
			var i int
			if _, err := fmt.Sscan(asked.ID, &i); err != nil {
				t.Error(err)
			}
			names[i-1] = "gone"
			fmt.Fprint(w, `{}`)
		default:
			t.Errorf("%s", r.URL)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(server.Close)
	return gateway{server.Client(), server.URL}, func() string { return strings.Join(names, " ") }
}

// A member goes by its name, or by its address when it has never begun; asked again it is
// done, and nobody else goes.
func TestMember(t *testing.T) {
	t.Parallel()
	g, left := members(t, "", "c1", "c2", "")
	for _, c := range []struct {
		m    host.Member
		left string
	}{
		{host.Member{Remove: "c9", Address: "10.0.0.1"}, "c1 c2 "},
		{host.Member{Remove: "c2", Address: "10.0.0.2"}, "c1 gone "},
		{host.Member{Remove: "c2", Address: "10.0.0.2"}, "c1 gone "},
		{host.Member{Remove: "c3"}, "c1 gone "},
		{host.Member{Remove: "c3", Address: "10.0.0.3"}, "c1 gone gone"},
	} {
		if err := g.remove(t.Context(), &c.m); err != nil || left() != c.left {
			t.Errorf("%+v: %q are left, want %q: %v", c.m, left(), c.left, err)
		}
	}
	if err := g.remove(t.Context(), &host.Member{Remove: "c1"}); !errors.Is(err, registry.ErrConflict) || !strings.Contains(err.Error(), "last member") {
		t.Errorf("the last one: %v", err)
	}
}

// What etcd refuses because of its majority is told as a conflict, and a member that is
// gone meanwhile is out.
func TestMemberRefused(t *testing.T) {
	t.Parallel()
	g, _ := members(t, "etcdserver: re-configuration failed due to not enough started members", "c1", "c2")
	if err := g.remove(t.Context(), &host.Member{Remove: "c2"}); !errors.Is(err, registry.ErrConflict) || !strings.Contains(err.Error(), "not enough started members") {
		t.Errorf("%v", err)
	}
	g, _ = members(t, "etcdserver: member not found", "c1", "c2")
	if err := g.remove(t.Context(), &host.Member{Remove: "c2"}); err != nil {
		t.Error(err)
	}
}
