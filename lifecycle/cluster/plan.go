package cluster

import (
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// RunKind is what is done to a cluster.
type RunKind string

// The kinds.
const (
	Form     RunKind = "form"
	Stage    RunKind = "stage"
	Upgrade  RunKind = "upgrade"
	Rollback RunKind = "rollback"
	Scale    RunKind = "scale"
	Set      RunKind = "set"
	Renew    RunKind = "renew"
	Restore  RunKind = "restore"
	Delete   RunKind = "delete"
)

// Phase is a part of a plan.
type Phase string

// The phases, in the order in which a plan that has them has them.
const (
	Validate     Phase = "validate"
	Gate         Phase = "gate"
	Preflight    Phase = "preflight"
	StageContent Phase = "stage"
	Backup       Phase = "backup"
	Install      Phase = "install"
	FirstHost    Phase = "control-plane"
	Joining      Phase = "join"
	Labelling    Phase = "label"
	Leaving      Phase = "leave"
	Roll         Phase = "roll"
	Addons       Phase = "add-ons"
	Verify       Phase = "verify"
	Cleanup      Phase = "clean-up"
	Finish       Phase = "finish"
)

// Plan is what is to be done, in order.
type Plan struct {
	Kind    RunKind `json:"kind"`
	Cluster string  `json:"cluster"`
	From    string  `json:"from,omitempty"` // definition NAME:VERSION
	To      string  `json:"to,omitempty"`
	Waves   []Wave  `json:"waves"`
}

// Wave is steps that are done at the same time. The next wave begins when all are done.
type Wave struct {
	Phase Phase `json:"phase"`
	// Together is for steps that need each other: all of them are done at once, however
	// many there are, and while one is not done, none counts as done.
	Together bool `json:"together,omitempty"`
	// Peers are the places where each host that the wave checks has to reach the others:
	// said once, since there are as many as hosts.
	Peers []host.Peer `json:"peers,omitempty"`
	Steps []Step      `json:"steps"`
}

// Step is one thing that is done, as a whole: its acts, one after another. Begun again
// after an interruption, it begins with its first act; each, done twice, is as done once.
type Step struct {
	ID       string        `json:"id"`                 // unique in the plan; safe in a host.Op's id
	Title    string        `json:"title"`              // for people: "edge2: drain and upgrade"
	Host     string        `json:"host,omitempty"`     // that it is about
	Limit    time.Duration `json:"limit,omitempty"`    // for which it may take; 0: an hour
	Windowed bool          `json:"windowed,omitempty"` // begins within a maintenance window only
	Acts     []Act         `json:"acts"`
}

// Act is one of these.
type Act struct {
	Site *SiteAct `json:"site,omitempty"`
	Host *HostAct `json:"host,omitempty"`
	Kube *KubeAct `json:"kube,omitempty"`
}

// SiteAct is done by the appliance at the appliance.
type SiteAct struct {
	Do         SiteVerb `json:"do"`
	Definition string   `json:"definition,omitempty"` // NAME:VERSION
	As         string   `json:"as,omitempty"`         // of a pin: running, previous, staged
	Host       string   `json:"host,omitempty"`
}

// SiteVerb is what the appliance does.
type SiteVerb string

// The verbs.
const (
	CheckClosure SiteVerb = "check-closure" // the gate; not complete is a failure
	PinContent   SiteVerb = "pin"           // the definition and its closure, as running, previous or staged
	UnpinContent SiteVerb = "unpin"
	MakeKeys     SiteVerb = "make-keys"     // the cluster's authorities, once
	StageSource  SiteVerb = "stage-source"  // the definition's closure into the cluster's source, proven by digest
	ComparePeers SiteVerb = "compare-hosts" // duplicate ids and clocks, over what the hosts' checks found
	Settle       SiteVerb = "settle"        // the definition is the running one from now on, what ran before the previous one
	Forget       SiteVerb = "forget"        // the cluster is gone
	ReleaseHost  SiteVerb = "release-host"  // it belongs to no cluster from now on
)

// HostAct is an operation of a host's agent. What is secret is not in the plan: the
// runner fills it in (see Fill).
type HostAct struct {
	Host string  `json:"host"`
	Op   host.Op `json:"op"` // its ID is empty: the runner makes it from run, step and place
	Fill Fill    `json:"fill,omitempty"`
}

// Fill is what the runner adds to an operation before it is asked for.
type Fill string

// What can be added.
const (
	FillNothing Fill = ""
	FillPKI     Fill = "pki"     // Files: the authorities of the cluster, for a control plane
	FillK3s     Fill = "k3s-pki" // Files: the same, where k3s looks for them
	FillJoin    Fill = "join"    // Kubeadm: a fresh token in the config, in place of JoinTokenHere
	FillSource  Fill = "source"  // the source's password, wherever the operation has a source, and the login in files, in place of LoginHere
)

// What stands in a configuration for what the runner puts there.
const (
	JoinTokenHere = "landfall-join-token" // a token to join with
	CAHashHere    = "landfall-ca-hash"    // sha256:… of the public key of the cluster's authority
	LoginHere     = "landfall-login"      // base64 of USER:PASSWORD, of the source's account
)

// KubeAct is done through the cluster's API server.
type KubeAct struct {
	Do         KubeVerb          `json:"do"`
	Node       string            `json:"node,omitempty"`
	Layer      string            `json:"layer,omitempty"`      // of the definition
	Definition string            `json:"definition,omitempty"` // NAME:VERSION
	Labels     map[string]string `json:"labels,omitempty"`
	Taints     []Taint           `json:"taints,omitempty"`
	Version    string            `json:"version,omitempty"` // of the kubelet that a node is to have
	Fresh      bool              `json:"fresh,omitempty"`   // its kubelet is to be heard of anew: what is known of it may be from before
	Force      bool              `json:"force,omitempty"`   // of an evacuation: pods go that nobody will make again
	Limit      time.Duration     `json:"limit,omitempty"`
}

// KubeVerb is what is done in the cluster.
type KubeVerb string

// The verbs.
const (
	AwaitAPI    KubeVerb = "await-api"
	AwaitNode   KubeVerb = "await-node" // ready, with the version
	AwaitPods   KubeVerb = "await-pods" // those that do not belong to a layer, on the node or everywhere
	LabelNode   KubeVerb = "label-node"
	Drain       KubeVerb = "drain"    // cordons, and notes that it did; evicts
	Uncordon    KubeVerb = "uncordon" // if it was cordoned by a drain of this cluster
	Evacuate    KubeVerb = "evacuate" // drains a node that is to leave; one that is not there is empty
	RemoveNode  KubeVerb = "remove-node"
	RenewPods   KubeVerb = "renew-pods"  // of the node: what began them may be of before
	ApplyLayer  KubeVerb = "apply-layer" // and waits until it is ready
	RemoveLayer KubeVerb = "remove-layer"
	VerifyPods  KubeVerb = "verify-pods"  // each image is the definition's, by digest
	CheckHealth KubeVerb = "check-health" // nodes, pods of layers and control plane are as they should be
)
