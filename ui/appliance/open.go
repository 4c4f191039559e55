package appliance

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/auth"
)

var (
	errForeignPage = fmt.Errorf("%w: a page of another site asked for this", registry.ErrDenied)
	errForeignName = fmt.Errorf("%w: an appliance that asks nobody who they are answers to localhost and addresses only", registry.ErrDenied)
)

// openGuard is that of an appliance that asks nobody who they are. It is on loopback,
// where every page in a browser of this machine reaches it: pages of other sites may
// change nothing, also when a name of theirs has the address of this machine. What
// is changed is told of somebody who is not known, not of the appliance itself.
func openGuard() *ui.Guard {
	known := func(r *http.Request) *http.Request {
		a := audit.Actor{Name: string(auth.Anonymous), Kind: string(auth.Anonymous), Address: auth.AddressOf(r), Via: auth.ViaOpen}
		return r.WithContext(audit.WithActor(r.Context(), a))
	}
	origins := http.NewCrossOriginProtection()
	return &ui.Guard{
		Identify: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case origins.Check(r) != nil:
					api.Refuse(w, errForeignPage)
				case !ownName(r):
					api.Refuse(w, errForeignName)
				default:
					next.ServeHTTP(w, known(r))
				}
			})
		},
		Registry: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if origins.Check(r) == nil {
					next.ServeHTTP(w, known(r))
					return
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, `{"errors":[{"code":"DENIED","message":"a page of another site asked for this"}]}`)
			})
		},
		Metrics: func(http.ResponseWriter, *http.Request) bool { return false },
	}
}

// ownName reports whether a request came to a name that nobody else can have.
func ownName(r *http.Request) bool {
	if at, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && at.Network() == "unix" {
		return true
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || strings.EqualFold(host, "localhost")
}
