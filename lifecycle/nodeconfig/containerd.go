package nodeconfig

import (
	"fmt"
	"strings"
)

// caFile is the site's certificate beside the configuration that names it.
const caFile = "landfall-ca.crt"

// containerdFiles is a hosts folder, the value of config_path:
//
//	docker.io/hosts.toml
//	10.0.0.5_5000_/hosts.toml   an upstream with a port
//	_default/hosts.toml         every other upstream
//	landfall-ca.crt             with https and a CA
func containerdFiles(s site) []File {
	var files []File
	for _, upstream := range s.upstreams {
		files = append(files, hostsFile(s, hostDirectory(upstream), upstream+"/…"))
	}
	files = append(files, hostsFile(s, "_default", "all other upstreams"))
	if len(s.ca) > 0 {
		files = append(files, File{Path: caFile, Content: s.ca, Mode: 0o644})
	}
	return sorted(files)
}

// hostDirectory is the folder that containerd looks in first. It also finds
// the literal "host:port", but not on Windows.
// https://github.com/containerd/containerd/blob/v1.6.20/remotes/docker/config/hosts.go
func hostDirectory(upstream string) string {
	if host, port, ok := strings.Cut(upstream, ":"); ok {
		return host + "_" + port + "_"
	}
	return upstream
}

func hostsFile(s site, dir, what string) File {
	var b strings.Builder
	fmt.Fprintf(&b, `# Written by landfall node-config containerd: images of %s
# come from the site and nothing outside it is dialled. containerd adds
# ?ns=<upstream>, by which the site finds the original name.
#
# Goes to %s/%s/hosts.toml, with this in
# /etc/containerd/config.toml (containerd 1.6, 1.7):
#   [plugins."io.containerd.grpc.v1.cri".registry]
#     config_path = "%[2]s"
# and in version 2.x:
#   [plugins."io.containerd.cri.v1.images".registry]
#     config_path = "%[2]s"
# Changes here need no restart of containerd.

server = %[4]q
capabilities = ["pull", "resolve"]
`, what, Folder(Containerd), dir, s.url())
	if len(s.ca) > 0 {
		fmt.Fprintf(&b, "ca = %q\n", "../"+caFile)
	}
	b.WriteString(`
# Empty on purpose. Without this table containerd 1.6 rejects the whole file and
# goes to the upstream itself.
[host]
`)
	return File{Path: dir + "/hosts.toml", Content: []byte(b.String()), Mode: 0o644}
}
