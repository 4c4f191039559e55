package appliance

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// after kills the appliance some time from now, and waits until it is gone.
func (s *site) killAfter(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
	s.kill()
}

// Whenever the power goes during the first start, the next one is a first start
// that works.
func TestPowerAtFirstStart(t *testing.T) {
	t.Parallel()
	random := newRandom(t)
	s := prepareSite(t)
	began := time.Now()
	s.start() // how long one takes
	took := time.Since(began)
	before := s.secret()
	s.restart() // right after its link was printed
	if s.secret() == before {
		t.Error("the same link again")
	}
	setup := func(s *site, secret string) int {
		return s.local.do("POST", "/api/v1/setup", object{"secret": secret, "name": "ada", "password": password}).status
	}
	if got := setup(s, before); got != 403 {
		t.Errorf("the link of a start before: %d", got)
	}
	if got := setup(s, s.secret()); got != 200 {
		t.Errorf("the link: %d", got)
	}
	for range 6 {
		s := prepareSite(t)
		for range 1 + random.IntN(3) { // not even the one after has to survive
			s.daemon = launch(t, s.command())
			s.killAfter(time.Duration(random.Int64N(int64(took))))
		}
		s.start()
		if got := setup(s, s.secret()); got != 200 {
			t.Errorf("setup after a kill: %d", got)
		}
		fingerprint := s.fingerprint
		if s.restart(); s.link != "" || s.fingerprint != fingerprint {
			t.Errorf("after the setup: link %q, authority %s and then %s", s.link, fingerprint, s.fingerprint)
		}
		s.auditVerify()
	}
}

// Whenever the power goes during the setup, there is either an administrator who
// can sign in, or a link that makes one; what was acknowledged holds.
func TestPowerAtSetup(t *testing.T) {
	t.Parallel()
	random := newRandom(t)
	acknowledged, made := 0, 0
	for range 8 {
		s := newSite(t)
		secret, answered := s.secret(), make(chan int, 1)
		go func() {
			got, _ := s.local.send("POST", "/api/v1/setup", object{"secret": secret, "name": "ada", "password": password})
			answered <- got.status
		}()
		s.killAfter(time.Duration(random.Int64N(int64(150 * time.Millisecond))))
		status := <-answered
		s.start()
		users := get[page[struct{ Name string }]](s.local, "users").Items
		switch {
		case len(users) > 0:
			made++
			s.plain().want(200, "POST", "/api/v1/session", object{"name": "ada", "password": password})
			if s.link != "" {
				t.Errorf("users %v, and a link", users)
			}
		case status == 200:
			t.Error("the administrator who was acknowledged is not there")
		default:
			s.plain().want(200, "POST", "/api/v1/setup", object{"secret": s.secret(), "name": "ada", "password": password})
		}
		if status == 200 {
			acknowledged++
		}
		s.auditVerify()
	}
	t.Logf("of 8 setups, %d were acknowledged, and %d made an administrator", acknowledged, made)
}

// Whenever the power goes while identities are changed, what was acknowledged holds
// after the next start: what was made is there, what was revoked is dead, nothing
// else is, and the audit log tells of exactly that.
func TestPowerAtIdentities(t *testing.T) {
	t.Parallel()
	random := newRandom(t)
	s := newSite(t)
	h := &hammer{made: map[string]token{}, tried: map[string]bool{}, revoked: map[string]bool{}, ending: map[string]bool{}}
	const kills = 6
	for k := range kills {
		var all sync.WaitGroup
		for n := range 3 {
			all.Go(func() { h.change(s.local, fmt.Sprintf("%d-%d", k, n), rand.New(rand.NewPCG(random.Uint64(), 0))) })
		}
		s.killAfter(time.Duration(100+random.IntN(400)) * time.Millisecond)
		all.Wait()
		s.start()
		h.compare(t, s)
	}
	t.Logf("%d acknowledged, %d revoked, %d tried", len(h.made), len(h.revoked), len(h.tried))
	t.Log(s.auditVerify())
}

// hammer is somebody who makes and revokes without a pause, and remembers what was
// acknowledged.
type hammer struct {
	mu      sync.Mutex       // protects all
	made    map[string]token // by name
	tried   map[string]bool  // names
	revoked map[string]bool  // names
	ending  map[string]bool  // names whose revocation was sent
}

// change makes users and robots, and revokes some, until the connection breaks.
func (h *hammer) change(c *caller, prefix string, random *rand.Rand) {
	for n := 0; ; n++ {
		name, path := fmt.Sprintf("x%s-%d", prefix, n), "/api/v1/tokens"
		body := object{"name": name, "role": "viewer"}
		if n%8 == 4 {
			path, body["password"] = "/api/v1/users", password
		}
		h.mu.Lock()
		h.tried[name] = true
		h.mu.Unlock()
		got, err := c.send("POST", path, body)
		if err != nil || got.status != http.StatusCreated {
			return
		}
		var it token
		if path == "/api/v1/tokens" {
			it = decode[token](c.t, got.body)
		}
		h.mu.Lock()
		h.made[name] = it
		h.mu.Unlock()
		if it.ID == "" || random.IntN(3) > 0 {
			continue
		}
		h.mu.Lock()
		h.ending[name] = true
		h.mu.Unlock()
		if got, err = c.send("DELETE", "/api/v1/tokens/"+it.ID, nil); err != nil || got.status != http.StatusNoContent {
			return
		}
		h.mu.Lock()
		h.revoked[name] = true
		h.mu.Unlock()
	}
}

// compare holds what is there against what was acknowledged.
func (h *hammer) compare(t *testing.T, s *site) {
	t.Helper()
	there := map[string]bool{} // and whether it lives
	for _, path := range []string{"users", "tokens"} {
		for after := ""; ; {
			list := get[page[struct{ Name, Revoked string }]](s.local, path+"?limit=200&after="+after)
			for _, it := range list.Items {
				there[it.Name] = it.Revoked == ""
			}
			if after = list.Next; after == "" {
				break
			}
		}
	}
	for name := range h.made {
		if _, ok := there[name]; !ok {
			t.Errorf("%s was acknowledged and is not there", name)
		}
	}
	for name, lives := range there {
		if !h.tried[name] {
			t.Errorf("%s is there, and nobody made it", name)
		}
		if lives && h.revoked[name] || !lives && !h.ending[name] {
			t.Errorf("%s lives: %t; revoked: %t", name, lives, h.revoked[name])
		}
	}
	for name, it := range h.made {
		if it.Text == "" || h.ending[name] && !h.revoked[name] {
			continue
		}
		want := 200
		if h.revoked[name] {
			want = 401
		}
		if got := s.plain().with(it.Text).do("GET", "/api/v1/system/version", nil); got.status != want {
			t.Errorf("%s: %d, want %d", name, got.status, want)
		}
		break // one is enough each time
	}
	made := append(s.auditedAll("user.create"), s.auditedAll("token.create")...)
	if slices.Sort(made); len(made) != len(there) {
		t.Errorf("%d are there, and the audit log has %d: %s", len(there), len(made), strings.Join(made, ", "))
	}
}

// auditedAll is audited, over all pages.
func (s *site) auditedAll(action string) (list []string) {
	s.t.Helper()
	for before := ""; ; {
		p := get[page[struct{ Target string }]](s.local, "audit?limit=200&action="+action+before)
		for _, e := range p.Items {
			list = append(list, e.Target)
		}
		if p.Next == "" {
			return list
		}
		before = "&before=" + p.Next
	}
}
