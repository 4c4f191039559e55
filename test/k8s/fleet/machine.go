package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// machine stands in for the programs of a host.
type machine struct {
	host *Host

	mu    sync.Mutex // protects the rest
	units map[string]bool
	node  bool // its kubelet belongs to a cluster
}

// program stands in for a program of the host.
func (m *machine) program(ctx context.Context, name string, args ...string) (string, error) {
	switch {
	case name == "systemctl" && len(args) == 1: // daemon-reload
		return "", nil
	case name == "systemctl":
		return m.systemctl(ctx, args[0], args[len(args)-1])
	case name == "kubeadm":
		return "", m.kubeadm(ctx, args)
	}
	return "", fmt.Errorf("%s: this host has no such program", name)
}

func (m *machine) systemctl(ctx context.Context, act, unit string) (string, error) {
	m.mu.Lock()
	runs := m.units[unit]
	m.mu.Unlock()
	switch act {
	case "is-active", "is-enabled":
		if !runs {
			return "inactive\n", errors.New("exit status 3")
		}
		return map[string]string{"is-active": "active\n", "is-enabled": "enabled\n"}[act], nil
	case "start", "restart", "enable":
		if err := m.isThere(unit); err != nil {
			return "", err
		}
	}
	m.mu.Lock()
	m.units[unit] = act != "stop" && act != "disable"
	kubelet := unit == "kubelet.service" && m.node
	m.mu.Unlock()
	if kubelet && act == "restart" {
		return "", m.register(ctx)
	}
	return "", nil
}

// isThere proves that a unit of the product's own was put onto the host before.
func (m *machine) isThere(unit string) error {
	if unit != "containerd.service" && unit != "kubelet.service" {
		return nil // of systemd
	}
	_, err := os.Stat(filepath.Join(m.host.root(), "usr/local/lib/systemd/system", unit))
	return err
}

// version is that of a program that a provider has put in place: see Program.
func (m *machine) version(name string) (string, error) {
	content, err := os.ReadFile(filepath.Join(m.host.root(), "usr/local/bin", name))
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(content), "\n")
	said, version, ok := strings.Cut(line, " v")
	if !ok || said != name {
		return "", fmt.Errorf("%s: it is no program of a stand-in: %.40q", name, line)
	}
	return version, nil
}

// Program is the content of a program that stands in for one of Kubernetes, followed by
// whatever makes it as long as it shall be.
func Program(name, version string) string { return name + " v" + version + "\n" }

// kubeadm stands in for a step of it.
func (m *machine) kubeadm(ctx context.Context, args []string) error {
	version, err := m.version("kubeadm")
	if err != nil {
		return err
	}
	control := m.host.fleet.control
	switch strings.Join(args[:min(len(args), 2)], " ") {
	case "init --config":
		if err := control.begin(ctx, m.host, version); err != nil {
			return err
		}
		return m.join(ctx)
	case "join --config":
		if err := m.admitted(ctx, args[2]); err != nil {
			return err
		}
		return m.join(ctx)
	case "upgrade apply":
		if !slices.Contains(args, "v"+version) {
			return fmt.Errorf("kubeadm is %s, and shall upgrade so: %v", version, args)
		}
		return control.restart(ctx, version)
	case "upgrade node":
		return nil
	case "reset -f":
		m.mu.Lock()
		defer m.mu.Unlock()
		m.node = false
		return nil
	}
	return fmt.Errorf("kubeadm: this stand-in does not know %v", args)
}

// admitted asks the API server whether it takes the token of who joins.
func (m *machine) admitted(ctx context.Context, config string) error {
	content, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	var c struct {
		Discovery struct {
			BootstrapToken struct {
				Token        string   `json:"token"`
				CACertHashes []string `json:"caCertHashes"`
			} `json:"bootstrapToken"`
		} `json:"discovery"`
	}
	if err := json.Unmarshal(content, &c); err != nil {
		return err
	}
	token := c.Discovery.BootstrapToken
	return m.host.fleet.control.admits(ctx, token.Token, token.CACertHashes)
}

// join makes the host a node.
func (m *machine) join(ctx context.Context) error {
	folder := filepath.Join(m.host.root(), "etc/kubernetes")
	if err := errors.Join(os.MkdirAll(folder, 0o755), os.WriteFile(filepath.Join(folder, "kubelet.conf"), []byte("a stand-in's\n"), 0o600)); err != nil {
		return err
	}
	m.mu.Lock()
	m.node = true
	m.mu.Unlock()
	return m.register(ctx)
}

// register is what a kubelet does when it is begun.
func (m *machine) register(ctx context.Context) error {
	version, err := m.version("kubelet")
	if err != nil {
		return err
	}
	return m.host.fleet.control.client().register(ctx, m.host, version)
}
