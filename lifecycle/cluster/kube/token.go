package kube

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/registry"
)

// AllowJoin lets who has a token, ID.SECRET of 6 and 16 lower-case letters and digits,
// join the cluster for a while.
// https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
func (c *Client) AllowJoin(ctx context.Context, token string, valid time.Duration) error {
	id, secret, ok := strings.Cut(token, ".")
	if !ok || len(id) != 6 || len(secret) != 16 {
		return fmt.Errorf("%w: it is no token to join with", registry.ErrInvalid)
	}
	_, err := c.put(ctx, &unstructured.Unstructured{Object: fields{
		"apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
		"metadata": fields{"name": "bootstrap-token-" + id, "namespace": systemNamespace},
		"stringData": fields{
			"token-id": id, "token-secret": secret, "expiration": time.Now().Add(valid).UTC().Format(time.RFC3339), "description": "made by landfall for a host that joins",
			"usage-bootstrap-authentication": "true", "usage-bootstrap-signing": "true", "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
		},
	}})
	return err
}
