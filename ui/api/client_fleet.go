package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/ui/hosts"
)

// LinkedHosts lists the hosts that are linked to an appliance.
func (c *Client) LinkedHosts(ctx context.Context) (list []host.Host, err error) {
	return list, c.call(ctx, http.MethodGet, "fleet", nil, &list)
}

// LinkedHost reads one, by its name or id. ErrNotFound without it.
func (c *Client) LinkedHost(ctx context.Context, name string) (h host.Host, err error) {
	return h, c.call(ctx, http.MethodGet, "fleet/"+url.PathEscape(name), nil, &h)
}

// RenameHost gives a host another name.
func (c *Client) RenameHost(ctx context.Context, name, to string) (h host.Host, err error) {
	return h, c.call(ctx, http.MethodPatch, "fleet/"+url.PathEscape(name), map[string]string{"name": to}, &h)
}

// UnlinkHost takes a host out, with force also while it belongs to a cluster.
func (c *Client) UnlinkHost(ctx context.Context, name string, force bool) error {
	return c.call(ctx, http.MethodDelete, "fleet/"+url.PathEscape(name)+"?force="+strconv.FormatBool(force), nil, nil)
}

// HostTokens lists open tokens, without their secrets.
func (c *Client) HostTokens(ctx context.Context) (list []hosts.Token, err error) {
	return list, c.call(ctx, http.MethodGet, "fleet-tokens", nil, &list)
}

// MakeHostToken makes a token with which one host can be linked within a time like 15m.
func (c *Client) MakeHostToken(ctx context.Context, ttl string) (t *hosts.MadeToken, err error) {
	return t, c.call(ctx, http.MethodPost, "fleet-tokens", hostTokenRequest{ttl}, &t)
}

// RevokeHostToken makes an open token good for nothing.
func (c *Client) RevokeHostToken(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "fleet-tokens/"+url.PathEscape(id), nil, nil)
}
