package landfall_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/landfall-dev/landfall"

// The ladder of DESIGN.md, top first: a package may import packages of lower
// rungs, and within its own rung only what allowed lists.
var ladder = [][]string{
	{"cmd"},
	{"ui"},
	{"bundle", "sync", "lifecycle"},
	{"registry/"},
	{"registry"},
	{"internal"},
}

// allowed are the imports within a rung.
var allowed = map[string][]string{
	"internal/durable":      {"internal/priority"},
	"internal/parallel":     {"internal/priority"},
	"registry/attach":       {"registry/store"},
	"registry/backup":       {"registry/store"},
	"registry/engine":       {"registry/attach", "registry/store"},
	"registry/registrytest": {"registry/memory"},
	"registry/store":        {"registry/retention", "registry/trust"},
}

// owners are the packages that may import a heavy dependency, by its path's start.
var owners = map[string][]string{
	"github.com/coreos/go-oidc":              {"ui/auth/oidc"},
	"github.com/coreos/go-systemd":           {"ui/service"},
	"github.com/danielgtaylor/huma":          {"ui/api"},
	"github.com/distribution/distribution/":  {"registry/engine", "registry/store", "ui", "ui/auth/registrytoken"},
	"github.com/gin-gonic/gin":               {"ui/api"},
	"github.com/go-jose/":                    {"ui/auth/registrytoken", "ui/auth/oidc"},
	"github.com/alexedwards/scs":             {"ui/auth"},
	"github.com/knadh/koanf":                 {"ui/settings"},
	"github.com/moby/sys/mountinfo":          {"bundle/media", "ui/host"},
	"go.uber.org/goleak":                     {"internal/leaktest"},
	"golang.org/x/crypto":                    {"ui/auth/password"},
	"golang.org/x/oauth2":                    {"ui/auth/oidc"},
	"github.com/google/go-containerregistry": {"registry/remote"},
	"helm.sh/helm":                           {"lifecycle/chart", "lifecycle/render"},
	"k8s.io/":                                {"lifecycle/cluster/kube", "lifecycle/render"},
	"sigs.k8s.io/":                           {"lifecycle/render"},
	"github.com/containerd/":                 {"lifecycle/host/runtime"},
	"github.com/klauspost/compress":          {"bundle/receipt", "lifecycle/host/agent"},
	"github.com/pion/":                       {"lifecycle/host/found"},
	"github.com/prometheus/":                 {"ui/observe"},
	"github.com/sirupsen/logrus":             {"ui/observe"},
	"github.com/spf13/":                      {"cmd/landfall"},
	"github.com/vbauerster/mpb":              {"cmd/landfall"},
	"github.com/pressly/goose":               {"internal/sqldb"},
	"go.opentelemetry.io/":                   {"ui/observe"},
	"modernc.org/":                           {"internal/sqldb"},
	"go.yaml.in/yaml/v3":                     {"bundle", "internal/schematest", "internal/strictyaml", "lifecycle/convert", "lifecycle/nodeconfig", "lifecycle/object", "registry/chartrepo"},
	"github.com/Masterminds/semver":          {"internal/version"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

// Imports point down the ladder, and heavy dependencies have one owner.
func TestImports(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		from := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		for _, path := range p.Imports {
			if to, ours := strings.CutPrefix(path, module+"/"); ours {
				checkLadder(t, from, to)
			} else {
				checkOwner(t, from, path)
			}
		}
	}
}

func packages(t *testing.T) (list []pkg) {
	t.Helper()
	c := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v", c, err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if len(list) < 10 {
		t.Fatalf("go list found %d packages only", len(list))
	}
	return list
}

func checkLadder(t *testing.T, from, to string) {
	t.Helper()
	if from == "" {
		return // this package: tests only
	}
	f, g := rung(from), rung(to)
	switch {
	case f < 0 || g < 0:
		t.Errorf("%s imports %s: one of them has no place on the ladder", from, to)
	case f > g:
		t.Errorf("%s imports %s: up the ladder", from, to)
	case f == g && family(from) != family(to) && !slices.Contains(allowed[from], to):
		t.Errorf("%s imports its sibling %s", from, to)
	}
}

// rung is a package's place, -1 when it has none.
func rung(p string) int {
	for i, names := range ladder {
		for _, name := range names {
			if p == name || strings.HasPrefix(p, strings.TrimSuffix(name, "/")+"/") && (strings.HasSuffix(name, "/") || name != "registry") {
				return i
			}
		}
	}
	return -1
}

// family: packages below one folder may import each other, except under
// registry and internal, where each stands alone.
func family(p string) string {
	top, _, _ := strings.Cut(p, "/")
	if top == "registry" || top == "internal" {
		return p
	}
	return top
}

func checkOwner(t *testing.T, from, path string) {
	t.Helper()
	if from == "registry" && strings.Contains(path, ".") && !strings.HasPrefix(path, "github.com/opencontainers/") {
		t.Errorf("registry imports %s: the vocabulary needs the standard library and OCI types only", path)
	}
	for dependency, owner := range owners {
		if !strings.HasPrefix(path, dependency) {
			continue
		}
		found := false
		for _, o := range owner {
			found = found || from == o
		}
		if !found {
			t.Errorf("%s imports %s, which belongs to %s", from, path, strings.Join(owner, " and "))
		}
	}
}
