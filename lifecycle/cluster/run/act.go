package run

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/kube"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// joinFor is for how long a token to join is valid.
const joinFor = 2 * time.Hour

// host has a host do an operation, with all secrets filled in.
func (r *runner) host(ctx context.Context, s *cluster.Step, act *cluster.HostAct, id string) (json.RawMessage, error) {
	op := act.Op
	op.ID = strings.ToLower(id)
	if err := r.fill(ctx, act.Fill, &op); err != nil {
		return nil, err
	}
	kind := op.Kind()
	r.Journal.Tell(s.ID, kind)
	result, err := r.Hosts.Do(ctx, act.Host, op, func(at host.Result) {
		r.Journal.Tell(s.ID, kind+progressText(at.Progress))
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("host %s: %s: %w", act.Host, kind, err)
	case result.State != host.Done && result.Error != nil:
		return result.Output, fmt.Errorf("host %s: %s: %w", act.Host, kind, failureOf(result.Error))
	case result.State != host.Done:
		return nil, fmt.Errorf("host %s: %s: %w: the agent says %s", act.Host, kind, registry.ErrUnreachable, result.State)
	case op.Check != nil:
		return result.Output, checked(&result)
	}
	return result.Output, nil
}

func progressText(p host.Progress) string {
	text := ""
	if p.Text != "" {
		text = ": " + p.Text
	}
	if p.TotalBytes > 0 {
		text += fmt.Sprintf(": %s of %s", units.Bytes(p.Bytes), units.Bytes(p.TotalBytes))
	}
	return text
}

// kinds are the kinds of failures that agents tell, as errors.
var kinds = map[string]error{
	"not_found": registry.ErrNotFound, "invalid": registry.ErrInvalid, "digest": registry.ErrDigest, "unreachable": registry.ErrUnreachable,
	"conflict": registry.ErrConflict, "no_space": registry.ErrNoSpace, "denied": registry.ErrDenied, "size": registry.ErrSize, "untrusted": registry.ErrUntrusted, "incomplete": registry.ErrIncomplete,
}

// failureOf is a host's failure as an error of this side.
func failureOf(f *host.Failure) error {
	if kind := kinds[f.Kind]; kind != nil && !strings.Contains(f.Message, kind.Error()) {
		return fmt.Errorf("%w: %s", kind, f.Message)
	}
	return f
}

// checked is what keeps a host from becoming part of a cluster.
func checked(result *host.Result) error {
	var c host.Checked
	if err := result.Decode(&c); err != nil {
		return err
	}
	var texts []string
	for _, f := range c.Findings {
		if f.Severity == host.Blocks {
			texts = append(texts, f.Check+": "+f.Text)
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return fmt.Errorf("%w: it is not ready: %s", registry.ErrConflict, first(texts))
}

// fill puts into an operation what the plan does not hold.
func (r *runner) fill(ctx context.Context, fill cluster.Fill, op *host.Op) error {
	switch fill {
	case cluster.FillNothing:
		return nil
	case cluster.FillPKI, cluster.FillK3s:
		return r.fillKeys(ctx, fill, op)
	case cluster.FillJoin:
		return r.fillJoin(ctx, op)
	case cluster.FillSource:
		user, password, err := r.Site.Login(ctx)
		if err == nil && password != "" {
			setLogin(op, user, password)
		}
		return err
	}
	return fmt.Errorf("%w: the plan wants %q filled in, which this version does not know", registry.ErrInvalid, fill)
}

func (r *runner) fillKeys(ctx context.Context, fill cluster.Fill, op *host.Op) error {
	keys, err := r.Site.Keys(ctx)
	if err != nil {
		return err
	}
	files := keys.K3sFiles()
	if fill == cluster.FillPKI {
		if files, err = keys.Files(); err != nil {
			return err
		}
	}
	filled := host.Files{}
	if op.Files != nil {
		filled = *op.Files
	}
	filled.Put = append(append([]host.File(nil), filled.Put...), files...)
	op.Files = &filled
	return nil
}

// fillJoin gives who joins a token and the hash of the cluster's authority, or, where
// the distribution has one token for all, that.
func (r *runner) fillJoin(ctx context.Context, op *host.Op) error {
	keys, err := r.Site.Keys(ctx)
	if err != nil {
		return err
	}
	hash, err := keys.Hash()
	if err != nil {
		return err
	}
	if op.Kubeadm == nil {
		return fillToken(op, keys.Token)
	}
	client, err := r.Site.Kube(ctx)
	if err != nil {
		return err
	}
	token := joinToken(keys.Token, op.ID)
	if err := client.AllowJoin(ctx, token, joinFor); err != nil {
		return err
	}
	step := *op.Kubeadm
	step.Config = bytes.ReplaceAll(step.Config, []byte(cluster.JoinTokenHere), []byte(token))
	step.Config = bytes.ReplaceAll(step.Config, []byte(cluster.CAHashHere), []byte(hash))
	op.Kubeadm = &step
	return nil
}

// joinToken is the token of one operation, always the same: asked for again, it is the
// same operation.
func joinToken(secret, id string) string {
	sum := hmac.New(sha256.New, []byte(secret))
	sum.Write([]byte("landfall join " + id))
	text := hex.EncodeToString(sum.Sum(nil))
	const idLength, length = 6, 16
	return text[:idLength] + "." + text[idLength:idLength+length]
}

func fillToken(op *host.Op, token string) error {
	if op.Files == nil {
		return fmt.Errorf("%w: the plan wants a token in an operation that has no place for one: %s", registry.ErrInvalid, op.Kind())
	}
	files := *op.Files
	files.Put = append([]host.File(nil), files.Put...)
	for i := range files.Put {
		files.Put[i].Content = bytes.ReplaceAll(files.Put[i].Content, []byte(cluster.JoinTokenHere), []byte(token))
	}
	op.Files = &files
	return nil
}

// setLogin gives an operation the password of the source's account, wherever it has the
// source, and files the login. The plan's own operation stays without it.
func setLogin(op *host.Op, user, password string) {
	if op.Pull != nil {
		pull := *op.Pull
		pull.Source.Password, op.Pull = password, &pull
	}
	if op.Provider != nil {
		provider := *op.Provider
		provider.Blob.Source.Password, op.Provider = password, &provider
	}
	if op.Check != nil && op.Check.Source != nil {
		check, from := *op.Check, *op.Check.Source
		from.Password = password
		check.Source, op.Check = &from, &check
	}
	if op.Files != nil {
		files := *op.Files
		files.Put = append([]host.File(nil), files.Put...)
		login := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
		for i, f := range files.Put {
			files.Put[i].Content = bytes.ReplaceAll(f.Content, []byte(cluster.LoginHere), []byte(login))
			if f.Blob != nil {
				blob := *f.Blob
				blob.Source.Password, files.Put[i].Blob = password, &blob
			}
		}
		op.Files = &files
	}
}

// kube does an act in the cluster.
func (r *runner) kube(ctx context.Context, s *cluster.Step, act *cluster.KubeAct) error {
	if act.Limit > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, act.Limit, fmt.Errorf("%w: %s took longer than %s", registry.ErrUnreachable, act.Do, act.Limit))
		defer cancel()
		ctx = limited
	}
	client, err := r.Site.Kube(ctx)
	if err != nil {
		return err
	}
	tell := func(text string) { r.Journal.Tell(s.ID, text) }
	tell(string(act.Do))
	switch act.Do {
	case cluster.AwaitAPI:
		return client.AwaitAPI(ctx)
	case cluster.AwaitNode:
		return client.AwaitNode(ctx, act.Node, act.Version, act.Fresh, tell)
	case cluster.AwaitPods:
		return client.AwaitPods(ctx, act.Node, tell)
	case cluster.LabelNode:
		return client.LabelNode(ctx, act.Node, act.Labels, act.Taints)
	case cluster.Drain:
		return client.Drain(ctx, act.Node, kube.DrainOptions{Limit: act.Limit, Progress: tell})
	case cluster.Evacuate:
		return r.evacuate(ctx, client, act, tell)
	case cluster.Uncordon:
		return client.Uncordon(ctx, act.Node)
	case cluster.RemoveNode:
		return client.RemoveNode(ctx, act.Node)
	case cluster.RenewPods:
		return client.RenewPods(ctx, act.Node)
	case cluster.CheckHealth:
		return r.health(ctx, client)
	case cluster.VerifyPods:
		return r.verify(ctx, client, act.Definition, tell)
	case cluster.ApplyLayer, cluster.RemoveLayer:
		return r.layer(ctx, client, act, tell)
	}
	return fmt.Errorf("%w: the plan wants %q done in the cluster, which this version does not know", registry.ErrInvalid, act.Do)
}

// evacuate empties a node that is to leave; one that is not there is empty.
func (r *runner) evacuate(ctx context.Context, client Kube, act *cluster.KubeAct, tell func(string)) error {
	nodes, err := client.Nodes(ctx)
	if err != nil || !slices.ContainsFunc(nodes, func(n kube.Node) bool { return n.Name == act.Node }) {
		return err
	}
	return client.Drain(ctx, act.Node, kube.DrainOptions{Limit: act.Limit, Force: act.Force, Progress: tell})
}

func (r *runner) layer(ctx context.Context, client Kube, act *cluster.KubeAct, tell func(string)) error {
	opts := kube.ApplyOptions{Limit: act.Limit, Progress: tell}
	if act.Do == cluster.RemoveLayer {
		applied, err := client.RemoveLayer(ctx, act.Layer, opts)
		tellLeft(applied, tell)
		return err
	}
	l, err := r.Site.Layer(ctx, act.Definition, act.Layer)
	if err != nil {
		return err
	}
	applied, err := client.Apply(ctx, *l, opts)
	tellLeft(applied, tell)
	return err
}

func tellLeft(applied *kube.Applied, tell func(string)) {
	if applied != nil && len(applied.Left) > 0 {
		tell("left in place: " + strings.Join(applied.Left, ", "))
	}
}
