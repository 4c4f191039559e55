package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/remote"
	"github.com/landfall-dev/landfall/ui/api"
)

// tokenEnv is the variable that has the token for --server.
const tokenEnv = "LANDFALL_TOKEN"

func (f *siteFlags) addToken(c *cobra.Command) {
	c.Flags().StringVar(&f.tokenFile, "token-file", "", "`file` whose first line is the token for --server; else it comes from "+tokenEnv)
}

// checkToken refuses a token for nobody.
func checkToken(c *cobra.Command) error {
	token, server := c.Flags().Lookup("token-file"), c.Flags().Lookup("server")
	if token != nil && server != nil && token.Changed && server.Value.String() == "" {
		return errors.New("--token-file is for --server: on the appliance's own machine no token is needed")
	}
	return nil
}

// client speaks to the appliance that is meant. ErrUnreachable when none runs.
func (f *siteFlags) client(ctx context.Context) (*api.Client, error) {
	server := cmp.Or(f.server, f.appliance(ctx))
	if server == "" {
		return nil, fmt.Errorf("%w: no appliance answers at %s: start one with 'landfall serve', or name one with --server",
			registry.ErrUnreachable, filepath.Join(f.data, socketName))
	}
	return f.dial(server)
}

// ask makes a command that asks a running appliance.
func (f *siteFlags) ask(run func(c *cobra.Command, client *api.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		client, err := f.client(c.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		return run(c, client, args)
	}
}

// dial makes a client of an appliance.
func (f *siteFlags) dial(server string) (*api.Client, error) {
	token, err := f.token()
	if err != nil {
		return nil, err
	}
	client, err := api.NewClient(api.ClientOptions{Server: server, CAFile: f.ca, Token: token})
	if err != nil {
		return nil, usageError{err}
	}
	return client, nil
}

// token is what is shown to --server; empty: nothing. It is never part of an error.
func (f *siteFlags) token() (string, error) {
	if f.server == "" { // commands reach the appliance of their machine without one
		return "", nil
	}
	token, from := os.Getenv(tokenEnv), tokenEnv
	if f.tokenFile != "" {
		content, err := os.ReadFile(f.tokenFile)
		if err != nil {
			return "", usageError{fmt.Errorf("--token-file: %w", err)}
		}
		token, from = firstLine(content), f.tokenFile
		if token == "" {
			return "", usageError{fmt.Errorf("%s: its first line is empty; want a token", from)}
		}
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", usageError{fmt.Errorf("%s: there are characters that no token has; was it copied whole?", from)}
	}
	if token != "" {
		if err := api.Exposed(f.server); err != nil {
			return "", usageError{err}
		}
	}
	return token, nil
}

// firstLine is that of a file, without its end.
func firstLine(content []byte) string {
	line, _, _ := strings.Cut(string(content), "\n")
	return strings.TrimRight(line, "\r")
}

// dialRegistry makes a client of a registry. hosts is what is special about some
// of them; nil: nothing.
func (f *siteFlags) dialRegistry(server string, hosts map[string]remote.Host) (*remote.Registry, error) {
	token, err := f.token()
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(server)
	if token != "" && err == nil {
		host := hosts[u.Host]
		if host.Credentials == (remote.Credentials{}) || f.tokenFile != "" {
			host.Credentials = remote.Credentials{TokenFile: f.tokenFile, TokenEnv: tokenEnv}
		}
		if hosts = maps.Clone(hosts); hosts == nil {
			hosts = map[string]remote.Host{}
		}
		hosts[u.Host] = host
	}
	return remote.New(remote.Options{Server: server, CAFile: f.ca, Hosts: hosts})
}
