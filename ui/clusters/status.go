package clusters

import (
	"time"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/run"
)

// Phase is what a cluster is at, for people.
type Phase string

// The phases.
const (
	Forming   Phase = "forming"
	Ready     Phase = "running"
	Staging   Phase = "staging"
	Upgrading Phase = "upgrading"
	Returning Phase = "rolling-back"
	Scaling   Phase = "scaling"
	Setting   Phase = "setting"
	Renewing  Phase = "renewing"
	Restoring Phase = "restoring"
	Deleting  Phase = "deleting"
	Paused    Phase = "paused"
	Stopped   Phase = "stopped" // something failed; the reason says what, the next act what to do
)

// busy is the phase while a run is at work.
var busy = map[cluster.RunKind]Phase{
	cluster.Form: Forming, cluster.Stage: Staging, cluster.Upgrade: Upgrading, cluster.Rollback: Returning, cluster.Scale: Scaling, cluster.Set: Setting,
	cluster.Renew: Renewing, cluster.Restore: Restoring, cluster.Delete: Deleting,
}

// RunState is how a run is.
type RunState string

// The states.
const (
	RunRunning   RunState = "running"
	RunPaused    RunState = "paused"
	RunFailed    RunState = "failed"
	RunDone      RunState = "done"
	RunAbandoned RunState = "abandoned" // another one took its place
)

func (s RunState) open() bool { return s == RunRunning || s == RunPaused || s == RunFailed }

// Cluster is a cluster as people are told of it.
type Cluster struct {
	Name         string        `json:"name"`
	Phase        Phase         `json:"phase" enum:"forming,running,staging,upgrading,rolling-back,scaling,setting,renewing,restoring,deleting,paused,stopped"`
	Reason       string        `json:"reason,omitempty" doc:"Why it stopped, or what it waits for"`
	Next         string        `json:"next,omitempty" doc:"What to do, or what it does next"`
	Running      string        `json:"running,omitempty" doc:"The definition that it was brought to last"`
	Previous     string        `json:"previous,omitempty" doc:"The definition that it can return to"`
	Staged       string        `json:"staged,omitempty" doc:"The definition that its hosts are getting, or hold already"`
	Endpoint     string        `json:"endpoint" doc:"HOST:PORT of the API server"`
	Certificates *Expiry       `json:"certificates,omitempty" doc:"Of its hosts, the certificate that ends first; that of the cluster's authorities is valid for ten years"`
	Spec         *cluster.Spec `json:"spec"`
	Run          *Run          `json:"run,omitempty" doc:"What was done to it last, or is being done"`
	Created      time.Time     `json:"created"`
	Updated      time.Time     `json:"updated"`
}

// Run is one time that something is done to a cluster.
type Run struct {
	ID    string          `json:"id"`
	Kind  cluster.RunKind `json:"kind" enum:"form,stage,upgrade,rollback,scale,set,renew,restore,delete"`
	State RunState        `json:"state" enum:"running,paused,failed,done,abandoned"`
	Job   string          `json:"job,omitempty" doc:"That carries it out"`
	From  string          `json:"from,omitempty"`
	To    string          `json:"to,omitempty"`
	Phase cluster.Phase   `json:"phase,omitempty" doc:"Of the plan, that is at work"`
	Done  int             `json:"done" doc:"Steps that are done"`
	Total int             `json:"total" doc:"Steps of the plan"`
	Began time.Time       `json:"began"`
	Ended time.Time       `json:"ended,omitzero"`
	Steps []StepStatus    `json:"steps,omitempty" doc:"Where one cluster is asked for"`
}

// StepStatus is how a step of a run is.
type StepStatus struct {
	ID      string        `json:"id"`
	Phase   cluster.Phase `json:"phase"`
	Title   string        `json:"title"`
	Host    string        `json:"host,omitempty"`
	State   run.State     `json:"state,omitempty" enum:"running,done,failed" doc:"Absent: it was not begun"`
	Attempt int           `json:"attempt,omitempty"`
	Now     string        `json:"now,omitempty" doc:"What it is at"`
	Reason  string        `json:"reason,omitempty" doc:"Why it failed"`
	Began   time.Time     `json:"began,omitzero"`
	Ended   time.Time     `json:"ended,omitzero"`
}

// describe says of a cluster what it is at, from its last run.
func (c *Cluster) describe(reason string) {
	r := c.Run
	switch {
	case r == nil || r.State == RunDone || r.State == RunAbandoned:
		c.Phase = Ready
	case r.State == RunRunning:
		c.Phase, c.Reason = busy[r.Kind], reason
	case r.State == RunPaused:
		c.Phase, c.Reason, c.Next = Paused, reason, "'landfall cluster resume "+c.Name+"' lets it go on"
	default:
		c.Phase, c.Reason = Stopped, reason
		c.Next = "mend that, then 'landfall cluster resume " + c.Name + "' goes on at the step that failed"
		if r.Kind == cluster.Upgrade {
			c.Next += "; 'landfall cluster rollback " + c.Name + "' brings " + r.From + " back"
		}
		if r.Kind == cluster.Form || r.Kind == cluster.Restore {
			c.Next += "; 'landfall cluster delete " + c.Name + "' cleans the hosts"
		}
	}
	if r != nil && r.State == RunRunning {
		c.Next = nextOf(r.Steps)
	}
}

// nextOf is what comes after what is at work.
func nextOf(steps []StepStatus) string {
	for _, s := range steps {
		if s.State == "" {
			return s.Title
		}
	}
	return ""
}
