package k8s

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/test/k8s/fleet"
	"github.com/landfall-dev/landfall/test/k8s/image"
)

// fleetDefinition is the definition of the fleet with a version of Kubernetes: both have
// the same number.
func fleetDefinition(version string) string { return "fleet:" + version }

// How much there is of what, in bytes: nothing of it can be compressed.
const (
	smallImage   = 1 << 20
	appImage     = 8 << 20
	fleetProgram = 1 << 20
)

// fleetProfile is what a site may have on each of its hosts, but for what it weighs.
const fleetProfile = `apiVersion: landfall.dev/v1alpha1
kind: ClusterProfile
metadata: {name: fleet, version: %[1]s}
spec:
  platforms: [linux/amd64]
  layers:
    - name: kube
      type: kubernetes
      kubernetes: {distribution: kubeadm, version: %[1]s}
      providers: [{name: kubernetes, version: %[1]s, path: ./provider, platforms: [linux/amd64]}]
    - name: net
      type: network
      manifests: [./net.yaml]
    - name: app
      type: addon
      manifests: [./app.yaml]
`

// land brings both definitions, with their content, into the appliance.
func (x *fleetTest) land(p parts) {
	x.t.Helper()
	set := must(image.Open(filepath.Join(p.Run, "fleet-images")))(x.t)
	for version, r := range releases {
		for name, size := range map[string]int{
			upstream + "kube-apiserver:v" + version: smallImage, upstream + "kube-controller-manager:v" + version: smallImage, upstream + "kube-scheduler:v" + version: smallImage,
			upstream + "kube-proxy:v" + version: smallImage, upstream + "etcd:" + r.etcd: smallImage, upstream + "coredns/coredns:" + r.coredns: smallImage, upstream + "pause:" + r.pause: smallImage,
			"example.test/cni:1": smallImage, "example.test/app:" + version: appImage,
		} {
			x.image(set, p, name, size)
		}
	}
	c := &connected{t: x.t, p: p, dir: filepath.Join(p.Run, "fleet-connected")}
	x.serve(c, set)
	run(x.t, binary(), "key", "generate", "-o", c.at("team"))
	for _, version := range []string{first, second} {
		bundle := c.at(version + ".bundle")
		definition := c.fleetProfile(version)
		run(x.t, binary(), "definition", "build", c.at("fleet-"+version+"/profile.yaml"), "--ca", c.at("ca.pem"), "--sign", c.at("team.key"), "-o", definition)
		run(x.t, binary(), "bundle", "create", "--definition", definition, "--ca", c.at("ca.pem"), "--sign", c.at("team.key"), "-o", bundle)
		run(x.t, binary(), "bundle", "import", bundle, "--key", c.at("team.pub"), "--data", x.site.data)
		x.needs(version)
	}
}

// serve serves images as the registries that they are named after, until the test ends:
// this process' namespaces have no others.
func (x *fleetTest) serve(c *connected, set *image.Set) {
	x.t.Helper()
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		x.t.Fatal(err)
	}
	const file, address = "/etc/hosts", "127.0.0.1"
	before := must(os.ReadFile(file))(x.t)
	names := fmt.Appendf(nil, "127.0.0.1 localhost\n%s %s\n", address, strings.Join(set.Hosts(), " "))
	certificate := must(c.certificate(set.Hosts()))(x.t)
	listener := must(net.Listen("tcp", address+":443"))(x.t)
	server := &http.Server{Handler: &image.Registry{Set: set}, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ServeTLS(listener, "", "")
	}()
	x.t.Cleanup(func() {
		_ = server.Close()
		<-done
		if err := os.WriteFile(file, before, 0o644); err != nil {
			x.t.Error(err)
		}
	})
	if err := os.WriteFile(file, names, 0o644); err != nil {
		x.t.Fatal(err)
	}
}

// run is a command that has to succeed.
func run(t *testing.T, args ...string) {
	t.Helper()
	if said, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", args, err, said)
	}
}

// image makes one of random bytes, unless it is there.
func (x *fleetTest) image(set *image.Set, p parts, name string, size int) {
	x.t.Helper()
	if set.Digest(name) != "" {
		return
	}
	file := must(os.CreateTemp(p.Run, "random-"))(x.t)
	defer os.Remove(file.Name())
	content := make([]byte, size)
	_, _ = rand.Read(content) // never fails
	if _, err := file.Write(content); err != nil {
		x.t.Fatal(err)
	}
	file.Close()
	if err := set.Make(image.Image{Name: name, Files: map[string]string{"/bin/program": file.Name()}, Entrypoint: []string{"/bin/program"}}); err != nil {
		x.t.Fatal(err)
	}
}

// fleetProfile writes the profile of a version, and returns where its definition goes.
func (c *connected) fleetProfile(version string) string {
	c.t.Helper()
	dir := c.at("fleet-" + version)
	write := func(name string, content []byte) {
		c.t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			c.t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o755); err != nil {
			c.t.Fatal(err)
		}
	}
	write("profile.yaml", fmt.Appendf(nil, fleetProfile, version))
	for _, name := range []string{"kubelet", "kubeadm"} {
		content := make([]byte, fleetProgram)
		_, _ = rand.Read(content) // never fails
		write("provider/usr/local/bin/"+name, append([]byte(fleet.Program(name, version)), content...))
	}
	for _, name := range []string{"net", "app"} {
		content := string(must(os.ReadFile(filepath.Join("testdata", "fleet", name+".yaml")))(c.t))
		write(name+".yaml", fmt.Appendf(nil, content, version))
	}
	return c.at("fleet-" + version + ".def.yaml")
}

// needs adds up what each host has to fetch of a definition that is here: each blob once,
// and not what it has of an earlier one.
func (x *fleetTest) needs(version string) {
	x.t.Helper()
	type blob struct {
		Digest string
		Size   int64
	}
	var said struct {
		Layers []struct{ Providers []blob }
		Images []struct {
			Manifests []struct {
				blob
				Subject string
				Blobs   []blob
			}
		}
	}
	text := must(exec.Command(binary(), "definition", "show", fleetDefinition(version), "--json", "--data", x.site.data).Output())(x.t)
	if err := json.Unmarshal(text, &said); err != nil {
		x.t.Fatal(err)
	}
	add := func(b blob) {
		if !x.known[b.Digest] {
			x.known[b.Digest] = true
			x.bytes[version] += b.Size
		}
	}
	for _, l := range said.Layers {
		for _, p := range l.Providers {
			add(p)
		}
	}
	for _, i := range said.Images {
		for _, m := range i.Manifests {
			if m.Subject != "" {
				continue // a signature: hosts do not fetch it
			}
			add(m.blob)
			for _, b := range m.Blobs {
				add(b)
			}
		}
	}
	if x.bytes[version] == 0 {
		x.t.Fatalf("definition %s has nothing for hosts: %.300s", fleetDefinition(version), text)
	}
}
