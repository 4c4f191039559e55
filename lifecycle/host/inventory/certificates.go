package inventory

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// Where Kubernetes has the certificates that do not renew themselves: those of kubeadm's
// control planes, and of k3s.
var certificateFiles = []string{
	"etc/kubernetes/pki/*.crt", "etc/kubernetes/pki/etcd/*.crt", "etc/kubernetes/*.conf",
	"var/lib/rancher/k3s/server/tls/*.crt", "var/lib/rancher/k3s/server/tls/etcd/*.crt", "var/lib/rancher/k3s/agent/*.crt",
}

// inKubeconfig is a certificate within a kubeconfig.
var inKubeconfig = regexp.MustCompile(`(?m)^\s*client-certificate-data: *"?([A-Za-z0-9+/=]+)"?\s*$`)

// certificates are those that end, each as its file is called, by name. Authorities are
// left out, which are not renewed.
func (r reader) certificates() (list []host.Certificate) {
	for _, pattern := range certificateFiles {
		paths, _ := filepath.Glob(r.path(pattern)) // the pattern is a good one
		for _, path := range paths {
			name, err := filepath.Rel(string(r), path)
			if err != nil {
				continue
			}
			text := r.text(name)
			if found := inKubeconfig.FindStringSubmatch(text); found != nil {
				content, _ := base64.StdEncoding.DecodeString(found[1])
				text = string(content)
			}
			block, _ := pem.Decode([]byte(text))
			if block == nil {
				continue
			}
			c, err := x509.ParseCertificate(block.Bytes)
			if err == nil && !c.IsCA {
				list = append(list, host.Certificate{Name: called(name), Ends: c.NotAfter.UTC()})
			}
		}
	}
	slices.SortFunc(list, func(a, b host.Certificate) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// called is a certificate's name: that of its file, in etcd's folder with that.
func called(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), ".crt")
	if filepath.Base(filepath.Dir(path)) == "etcd" {
		name = "etcd/" + name
	}
	return name
}
