package ui

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// turns lets the connections of a listener send files in turn: a piece each, and no
// more of them at once than there are processors. A thread that sends a file stays
// in the kernel for long, and with one for each pull everything else, such as a
// request that manages the site, would wait behind all of them. A connection has no
// turn while it waits for its client.
type turns struct {
	net.Listener
	places chan struct{}
}

func newTurns(l net.Listener) turns {
	return turns{l, make(chan struct{}, runtime.NumCPU())}
}

// Accept implements net.Listener.
func (t turns) Accept() (net.Conn, error) {
	c, err := t.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		return &turned{tcp, t.places}, nil
	}
	return c, err
}

// turned is a connection that takes turns.
type turned struct {
	*net.TCPConn
	places chan struct{}
}

// piece is how much of a file is sent in a turn, in bytes.
const piece = 256 << 10

// ReadFrom sends the part of a file that net/http has of an answer. What is short
// needs no turns; that, and everything else, goes the usual way.
func (c *turned) ReadFrom(src io.Reader) (sent int64, err error) {
	part, ok := src.(*io.LimitedReader)
	if !ok || part.N <= piece {
		return c.TCPConn.ReadFrom(src)
	}
	file, ok := part.R.(*os.File)
	if !ok {
		return c.TCPConn.ReadFrom(src)
	}
	from, err := file.SyscallConn()
	if err != nil {
		return 0, err
	}
	to, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	for part.N > 0 {
		n, err := c.send(to, from, int(min(part.N, piece)))
		if sent == 0 && (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)) {
			return c.TCPConn.ReadFrom(src) // not from this file system
		}
		if n <= 0 || err != nil {
			return sent, err
		}
		sent += int64(n)
		part.N -= int64(n)
	}
	return sent, nil
}

// send sends up to n bytes from where the file stands; none at its end.
func (c *turned) send(to, from syscall.RawConn, n int) (sent int, err error) {
	ended := to.Write(func(socket uintptr) bool {
		c.places <- struct{}{}
		defer func() { <-c.places }()
		failed := from.Control(func(file uintptr) {
			for err = unix.EINTR; err == unix.EINTR; {
				sent, err = unix.Sendfile(int(socket), int(file), nil, n)
			}
		})
		if failed != nil {
			err = failed
		}
		return err != unix.EAGAIN
	})
	if ended != nil {
		return 0, ended
	}
	if err != nil {
		err = os.NewSyscallError("sendfile", err)
	}
	return sent, err
}
