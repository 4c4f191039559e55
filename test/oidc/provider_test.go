package oidc

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
)

const (
	clientID     = "landfall"
	clientSecret = "the-secret-that-the-provider-knows"
	userPassword = "a-password-of-the-provider"
)

// users are the provider's.
type users map[string]*storage.User

func (u users) GetUserByID(id string) *storage.User { return u[id] }

func (u users) GetUserByUsername(name string) *storage.User {
	for _, user := range u {
		if user.Username == name {
			return user
		}
	}
	return nil
}

func (users) ExampleClientID() string { return "service" }

// withGroups is the provider's storage, which also tells the groups of a user.
type withGroups struct {
	*storage.Storage

	mu     sync.Mutex
	groups map[string][]string // by the user's id
}

// SetUserinfoFromToken adds the groups to what the userinfo endpoint tells.
func (s *withGroups) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, token, subject, origin string) error {
	err := s.Storage.SetUserinfoFromToken(ctx, info, token, subject, origin)
	s.mu.Lock()
	defer s.mu.Unlock()
	info.AppendClaims("groups", s.groups[subject])
	return err
}

func (s *withGroups) set(subject string, groups ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups[subject] = groups
}

// provider is one on loopback, which is started when its client's address is known.
type provider struct {
	listener net.Listener
	issuer   string
	storage  *withGroups
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &provider{listener: l, issuer: "http://" + l.Addr().String()}
}

// serve answers for users whose site is at an address.
func (p *provider) serve(t *testing.T, site string) {
	t.Helper()
	known := users{}
	for id, name := range map[string]string{"1": "ann", "2": "bob", "3": "root", "4": "eve"} {
		known[id] = &storage.User{ID: id, Username: name, Password: userPassword, FirstName: name, LastName: "Example"}
	}
	client := storage.WebClient(clientID, clientSecret, site+"/auth/oidc/callback")
	p.storage = &withGroups{Storage: storage.NewStorageWithClients(known, map[string]*storage.Client{clientID: client}), groups: map[string][]string{}}
	handler := exampleop.SetupServer(p.issuer, p.storage, slog.New(slog.NewTextHandler(io.Discard, nil)), false)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(p.listener)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
}
