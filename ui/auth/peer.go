package auth

import (
	"context"
	"net"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

type peerKey struct{}

// peer is the process at the other end of a unix socket.
type peer struct {
	uid uint32
}

// ConnContext is for http.Server: it remembers who is at the other end of a unix
// socket. The kernel vouches for it.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	if conn.LocalAddr().Network() != "unix" {
		return ctx
	}
	// Never the zero value: that would be root.
	p := peer{uid: ^uint32(0)}
	if c, ok := conn.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) {
				if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
					p.uid = cred.Uid
				}
			})
		}
	}
	return context.WithValue(ctx, peerKey{}, p)
}

// local is the subject at the other end of the unix socket; ok is false for other
// connections, and for other users than root and the appliance's own.
func local(ctx context.Context) (s Subject, ok bool) {
	p, ok := ctx.Value(peerKey{}).(peer)
	if !ok || p.uid != 0 && p.uid != uint32(os.Geteuid()) { //nolint:gosec // a uid
		return s, false
	}
	name := "root"
	if p.uid != 0 {
		name = "uid " + strconv.FormatUint(uint64(p.uid), 10)
	}
	return Subject{Name: name, Kind: Local, Role: Admin, Via: ViaSocket, limits: everything}, true
}
