// Package plane is a control plane without hosts: etcd, the API server and the controller
// manager as processes on loopback, and a player, which does to pods what a scheduler and
// kubelets would. Objects are what they are in a real cluster; no container runs.
package plane

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/cluster/pki"
)

// Options say what a plane is made of.
type Options struct {
	Etcd, Kubernetes string // folders of programs
	Dir              string // that it writes to
}

// Plane is a running control plane.
type Plane struct {
	Kubeconfig []byte // of an administrator

	keys     *pki.Keys
	dir      string
	endpoint string // of the API server
	running  []process
}

// process is a program that was started; ended is closed when it has ended.
type process struct {
	*exec.Cmd
	ended chan struct{}
}

const (
	startLimit = 2 * time.Minute
	life       = 24 * time.Hour
	look       = 100 * time.Millisecond
)

// Start starts a control plane and waits until it serves.
func Start(ctx context.Context, o Options) (*Plane, error) {
	keys, err := pki.New(time.Now())
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	p := &Plane{keys: keys, dir: o.Dir, endpoint: "127.0.0.1:" + ports[0]}
	if p.Kubeconfig, err = keys.Kubeconfig("plane", p.endpoint, "administrator", pki.Administrators, time.Now(), life); err != nil {
		return nil, err
	}
	if err := p.writeFiles(); err != nil {
		return nil, err
	}
	store := "http://127.0.0.1:" + ports[1]
	peers := "http://127.0.0.1:" + ports[2]
	if err := p.run(filepath.Join(o.Etcd, "server"), "--data-dir="+p.file("etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+store, "--advertise-client-urls="+store, "--listen-peer-urls="+peers, "--initial-advertise-peer-urls="+peers, "--initial-cluster=default="+peers); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	if err := p.run(filepath.Join(o.Kubernetes, "kube-apiserver"), "--etcd-servers="+store, "--bind-address=127.0.0.1", "--advertise-address=192.0.2.1", "--secure-port="+ports[0], "--endpoint-reconciler-type=none",
		"--tls-cert-file="+p.file("server.crt"), "--tls-private-key-file="+p.file("server.key"), "--client-ca-file="+p.file("ca.crt"),
		"--service-account-key-file="+p.file("sa.pub"), "--service-account-signing-key-file="+p.file("sa.key"), "--service-account-issuer=https://plane",
		"--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=RBAC", "--allow-privileged"); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	if err := p.await(ctx); err != nil {
		return nil, errors.Join(err, p.said(), p.Stop())
	}
	// Nodes have no kubelets that would renew leases: nobody is to say that they are lost.
	err = p.run(filepath.Join(o.Kubernetes, "kube-controller-manager"), "--kubeconfig="+p.file("kubeconfig"), "--leader-elect=false", "--secure-port=0", "--root-ca-file="+p.file("ca.crt"),
		"--service-account-private-key-file="+p.file("sa.key"), "--controllers=*,-node-lifecycle-controller,-taint-eviction-controller,-node-ipam-controller,-node-route-controller,-service-lb-controller")
	if err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

func (p *Plane) file(name string) string { return filepath.Join(p.dir, name) }

// freePorts are ports of loopback on which nobody listened a moment ago.
func freePorts(n int) (ports []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}

// writeFiles writes keys, certificates and the kubeconfig.
func (p *Plane) writeFiles() error {
	certificate, key, err := p.serverPair()
	if err != nil {
		return err
	}
	files, err := p.keys.Files()
	if err != nil {
		return err
	}
	content := map[string][]byte{"server.crt": certificate, "server.key": key, "kubeconfig": p.Kubeconfig}
	for _, f := range files {
		content[filepath.Base(f.Path)] = f.Content
	}
	content["ca.crt"] = p.keys.Cluster.Certificate // etcd's has the same name
	for name, text := range content {
		if err := os.WriteFile(p.file(name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// serverPair is a certificate of the API server for loopback, with its key, PEM.
func (p *Plane) serverPair() (certificate, key []byte, err error) {
	authority, err := tls.X509KeyPair(p.keys.Cluster.Certificate, p.keys.Cluster.Key)
	if err != nil {
		return nil, nil, err
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "kube-apiserver"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, authority.Leaf, own.Public(), authority.PrivateKey)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(own)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), err
}

// run starts a program, which writes to a file.
func (p *Plane) run(program string, args ...string) error {
	out, err := os.Create(p.file(filepath.Base(program) + ".log"))
	if err != nil {
		return err
	}
	defer out.Close()
	c := exec.Command(program, args...)
	c.Stdout, c.Stderr, c.Dir = out, out, p.dir
	if err := c.Start(); err != nil {
		return err
	}
	one := process{c, make(chan struct{})}
	go func() {
		_ = c.Wait() // Stop kills it
		close(one.ended)
	}()
	p.running = append(p.running, one)
	return nil
}

// await waits until the API server is ready.
func (p *Plane) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.keys.Cluster.Certificate)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+p.endpoint+"/readyz", nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(request)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(answer.Status)
		}
		select {
		case <-p.running[len(p.running)-1].ended:
			return errors.New("the API server has ended")
		case <-ctx.Done():
			return fmt.Errorf("the API server was not ready within %s: %w", startLimit, err)
		case <-time.After(look):
		}
	}
}

// said is what programs have written last, as an error.
func (p *Plane) said() error {
	const most = 2000
	var text strings.Builder
	for _, c := range p.running {
		name := filepath.Base(c.Path)
		content, err := os.ReadFile(p.file(name + ".log"))
		if err != nil {
			continue
		}
		fmt.Fprintf(&text, "%s: %s\n", name, content[max(0, len(content)-most):])
	}
	return errors.New(text.String())
}

// Stop ends all programs, the last one first.
func (p *Plane) Stop() (err error) {
	for _, one := range slices.Backward(p.running) {
		if e := one.Process.Kill(); !errors.Is(e, os.ErrProcessDone) {
			err = errors.Join(err, e)
		}
		<-one.ended
	}
	p.running = nil
	return err
}
