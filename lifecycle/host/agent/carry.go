package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// carry brings a snapshot to the appliance, or here.
func (t *task) carry(ctx context.Context, c *host.Carry) error {
	path, err := t.snapshotPath(c.Snapshot)
	if err != nil {
		return err
	}
	t.mu.Lock()
	client := t.client
	t.mu.Unlock()
	if client == nil {
		return fmt.Errorf("snapshot %s: %w: this host is linked to no appliance", c.Snapshot, registry.ErrUnreachable)
	}
	if c.Receive {
		return t.receive(ctx, client, c, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("snapshot %s: %w: %w", c.Snapshot, registry.ErrNotFound, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	t.say("sending the snapshot")
	if err := client.SendFile(ctx, c.As, f, info.Size()); err != nil {
		return fmt.Errorf("snapshot %s: %w", c.Snapshot, err)
	}
	if err := os.Remove(besides(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Remove(path)
}

// receive gets a snapshot, and proves it before it is called so.
func (t *task) receive(ctx context.Context, client Client, c *host.Carry, path string) error {
	if f, err := os.Open(path); err == nil {
		defer f.Close()
		if have, err := digest.FromReader(f); err == nil && have == c.Digest {
			return nil
		}
	}
	for until := time.Now().Add(receiveFor); ; {
		t.say("receiving the snapshot")
		err := client.ReceiveFile(ctx, c.As, func(from io.Reader) error {
			return writeStream(path, &provenReader{from: from, want: c.Digest, sum: digest.SHA256.Digester()})
		})
		switch {
		case err == nil:
			return nil
		case time.Now().After(until) || errors.Is(err, registry.ErrDigest) || errors.Is(err, registry.ErrNoSpace):
			return fmt.Errorf("snapshot %s: %w", c.Snapshot, err)
		}
		t.say("receiving the snapshot: %v; it is tried again", err)
		if !sleep(ctx, receiveAgain) {
			return context.Cause(ctx)
		}
	}
}

// The appliance may begin again meanwhile, and expects the host a little later.
const (
	receiveFor   = 5 * time.Minute
	receiveAgain = 2 * time.Second
)

// provenReader ends only when what has come has the digest.
type provenReader struct {
	from io.Reader
	want digest.Digest
	sum  digest.Digester
}

func (r *provenReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	_, _ = r.sum.Hash().Write(p[:n]) // never fails
	if errors.Is(err, io.EOF) && r.sum.Digest() != r.want {
		return n, fmt.Errorf("%w: it is %s, want %s", registry.ErrDigest, r.sum.Digest(), r.want)
	}
	return n, err
}

// seed makes the state of a snapshot that of etcd, which kubeadm then finds. What an
// attempt before has left was reset.
func (t *task) seed(ctx context.Context, k *host.Kubeadm) error {
	path, err := t.snapshotPath(k.State)
	if err != nil {
		return err
	}
	if err := t.mayMakeState(path, k.State); err != nil {
		return err
	}
	for _, old := range []string{etcdRestored, etcdMember} {
		if err := t.tree.remove(old); err != nil {
			return err
		}
	}
	if err := t.makeState(ctx, path, k.Node, k.Address); err != nil {
		return err
	}
	if err := t.tree.mkdir(etcdFolder, 0o700); err != nil {
		return err
	}
	return t.moveFolder(etcdRestored+"/member", etcdMember)
}
