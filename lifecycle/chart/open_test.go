package chart_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/lifecycle/chart"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/memory"
)

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const app = `-- app/Chart.yaml --
apiVersion: v2
name: app
version: 1.2.3
appVersion: "7"
kubeVersion: ">=1.25"
-- app/Chart.lock --
dependencies: []
-- app/values.yaml --
a: b
-- app/Images.lock --
images: []
-- app/charts/db/Chart.yaml --
apiVersion: v2
name: db
version: 1.0.0
-- app/charts/db/.imgpkg/images.yml --
x
-- app/.helmignore --
*.bak
# comment
docs/
-- app/docs/x --
-- app/x.bak --
-- app/templates/.hidden --
-- app/templates/a.yaml --
kind: A
`

// A folder becomes what "helm package" makes of it, the same each time.
func TestFolder(t *testing.T) {
	t.Parallel()
	dir := folder(t, app)
	if err := os.WriteFile(filepath.Join(dir, "app/charts/cache-2.0.0.tgz"), archive(t, "-- cache/Chart.yaml --\nname: cache\nversion: 2.0.0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	link(t, "values.yaml", filepath.Join(dir, "app/values-linked.yaml"))
	opener := &chart.Opener{Dir: dir}
	c, err := opener.Open(t.Context(), profile.Chart{Path: "app", Name: "app", Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"app/.helmignore", "app/Chart.lock", "app/Chart.yaml", "app/Images.lock", "app/charts/cache-2.0.0.tgz",
		"app/charts/db/.imgpkg/images.yml", "app/charts/db/Chart.yaml", "app/templates/a.yaml", "app/values-linked.yaml", "app/values.yaml",
	}
	if diff := cmp.Diff(want, names(t, c.Archive)); diff != "" {
		t.Error(diff)
	}
	want = []string{
		"app/Chart.lock", "app/Chart.yaml", "app/Images.lock", "app/charts/cache-2.0.0.tgz/cache/Chart.yaml",
		"app/charts/db/.imgpkg/images.yml", "app/charts/db/Chart.yaml",
	}
	if diff := cmp.Diff(want, keys(c.Files)); diff != "" {
		t.Error(diff)
	}
	if c.Name != "app" || c.Version != "1.2.3" || c.AppVersion != "7" || c.KubeVersion != ">=1.25" || c.Origin != (chart.Origin{Path: "app"}) {
		t.Errorf("%+v", c)
	}
	old := time.Unix(1e9, 0)
	if err := errors.Join(os.Chtimes(filepath.Join(dir, "app/values.yaml"), old, old), os.Chmod(filepath.Join(dir, "app/values.yaml"), 0o755)); err != nil {
		t.Fatal(err)
	}
	again, err := opener.Open(t.Context(), profile.Chart{Path: filepath.Join(dir, "app")})
	if err != nil || again.Descriptor.Digest != c.Descriptor.Digest || !bytes.Equal(again.Archive, c.Archive) {
		t.Errorf("%v: the same files make another archive", err)
	}
	packed := filepath.Join(dir, "app.tgz")
	write(t, packed, string(c.Archive))
	if same, err := opener.Open(t.Context(), profile.Chart{Path: "app.tgz"}); err != nil || same.Descriptor.Digest != c.Descriptor.Digest {
		t.Errorf("%v: an archive is not taken as it is", err)
	}
}

const remote = "-- web/Chart.yaml --\nname: web\nversion: 1.0.0+b\n"

// reader is a Reader only.
type reader struct{ registry.Reader }

func TestRemote(t *testing.T) {
	t.Parallel()
	m := &memory.Registry{}
	d := push(t, m, "ghcr.io/x/web", "1.0.0_b", chart.TypeConfig, archive(t, remote))
	push(t, m, "charts.example/stable/web", "1.0.0_b", chart.TypeConfig, archive(t, remote))
	for i := range 12 {
		push(t, m, "ghcr.io/x/web", fmt.Sprintf("0.%d.0", i), chart.TypeConfig, archive(t, remote))
	}
	push(t, m, "ghcr.io/x/image", "1.0.0", ocispec.MediaTypeImageConfig, []byte("x"))
	opener := &chart.Opener{Registry: m, Repositories: func(_ context.Context, url string) (registry.Reader, error) {
		if url != "https://Charts.example/stable/" {
			return nil, fmt.Errorf("%s: %w", url, registry.ErrUnreachable)
		}
		return reader{m}, nil
	}}
	for _, test := range []struct {
		chart profile.Chart
		want  chart.Origin
	}{
		{profile.Chart{OCI: "ghcr.io/x/web", Version: "1.0.0+b"}, chart.Origin{OCI: "ghcr.io/x/web:1.0.0_b", Digest: d.Digest.String()}},
		{profile.Chart{Repository: "https://Charts.example/stable/", Name: "web", Version: "1.0.0+b"}, chart.Origin{Repository: "https://Charts.example/stable/"}},
	} {
		c, err := opener.Open(t.Context(), test.chart)
		if err != nil {
			t.Error(err)
		} else if c.Origin != test.want || c.Version != "1.0.0+b" || c.Descriptor.MediaType != chart.TypeContent {
			t.Errorf("%+v", c)
		}
	}
	for name, test := range map[string]struct {
		chart profile.Chart
		is    error
		want  string
	}{
		"no version":    {profile.Chart{OCI: "ghcr.io/x/web", Version: "9"}, registry.ErrNotFound, "chart ghcr.io/x/web:9: ghcr.io/x/web:9: not found; there are 1.0.0+b, 0.11.0, 0.10.0, 0.9.0, 0.8.0, 0.7.0, 0.6.0, 0.5.0, 0.4.0, 0.3.0 and 3 older"},
		"no repository": {profile.Chart{OCI: "ghcr.io/x/nothing", Version: "9"}, registry.ErrNotFound, "not found"},
		"not listed":    {profile.Chart{Repository: "https://Charts.example/stable/", Name: "web", Version: "9.0.0"}, registry.ErrNotFound, "not found"},
		"unreachable":   {profile.Chart{Repository: "https://other.example", Name: "web", Version: "1.0.0"}, registry.ErrUnreachable, "other.example"},
		"no address":    {profile.Chart{Repository: "stable", Name: "web", Version: "1.0.0"}, registry.ErrInvalid, "has to begin with https://"},
		"a range":       {profile.Chart{OCI: "ghcr.io/x/web", Version: "^1"}, registry.ErrInvalid, `"^1" is not an exact version`},
		"an image":      {profile.Chart{OCI: "ghcr.io/x/image", Version: "1.0.0"}, registry.ErrInvalid, "no Helm chart but of type \"application/vnd.oci.image.config.v1+json\"; list an image below images"},
		"other version": {profile.Chart{OCI: "ghcr.io/x/web", Version: "0.1.0"}, registry.ErrInvalid, "the chart is version 1.0.0+b, not 0.1.0"},
		"other name":    {profile.Chart{OCI: "ghcr.io/x/web", Name: "www", Version: "1.0.0+b"}, registry.ErrInvalid, "the chart calls itself web, not www"},
		"bad name":      {profile.Chart{OCI: "ghcr.io/X", Version: "1.0.0"}, registry.ErrInvalid, "ghcr.io/X"},
	} {
		if _, err := opener.Open(t.Context(), test.chart); !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v\nwant %s", name, err, test.want)
		}
	}
	if _, err := new(chart.Opener).Open(t.Context(), profile.Chart{OCI: "ghcr.io/x/web", Version: "1.0.0"}); err == nil {
		t.Error("opened without a registry")
	}
	if _, err := new(chart.Opener).Open(t.Context(), profile.Chart{Repository: "https://x", Name: "web", Version: "1.0.0"}); err == nil {
		t.Error("opened without repositories")
	}
}

// chartWith is the folder of a chart with dependencies.
func chartWith(t *testing.T, dependencies, more string) string {
	t.Helper()
	return folder(t, "-- app/Chart.yaml --\nname: app\nversion: 1.0.0\ndependencies:\n"+dependencies+"\n"+more)
}

// What a folder's chart depends on comes from where it says, in one exact version.
func TestDependencies(t *testing.T) {
	t.Parallel()
	m := &memory.Registry{}
	push(t, m, "ghcr.io/x/web", "1.0.0_b", chart.TypeConfig, archive(t, remote))
	opener := &chart.Opener{Registry: m, Repositories: func(context.Context, string) (registry.Reader, error) { return m, nil }}
	push(t, m, "charts.example/web", "1.0.0_b", chart.TypeConfig, archive(t, remote))
	const (
		local    = "-- db/Chart.yaml --\nname: db\nversion: 2.1.0\ndependencies: [{name: deep, repository: 'file://../deep'}]\n-- deep/Chart.yaml --\nname: deep\nversion: 0.1.0\n"
		envs     = "- name: dev\n  repository: file://envs/dev\n  version: '>= 0.0.1'\n  condition: dev.enabled,global.dev.enabled\n  tags: [dev]\n  import-values: [data]\n- name: prod\n  repository: file://envs/prod\n  version: '>= 0.0.1'\n  condition: prod.enabled,global.prod.enabled\n  tags: [prod]\n  import-values: [data]"
		envFiles = "-- app/envs/dev/Chart.yaml --\nname: dev\nversion: 0.1.0\n-- app/envs/prod/Chart.yaml --\nname: prod\nversion: 0.1.0\n"
		// As Helm's own tests have it.
		envLock = "-- app/Chart.lock --\ndependencies:\n- {name: dev, repository: 'file://envs/dev', version: v0.1.0}\n- {name: prod, repository: 'file://envs/prod', version: v0.1.0}\ndigest: sha256:9403fc24f6cf9d6055820126cf7633b4bd1fed3c77e4880c674059f536346182\n"
		webLock = "-- app/requirements.lock --\ndependencies:\n- {name: web, repository: 'oci://ghcr.io/x', version: 1.0.0+b}\ndigest: sha256:x\n"
	)
	for name, test := range map[string]struct {
		dir  string
		want string // what comes into charts/, or the error
	}{
		"file":          {chartWith(t, "- {name: db, version: ^2, repository: 'file://../db'}", local), "app/charts/db-2.1.0.tgz/db/charts/deep-0.1.0.tgz/deep/Chart.yaml"},
		"there already": {chartWith(t, "- {name: db, version: 2.1.0, repository: 'https://nowhere.example'}", "-- app/charts/x/Chart.yaml --\nname: db\nversion: 2.1.0\n"), "app/charts/x/Chart.yaml"},
		"oci":           {chartWith(t, "- {name: web, version: 1.0.0+b, repository: 'oci://ghcr.io/x'}", ""), "app/charts/web-1.0.0+b.tgz/web/Chart.yaml"},
		"https":         {chartWith(t, "- {name: web, version: 1.0.0+b, repository: 'https://charts.example/'}", ""), "app/charts/web-1.0.0+b.tgz/web/Chart.yaml"},
		"locked":        {chartWith(t, envs, envFiles+envLock), "app/charts/dev-0.1.0.tgz/dev/Chart.yaml"},
		"requirements":  {folder(t, "-- app/Chart.yaml --\nname: app\nversion: 1.0.0\n-- app/requirements.yaml --\ndependencies:\n- {name: web, version: ~1.0, repository: 'oci://ghcr.io/x'}\n"+webLock), "app/charts/web-1.0.0+b.tgz/web/Chart.yaml"},
		"a range":       {chartWith(t, "- {name: web, version: ^1, repository: 'oci://ghcr.io/x'}", ""), "app/Chart.yaml:4: dependency web: invalid: it is not in charts/, and version \"^1\" is a range that no Chart.lock fixes; run helm dependency update, or write the version"},
		"old lock":      {chartWith(t, strings.Replace(envs, "0.0.1", "0.0.2", 1), envFiles+envLock), "app/Chart.lock: invalid: out of date with Chart.yaml; run helm dependency update"},
		"other version": {chartWith(t, "- {name: db, version: ^3, repository: 'file://../db'}", local), "the chart there is version 2.1.0, wanted is ^3"},
		"other name":    {chartWith(t, "- {name: dx, version: ^2, repository: 'file://../db'}", local), "the chart calls itself db, not dx"},
		"not there":     {chartWith(t, "- {name: db, version: ^2, repository: 'file://../none'}", ""), "app/Chart.yaml:4: dependency db: not found"},
		"alias":         {chartWith(t, "- {name: db, version: 2.1.0, repository: '@stable'}", ""), "its repository \"@stable\" is no oci://, https:// or file:// address; run helm dependency build"},
		"cycle":         {chartWith(t, "- {name: b, version: 1.0.0, repository: 'file://../b'}", "-- b/Chart.yaml --\nname: b\nversion: 1.0.0\ndependencies: [{name: app, repository: 'file://../app'}]\n"), "a cycle: the chart depends on itself, by "},
		"no name":       {chartWith(t, "- {version: 1.0.0}", ""), "app/Chart.yaml:4: invalid: a dependency has no name"},
		"a path":        {chartWith(t, "- {name: ../x, version: 1.0.0}", ""), "a dependency has no name, or one that is a path"},
		"kind":          {chartWith(t, "- {name: x, tags: y}", ""), "app/Chart.yaml:4: invalid: not a dependency"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := opener.Open(t.Context(), profile.Chart{Path: filepath.Join(test.dir, "app")})
			switch fails := strings.Contains(test.want, " "); {
			case fails && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got  %v\nwant %s", err, test.want)
			case !fails && err != nil:
				t.Error(err)
			case !fails && c.Files[test.want] == nil:
				t.Errorf("%s is not in %s", test.want, keys(c.Files))
			}
		})
	}
}
