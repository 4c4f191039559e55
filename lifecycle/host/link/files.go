package link

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// SendFile sends bytes that the appliance expects from this host, for as long as that
// takes.
func (c *Client) SendFile(ctx context.Context, id string, content io.ReadSeeker, size int64) error {
	return c.atServers(ctx, func(server string) error {
		if _, err := content.Seek(0, io.SeekStart); err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPut, server+host.PathFiles+url.PathEscape(id), io.NopCloser(content))
		if err != nil {
			return err
		}
		request.ContentLength = size
		return c.fileRequest(ctx, server, request, func(io.Reader) error { return nil })
	})
}

// ReceiveFile gets bytes that the appliance has for this host. An answer that breaks off
// is an error of what take reads.
func (c *Client) ReceiveFile(ctx context.Context, id string, take func(io.Reader) error) error {
	return c.atServers(ctx, func(server string) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server+host.PathFiles+url.PathEscape(id), nil)
		if err != nil {
			return err
		}
		return c.fileRequest(ctx, server, request, take)
	})
}

func (c *Client) fileRequest(ctx context.Context, server string, request *http.Request, take func(io.Reader) error) error {
	answer, err := c.http.Do(request)
	if err != nil {
		return &absence{unreached(ctx, server, err)}
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 == 2 {
		return take(answer.Body)
	}
	said, _ := io.ReadAll(io.LimitReader(answer.Body, maxPEM)) // what came of it says enough
	if !json.Valid(said) {
		said = nil
	}
	return problem(answer, said)
}

// atServers does something at the appliance's addresses, until it has answered.
func (c *Client) atServers(ctx context.Context, do func(server string) error) error {
	c.mu.Lock()
	known := slices.Clone(c.record.Servers)
	c.mu.Unlock()
	failed := fmt.Errorf("%w: the appliance answers nowhere", registry.ErrUnreachable)
	for _, server := range known {
		err := do(server)
		elsewhere := (*absence)(nil)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.As(err, &elsewhere):
			return err
		}
		failed = errors.Join(failed, err)
	}
	return failed
}
