package oidc

import (
	"net/http"
	"slices"
	"testing"
)

// People log in with what they have at the provider, get the role that their groups
// mean there, and lose it with them. A site whose provider does not answer yet
// serves, and nobody gets in before it has an administrator of its own.
func TestProvider(t *testing.T) {
	p := newProvider(t)
	site := start(t, p.issuer)
	p.serve(t, site.url)
	p.storage.set("1", "platform", "everybody")
	p.storage.set("2", "everybody")
	p.storage.set("3", "platform")

	refused := func(what, user, password string) {
		t.Helper()
		b := browser(t)
		site.login(b, user, password)
		if m := site.me(b); m.Kind != "anonymous" {
			t.Errorf("%s: %+v", what, m)
		}
	}
	refused("before the first administrator", "ann", userPassword)
	site.setUp()

	ann := browser(t)
	if m := site.me(ann); m.Kind != "anonymous" || !m.OIDC {
		t.Errorf("before: %+v", m)
	}
	status, end := site.login(ann, "ann", userPassword)
	if status != http.StatusOK || end.String() != site.url+"/api/v1/session" {
		t.Errorf("it ends at %s with %d", end, status)
	}
	if m := site.me(ann); m.Name != "ann" || m.Kind != "user" || m.Role != "admin" || !slices.Contains(m.Rights, "users.write") {
		t.Errorf("ann is %+v", m)
	}
	bob := browser(t)
	site.login(bob, "bob", userPassword)
	if m := site.me(bob); m.Name != "bob" || m.Role != "viewer" || slices.Contains(m.Rights, "content.write") {
		t.Errorf("bob is %+v", m)
	}

	refused("the local administrator's name", "root", userPassword)
	refused("none of the groups", "eve", userPassword)
	refused("a wrong password", "bob", "other")

	p.storage.set("1", "everybody")
	again := browser(t)
	site.login(again, "ann", userPassword)
	if m := site.me(again); m.Role != "viewer" {
		t.Errorf("without its group ann is %+v", m)
	}
	if m := site.me(ann); m.Kind != "anonymous" {
		t.Errorf("the session of an admin goes on: %+v", m)
	}
	p.storage.set("1")
	refused("without any group", "ann", userPassword)
}
