package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Op is an operation. Exactly one of the pointers is set.
type Op struct {
	ID string `json:"id"`

	Check    *Check    `json:"check,omitempty"`
	Files    *Files    `json:"files,omitempty"`
	Provider *Provider `json:"provider,omitempty"`
	Unit     *Unit     `json:"unit,omitempty"`
	Kubeadm  *Kubeadm  `json:"kubeadm,omitempty"`
	K3s      *K3s      `json:"k3s,omitempty"`
	Pull     *Pull     `json:"pull,omitempty"`
	Unpin    *Unpin    `json:"unpin,omitempty"`
	Snapshot *Snapshot `json:"snapshot,omitempty"`
	Restore  *Restore  `json:"restore,omitempty"`
	Clean    *Clean    `json:"clean,omitempty"`
	Member   *Member   `json:"member,omitempty"`
	Compare  *Compare  `json:"compare,omitempty"`
	Carry    *Carry    `json:"carry,omitempty"`
}

// Check looks whether a host can become part of a cluster. Its output is Checked; that
// something is wrong is no failure of the operation.
type Check struct {
	Ports  []int   `json:"ports,omitempty" doc:"TCP ports that nobody may listen at yet"`
	Space  []Space `json:"space,omitempty"`
	Peers  []Peer  `json:"peers,omitempty" doc:"Whom it has to reach"`
	Kernel bool    `json:"kernel,omitempty" doc:"Modules, cgroups and swap are looked at"`
	// Listen are ports at which the agent listens while it checks, so that peers can
	// reach them: for so many seconds at most.
	Listen []int   `json:"listen,omitempty"`
	For    int     `json:"for,omitempty"`
	Canary *Image  `json:"canary,omitempty" doc:"Is pulled by its name, from the source, and let go of"`
	Source *Source `json:"source,omitempty" doc:"That the canary comes from"`
	Clean  bool    `json:"clean,omitempty" doc:"No trace of an earlier Kubernetes may be there"`
}

// Space is what has to be free.
type Space struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
}

// Peer is another host.
type Peer struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Port    int    `json:"port"`
}

// Checked is the output of a Check.
type Checked struct {
	Findings  []Finding `json:"findings"`
	Inventory Inventory `json:"inventory"`
}

// Files writes and removes files, each as a whole or not at all, durably; folders are
// made. Removing what is not there is done.
type Files struct {
	Put    []File   `json:"put,omitempty"`
	Remove []string `json:"remove,omitempty" doc:"Files, or folders with all in them"`
}

// File is one file. Its content is here, or, when it has a Blob, comes from there.
type File struct {
	Path    string `json:"path" doc:"Absolute"`
	Mode    uint32 `json:"mode,omitempty" doc:"Permission bits; 0: 0644"`
	Content []byte `json:"content,omitempty"`
	Blob    *Blob  `json:"blob,omitempty"`
	Folder  bool   `json:"folder,omitempty" doc:"The blob is a folder's tar+gzip, unpacked at the path"`
}

// Blob is bytes in the source's registry.
type Blob struct {
	Source     Source        `json:"source"`
	Repository string        `json:"repository" doc:"Original name, HOST/PATH"`
	Digest     digest.Digest `json:"digest"`
	Size       int64         `json:"size"`
}

// Provider puts a version of a provider's content in place: programs, plugins, units.
// The version before stays beside it, so that putting that in place again needs no
// network. Output: Installed.
type Provider struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Stage   bool   `json:"stage,omitempty" doc:"Only bring it to the host, so that putting it in place needs no network"`
	Blob    Blob   `json:"blob" doc:"A folder's tar+gzip; its paths are those on the host, without the first slash"`
}

// Act is what is done to a unit.
type Act string

// The acts.
const (
	Start   Act = "start"
	Stop    Act = "stop"
	Restart Act = "restart"
	Enable  Act = "enable"  // and start
	Disable Act = "disable" // and stop
	Reload  Act = "reload"  // of all unit files; has no name
)

// Unit starts or stops a systemd unit. Stopping one that is not there is done.
type Unit struct {
	Name string `json:"name,omitempty" example:"kubelet.service"`
	Act  Act    `json:"act"`
}

// Step is a step of kubeadm.
type Step string

// The steps.
const (
	Init         Step = "init"
	Join         Step = "join"
	UpgradeApply Step = "upgrade-apply" // on the first control plane
	UpgradeNode  Step = "upgrade-node"  // on every other host
	Return       Step = "return"        // the kubelet's configuration is that from before its upgrade; kubeadm is not run
	Reset        Step = "reset"
	RenewCerts   Step = "renew-certs" // on a control plane; its static pods begin again, one by one
)

// Kubeadm carries a step of kubeadm out. What an interrupted one has left behind is
// reset before it begins again, where the step needs that.
type Kubeadm struct {
	Step    Step     `json:"step"`
	Config  []byte   `json:"config,omitempty" doc:"Of the step, YAML; for init, join and upgrades"`
	Version string   `json:"version,omitempty" doc:"To upgrade to, or whose upgrade is taken back, without v"`
	Ignore  []string `json:"ignore,omitempty" doc:"Preflight errors that count as warnings"`
	// State is the name of a Snapshot with whose state the cluster begins, for init.
	State   string `json:"state,omitempty"`
	Address string `json:"address,omitempty" doc:"Of this host, for etcd's peers, with a state"`
	// Node is what the host is called in the cluster.
	Node string `json:"node,omitempty"`
}

// K3s carries a step of k3s out: RenewCerts, for which its unit is stopped and begun again.
type K3s struct {
	Step Step   `json:"step" enum:"renew-certs"`
	Unit string `json:"unit" example:"k3s-agent.service"`
}

// Image is an image by its name and digest.
type Image struct {
	Name   string        `json:"name" doc:"Original name with tag, as hosts pull it"`
	Digest digest.Digest `json:"digest" doc:"Of the index, or of the one manifest"`
}

// Source is where a host pulls from.
type Source struct {
	URL      string `json:"url" example:"https://10.0.0.5:5443"`
	CA       []byte `json:"ca,omitempty" doc:"PEM that its certificate is checked with; empty: what the host trusts"`
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty" doc:"Of a robot account; it is not journaled"`
	// Prefix stands before the path of original names: the project of a Harbor.
	Prefix string `json:"prefix,omitempty"`
	// HostPaths says that it has original names as paths, host included, and does not
	// know of ?ns=. The appliance's registry does.
	HostPaths bool `json:"hostPaths,omitempty"`
}

// Pull brings images into the container runtime and pins them, so that neither the
// runtime nor the kubelet collects them. What is there is not moved again, and what was
// begun goes on. Output: Pulled.
type Pull struct {
	Source Source  `json:"source"`
	Images []Image `json:"images"`
	Owner  string  `json:"owner" doc:"Of the pins: an image stays pinned as long as one owner wants it"`
	Rate   int64   `json:"rate,omitempty" doc:"Bytes per second at most; 0: as fast as it goes"`
	// Move gives names that are another image's here to these; else those stay.
	Move bool `json:"move,omitempty"`
	// Replace lets go of what else the owner had pinned.
	Replace bool `json:"replace,omitempty"`
}

// Pulled is the output of a Pull.
type Pulled struct {
	Images int   `json:"images"`
	There  int   `json:"there" doc:"Of these, those that were there already"`
	Bytes  int64 `json:"bytes" doc:"That were moved over the network"`
}

// Unpin takes an owner's pins away.
type Unpin struct {
	Owner string `json:"owner"`
}

// Snapshot saves the state of a control plane into the agent's folder: that of etcd,
// with the static pods and the kubelet's configuration beside it; or that of a k3s server,
// which is stopped meanwhile when it keeps its state without etcd. Output: Snapshotted.
type Snapshot struct {
	Name string `json:"name" doc:"Of the file, a DNS label"`
	K3s  bool   `json:"k3s,omitempty"`
	Port int    `json:"port,omitempty" doc:"Of the k3s server"`
}

// Snapshotted is the output of a Snapshot.
type Snapshotted struct {
	Path   string        `json:"path"`
	Size   int64         `json:"size"`
	Digest digest.Digest `json:"digest"`
}

// Carry brings a snapshot from a host to its appliance, or from there to the host. One
// that is there with its digest is not moved again.
type Carry struct {
	Snapshot string        `json:"snapshot" doc:"Name of a Snapshot"`
	As       string        `json:"as" doc:"Under which the appliance expects it: see PathFiles"`
	Receive  bool          `json:"receive,omitempty" doc:"To the host; else it goes to the appliance, and is removed from the host"`
	Digest   digest.Digest `json:"digest"`
}

// Restore puts a Snapshot in place of the state of a control plane that is the only one.
type Restore struct {
	K3s     bool   `json:"k3s,omitempty"`
	Name    string `json:"name" doc:"Of a Snapshot on this host"`
	Node    string `json:"node"`
	Address string `json:"address" doc:"Of this host, for etcd's peers"`
}

// Member takes a member out of etcd, by way of the control plane that is asked. One that
// is not there is out; the last one stays.
type Member struct {
	Remove  string `json:"remove" doc:"Name of the member, which is its node's"`
	Address string `json:"address,omitempty" doc:"Of its host: a member that has never begun has no name yet"`
}

// Compare looks whether a host has files and images as they should be, and changes
// nothing. Output: Compared.
type Compare struct {
	Files  []FileSum `json:"files,omitempty"`
	Images []Image   `json:"images,omitempty" doc:"That have to be pinned"`
}

// FileSum is what a file should be.
type FileSum struct {
	Path   string        `json:"path" doc:"Absolute"`
	Digest digest.Digest `json:"digest"`
}

// Compared is the output of a Compare: what is otherwise.
type Compared struct {
	Files  []FileState `json:"files,omitempty"`
	Images []Image     `json:"images,omitempty" doc:"That are not there, or not pinned"`
}

// FileState is how a file is that is not as it should be.
type FileState struct {
	Path  string `json:"path"`
	State string `json:"state" enum:"missing,changed"`
}

// Clean takes all away that operations have put on a host: Kubernetes and its state,
// files, units, providers and pins. Images stay in the runtime's folder only when Keep
// says so, or when the runtime ran before operations came. Output: Cleaned.
type Clean struct {
	Keep bool `json:"keep,omitempty"`
}

// Cleaned is the output of a Clean.
type Cleaned struct {
	Kept []string `json:"kept,omitempty" doc:"Files and folders where Kubernetes has its own that others have put there"`
}

// State is how an operation is.
type State string

// The states.
const (
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
)

// Result is what an agent says of an operation.
type Result struct {
	ID       string          `json:"id"`
	State    State           `json:"state" enum:"running,done,failed"`
	Attempt  int             `json:"attempt" doc:"How often it was begun"`
	Began    time.Time       `json:"began"`
	Ended    time.Time       `json:"ended,omitzero"`
	Error    *Failure        `json:"error,omitempty"`
	Output   json.RawMessage `json:"output,omitempty"`
	Progress Progress        `json:"progress,omitzero"`
}

// Progress is how far an operation is. What is not known is 0.
type Progress struct {
	Text       string `json:"text,omitempty"`
	Bytes      int64  `json:"bytes,omitempty"`
	TotalBytes int64  `json:"totalBytes,omitempty"`
}

// Failure is why an operation failed.
type Failure struct {
	Kind    string `json:"kind" doc:"As problems of the management API have it"`
	Message string `json:"message" doc:"With the last lines that a program said, where one failed"`
}

// Error implements error.
func (f *Failure) Error() string { return f.Message }

var idForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,198}[a-z0-9])?$`)

// Kind is what the operation does, for people: "files", "kubeadm init".
func (o *Op) Kind() string {
	switch {
	case o.Check != nil:
		return "check"
	case o.Files != nil:
		return "files"
	case o.Provider != nil:
		return "provider " + o.Provider.Name
	case o.Unit != nil:
		return fmt.Sprintf("unit %s %s", o.Unit.Act, o.Unit.Name)
	case o.Kubeadm != nil:
		return "kubeadm " + string(o.Kubeadm.Step)
	case o.K3s != nil:
		return "k3s " + string(o.K3s.Step)
	case o.Pull != nil:
		return "pull"
	case o.Unpin != nil:
		return "unpin"
	case o.Snapshot != nil:
		return "snapshot"
	case o.Restore != nil:
		return "restore"
	case o.Clean != nil:
		return "clean"
	case o.Carry != nil:
		return "carry a snapshot"
	case o.Compare != nil:
		return "compare"
	case o.Member != nil:
		return "etcd member remove " + o.Member.Remove
	}
	return ""
}

// Valid is an ErrInvalid when the operation cannot be asked for.
func (o *Op) Valid() error {
	n := 0
	for _, is := range []bool{o.Check != nil, o.Files != nil, o.Provider != nil, o.Unit != nil, o.Kubeadm != nil, o.K3s != nil,
		o.Pull != nil, o.Unpin != nil, o.Snapshot != nil, o.Restore != nil, o.Clean != nil, o.Member != nil, o.Compare != nil, o.Carry != nil} {
		if is {
			n++
		}
	}
	switch {
	case !idForm.MatchString(o.ID):
		return fmt.Errorf("operation %q: %w: the id is not one", o.ID, registry.ErrInvalid)
	case n != 1:
		return fmt.Errorf("operation %s: %w: want one thing to do, it has %d", o.ID, registry.ErrInvalid, n)
	}
	return nil
}

// Decode reads an operation's output.
func (r *Result) Decode(v any) error {
	if r.State != Done {
		return errors.New("the operation is not done")
	}
	return json.Unmarshal(r.Output, v)
}
