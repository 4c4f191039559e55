package k8s

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/test/k8s/lab"
)

// Addresses of the appliance.
const (
	registryURL = "https://" + lab.ApplianceAddress + ":5443"
	hostsURL    = "https://" + lab.ApplianceAddress + ":5444"
)

// agentUnit is how the agent runs on a host.
const agentUnit = `[Unit]
Description=Landfall, the agent of this host
StartLimitIntervalSec=0
[Service]
Type=notify
NotifyAccess=main
ExecStart=/usr/local/bin/landfall serve --role host
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
`

// site is an appliance and hosts on a switch.
type site struct {
	t     *testing.T
	l     *lab.Lab
	data  string
	space *lab.Space
	hosts []*lab.Host

	appliance *exec.Cmd // that runs; nil: none
	died      chan error
}

// newSite starts the appliance of a site without hosts.
func newSite(t *testing.T, l *lab.Lab, p parts) *site {
	t.Helper()
	s := &site{t: t, l: l, data: filepath.Join(p.Run, "site"), space: must(l.NewSpace(t.Context(), "appliance", lab.ApplianceAddress, nil))(t)}
	t.Cleanup(s.stop)
	s.start()
	return s
}

// withAgent is a host whose agent begins with it.
func withAgent() lab.Spec {
	const unit = "/etc/systemd/system/landfall-host.service"
	return lab.Spec{
		Files: map[string]string{"/usr/local/bin/landfall": binary()},
		Texts: map[string]string{unit: agentUnit},
		Links: map[string]string{"/etc/systemd/system/multi-user.target.wants/landfall-host.service": unit},
	}
}

// furnish gives the site its three hosts, with power; their agents are not linked.
func (s *site) furnish() { s.hosts = newHosts(s.t, s.l, withAgent()) }

// start starts the appliance, and returns when it answers.
func (s *site) start() {
	s.t.Helper()
	file := must(os.OpenFile(s.data+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644))(s.t)
	defer file.Close()
	// The space's program is the appliance itself: ip becomes it.
	s.appliance = exec.Command("ip", "netns", "exec", s.space.Name, binary(), "serve", "--data", s.data, "--listen", registryURL, "--hosts-listen", strings.TrimPrefix(hostsURL, "https://"), "--tls-name", lab.ApplianceAddress)
	s.appliance.Stdout, s.appliance.Stderr = file, file
	if err := s.appliance.Start(); err != nil {
		s.t.Fatal(err)
	}
	died := make(chan error, 1)
	s.died = died
	go func(c *exec.Cmd) { died <- c.Wait() }(s.appliance)
	eventually(s.t, time.Minute, "the appliance", func() (bool, string) {
		said, err := s.space.Command(s.t.Context(), binary(), "host", "ls", "--data", s.data).CombinedOutput()
		_, missing := os.Stat(filepath.Join(s.data, "landfall.sock"))
		return err == nil && missing == nil, string(said) + s.lastWords()
	})
}

// lastWords are the end of the appliance's log.
func (s *site) lastWords() string {
	content, _ := os.ReadFile(s.data + ".log")
	return string(content[max(0, len(content)-2000):])
}

// kill ends the appliance by SIGKILL.
func (s *site) kill() {
	s.t.Helper()
	if err := s.appliance.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	<-s.died
}

// stop ends the appliance as an administrator does, and keeps its log.
func (s *site) stop() {
	if s.died == nil {
		return
	}
	_ = s.appliance.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.died:
	case <-time.After(time.Minute):
		s.t.Error("the appliance does not end")
		_ = s.appliance.Process.Kill()
		<-s.died
	}
	content, err := os.ReadFile(s.data + ".log")
	if err == nil {
		err = os.WriteFile(filepath.Join(out(s.t), "appliance.log"), content, 0o644)
	}
	if err != nil {
		s.t.Error(err)
	}
}

// landfall runs it at the appliance.
func (s *site) landfall(args ...string) string {
	s.t.Helper()
	return must(s.try(args...))(s.t)
}

func (s *site) try(args ...string) (string, error) {
	return s.space.Run(s.t.Context(), append(append([]string{binary()}, args...), "--data", s.data)...)
}

// look is a command that only looks, again and again: it is not written down.
func (s *site) look(args ...string) (string, error) {
	said, err := s.space.Command(s.t.Context(), append(append([]string{binary()}, args...), "--data", s.data)...).Output()
	return string(said), err
}

// refused proves that a command ends with a code, and says why.
func (s *site) refused(code int, want string, args ...string) {
	s.t.Helper()
	_, err := s.try(args...)
	var f *lab.Failure
	if !errors.As(err, &f) || f.Code != code || !strings.Contains(f.Said, want) {
		s.t.Errorf("%q: %v, want exit %d and %q", args, err, code, want)
	}
}

// link links a host's agent.
func (s *site) link(h *lab.Host) {
	s.t.Helper()
	var token struct{ Token string }
	if err := json.Unmarshal([]byte(s.landfall("host", "token", "--json")), &token); err != nil || token.Token == "" {
		s.t.Fatalf("host token --json: %v", err)
	}
	must(h.Exec(s.t.Context(), "landfall", "host", "link", token.Token, "--server", hostsURL))(s.t)
}

// linkAll links all hosts, and waits until the appliance has heard of them.
func (s *site) linkAll() {
	s.t.Helper()
	for _, h := range s.hosts {
		s.link(h)
	}
	eventually(s.t, time.Minute, "linked hosts", func() (bool, string) {
		var list []struct {
			Name   string
			Online bool
		}
		said, err := s.look("host", "ls", "--json")
		if err == nil {
			err = json.Unmarshal([]byte(said), &list)
		}
		online := 0
		for _, h := range list {
			if h.Online {
				online++
			}
		}
		return err == nil && online == len(s.hosts), fmt.Sprint(said, err)
	})
}

// clusterFile is the cluster of the tests: one host has the control plane, two work, and
// what this machine needs is said here and nowhere else.
const clusterFile = `apiVersion: landfall.dev/v1alpha1
kind: Cluster
metadata: {name: shop}
spec:
  definition: %s
  controlPlane: {hosts: [edge1], workloads: true}
  workers: [{name: workers, hosts: [edge2, edge3]}]
  network: {pods: 10.244.0.0/16, services: 10.96.0.0/16, proxyMode: iptables}
  upgrade: {wave: 1, drain: 5m, health: 5m}
  kubeadm:
    ignorePreflightErrors: [SystemVerification]
    kubelet: {failCgroupV1: false, evictionHard: {memory.available: 100Mi, nodefs.available: 1%%, imagefs.available: 1%%, nodefs.inodesFree: 1%%}}
    proxy: {conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}}
`

// clusterState is what 'cluster get --json' says.
type clusterState struct {
	Phase, Reason, Next, Running, Previous, Staged, Endpoint string
	Run                                                      *struct {
		Kind, State string
		Done, Total int
		Steps       []stepState
	}
}

type stepState struct {
	ID, Phase, Title, Host, State, Reason string
	Began, Ended                          time.Time
}

func (s *site) cluster() (c clusterState) {
	s.t.Helper()
	said, err := s.look("cluster", "get", "shop", "--json")
	if err == nil {
		err = json.Unmarshal([]byte(said), &c)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// podImages are the images that run in the cluster: name to the digest that the runtime
// says, of each container. Pods that are being ended are left out.
func (s *site) podImages() map[string]string {
	s.t.Helper()
	said := must(s.hosts[0].Look(s.t.Context(), "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "get", "pods", "-A", "-o", "json"))(s.t)
	var list struct {
		Items []struct {
			Metadata struct{ DeletionTimestamp string }
			Status   struct {
				ContainerStatuses []struct{ Image, ImageID string }
			}
		}
	}
	if err := json.Unmarshal([]byte(said), &list); err != nil {
		s.t.Fatal(err)
	}
	images := map[string]string{}
	for _, pod := range list.Items {
		for _, c := range pod.Status.ContainerStatuses {
			if pod.Metadata.DeletionTimestamp == "" {
				images[c.Image] = c.ImageID
			}
		}
	}
	return images
}
