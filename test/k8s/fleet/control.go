package fleet

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
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
	"sync"
	"syscall"
	"time"
)

const apiPort = "6443"

// control is the control plane: processes of this machine.
type control struct {
	dir   string
	opts  *Options
	fleet *Fleet

	mu    sync.Mutex // protects the rest
	first *Host
	etcd  *process
	kube  []*process
	api   *kubeClient
}

// process is a program that runs until it is stopped.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

func start(log, program string, args ...string) (*process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := &process{cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = f, f
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // its log says why it ended
	}()
	return p, nil
}

func (p *process) stop() {
	const patience = 5 * time.Second // for what a server has under way
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

func (c *control) at(name string) string { return filepath.Join(c.dir, name) }

func (c *control) pki(name string) string {
	return filepath.Join(c.first.root(), "etc/kubernetes/pki", name)
}

// client speaks to the API server as its administrator.
func (c *control) client() *kubeClient {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.api
}

// begin begins the control plane with the keys on a host, and makes the certificates that
// kubeadm would.
func (c *control) begin(ctx context.Context, h *Host, version string) error {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return err
	}
	c.first = h
	local := net.IPv4(127, 0, 0, 1)
	for _, one := range []struct {
		authority, name string
		who             pkix.Name
		ips             []net.IP
	}{
		{"ca", "apiserver", pkix.Name{CommonName: "kube-apiserver"}, []net.IP{net.ParseIP(h.Address), local, net.IPv4(10, 96, 0, 1)}},
		{"ca", "admin", pkix.Name{CommonName: "fleet", Organization: []string{"system:masters"}}, nil},
		{"etcd/ca", "etcd/server", pkix.Name{CommonName: h.Name}, []net.IP{local}},
		{"etcd/ca", "etcd/healthcheck-client", pkix.Name{CommonName: "kube-etcd-healthcheck-client"}, nil},
	} {
		if err := certify(c.pki(one.authority), c.pki(one.name), one.who, one.ips); err != nil {
			return err
		}
	}
	api, err := newKubeClient("https://"+net.JoinHostPort(h.Address, apiPort), c.pki("ca.crt"), c.pki("admin"))
	if err != nil {
		return err
	}
	if err := c.writeKubeconfig(api.base); err != nil {
		return err
	}
	c.mu.Lock()
	c.api = api
	c.mu.Unlock()
	c.etcd, err = start(c.at("etcd.log"), filepath.Join(c.opts.Etcd, "server"), "--name="+h.Name, "--data-dir="+c.at("etcd"), "--unsafe-no-fsync",
		"--listen-client-urls=https://127.0.0.1:2379", "--advertise-client-urls=https://127.0.0.1:2379", "--listen-peer-urls=http://127.0.0.1:2380",
		"--cert-file="+c.pki("etcd/server.crt"), "--key-file="+c.pki("etcd/server.key"), "--trusted-ca-file="+c.pki("etcd/ca.crt"), "--client-cert-auth")
	if err != nil {
		return err
	}
	if err := c.startKube(ctx, version); err != nil {
		return err
	}
	c.fleet.running.Go(func() { (&kubelets{fleet: c.fleet, api: api}).run(c.fleet.ctx) })
	return nil
}

// restart is what an upgrade of the control plane comes to.
func (c *control) restart(ctx context.Context, version string) error {
	c.stopKube()
	return c.startKube(ctx, version)
}

// startKube starts a version of Kubernetes, and returns when it answers.
func (c *control) startKube(ctx context.Context, version string) error {
	bin := c.opts.Kubernetes[version]
	if bin == "" {
		return fmt.Errorf("this fleet has no Kubernetes %s", version)
	}
	const services = "--service-cluster-ip-range=10.96.0.0/16"
	for _, one := range [][]string{
		// Nobody removes the taint of a new node, or makes tokens for pods: the controllers
		// that do are left out, as kubelets are.
		{"kube-apiserver", "--etcd-servers=https://127.0.0.1:2379", "--etcd-cafile=" + c.pki("etcd/ca.crt"), "--etcd-certfile=" + c.pki("etcd/healthcheck-client.crt"),
			"--etcd-keyfile=" + c.pki("etcd/healthcheck-client.key"), "--client-ca-file=" + c.pki("ca.crt"), "--tls-cert-file=" + c.pki("apiserver.crt"), "--tls-private-key-file=" + c.pki("apiserver.key"),
			"--service-account-key-file=" + c.pki("sa.pub"), "--service-account-signing-key-file=" + c.pki("sa.key"), "--service-account-issuer=https://kubernetes.default.svc.cluster.local", services,
			"--bind-address=" + c.first.Address, "--advertise-address=" + c.first.Address, "--secure-port=" + apiPort, "--authorization-mode=Node,RBAC", "--enable-bootstrap-token-auth", "--allow-privileged",
			"--disable-admission-plugins=ServiceAccount,TaintNodesByCondition"},
		{"kube-controller-manager", "--kubeconfig=" + c.at("admin.conf"), "--secure-port=0", "--leader-elect=false", "--kube-api-qps=200", "--kube-api-burst=400",
			"--controllers=deployment-controller,replicaset-controller,daemonset-controller,disruption-controller,namespace-controller"},
		{"kube-scheduler", "--kubeconfig=" + c.at("admin.conf"), "--secure-port=0", "--leader-elect=false", "--kube-api-qps=200", "--kube-api-burst=400"},
	} {
		p, err := start(c.at(one[0]+".log"), filepath.Join(bin, one[0]), one[1:]...)
		if err != nil {
			return err
		}
		c.kube = append(c.kube, p)
		if one[0] == "kube-apiserver" {
			if err := c.awaitAPI(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *control) awaitAPI(ctx context.Context, p *process) error {
	for {
		err := c.client().do(ctx, request{method: http.MethodGet, path: "/readyz"})
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-p.done:
			content, _ := os.ReadFile(c.at("kube-apiserver.log"))
			return fmt.Errorf("kube-apiserver has ended: %s", content[max(0, len(content)-2000):])
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (c *control) stopKube() {
	for _, p := range slices.Backward(c.kube) {
		p.stop()
	}
	c.kube = nil
}

func (c *control) stop() error {
	c.stopKube()
	if c.etcd != nil {
		c.etcd.stop()
	}
	return nil
}

// admits is what kubeadm join finds out: the authority is the one whose hash was told,
// and the server knows the token.
func (c *control) admits(ctx context.Context, token string, hashes []string) error {
	authority, err := readCertificate(c.pki("ca.crt"))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(authority.RawSubjectPublicKeyInfo)
	if hash := "sha256:" + hex.EncodeToString(sum[:]); !slices.Contains(hashes, hash) {
		return fmt.Errorf("kubeadm join: the authority is %s, not %v", hash, hashes)
	}
	for {
		err := c.client().do(ctx, request{method: http.MethodGet, path: "/version", token: token})
		if err == nil || !strings.Contains(err.Error(), "401") {
			return err
		}
		select { // the server learns of a new token a little later
		case <-ctx.Done():
			return fmt.Errorf("kubeadm join: the token is not taken: %w", err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (c *control) writeKubeconfig(server string) error {
	content, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "fleet",
		"clusters": []any{map[string]any{"name": "fleet", "cluster": map[string]any{"server": server, "certificate-authority": c.pki("ca.crt")}}},
		"users":    []any{map[string]any{"name": "fleet", "user": map[string]any{"client-certificate": c.pki("admin.crt"), "client-key": c.pki("admin.key")}}},
		"contexts": []any{map[string]any{"name": "fleet", "context": map[string]any{"cluster": "fleet", "user": "fleet"}}},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(c.at("admin.conf"), content, 0o600)
}

func readCertificate(file string) (*x509.Certificate, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("%s: no certificate", file)
	}
	return x509.ParseCertificate(block.Bytes)
}

// certify makes NAME.crt and NAME.key, of an authority of such files.
func certify(authority, name string, who pkix.Name, ips []net.IP) error {
	pair, err := tls.LoadX509KeyPair(authority+".crt", authority+".key")
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: who, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: ips,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	content, err := x509.CreateCertificate(rand.Reader, template, pair.Leaf, key.Public(), pair.PrivateKey)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(name+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: content}), 0o644),
		os.WriteFile(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
}
