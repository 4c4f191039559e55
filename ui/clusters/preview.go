package clusters

import (
	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/kube"
	"github.com/landfall-dev/landfall/lifecycle/cluster/plan"
)

// Preview is what an upgrade would do, change and need.
type Preview struct {
	*plan.Preview
	Plan     *cluster.Plan  `json:"plan,omitempty" doc:"What would be done, in order"`
	Gate     string         `json:"gate" doc:"What the closure gate found for the cluster's hosts"`
	Lacking  int64          `json:"lacking" doc:"Bytes that the site is missing: see the wants of the definition"`
	Blockers []kube.Blocker `json:"blockers,omitempty" doc:"What would keep nodes from being drained now"`
	Problem  string         `json:"problem,omitempty" doc:"Why it cannot be done, or not be told in full"`
}
