package media

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// news is what has come from the kernel since somebody last asked.
type news struct {
	events []uevent
	lost   bool // there were more
}

// listener waits for the kernel: for its events, and for changes of mounts.
type listener struct {
	wake    int // an eventfd that ends the waiting
	netlink int // -1: no events
	mounts  int // mountinfo, which is told of once for each open file: no os.File, since Go's own poller would hear it; -1: no such changes
}

// listen opens what there is to listen to. The findings say what there is not.
func listen(proc string) (l *listener, findings []string, err error) {
	l = &listener{netlink: -1, mounts: -1}
	if l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("eventfd: %w", err)
	}
	if l.netlink, err = openNetlink(); err != nil {
		findings = append(findings, fmt.Sprintf("the kernel's events cannot be received (%v): drives are noticed at the next look", err))
	} else if users, err := os.ReadFile(proc + "/self/uid_map"); err == nil && strings.Join(strings.Fields(string(users)), " ") != "0 0 4294967295" {
		findings = append(findings, "the kernel sends no events into user namespaces like this one: drives are noticed at the next look")
	}
	if l.mounts, err = unix.Open(proc+"/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		findings = append(findings, fmt.Sprintf("mounts cannot be seen: %v", err))
	}
	return l, findings, nil
}

// openNetlink joins the kernel's own group; what udev makes of its events comes
// in another.
func openNetlink() (int, error) {
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return -1, err
	}
	_ = unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<20) // a hub full of drives
	if err := unix.Bind(s, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}); err != nil {
		unix.Close(s)
		return -1, err
	}
	return s, nil
}

// run tells of news until end is called.
func (l *listener) run(tell func(news)) {
	defer l.close()
	for {
		fds := []unix.PollFd{{Fd: int32(l.wake), Events: unix.POLLIN}, {Fd: int32(l.netlink), Events: unix.POLLIN}, {Fd: int32(l.mounts), Events: unix.POLLPRI}}
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) || fds[0].Revents != 0 {
			return
		}
		if fds[1].Revents != 0 {
			if n := l.receive(); n.lost || len(n.events) > 0 {
				tell(n)
			}
		}
		if fds[2].Revents != 0 {
			tell(news{})
		}
	}
}

// end makes run return.
func (l *listener) end() { _, _ = unix.Write(l.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

func (l *listener) close() {
	for _, fd := range []int{l.wake, l.netlink, l.mounts} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// receive takes what has arrived. What does not come from the kernel, or is of
// no use, is passed over.
func (l *listener) receive() (n news) {
	buffer := make([]byte, maxUevent+1)
	for {
		size, from, err := unix.Recvfrom(l.netlink, buffer, unix.MSG_TRUNC)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			n.lost = n.lost || errors.Is(err, unix.ENOBUFS)
			if errors.Is(err, unix.ENOBUFS) {
				continue
			}
			return n
		}
		sender, ok := from.(*unix.SockaddrNetlink)
		if !ok || sender.Pid != 0 || size == 0 || size > maxUevent {
			continue
		}
		if e, err := parseUevent(buffer[:size]); err == nil {
			n.events = append(n.events, e)
		}
	}
}
