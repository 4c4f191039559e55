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
		files = append(files, hostsFile(s, hostDirectory(upstream), upstream, upstream+"/…"))
	}
	files = append(files, hostsFile(s, "_default", nowhere, "all other upstreams"))
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

func hostsFile(s site, dir, upstream, what string) File {
	how, server := "containerd adds\n# ?ns=<upstream>, by which the site finds the original name.", s.url()
	if s.hostPaths {
		how, server = "The path\n# below is the site's for it, original host included.", s.url()+"/v2/"+s.path(upstream)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# Written by landfall node-config containerd: images of %s
# come from the site and nothing outside it is dialled. %s
#
# Goes to %s/%s/hosts.toml, with this in
# /etc/containerd/config.toml (containerd 1.6, 1.7):
#   [plugins."io.containerd.grpc.v1.cri".registry]
#     config_path = "%[3]s"
# and in version 2.x:
#   [plugins."io.containerd.cri.v1.images".registry]
#     config_path = "%[3]s"
# Changes here need no restart of containerd.

server = %[5]q
capabilities = ["pull", "resolve"]
`, what, how, Folder(Containerd), dir, server)
	if s.hostPaths {
		b.WriteString("override_path = true\n")
	}
	if len(s.ca) > 0 {
		fmt.Fprintf(&b, "ca = %q\n", "../"+caFile)
	}
	if s.login != "" {
		fmt.Fprintf(&b, "\n[header]\nAuthorization = %q\n", "Basic "+s.login)
	}
	b.WriteString(`
# Empty on purpose. Without this table containerd 1.6 rejects the whole file and
# goes to the upstream itself.
[host]
`)
	return File{Path: dir + "/hosts.toml", Content: []byte(b.String()), Mode: s.mode()}
}
