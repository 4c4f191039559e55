package cluster_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/source"
	"github.com/landfall-dev/landfall/registry"
)

const head = "apiVersion: landfall.dev/v1alpha1\nkind: Cluster\nmetadata: {name: shop}\n"

const smallest = head + "spec: {definition: 'edge:1.0.0', controlPlane: {hosts: [edge1]}}\n"

func TestDefaults(t *testing.T) {
	t.Parallel()
	s, err := cluster.Parse("c.yaml", []byte(smallest))
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "shop" || s.Definition != "edge:1.0.0" || s.Source.Type != source.Embedded || s.Network.Pods != "10.244.0.0/16" || s.Network.Services != "10.96.0.0/12" ||
		s.Network.Port != 6443 || s.Network.ProxyMode != "iptables" || s.Upgrade.Wave != 1 || time.Duration(s.Upgrade.Drain) != 10*time.Minute {
		t.Errorf("%+v", s)
	}
}

const whole = head + `spec:
  definition: edge:1.0.0
  source: {type: harbor, url: https://harbor.example, project: site, username: robot}
  controlPlane: {hosts: [a, b, c], workloads: true}
  workers:
    - {name: small, hosts: [d, e], labels: {example.com/size: small}, taints: [{key: dedicated, value: x, effect: NoSchedule}]}
  network: {pods: 10.1.0.0/16, services: 10.2.0.0/16, domain: site.local, virtualAddress: 10.0.0.9, interface: eth0, port: 7443, proxyMode: ipvs}
  proxy: {http: "http://proxy:3128", no: [example.com]}
  timeServers: [10.0.0.1, time.example]
  variables: {replicas: 3, names: [a, b]}
  valueSets: {shop: observed}
  kubeadm: {ignorePreflightErrors: [Swap], kubelet: {maxPods: 50}, apiServerArgs: {v: "2"}}
  upgrade: {wave: 2, drain: 5m, health: 1h, windows: [{days: [sat, sun], start: "02:00", duration: 4h}]}
`

func TestAllFields(t *testing.T) {
	t.Parallel()
	s, err := cluster.Parse("c.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.Hosts(), " "); got != "a b c d e" {
		t.Errorf("hosts %s", got)
	}
	if s.Variables["replicas"] != int64(3) || s.Workers[0].Taints[0].Effect != "NoSchedule" || s.Kubeadm.Kubelet["maxPods"] != int64(50) || s.ValueSets["shop"] != "observed" {
		t.Errorf("%+v", s)
	}
}

// What is wrong is told with its line, and all at once.
func TestProblems(t *testing.T) {
	t.Parallel()
	const from = head + "spec:\n  definition: e:1.0.0\n  controlPlane: {hosts: [a]}\n  source: "
	for content, want := range map[string][]string{
		"kind: Other\n":              {"want a cluster, which begins with"},
		head + "spec: {nonsense: 1}": {"line 4,", `unknown field "nonsense"`, "definition is missing", "controlPlane is missing"},
		head + "spec:\n  definition: edge\n  controlPlane: {hosts: [a, b]}\n":                                                        {"line 5,", "want NAME:VERSION", "want 1, 3 or 5"},
		head + "spec:\n  definition: e:1.0.0\n  controlPlane: {hosts: [a, b, c]}\n":                                                  {"virtualAddress", "want a free address"},
		head + "spec:\n  definition: e:1.0.0\n  controlPlane: {hosts: [a]}\n  workers: [{name: w, hosts: [a]}]\n":                    {"line 7,", "host a is named twice"},
		head + "spec:\n  definition: e:1.0.0\n  controlPlane: {hosts: [a]}\n  network: {pods: 10.0.0.0/16, services: 10.0.1.0/24}\n": {"overlaps"},
		head + "spec:\n  definition: e:1.0.0\n  controlPlane: {hosts: [a]}\n  network: {proxyMode: userspace, port: 99999}\n":        {"proxyMode", "want a port"},
		head + "spec:\n  definition: e:1.0.0\n  controlPlane: {hosts: [a]}\n  source: {type: external}\n":                            {"spec.source.url"},
		from + "{type: nexus, url: 'https://x'}\n":                                                                                   {"spec.source.type", "external or harbor"},
		from + "{type: external, url: 'https://x/v2'}\n":                                                                             {"spec.source.url", "https://HOST"},
		from + "{type: external, url: 'https://x', project: edge}\n":                                                                 {"spec.source.project"},
		from + "{type: external, url: 'https://x', prefix: Edge}\n":                                                                  {"spec.source.prefix", "lower-case"},
		from + "{type: external, url: 'https://x', username: 'a:b'}\n":                                                               {"spec.source.username", "colon"},
		from + "{type: harbor, url: 'https://x', username: robot}\n":                                                                 {"spec.source.project"},
		from + "{type: harbor, url: 'https://x', project: edge}\n":                                                                   {"spec.source.username", "robot$edge"},
		from + "{type: harbor, url: 'https://x', project: edge/a, username: robot}\n":                                                {"spec.source.project", "lower-case"},
		from + "{type: harbor, url: 'https://x', project: edge, username: robot, prefix: a}\n":                                       {"spec.source.prefix"},
		from + "{username: robot}\n": {"spec.source.username"},
		head + "spec:\n  definition: e:1.0.0\n  controlPlane: {hosts: [a]}\n  upgrade: {windows: [{start: '25:00', duration: 1h}]}\n":                              {"want a time of day"},
		head + "spec:\n  definition: e:1.0.0\n  controlPlane: {hosts: [a]}\n  upgrade: {drain: soon}\n":                                                            {"line 7,", "want a time like"},
		head + "spec:\n  definition: e:1.0.0\n  controlPlane: {hosts: [A_b]}\n  workers: [{name: control-plane, hosts: [b], taints: [{key: k, effect: Never}]}]\n": {`"A_b"`, "want a name of its own", "is no taint"},
	} {
		_, err := cluster.Parse("c.yaml", []byte(content))
		if !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%s: %v", content, err)
			continue
		}
		for _, text := range want {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s\nwithout %q: %v", content, text, err)
			}
		}
	}
}

func TestWindows(t *testing.T) {
	t.Parallel()
	night := cluster.UpgradeSpec{Windows: []cluster.Window{{Days: []string{"sat"}, Start: "22:00", Duration: cluster.Duration(4 * time.Hour)}}}
	at := func(text string) time.Time {
		when, err := time.Parse("2006-01-02 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, c := range []struct {
		at   string
		want time.Duration
	}{
		{"2026-11-28 21:00", time.Hour},                     // a Saturday
		{"2026-11-28 23:30", 0},                             // within
		{"2026-11-29 01:59", 0},                             // of the day before
		{"2026-11-29 02:00", 6*24*time.Hour + 20*time.Hour}, // over
	} {
		if got := night.Closed(at(c.at)); got != c.want {
			t.Errorf("at %s it is closed for %s, want %s", c.at, got, c.want)
		}
	}
	if (&cluster.UpgradeSpec{}).Closed(at("2026-11-28 21:00")) != 0 {
		t.Error("without windows it is closed")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(smallest))
	f.Add([]byte(whole))
	f.Fuzz(func(t *testing.T, content []byte) {
		s, err := cluster.Parse("c.yaml", content)
		if err != nil {
			if !errors.Is(err, registry.ErrInvalid) {
				t.Fatalf("%v", err)
			}
			return
		}
		if s.Name == "" || len(s.Hosts()) == 0 || s.Network.Port == 0 {
			t.Fatalf("%+v", s)
		}
	})
}
