package nodeconfig

import (
	"fmt"
	"strings"
)

// rancherFiles are what k3s and RKE2 share: registries.yaml, from which they
// write containerd's hosts.toml, and the switch that keeps them from adding
// the upstream to it as the last resort.
func rancherFiles(kind Kind, s site) []File {
	files := []File{
		{Path: "config.yaml.d/50-landfall.yaml", Content: rancherConfig(kind), Mode: 0o644},
		{Path: "registries.yaml", Content: registriesYAML(kind, s), Mode: s.mode()},
	}
	if len(s.ca) > 0 {
		files = append(files, File{Path: caFile, Content: s.ca, Mode: 0o644})
	}
	return sorted(files)
}

func rancherConfig(kind Kind) []byte {
	return fmt.Appendf(nil, `# Written by landfall node-config %[1]s: no upstream is dialled when the site does
# not have an image. The same as the flag --disable-default-registry-endpoint;
# releases before January 2024 (v1.29.1, v1.28.6, v1.27.10) do not know it and
# dial the upstream last.
#
# Goes to %[2]s/config.yaml.d/50-landfall.yaml on servers and agents.

disable-default-registry-endpoint: true
`, kind, Folder(kind))
}

func registriesYAML(kind Kind, s site) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `# Written by landfall node-config %[1]s: images of every upstream come from the
# site.
#
# Goes to %[2]s/registries.yaml on servers and agents, beside
# config.yaml.d/50-landfall.yaml, which keeps the upstreams from being dialled.
# Restart %[1]s after a change.

mirrors:
`, kind, Folder(kind))
	for _, upstream := range append([]string{"*"}, s.upstreams...) {
		fmt.Fprintf(&b, "  %q:\n    endpoint:\n      - %q\n", upstream, s.url())
		if s.hostPaths {
			fmt.Fprintf(&b, "    rewrite:\n      \"^(.*)$\": %q\n", s.path(strings.ReplaceAll(upstream, "*", nowhere))+"/$1")
		}
	}
	if len(s.ca) > 0 || s.login != "" {
		fmt.Fprintf(&b, "configs:\n  %q:\n", s.host)
	}
	if s.login != "" {
		fmt.Fprintf(&b, "    auth:\n      auth: %q\n", s.login)
	}
	if len(s.ca) > 0 {
		fmt.Fprintf(&b, "    tls:\n      ca_file: %q\n", Folder(kind)+"/"+caFile)
	}
	return []byte(b.String())
}
