package definition_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/lifecycle/variable"
)

// changes is a list of changes as text.
func changes(list []definition.Change) (texts []string) {
	for _, c := range list {
		texts = append(texts, c.Path+": "+string(c.Old)+" → "+string(c.New))
	}
	return texts
}

func provider(name, version string) definition.Provider {
	content := name + " " + version
	return definition.Provider{Name: name, Version: version, Path: "./" + name, Digest: digest.FromString(content), Size: int64(len(content))}
}

// Each kind of difference is told, and nothing else.
func TestDiff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*definition.Definition)
		want   []string
	}{
		"nothing":    {func(d *definition.Definition) { d.Version, d.Profile = "2.0.0", digest.FromString("other") }, nil},
		"kubernetes": {func(d *definition.Definition) { d.Kubernetes.Version = "1.37.0" }, []string{`kubernetes.version: "1.36.3+k3s1" → "1.37.0"`}},
		"no kubernetes": {func(d *definition.Definition) { d.Kubernetes = nil },
			[]string{`kubernetes.distribution: "k3s" → `, `kubernetes.version: "1.36.3+k3s1" → `}},
		"platforms": {func(d *definition.Definition) { d.Platforms = d.Platforms[:1] }, []string{`platforms: ["linux/amd64","linux/arm64"] → ["linux/amd64"]`}},
		"order":     {func(d *definition.Definition) { slices.Reverse(d.Layers) }, []string{`layers: ["kube","base/app"] → ["base/app","kube"]`}},
		"layer added": {func(d *definition.Definition) {
			d.Layers = append(d.Layers, definition.Layer{Name: "new", Type: profile.Addon})
		}, []string{"added layer new"}},
		"layer changed": {func(d *definition.Definition) {
			l := &d.Layers[1]
			l.Version, l.Upgrade.Policy = "3.2.0", "drain"
			l.Charts[0].Version = "1.3.0"
			l.Charts[0].Values["replicas"] = int64(3)
			l.Charts[0].Values["image.tag"] = "<v2>"
			delete(l.Charts[0].Values, "ü")
			l.Files = nil
			l.Charts = append(l.Charts, definition.Chart{Name: "db", Version: "2.0.0", Release: "main", Namespace: "apps"})
		}, []string{
			`changed layer base/app`,
			`charts.apps/main:  → "db 2.0.0"`,
			`charts.apps/web.values."image.tag":  → "<v2>"`, `charts.apps/web.values.replicas: 2 → 3`, `charts.apps/web.values.ü: "- x" → `,
			`charts.apps/web.version: "1.2.3" → "1.3.0"`,
			`files."/etc/sysctl.d/90-x.conf": "` + digest.FromString("a=1\n").String() + `" → `,
			`upgrade.policy: "inPlace" → "drain"`, `version: "3.1.0" → "3.2.0"`,
		}},
		"providers": {func(d *definition.Definition) {
			d.Layers[1].Providers = []definition.Provider{provider("kubernetes", "1.36.0"), provider("tools", "1"), provider("same", "1")}
		}, []string{"changed layer base/app", "changed provider kubernetes 1.35.0 → 1.36.0, 17 bytes", "removed provider old 1 → , 0 bytes", "added provider tools  → 1, 7 bytes"}},
		"provider of other platforms": {func(d *definition.Definition) {
			d.Layers[1].Providers[0].Platforms = []string{"linux/amd64"}
		}, []string{"changed layer base/app", "removed provider kubernetes 1.35.0 → , 0 bytes", "added provider kubernetes  → 1.35.0, 0 bytes"}},
		"provider's layer removed": {func(d *definition.Definition) { d.Layers = d.Layers[:1] },
			[]string{"removed layer base/app", "removed provider kubernetes 1.35.0 → , 0 bytes", "removed provider old 1 → , 0 bytes", "removed provider same 1 → , 0 bytes"}},
		"variables": {func(d *definition.Definition) {
			d.Variables[0].Default = int64(9000)
			d.Variables[1] = variable.Declaration{Name: "token", Type: variable.String}
		}, []string{"changed variable mtu", "default: 1500 → 9000", "added variable token", "removed variable password"}},
		"image moved": {func(d *definition.Definition) {
			d.Images[0] = image("docker.io/library/nginx:1.27", "nginx 2", "base/app")
		}, []string{"changed image docker.io/library/nginx:1.27"}},
		"image renamed": {func(d *definition.Definition) {
			d.Images[0] = image("docker.io/library/nginx:1.28", "nginx 2", "base/app")
		}, []string{"removed image docker.io/library/nginx:1.27", "added image docker.io/library/nginx:1.28, was docker.io/library/nginx:1.27"}},
	} {
		a, b := sample(), sample()
		for _, d := range []*definition.Definition{a, b} {
			d.Layers[1].Providers = []definition.Provider{provider("kubernetes", "1.35.0"), provider("old", "1"), provider("same", "1")}
		}
		c.change(b)
		d := definition.Diff(a, b, nil)
		have := changes(d.Fields)
		for _, l := range d.Layers {
			have = append(append(have, l.Change+" layer "+l.Name), changes(l.Fields)...)
			for _, p := range l.Providers {
				have = append(have, fmt.Sprintf("%s provider %s %s → %s, %d bytes", p.Change, p.Name, p.OldVersion, p.NewVersion, p.Bytes))
			}
		}
		for _, v := range d.Variables {
			have = append(append(have, v.Change+" variable "+v.Name), changes(v.Fields)...)
		}
		for _, i := range d.Images {
			text := i.Change + " image " + i.Name
			if i.Was != "" {
				text += ", was " + i.Was
			}
			have = append(have, text)
		}
		if !slices.Equal(have, c.want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(have, "\n"), strings.Join(c.want, "\n"))
		}
		if d.Empty() != (len(c.want) == 0) || d.From.Version != "1.0.0+7" {
			t.Errorf("%s: %+v", name, d)
		}
		if _, err := json.Marshal(d); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What has to be carried is what the site is without, each digest once.
func TestCarry(t *testing.T) {
	t.Parallel()
	a, b := sample(), sample()
	const one, parts = 10 + 2*20 + 2*300 + 1000 + 30 + 1, 5 + 16 + 6 + 4
	b.Images[1] = image("registry.k8s.io/pause:3.11", "pause 2", "kube")
	b.Images = append(b.Images, image("registry.k8s.io/pause:3.12", "pause 2", "kube"))
	d := definition.Diff(a, b, nil)
	if d.Bytes != 2*one+parts || d.Carry != one || d.Carried != 8 || d.Known || d.Bytes != b.Size() {
		t.Errorf("%+v, want %d of %d", d, one, 2*one+parts)
	}
	d = definition.Diff(a, b, func(d digest.Digest) bool { return d != digest.FromString("chart") })
	if d.Carry != 5 || d.Carried != 1 || !d.Known || d.Images[1].Bytes != 0 {
		t.Errorf("%+v", d)
	}
}
