package faultproxy

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// token asks the realm for one.
func token(t *testing.T, p *Proxy, scope string, header ...string) (string, *http.Response) {
	t.Helper()
	answer, body, _ := ask(t, p, "GET", p.URL()+"/-/token?service=faultproxy&scope="+scope, header...)
	var says struct {
		Token string `json:"token"`
	}
	_ = json.Unmarshal(body, &says)
	return says.Token, answer
}

func TestBasic(t *testing.T) {
	t.Parallel()
	p := start(t, Options{Username: "ann", Password: "secret"})
	for header, want := range map[string]int{"": 401, "Basic YW5uOndyb25n": 401, "Basic YW5uOnNlY3JldA==": 200} {
		answer, _, _ := ask(t, p, "GET", p.URL()+"/v2/", "Authorization", header)
		if answer.StatusCode != want || want == 401 && answer.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%q: %s", header, answer.Status)
		}
	}
}

// A token is good for its scope and its time, and is counted.
func TestTokens(t *testing.T) {
	t.Parallel()
	p := start(t, Options{Tokens: &Tokens{}})
	tags := p.URL() + "/v2/bench/app/tags/list"
	answer, _, _ := ask(t, p, "GET", tags)
	want := `Bearer realm="` + p.URL() + `/-/token",service="faultproxy",scope="repository:bench/app:pull"`
	if got := answer.Header.Get("WWW-Authenticate"); answer.StatusCode != 401 || got != want {
		t.Errorf("%s: got %s, want %s", answer.Status, got, want)
	}
	good, _ := token(t, p, "repository:bench/app:push,pull")
	other, _ := token(t, p, "repository:bench/other:pull+registry:catalog:*")
	check := func(token, url string, status int, says string) {
		t.Helper()
		answer, _, _ := ask(t, p, "GET", url, "Authorization", "Bearer "+token)
		if answer.StatusCode != status || !strings.Contains(answer.Header.Get("WWW-Authenticate"), says) {
			t.Errorf("%s: %s, %s", url, answer.Status, answer.Header.Get("WWW-Authenticate"))
		}
	}
	check(good, tags, 404, "") // the registry has none
	check(good, p.URL()+"/v2/", 200, "")
	check(good, p.URL()+"/v2/_catalog", 401, "insufficient_scope")
	check(other, p.URL()+"/v2/_catalog", 200, "")
	check(other, tags, 401, "insufficient_scope")
	check("made up", tags, 401, "invalid_token")
	p.ExpireTokens()
	check(good, tags, 401, "invalid_token")
	if n := p.Counts().Requests[Token]; n != 2 {
		t.Errorf("%d requests for tokens", n)
	}
}

func TestTokenLifetime(t *testing.T) {
	t.Parallel()
	p := start(t, Options{Tokens: &Tokens{Lifetime: time.Millisecond}})
	short, _ := token(t, p, "repository:bench/app:pull")
	time.Sleep(2 * time.Millisecond)
	if answer, _, _ := ask(t, p, "GET", p.URL()+"/v2/", "Authorization", "Bearer "+short); answer.StatusCode != 401 {
		t.Errorf("too late: %s", answer.Status)
	}
}

// The realm knows who may have tokens, and can be at fault too.
func TestTokenServer(t *testing.T) {
	t.Parallel()
	p := start(t, Options{Username: "ann", Password: "secret", Tokens: &Tokens{}})
	if _, answer := token(t, p, "repository:a:pull"); answer.StatusCode != 401 {
		t.Errorf("anonymous: %s", answer.Status)
	}
	if got, answer := token(t, p, "repository:a:pull", "Authorization", "Basic YW5uOnNlY3JldA=="); got == "" {
		t.Errorf("ann: %s", answer.Status)
	}
	p.Add(Rule{Path: "^/-/token", Action: Answer(503)})
	if _, answer := token(t, p, "repository:a:pull"); answer.StatusCode != 503 {
		t.Errorf("at fault: %s", answer.Status)
	}
}
