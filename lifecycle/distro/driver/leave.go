package driver

import (
	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/host"
)

// Leave implements Driver.
func (kubeadm) Leave(n, through Node) []cluster.Act {
	if n.Role == Worker {
		return nil
	}
	return []cluster.Act{act(through, host.Op{Member: &host.Member{Remove: n.Name, Address: n.Address}}, cluster.FillNothing)}
}

// Leave implements Driver: k3s takes a member out of its etcd when its node is removed.
// https://docs.k3s.io/cli/etcd-snapshot
func (k3s) Leave(Node, Node) []cluster.Act { return nil }
