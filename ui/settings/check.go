package settings

import (
	"errors"
	"net/url"
)

// check finds values that do not go together.
func (e *Effective) check() error {
	var data error
	if e.Config.Data == "" {
		data = e.errorf("data", "want a folder")
	}
	return errors.Join(data, e.checkListen(), e.checkOIDC())
}

func (e *Effective) checkListen() error {
	c := &e.Config
	if len(c.Listen) == 0 {
		return e.errorf("listen", "want at least one address")
	}
	for _, l := range c.Listen {
		if c.Auth.Open && !l.Loopback() {
			return e.errorf("auth.open", "everybody who reaches %s could do everything; leave it out, or listen on loopback only", l)
		}
	}
	if c.PlainHTTP {
		return nil
	}
	for _, l := range c.Listen {
		if !l.TLS && !l.Loopback() {
			return e.errorf("listen", "%s would be plain HTTP beyond loopback; write https://, or allow it with plainHTTP", l)
		}
	}
	if l := c.Metrics.Listen; l.Address != "" && !l.TLS && !l.Loopback() {
		return e.errorf("metrics.listen", "%s would be plain HTTP beyond loopback; write https://, or allow it with plainHTTP", l)
	}
	return nil
}

func (e *Effective) checkOIDC() error {
	o := &e.Config.Auth.OIDC
	if o.Issuer == "" {
		return nil
	}
	if u, err := url.Parse(o.Issuer); err != nil || u.Scheme != "https" && !(Listen{Address: withPort(u)}).Loopback() {
		return e.errorf("auth.oidc.issuer", "want https beyond loopback")
	}
	switch {
	case o.ClientID == "":
		return e.errorf("auth.oidc.clientID", "it is wanted with auth.oidc.issuer")
	case len(o.AdminGroups)+len(o.OperatorGroups)+len(o.ViewerGroups) == 0:
		return e.errorf("auth.oidc.adminGroups", "want groups of administrators, operators or viewers: nobody could sign in")
	case o.GroupsClaim == "":
		return e.errorf("auth.oidc.groupsClaim", "it is wanted with groups")
	}
	return nil
}

func withPort(u *url.URL) string {
	if u.Port() == "" {
		return u.Host + ":80"
	}
	return u.Host
}
