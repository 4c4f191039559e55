package remote

import (
	"fmt"
	"os"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/docker/docker-credential-helpers/client"
	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/landfall-dev/landfall/registry"
)

// Credentials say where the credentials of one host are. They are read at each
// log-in, so that changed ones count at once. One way is used, in the order of
// the fields.
type Credentials struct {
	Username     string // with a password
	Password     string // itself, where it is in memory only
	PasswordFile string // its first line
	PasswordEnv  string // the name of an environment variable
	TokenFile    string // a registry token (RFC 6750), its first line
	TokenEnv     string // the name of an environment variable
	DockerConfig string // a configuration file of Docker, with what it says of the host
	Helper       string // a credential helper of Docker: docker-credential-NAME is run
}

// Resolve implements authn.Keychain.
func (c Credentials) Resolve(of authn.Resource) (authn.Authenticator, error) {
	switch {
	case c.Username != "" && c.Password != "":
		return authn.FromConfig(authn.AuthConfig{Username: c.Username, Password: c.Password}), nil
	case c.Username != "":
		password, err := secret("password", c.PasswordFile, c.PasswordEnv)
		return authn.FromConfig(authn.AuthConfig{Username: c.Username, Password: password}), err
	case c.TokenFile != "" || c.TokenEnv != "":
		token, err := secret("token", c.TokenFile, c.TokenEnv)
		return authn.FromConfig(authn.AuthConfig{RegistryToken: token}), err
	case c.DockerConfig != "":
		return c.fromDocker(of)
	case c.Helper != "":
		return c.fromHelper(of)
	}
	return authn.Anonymous, nil
}

// secret reads one line of a file, or a variable.
func secret(what, file, variable string) (string, error) {
	if file == "" {
		value, ok := os.LookupEnv(variable)
		if !ok || value == "" {
			return "", fmt.Errorf("%s: %w: environment variable %s is not set", what, registry.ErrDenied, variable)
		}
		return value, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w: %v", what, registry.ErrDenied, err)
	}
	line, _, _ := strings.Cut(string(content), "\n")
	if line = strings.TrimRight(line, "\r"); line == "" {
		return "", fmt.Errorf("%s: %w: the first line of %s is empty", what, registry.ErrDenied, file)
	}
	return line, nil
}

func (c Credentials) fromDocker(of authn.Resource) (authn.Authenticator, error) {
	f, err := os.Open(c.DockerConfig)
	if err != nil {
		return nil, fmt.Errorf("configuration of Docker: %w: %v", registry.ErrDenied, err)
	}
	defer f.Close()
	file, err := config.LoadFromReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %v", c.DockerConfig, registry.ErrDenied, err)
	}
	for _, key := range keys(of) {
		found, err := file.GetAuthConfig(key)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %s: %v", c.DockerConfig, registry.ErrDenied, key, err)
		}
		auth := authn.AuthConfig{Username: found.Username, Password: found.Password, Auth: found.Auth, IdentityToken: found.IdentityToken, RegistryToken: found.RegistryToken}
		if auth != (authn.AuthConfig{}) {
			return authn.FromConfig(auth), nil
		}
	}
	return nil, fmt.Errorf("%s: %w: it has no credentials for %s", c.DockerConfig, registry.ErrDenied, of.RegistryStr())
}

// identityUser is what helpers call a user whose secret is an identity token.
const identityUser = "<token>"

func (c Credentials) fromHelper(of authn.Resource) (authn.Authenticator, error) {
	program := client.NewShellProgramFunc("docker-credential-" + c.Helper)
	var last error
	for _, key := range keys(of) {
		found, err := client.Get(program, key)
		if err != nil {
			last = err
			continue
		}
		if found.Username == identityUser {
			return authn.FromConfig(authn.AuthConfig{IdentityToken: found.Secret}), nil
		}
		return authn.FromConfig(authn.AuthConfig{Username: found.Username, Password: found.Secret}), nil
	}
	return nil, fmt.Errorf("docker-credential-%s: %w: %s: %v", c.Helper, registry.ErrDenied, of.RegistryStr(), last)
}

// hubKey is what Docker Hub is called in Docker's own files.
const hubKey = "https://index.docker.io/v1/"

// keys are the names under which credentials of a host are kept.
func keys(of authn.Resource) []string {
	host := of.RegistryStr()
	if host == "index.docker.io" {
		return []string{hubKey, host, "docker.io"}
	}
	return []string{host, "https://" + host}
}
