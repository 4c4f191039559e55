package oidc

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// pending is a login that has begun.
type pending struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"` // of PKCE
	To       string    `json:"to"`       // where the browser goes on
	Expires  time.Time `json:"expires"`
}

const (
	pendingFor   = 10 * time.Minute
	cookieName   = "landfall-oidc"
	cookiePrefix = "__Host-" // see RFC 6265bis, 4.1.3.2
)

// sealer keeps logins that have begun in their browsers, where nobody can read or
// change them.
type sealer struct{ aead cipher.AEAD }

func newSealer() *sealer {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // cannot fail, nor can what follows
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return &sealer{aead}
}

func (s *sealer) close(p pending) string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and a time
	}
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, text, []byte(cookieName)))
}

func (s *sealer) open(sealed string) (p pending, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return p, false
	}
	text, err := s.aead.Open(nil, nil, b, []byte(cookieName))
	if err != nil || json.Unmarshal(text, &p) != nil {
		return pending{}, false
	}
	return p, time.Now().Before(p.Expires)
}

// cookie keeps a login in its browser; an empty value makes it forget. Lax, since
// the browser comes back from another site.
func cookie(r *http.Request, value string) *http.Cookie {
	k := &http.Cookie{Name: nameOfCookie(r), Value: value, Path: "/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode, MaxAge: int(pendingFor.Seconds())}
	if value == "" {
		k.MaxAge = -1
	}
	return k
}

func nameOfCookie(r *http.Request) string {
	if r.TLS != nil {
		return cookiePrefix + cookieName
	}
	return cookieName
}

// localPath is a path of this site, or its root: nobody is sent elsewhere.
func localPath(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || len(to) > 2000 ||
		!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.HasPrefix(u.Path, "//") || strings.ContainsAny(to, "\\\r\n\t") || strings.Contains(u.Path, "\\") {
		return "/"
	}
	return to
}
