package k8s

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/test/k8s/image"
	"github.com/landfall-dev/landfall/test/k8s/lab"
)

// connected is the connected side: the registries of upstream by their names, profiles,
// and Landfall that makes bundles of them.
type connected struct {
	t     *testing.T
	p     parts
	dir   string
	space *lab.Space
}

func newConnected(t *testing.T, l *lab.Lab, p parts) *connected {
	t.Helper()
	set := must(makeImages(p))(t)
	names := map[string]string{}
	for _, host := range set.Hosts() {
		names[host] = "127.0.0.1"
	}
	c := &connected{t: t, p: p, dir: filepath.Join(p.Run, "connected"), space: must(l.NewSpace(t.Context(), "connected", "", names))(t)}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	certificate := must(c.certificate(set.Hosts()))(t)
	listener := must(c.space.Listen("127.0.0.1:443"))(t)
	server := &http.Server{Handler: &image.Registry{Set: set}, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ServeTLS(listener, "", "")
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	c.landfall("key", "generate", "-o", c.at("team"))
	return c
}

func (c *connected) at(name string) string { return filepath.Join(c.dir, name) }

// certificate makes one for the names of upstream, that proves itself (ca.pem).
func (c *connected) certificate(names []string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "registries of the laboratory"}, DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	content, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err == nil {
		err = os.WriteFile(c.at("ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: content}), 0o644)
	}
	return tls.Certificate{Certificate: [][]byte{content}, PrivateKey: key}, err
}

// landfall runs it there.
func (c *connected) landfall(args ...string) string {
	c.t.Helper()
	return must(c.space.Run(c.t.Context(), append([]string{binary()}, args...)...))(c.t)
}

func binary() string { return os.Getenv("LANDFALL_BIN") }

// stack is what a profile differs in from the others.
type stack struct {
	version    string // of the profile
	kubernetes string
	app        string // tag of the application
	// broken brings a kubelet's unit that does not start.
	broken bool
}

// profileText is a whole site: what hosts need, Kubernetes, the pod network, the
// application and a chart.
const profileText = `apiVersion: landfall.dev/v1alpha1
kind: ClusterProfile
metadata: {name: edge, version: %[1]s}
spec:
  platforms: [linux/amd64]
  layers:
    - name: machine
      type: os
      upgrade: {policy: inPlace}
      files: [{path: ./machine.toml, target: /etc/containerd/conf.d/machine.toml, mode: "0644"}]
    - name: kube
      type: kubernetes
      kubernetes: {distribution: kubeadm, version: %[2]s}
      images: [` + kubeVIP + `]
      providers:
        - {name: runtime, version: 2.2.9, path: ./runtime, platforms: [linux/amd64]}
        - {name: kubernetes, version: %[3]s, path: ./kubernetes, platforms: [linux/amd64]}
    - name: net
      type: network
      manifests: [./cni.yaml]
    - name: app
      type: addon
      manifests: [./app.yaml]
    - name: status
      type: addon
      namespace: status
      chart: {path: ./status, namespace: status}
`

// profile writes a profile's folder, and returns its file.
func (c *connected) profile(s stack) string {
	c.t.Helper()
	dir := c.at("profile-" + s.version)
	write := func(name, content string) {
		c.t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			c.t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			c.t.Fatal(err)
		}
	}
	provider := s.kubernetes
	if s.broken {
		provider += "-broken"
		write("kubernetes/etc/systemd/system/kubelet.service.d/90-broken.conf", "[Service]\nExecStart=\nExecStart=/bin/false\n")
	}
	write("profile.yaml", fmt.Sprintf(profileText, s.version, s.kubernetes, provider))
	write("machine.toml", machineContainerd)
	for _, name := range []string{"cni.yaml", "app.yaml", "status/Chart.yaml", "status/values.yaml", "status/templates/status.yaml"} {
		content := string(must(os.ReadFile(filepath.Join("testdata", name)))(c.t))
		write(name, strings.ReplaceAll(content, "example.test/app:1", "example.test/app:"+s.app))
	}
	for at, from := range programs(c.p, s.kubernetes) {
		folder := "runtime"
		switch filepath.Base(at) {
		case "kubelet", "kubeadm", "kubectl":
			folder = "kubernetes"
		}
		link(c.t, from, filepath.Join(dir, folder, at))
	}
	return filepath.Join(dir, "profile.yaml")
}

// link places a file of the cache in a folder.
func link(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(from, to); err != nil {
		t.Fatal(err)
	}
}

// build resolves a profile into a definition file.
func (c *connected) build(s stack) string {
	c.t.Helper()
	file := c.at("edge-" + s.version + ".def.yaml")
	c.landfall("definition", "build", c.profile(s), "--ca", c.at("ca.pem"), "--sign", c.at("team.key"), "-o", file)
	return file
}

// bundle makes a bundle of a definition, with further arguments.
func (c *connected) bundle(definition string, more ...string) string {
	c.t.Helper()
	file := strings.TrimSuffix(definition, ".def.yaml") + ".bundle"
	c.landfall(append([]string{"bundle", "create", "--definition", definition, "--ca", c.at("ca.pem"), "--sign", c.at("team.key"), "-o", file}, more...)...)
	return file
}
