// Package host is the vocabulary of what an appliance and the agents on its hosts say
// to each other: what a host is, which operations it can be asked for, and what it
// answers. It does nothing itself.
//
// Nouns. A host is an edge machine on which an agent runs. The agent is this program
// in the role "host". The appliance is what the host is linked to. An operation is one
// of a closed set of things that an agent does; there is no other way to make it do
// something. Its id is chosen by who asks: the same id is the same operation, and asked
// again it is not done again. An operation that was interrupted is done again from its
// beginning: each of them, done twice, is the same as done once.
package host

import (
	"io"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Host is an edge machine as its appliance knows it.
type Host struct {
	ID        string    `json:"id" doc:"Given when it was linked; never used again"`
	Name      string    `json:"name" doc:"A DNS label, of one host at a time; Kubernetes calls its node so"`
	Linked    time.Time `json:"linked"`
	Seen      time.Time `json:"seen,omitzero" doc:"When its agent was heard of last"`
	Online    bool      `json:"online" doc:"Its agent waits for work, or was heard of within the last minute"`
	Version   string    `json:"version,omitempty" doc:"Of the agent"`
	Address   string    `json:"address,omitempty" doc:"From which the agent called last"`
	Expires   time.Time `json:"expires,omitzero" doc:"When the agent's certificate ends, unless it is renewed"`
	Cluster   string    `json:"cluster,omitempty" doc:"That it belongs to"`
	Inventory Inventory `json:"inventory,omitzero"`
}

// Platform is that of a host; the zero one when it is not known yet.
func (h Host) Platform() registry.Platform {
	list, err := registry.ParsePlatforms([]string{h.Inventory.Platform})
	if h.Inventory.Platform == "" || err != nil {
		return registry.Platform{}
	}
	return list[0]
}

// Inventory is what an agent tells of its machine. What cannot be known is empty.
type Inventory struct {
	At           time.Time     `json:"at" doc:"By the host's clock"`
	Platform     string        `json:"platform" example:"linux/amd64"`
	MachineID    string        `json:"machineID" doc:"Of /etc/machine-id"`
	ProductID    string        `json:"productID,omitempty" doc:"The UUID that the firmware tells"`
	BootID       string        `json:"bootID" doc:"Another one after each start of the machine"`
	Hostname     string        `json:"hostname"`
	OS           string        `json:"os" doc:"As os-release calls it"`
	Kernel       Kernel        `json:"kernel"`
	Hardware     Hardware      `json:"hardware"`
	Disks        []Disk        `json:"disks,omitempty" doc:"File systems on which content, Kubernetes and logs are"`
	Networks     []Network     `json:"networks,omitempty"`
	Time         Clock         `json:"time"`
	Runtime      Runtime       `json:"runtime"`
	Providers    []Installed   `json:"providers,omitempty"`
	Certificates []Certificate `json:"certificates,omitempty" doc:"Of Kubernetes on this host, that are renewed by command"`
	Health       []Finding     `json:"health,omitempty" doc:"What is not as it should be"`
}

// Kernel is what matters of a kernel to Kubernetes.
type Kernel struct {
	Release string            `json:"release"`
	Cgroup  int               `json:"cgroup" doc:"Version of the hierarchy: 1 or 2"`
	Modules map[string]bool   `json:"modules,omitempty" doc:"Of those that are wanted, whether it is there"`
	Sysctls map[string]string `json:"sysctls,omitempty"`
	Swap    int64             `json:"swap" doc:"Bytes in use as swap space; 0: none"`
}

// Hardware is what the machine is made of.
type Hardware struct {
	Vendor  string `json:"vendor,omitempty"`
	Product string `json:"product,omitempty"`
	Serial  string `json:"serial,omitempty"`
	CPU     string `json:"cpu,omitempty"`
	Cores   int    `json:"cores"`
	Memory  int64  `json:"memory" doc:"Bytes"`
}

// Disk is a file system.
type Disk struct {
	Path   string `json:"path" doc:"For which it was asked"`
	Mount  string `json:"mount"`
	Device string `json:"device"`
	Type   string `json:"type"`
	Size   int64  `json:"size" doc:"Bytes"`
	Free   int64  `json:"free" doc:"Bytes"`
}

// Network is an interface that is not loopback.
type Network struct {
	Name      string   `json:"name"`
	MAC       string   `json:"mac,omitempty"`
	Addresses []string `json:"addresses,omitempty" doc:"With their prefix length"`
	Up        bool     `json:"up"`
	Default   bool     `json:"default,omitempty" doc:"The default route goes through it"`
}

// Clock is how a host's time is.
type Clock struct {
	Synchronized bool  `json:"synchronized" doc:"The kernel says that something keeps it right"`
	Offset       int64 `json:"offset" doc:"Milliseconds that it is ahead of the appliance's; by the appliance"`
	// By is who keeps it right, and Servers the file in which servers can be named for it
	// beside the machine's own configuration.
	By      string `json:"by,omitempty" enum:"chrony,timesyncd" doc:"Who keeps it right; empty: not known"`
	Servers string `json:"servers,omitempty" doc:"File in which time servers can be named for that beside the machine's own configuration; empty: there is none"`
}

// Who keeps a clock right.
const (
	Chrony    = "chrony"
	Timesyncd = "timesyncd"
)

// Runtime is the container runtime.
type Runtime struct {
	Name     string `json:"name,omitempty" example:"containerd"`
	Version  string `json:"version,omitempty"`
	Endpoint string `json:"endpoint,omitempty"`
	Ready    bool   `json:"ready"`
	Images   int    `json:"images"`
	Pinned   int    `json:"pinned" doc:"Images that collection leaves alone"`
}

// Installed is a provider's content on a host.
type Installed struct {
	Name      string        `json:"name"`
	Version   string        `json:"version,omitempty"`
	Digest    digest.Digest `json:"digest"`
	Current   bool          `json:"current" doc:"In use; else it is the one before, for the way back"`
	Installed time.Time     `json:"installed"`
}

// Certificate is one that Kubernetes has on a host.
type Certificate struct {
	Name string    `json:"name" example:"apiserver"`
	Ends time.Time `json:"ends"`
}

// Transfer is bytes that one host may send to its appliance or get from it, for as long
// as somebody there waits for it.
type Transfer struct {
	Host string                     // its name
	Take func(from io.Reader) error // what it sends; nil: it may send nothing
	Give func(to io.Writer) error   // what it gets; nil: there is nothing
}

// Severity is how bad a finding is.
type Severity string

// The severities.
const (
	Warning Severity = "warning" // it may go on
	Blocks  Severity = "blocks"  // it does not go on
)

// Finding is something that is not as it should be.
type Finding struct {
	Check    string   `json:"check" example:"disk"`
	Severity Severity `json:"severity" enum:"warning,blocks"`
	Text     string   `json:"text" doc:"What is wrong, and what to do"`
}
