package nodeconfig

import (
	"fmt"
	"strings"
)

// podmanFiles is one drop-in for everything that reads containers-registries.conf(5):
// podman, buildah, skopeo and CRI-O. The location is rewritten, not mirrored:
// a mirror falls back to the upstream.
func podmanFiles(s site) []File {
	var b strings.Builder
	fmt.Fprintf(&b, `# Written by landfall node-config podman: images of the upstreams below come from
# the site, for podman, buildah, skopeo and CRI-O alike. Each upstream is replaced,
# not mirrored, so there is no way back to it and nothing outside is dialled. An
# upstream that is not listed is dialled: name it with --upstream.
#
# Goes to %s/registries.conf.d/50-landfall.conf
`, Folder(Podman))
	if len(s.ca) > 0 {
		fmt.Fprintf(&b, "# with the site's certificate in %s/certs.d/%s/ca.crt\n", Folder(Podman), s.host)
	}
	for _, upstream := range s.upstreams {
		fmt.Fprintf(&b, "\n[[registry]]\nprefix = %q\nlocation = %q\n", upstream, s.host+"/"+s.prefix+repositoryPath(upstream))
		if s.insecure() {
			b.WriteString("insecure = true\n")
		}
	}
	if s.insecure() {
		fmt.Fprintf(&b, "\n# The site by its own name, for pushes.\n[[registry]]\nlocation = %q\ninsecure = true\n", s.host)
	}
	files := []File{{Path: "registries.conf.d/50-landfall.conf", Content: []byte(b.String()), Mode: 0o644}}
	if len(s.ca) > 0 {
		files = append(files, File{Path: "certs.d/" + s.host + "/ca.crt", Content: s.ca, Mode: 0o644})
	}
	return sorted(files)
}
