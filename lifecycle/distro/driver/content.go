package driver

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/nodeconfig"
	"github.com/landfall-dev/landfall/registry"
)

// Providers are those of a definition for a node.
func Providers(s *Setting, n Node) (list []host.Provider) {
	platform := registry.PlatformString(n.Platform)
	for _, l := range s.layers(n) {
		for _, p := range l.Providers {
			if len(p.Platforms) == 0 || slices.Contains(p.Platforms, platform) {
				list = append(list, host.Provider{Name: p.Name, Version: p.Version, Blob: s.blob(definition.Part{Digest: p.Digest, Size: p.Size})})
			}
		}
	}
	return list
}

// layers are those of a definition that a node's platform has.
func (s *Setting) layers(n Node) (list []definition.Layer) {
	for _, l := range s.Definition.Layers {
		if len(l.Platforms) == 0 || slices.Contains(l.Platforms, registry.PlatformString(n.Platform)) {
			list = append(list, l)
		}
	}
	return list
}

func (s *Setting) blob(p definition.Part) host.Blob {
	return host.Blob{Source: s.Source, Repository: s.Ref.Repository, Digest: p.Digest, Size: p.Size}
}

// files are those that layers put on hosts.
func (s *Setting) files(n Node) (list []host.File) {
	for _, l := range s.layers(n) {
		for _, f := range l.Files {
			if f.Target != "" {
				blob := s.blob(f)
				list = append(list, host.File{Path: f.Target, Mode: f.Mode, Blob: &blob, Folder: f.MediaType == definition.TypeFolder})
			}
		}
	}
	return list
}

// upstreams are the registries that a definition's images name.
func (s *Setting) upstreams() []string {
	list := nodeconfig.DefaultUpstreams()
	for _, i := range s.Definition.Images {
		if ref, err := registry.ParseRef(i.Name); err == nil {
			list = append(list, ref.Host())
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// runtimeFiles make a node's container runtime pull from the source.
func (s *Setting) runtimeFiles(kind nodeconfig.Kind) (list []host.File, err error) {
	o := nodeconfig.Options{Registry: s.Source.URL, Upstreams: s.upstreams(), CA: s.Source.CA, HostPaths: s.Source.HostPaths, Prefix: s.Source.Prefix}
	if s.Source.User != "" {
		o.Login = cluster.LoginHere
	}
	files, err := nodeconfig.Files(kind, o)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		list = append(list, host.File{Path: path.Join(nodeconfig.Folder(kind), f.Path), Mode: uint32(f.Mode.Perm()), Content: f.Content})
	}
	return list, nil
}

// image is the name of an image of the definition, by its repository; ErrInvalid when
// the definition has none.
func (s *Setting) image(repository, why string) (string, error) {
	for _, i := range s.Definition.Images {
		if ref, err := registry.ParseRef(i.Name); err == nil && ref.Repository == repository {
			return i.Name, nil
		}
	}
	return "", fmt.Errorf("definition %s:%s: %w: no image of %s is in it, which %s: list it among the images of a layer", s.Definition.Name, s.Definition.Version, registry.ErrInvalid, repository, why)
}

func text(path, content string) host.File {
	return host.File{Path: path, Mode: 0o644, Content: []byte(content)}
}

func act(n Node, op host.Op, fill cluster.Fill) cluster.Act {
	return cluster.Act{Host: &cluster.HostAct{Host: n.Name, Op: op, Fill: fill}}
}

func unit(n Node, name string, do host.Act) cluster.Act {
	return act(n, host.Op{Unit: &host.Unit{Name: name, Act: do}}, cluster.FillNothing)
}

func kube(a cluster.KubeAct) cluster.Act { return cluster.Act{Kube: &a} }

// put writes files on a node: its own ones first, then those of layers, which may
// replace them.
func (s *Setting) put(n Node, files []host.File) cluster.Act {
	return act(n, host.Op{Files: &host.Files{Put: last(append(files, s.files(n)...))}}, cluster.FillSource)
}

// last lets each path have the last file that was named for it.
func last(files []host.File) (list []host.File) {
	for i, f := range files {
		if !slices.ContainsFunc(files[i+1:], func(later host.File) bool { return later.Path == f.Path }) {
			list = append(list, f)
		}
	}
	return list
}

// install puts providers in place.
func (s *Setting) install(n Node) (acts []cluster.Act) {
	for _, p := range Providers(s, n) {
		acts = append(acts, act(n, host.Op{Provider: &p}, cluster.FillSource))
	}
	return acts
}

// proxyFiles are the environment of units behind a proxy; nothing without one.
func (s *Setting) proxyFiles(units ...string) (files []host.File) {
	p := s.Spec.Proxy
	if p.HTTP == "" && p.HTTPS == "" {
		return nil
	}
	var b strings.Builder
	b.WriteString("[Service]\n")
	for _, v := range [][2]string{{"HTTP_PROXY", p.HTTP}, {"HTTPS_PROXY", p.HTTPS}, {"NO_PROXY", strings.Join(s.noProxy(), ",")}} {
		if v[1] != "" {
			fmt.Fprintf(&b, "Environment=%q\n", v[0]+"="+strings.ReplaceAll(v[1], "%", "%%"))
		}
	}
	for _, unit := range units {
		files = append(files, text("/etc/systemd/system/"+unit+".d/50-landfall-proxy.conf", b.String()))
	}
	return files
}

// noProxy is what is reached without a proxy: the machine itself, the cluster's networks,
// names and hosts, the source, and what the site says.
func (s *Setting) noProxy() (list []string) {
	network := s.Spec.Network
	all := []string{"localhost", "127.0.0.1", network.Pods, network.Services, ".svc", "." + network.Domain, network.VirtualAddress}
	for _, n := range s.Nodes {
		all = append(all, n.Name, n.Address)
	}
	if u, err := url.Parse(s.Source.URL); err == nil {
		all = append(all, u.Hostname())
	}
	for _, one := range append(all, s.Spec.Proxy.No...) {
		if one != "" && !slices.Contains(list, one) {
			list = append(list, one)
		}
	}
	return list
}

// kernelFiles are modules and settings that pods' networks need, at each start.
func kernelFiles() []host.File {
	return []host.File{
		text("/etc/modules-load.d/50-landfall.conf", strings.Join(modules, "\n")+"\n"),
		// A minus: a kernel that has it built in another way is no failure.
		text("/etc/sysctl.d/90-landfall.conf", "-net.ipv4.ip_forward = 1\n-net.ipv6.conf.all.forwarding = 1\n-net.bridge.bridge-nf-call-iptables = 1\n-net.bridge.bridge-nf-call-ip6tables = 1\n"),
	}
}

var modules = []string{"overlay", "br_netfilter"}

// kernelActs put kernelFiles in force. modprobe@.service takes a module that is built in,
// or not there, for loaded: what is missing the host's check has told.
func kernelActs(n Node) (acts []cluster.Act) {
	for _, m := range modules {
		acts = append(acts, unit(n, "modprobe@"+m+".service", host.Start))
	}
	return append(acts, unit(n, "systemd-sysctl.service", host.Restart))
}

// documents are YAML documents, each written as JSON, which YAML is.
func documents(list ...map[string]any) ([]byte, error) {
	var b []byte
	for i, d := range list {
		content, err := json.MarshalIndent(d, "", "  ")
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b = append(b, "---\n"...)
		}
		b = append(append(b, content...), '\n')
	}
	return b, nil
}
