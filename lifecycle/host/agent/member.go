package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// etcdPeer is one of etcd's members, as its gateway tells it.
type etcdPeer struct {
	ID       string   `json:"ID"` // a number, as text
	Name     string   `json:"name"`
	PeerURLs []string `json:"peerURLs"`
}

// is reports whether a member is the one that is meant. One that has never begun has no
// name, and is known by its address.
func (p etcdPeer) is(m *host.Member) bool {
	if p.Name != "" || m.Address == "" {
		return p.Name == m.Remove
	}
	return slices.ContainsFunc(p.PeerURLs, func(text string) bool {
		u, err := url.Parse(text)
		return err == nil && u.Hostname() == strings.Trim(m.Address, "[]")
	})
}

// removeMember takes a member out of etcd by way of this host's own. etcd itself refuses
// what would cost it the majority.
func (t *task) removeMember(ctx context.Context, m *host.Member) error {
	client, err := t.etcdClient()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	t.say("taking %s out of etcd", m.Remove)
	return gateway{client, etcdAddress}.remove(ctx, m)
}

// gateway is etcd by HTTP.
// https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/
type gateway struct {
	client *http.Client
	at     string
}

func (g gateway) remove(ctx context.Context, m *host.Member) error {
	var list struct {
		Members []etcdPeer `json:"members"`
	}
	if err := g.ask(ctx, "member/list", map[string]any{}, &list); err != nil {
		return err
	}
	i := slices.IndexFunc(list.Members, func(p etcdPeer) bool { return p.is(m) })
	if i < 0 {
		return nil
	}
	if len(list.Members) == 1 {
		return fmt.Errorf("etcd: %w: %s is its last member", registry.ErrConflict, m.Remove)
	}
	return g.ask(ctx, "member/remove", map[string]any{"ID": list.Members[i].ID}, nil)
}

// maxEtcdAnswer bounds what etcd says to anything but a snapshot, in bytes.
const maxEtcdAnswer = 1 << 20

// ask asks etcd for something of its cluster.
func (g gateway) ask(ctx context.Context, what string, body map[string]any, to any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, g.at+"/v3/cluster/"+what, bytes.NewReader(content))
	if err != nil {
		return err
	}
	answer, err := g.client.Do(request)
	if err != nil {
		return fmt.Errorf("etcd: %s: %w: %w", what, registry.ErrUnreachable, err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(io.LimitReader(answer.Body, maxEtcdAnswer))
	if err != nil {
		return fmt.Errorf("etcd: %s: %w: %w", what, registry.ErrUnreachable, err)
	}
	if answer.StatusCode != http.StatusOK {
		return etcdRefused(what, answer.Status, said)
	}
	if to == nil {
		return nil
	}
	return json.Unmarshal(said, to)
}

// etcdRefused is why etcd does not do something. A member that is gone meanwhile is no
// failure.
func etcdRefused(what, status string, said []byte) error {
	var problem struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(said, &problem) != nil || problem.Message == "" {
		problem.Message = status
	}
	if strings.Contains(problem.Message, "member not found") {
		return nil
	}
	kind := registry.ErrUnreachable
	if strings.Contains(problem.Message, "re-configuration failed") || strings.Contains(problem.Message, "unhealthy cluster") {
		kind = registry.ErrConflict
	}
	return fmt.Errorf("etcd: %s: %w: %s", what, kind, problem.Message)
}
