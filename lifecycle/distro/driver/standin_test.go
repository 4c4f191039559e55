package driver_test

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/internal/leaktest"
)

// Stand-ins. No k3s runs in these tests: in its place is this test's own binary, which
// checks all that it is given as k3s reads it, notes what it was asked for in k3s.log, and
// leaves state as k3s does.
const (
	roleEnv = "LANDFALL_TEST_ROLE" // k3s, or unit, which runs one
	rootEnv = "LANDFALL_TEST_ROOT" // of the host
	isEnv   = "LANDFALL_TEST_K3S"  // the version of k3s
)

func TestMain(m *testing.M) {
	roles := map[string]func(root string, args []string) error{"k3s": beK3s, "unit": runUnit}
	if role := roles[os.Getenv(roleEnv)]; role != nil {
		if err := role(os.Getenv(rootEnv), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(exitCode(err))
		}
		os.Exit(0)
	}
	leaktest.Main(m)
}

// coded is an error with an exit code of its own.
type coded struct {
	error
	code int
}

func exitCode(err error) int {
	if c := (coded{}); errors.As(err, &c) {
		return c.code
	}
	return 1
}

// command runs this binary in a role.
func command(role, root, version string) string {
	return fmt.Sprintf("/usr/bin/env %s=%s %s='%s' %s=%s '%s'", roleEnv, role, rootEnv, root, isEnv, version, os.Args[0])
}

// systemctl is a shell's script, since it is asked for much: it keeps what runs and what is
// enabled in files, and has units of k3s do their ExecStart.
func systemctl(root string) string {
	return strings.NewReplacer("ROOT", "'"+root+"'", "UNIT", command("unit", root, "")).Replace(`#!/bin/sh
PATH=/usr/bin:/bin
at=ROOT/run/standin
mkdir -p "$at/active" "$at/enabled"
echo "$*" >> ROOT/systemctl.log
for name; do :; done
case "$1" in
is-active|is-enabled) state="${1#is-}"; [ -e "$at/$state/$name" ] && echo "$state" && exit; echo "in$state"; exit 3;;
stop) rm -f "$at/active/$name"; exit;;
disable) rm -f "$at/enabled/$name" "$at/active/$name"; exit;;
enable) : > "$at/enabled/$name";;
start|restart) ;;
*) exit 0;;
esac
case "$name" in k3s*) UNIT "$name" || exit;; esac
: > "$at/active/$name"
`)
}

// runUnit runs the program of a unit, which is found along systemd's search path.
func runUnit(root string, args []string) error {
	name := args[0]
	content, err := os.ReadFile(filepath.Join(root, "usr/local/lib/systemd/system", name))
	if err != nil {
		return coded{fmt.Errorf("unit %s not found: %w", name, err), 5}
	}
	var command []string
	for line := range strings.Lines(string(content)) {
		if rest, is := strings.CutPrefix(line, "ExecStart="); is {
			command = strings.Fields(rest)
		}
	}
	if len(command) == 0 {
		return fmt.Errorf("%s: no ExecStart", name)
	}
	out, err := exec.Command(filepath.Join(root, "usr/local/bin", command[0]), command[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

func note(root, file, line string) {
	f, err := os.OpenFile(filepath.Join(root, file), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = fmt.Fprintln(f, line)
	}
	if err != nil {
		panic(err)
	}
	f.Close()
}

// beK3s does what k3s is asked for, and refuses what k3s would refuse.
// https://docs.k3s.io/cli
func beK3s(root string, args []string) error {
	note(root, "k3s.log", os.Getenv(isEnv)+" "+strings.ReplaceAll(strings.Join(args, " "), root, ""))
	k := &k3sHost{root: root}
	switch {
	case len(args) == 1 && (args[0] == "server" || args[0] == "agent"):
		return k.run(args[0])
	case len(args) == 4 && args[0] == "server" && args[1] == "--cluster-reset" && args[2] == "--cluster-reset-restore-path":
		return k.clusterReset(args[3])
	case slices.Equal(args, []string{"certificate", "rotate"}):
		return k.stopped()
	case len(args) == 8 && args[0] == "etcd-snapshot" && args[1] == "save" && args[2] == "--name" && args[4] == "--etcd-snapshot-dir" && args[6] == "--etcd-server":
		return k.save(args[3], args[5], args[7])
	}
	return fmt.Errorf("k3s has no command like %q", args)
}

// k3sHost is what k3s sees of its host.
type k3sHost struct{ root string }

func (k *k3sHost) path(name string) string { return filepath.Join(k.root, name) }

// Fields of config.yaml that the stand-in knows, by who may have them.
var (
	anyFields    = []string{"node-name", "node-ip", "token", "kubelet-arg", "kube-proxy-arg", "server", "disable-default-registry-endpoint"}
	serverFields = []string{"cluster-cidr", "service-cidr", "cluster-domain", "https-listen-port", "tls-san", "cluster-init", "kube-apiserver-arg", "kube-controller-manager-arg", "kube-scheduler-arg"}
)

func (k *k3sHost) run(verb string) error {
	config, err := k.config(verb)
	if err != nil {
		return err
	}
	if err := k.registries(); err != nil {
		return err
	}
	if verb == "agent" {
		return k.leave(map[string]string{"etc/rancher/node/password": "made", "var/lib/rancher/k3s/agent/containerd/x": "made", "run/k3s/containerd/containerd.sock": ""})
	}
	if err := k.authorities(); err != nil {
		return err
	}
	state := "var/lib/rancher/k3s/server/db/state.db"
	if config["cluster-init"] == true || config["server"] != nil {
		state = "var/lib/rancher/k3s/server/db/etcd/member"
	}
	had, _ := os.ReadFile(k.path(state)) // none at first
	return k.leave(map[string]string{
		state: string(had) + os.Getenv(isEnv) + "\n", "etc/rancher/k3s/k3s.yaml": "made", "etc/rancher/node/password": "made", "var/lib/rancher/k3s/server/node-token": "made",
	})
}

func (k *k3sHost) leave(files map[string]string) error {
	for name, content := range files {
		if err := os.MkdirAll(filepath.Dir(k.path(name)), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(k.path(name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// config is config.yaml with what is beside it, of fields that are known, as they must be.
func (k *k3sHost) config(verb string) (map[string]any, error) {
	path := k.path("etc/rancher/k3s/config.yaml")
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm() != 0o600 {
		return nil, fmt.Errorf("config.yaml has the token, and mode %o", info.Mode().Perm())
	}
	beside, err := filepath.Glob(k.path("etc/rancher/k3s/config.yaml.d/*.yaml"))
	if err != nil {
		return nil, err
	}
	config := map[string]any{}
	for _, path := range append([]string{path}, beside...) {
		content, err := os.ReadFile(path)
		if err == nil {
			err = yaml.Unmarshal(content, &config)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	for field := range config {
		if !slices.Contains(anyFields, field) && (verb == "agent" || !slices.Contains(serverFields, field)) {
			return nil, fmt.Errorf("k3s %s has no flag %s", verb, field)
		}
	}
	content, _ := json.Marshal(config) // it came from YAML
	note(k.root, "k3s.log", "  "+string(content))
	return config, checkConfig(verb, config)
}

func checkConfig(verb string, c map[string]any) error {
	text := func(field string) string { s, _ := c[field].(string); return s }
	_, nodeIP := netip.ParseAddr(text("node-ip"))
	server, badServer := url.Parse(text("server"))
	switch {
	case len(text("token")) < 16 || strings.Contains(text("token"), "landfall"):
		return fmt.Errorf("token %q", text("token"))
	case text("node-name") == "" || nodeIP != nil:
		return fmt.Errorf("node %q at %q", text("node-name"), text("node-ip"))
	case verb == "agent" && text("server") == "":
		return errors.New("--server is required")
	case text("server") != "" && (badServer != nil || server.Scheme != "https" || server.Port() == ""):
		return fmt.Errorf("server %q", text("server"))
	case text("server") != "" && c["cluster-init"] == true:
		return errors.New("it begins a cluster, and joins one")
	}
	for _, field := range []string{"kubelet-arg", "kube-proxy-arg", "kube-apiserver-arg"} {
		list, _ := c[field].([]any)
		for _, arg := range list {
			if name, _, is := strings.Cut(fmt.Sprint(arg), "="); !is || strings.HasPrefix(name, "-") {
				return fmt.Errorf("%s %q: want NAME=VALUE", field, arg)
			}
		}
	}
	if verb == "agent" {
		return nil
	}
	for _, field := range []string{"cluster-cidr", "service-cidr"} {
		if _, err := netip.ParsePrefix(text(field)); err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
	}
	if port, is := c["https-listen-port"].(int); !is || port < 1 {
		return fmt.Errorf("https-listen-port %v", c["https-listen-port"])
	}
	return nil
}

// registries reads registries.yaml as k3s does: fields that it does not know are refused.
// https://docs.k3s.io/installation/private-registry
func (k *k3sHost) registries() error {
	f, err := os.Open(k.path("etc/rancher/k3s/registries.yaml"))
	if err != nil {
		return err
	}
	defer f.Close()
	var r struct {
		Mirrors map[string]struct {
			Endpoint []string          `yaml:"endpoint"`
			Rewrite  map[string]string `yaml:"rewrite"`
		} `yaml:"mirrors"`
		Configs map[string]struct {
			TLS struct {
				CA string `yaml:"ca_file"`
			} `yaml:"tls"`
		} `yaml:"configs"`
	}
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(&r); err != nil {
		return fmt.Errorf("registries.yaml: %w", err)
	}
	for _, name := range []string{"*", "docker.io", "registry.k8s.io"} {
		m := r.Mirrors[name]
		if len(m.Endpoint) == 0 {
			return fmt.Errorf("registries.yaml: no endpoint for %s", name)
		}
		for _, e := range m.Endpoint {
			if u, err := url.Parse(e); err != nil || u.Host == "" {
				return fmt.Errorf("registries.yaml: endpoint %q", e)
			}
		}
	}
	for name, c := range r.Configs {
		if c.TLS.CA != "" {
			if _, err := os.Stat(k.path(c.TLS.CA)); err != nil {
				return fmt.Errorf("registries.yaml: %s: %w", name, err)
			}
		}
	}
	return nil
}

// authorities are those that k3s takes when they are there: whole, or it makes others.
func (k *k3sHost) authorities() error {
	folder := k.path("var/lib/rancher/k3s/server/tls")
	for _, name := range []string{"server-ca", "client-ca", "request-header-ca", "etcd/server-ca", "etcd/peer-ca"} {
		if _, err := tls.LoadX509KeyPair(filepath.Join(folder, name+".crt"), filepath.Join(folder, name+".key")); err != nil {
			return fmt.Errorf("authority %s: %w", name, err)
		}
	}
	_, err := os.Stat(filepath.Join(folder, "service.key"))
	return err
}

// active reports whether a unit of k3s runs.
func (k *k3sHost) active() bool {
	found, err := filepath.Glob(k.path("run/standin/active/k3s*"))
	return err == nil && len(found) > 0
}

func (k *k3sHost) stopped() error {
	if k.active() {
		return errors.New("k3s runs: stop it first")
	}
	return nil
}

func (k *k3sHost) save(name, folder, server string) error {
	state, err := os.ReadFile(k.path("var/lib/rancher/k3s/server/db/etcd/member"))
	switch {
	case err != nil:
		return fmt.Errorf("etcd datastore disabled: %w", err)
	case !k.active():
		return errors.New("see server log: connection refused")
	case server != "https://127.0.0.1:6443":
		return fmt.Errorf("nobody answers at %s", server)
	}
	return os.WriteFile(filepath.Join(folder, cmp.Or(name, "on-demand")+"-node-1700000000"), state, 0o600)
}

func (k *k3sHost) clusterReset(path string) error {
	state, err := os.ReadFile(path)
	if err := errors.Join(err, k.stopped()); err != nil {
		return err
	}
	return k.leave(map[string]string{"var/lib/rancher/k3s/server/db/etcd/member": string(state)})
}
