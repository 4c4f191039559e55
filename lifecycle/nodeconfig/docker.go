package nodeconfig

import (
	"encoding/json"
	"fmt"
	"strings"
)

// dockerFiles are daemon.json, which may hold no comment since dockerd refuses
// unknown keys, a README that says what daemon.json cannot, and the CA.
func dockerFiles(s site) []File {
	files := []File{
		{Path: "daemon.json", Content: daemonJSON(s), Mode: 0o644},
		{Path: "landfall-README.txt", Content: dockerReadme(s), Mode: 0o644},
	}
	if len(s.ca) > 0 {
		files = append(files, File{Path: "certs.d/" + s.host + "/ca.crt", Content: s.ca, Mode: 0o644})
	}
	return sorted(files)
}

// daemonConfig is the part of daemon.json that this package writes.
type daemonConfig struct {
	Mirrors  []string `json:"registry-mirrors"`
	Insecure []string `json:"insecure-registries,omitempty"`
}

func daemonJSON(s site) []byte {
	config := daemonConfig{Mirrors: []string{s.url()}}
	if s.insecure() && !s.loopback() {
		config.Insecure = []string{s.host}
	}
	content, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		panic(err) // strings always encode
	}
	return append(content, '\n')
}

func dockerReadme(s site) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `# Written by landfall node-config docker: dockerd pulls Docker Hub's images from
# the site. This file is for people; daemon.json beside it may hold no comments.

daemon.json goes to %s/daemon.json. Merge its keys by hand when the
host has one already, then: systemctl reload docker

`, Folder(Docker))
	if len(s.ca) > 0 {
		fmt.Fprintf(&b, "certs.d/%s/ca.crt goes to %s/certs.d/%[1]s/ca.crt.\n\n", s.host, Folder(Docker))
	}
	b.WriteString(`What dockerd cannot do: it has mirrors for Docker Hub only, and it asks Docker
Hub itself when the mirror has no such image. Images of other upstreams are
pulled from the site by the site's own names:

`)
	for _, upstream := range s.upstreams {
		fmt.Fprintf(&b, "    %s/NAME\n        docker pull %s/%s/NAME\n", upstream, s.host, repositoryPath(upstream))
	}
	fmt.Fprintf(&b, `
Images are pushed to the site as %s/PATH/NAME:TAG.
`, s.host)
	return []byte(b.String())
}
