package auth

import (
	"sync"
	"testing"

	"github.com/landfall-dev/landfall/registry"
)

func TestFederated(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	ann := Identity{Issuer: "https://id.example", Subject: "1", Name: "ann", Display: "Ann", Role: Operator}
	_, err := s.Federated(t.Context(), ann)
	wants(t, "before the first administrator", err, registry.ErrDenied)
	s.addUser("root", Admin)
	u, err := s.Federated(t.Context(), ann)
	if err != nil || u.Role != Operator || u.HasPassword || u.Issuer != ann.Issuer {
		t.Fatalf("%+v, %v", u, err)
	}
	again, err := s.Federated(t.Context(), Identity{Issuer: ann.Issuer, Subject: "1", Name: "renamed", Role: Viewer})
	if err != nil || again.ID != u.ID || again.Name != "ann" || again.Role != Viewer || again.Version != 2 {
		t.Errorf("%+v, %v", again, err)
	}
	for what, c := range map[string]struct {
		i    Identity
		kind error
	}{
		"a local user's name":        {Identity{Issuer: ann.Issuer, Subject: "2", Name: "Root", Role: Admin}, registry.ErrConflict},
		"another's name":             {Identity{Issuer: ann.Issuer, Subject: "2", Name: "ann", Role: Admin}, registry.ErrConflict},
		"the same at another issuer": {Identity{Issuer: "https://other.example", Subject: "1", Name: "ann", Role: Admin}, registry.ErrConflict},
		"no subject":                 {Identity{Issuer: ann.Issuer, Name: "x", Role: Admin}, registry.ErrInvalid},
		"no issuer":                  {Identity{Subject: "root", Name: "root", Role: Admin}, registry.ErrInvalid},
		"a name that is none":        {Identity{Issuer: ann.Issuer, Subject: "3", Name: "a b", Role: Viewer}, registry.ErrInvalid},
		"no role":                    {Identity{Issuer: ann.Issuer, Subject: "3", Name: "x"}, registry.ErrInvalid},
	} {
		_, err := s.Federated(t.Context(), c.i)
		wants(t, what, err, c.kind)
	}
	s.change(u.ID, UserPatch{Disabled: ptr(true)})
	_, err = s.Federated(t.Context(), ann)
	wants(t, "disabled", err, registry.ErrDenied)
	// A restricted user does not become an admin over there.
	s.change(u.ID, UserPatch{Disabled: ptr(false), Restricted: ptr(true)})
	ann.Role = Admin
	_, err = s.Federated(t.Context(), ann)
	wants(t, "restricted", err, registry.ErrInvalid)
	// Ten first logins at once are one user.
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if _, err := s.Federated(t.Context(), Identity{Issuer: ann.Issuer, Subject: "9", Name: "bob", Role: Viewer}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if users, _ := s.Users(t.Context(), "", 10); len(users) != 3 {
		t.Errorf("%d users", len(users))
	}
	if err := s.FailedFederated(t.Context(), ann, err); err != nil {
		t.Error(err)
	}
	s.audited("user.create bob")
	s.audited("user.change ann")
	s.audited("login ann denied by anonymous/anonymous/oidc")
}

// The signing key is made once and stays.
func TestSigningKey(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	var all sync.WaitGroup
	ids := make([]string, 10)
	for i := range ids {
		all.Go(func() {
			var err error
			if ids[i], _, err = s.SigningKey(t.Context(), "registry"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s.restart()
	id, key, err := s.SigningKey(t.Context(), "registry")
	if err != nil || id != ids[0] || ids[9] != id || len(key) != 64 {
		t.Errorf("%v, %q, %v", ids, id, err)
	}
	if other, _, _ := s.SigningKey(t.Context(), "other"); other == id {
		t.Error("one key for two purposes")
	}
}
