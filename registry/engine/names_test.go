package engine

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestCandidates(t *testing.T) {
	for address, want := range map[string][]string{
		"nginx":                            {"nginx", "docker.io/nginx", "docker.io/library/nginx"},
		"library/nginx":                    {"library/nginx", "docker.io/library/nginx"},
		"team/app/x":                       {"team/app/x", "docker.io/team/app/x"},
		"docker.io/nginx":                  {"docker.io/nginx", "docker.io/library/nginx"},
		"docker.io/library/nginx":          {"docker.io/library/nginx"},
		"index.docker.io/nginx":            {"index.docker.io/nginx", "docker.io/library/nginx"},
		"registry-1.docker.io/team/app":    {"registry-1.docker.io/team/app", "docker.io/team/app"},
		"quay.io/team/app":                 {"quay.io/team/app"},
		"10.0.0.5_5000/app":                {"10.0.0.5_5000/app"},
		"localhost/app":                    {"localhost/app"},
		"my.app":                           {"my.app", "docker.io/my.app", "docker.io/library/my.app"},
		"nginx?ns=docker.io":               {"docker.io/library/nginx"},
		"nginx?ns=registry-1.docker.io":    {"docker.io/library/nginx"},
		"library/nginx?ns=index.docker.io": {"docker.io/library/nginx"},
		"app?ns=quay.io":                   {"quay.io/app"},
		"app?ns=10.0.0.5:5000":             {"10.0.0.5_5000/app"},
		"app?ns=Reg.Example:443":           {"reg.example_443/app"},
		"quay.io/app?ns=quay.io":           {"quay.io/quay.io/app", "quay.io/app"},
		"edge/quay.io/app?ns=quay.io":      {"quay.io/edge/quay.io/app", "edge/quay.io/app"},
		"10.0.0.5_5000/a?ns=10.0.0.5:5000": {"10.0.0.5_5000/10.0.0.5_5000/a", "10.0.0.5_5000/a"},
		"notquay.io/app?ns=quay.io":        {"quay.io/notquay.io/app"},
		"app?ns=":                          {"app", "docker.io/app", "docker.io/library/app"},
	} {
		name, query, _ := strings.Cut(address, "?")
		tg, err := parseTarget(&url.URL{Path: "/v2/" + name + "/tags/list", RawQuery: query})
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		var got []string
		for i := 0; tg.candidate(i) != ""; i++ {
			got = append(got, tg.candidate(i))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}
