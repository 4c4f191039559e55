package lab

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Spec is what a host is to be.
type Spec struct {
	Name, Address string
	// Disk is the size in bytes of a disk of its own for its data folders; 0: they are on
	// the machine's.
	Disk int64
	// Files are put on its disk when it is made: path on the host to a file of this
	// machine, linked where it can be.
	Files map[string]string
	// Texts are files by their content.
	Texts map[string]string
	// Links are symbolic links: path on the host to what it leads to.
	Links map[string]string
}

// Host is a machine. Its disk outlives its power.
type Host struct {
	Spec

	lab *Lab
	dir string

	mu      sync.Mutex // protects what follows
	process *os.Process
	died    chan struct{} // closed when the process has ended
	cut     bool
	outside int // packets that were counted before its last starts
}

// dataFolders are on a real file system of their own: an overlay cannot be below another.
var dataFolders = []string{"/var/lib/containerd", "/var/lib/kubelet", "/var/lib/etcd", "/var/lib/landfall-host", "/var/log"}

// NewHost makes a host, without power.
func (l *Lab) NewHost(ctx context.Context, s Spec) (*Host, error) {
	h := &Host{Spec: s, lab: l, dir: filepath.Join(l.dir, "hosts", s.Name)}
	for _, sub := range []string{"upper", "work", "root", "data"} {
		if err := os.MkdirAll(filepath.Join(h.dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	l.mu.Lock()
	l.hosts = append(l.hosts, h)
	l.mu.Unlock()
	if err := h.makeDisk(ctx); err != nil {
		return nil, err
	}
	for _, folder := range dataFolders {
		if err := os.MkdirAll(filepath.Join(h.dir, "data", folder), 0o755); err != nil {
			return nil, err
		}
	}
	l.Network.resolver.know(s.Name, s.Address)
	return h, h.install()
}

// makeDisk gives the host a disk of its own: a loop device, which goes with its mount.
func (h *Host) makeDisk(ctx context.Context) error {
	if h.Disk == 0 {
		return nil
	}
	image := filepath.Join(h.dir, "disk")
	f, err := os.Create(image)
	if err == nil {
		err = errors.Join(f.Truncate(h.Disk), f.Close())
	}
	if err == nil {
		err = run(ctx, "mkfs.ext4", "-q", "-m", "0", image)
	}
	if err == nil {
		err = run(ctx, "mount", "-o", "loop", image, filepath.Join(h.dir, "data"))
	}
	return err
}

// install puts the host's files on its disk.
func (h *Host) install() error {
	sum := md5.Sum([]byte(h.Name))
	texts := map[string]string{
		"/etc/hostname":    h.Name + "\n",
		"/etc/machine-id":  hex.EncodeToString(sum[:]) + "\n",
		"/etc/hosts":       fmt.Sprintf("127.0.0.1 localhost\n%s %s\n", h.Address, h.Name),
		"/etc/resolv.conf": "nameserver " + SwitchAddress + "\n",
	}
	for path, content := range h.Texts {
		texts[path] = content
	}
	for path, content := range texts {
		to := filepath.Join(h.dir, "upper", path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, []byte(content), 0o644)); err != nil {
			return err
		}
	}
	for path, to := range h.Links {
		at := filepath.Join(h.dir, "upper", path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.Symlink(to, at)); err != nil {
			return err
		}
	}
	for path, from := range h.Files {
		if err := h.Put(path, from); err != nil {
			return err
		}
	}
	return nil
}

// Put places a file of this machine on the disk of a host that has no power.
func (h *Host) Put(path, from string) error {
	to := filepath.Join(h.dir, "upper", path)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// Up gives the host power, and returns when systemd has started what it starts.
func (h *Host) Up(ctx context.Context) error {
	if h.PID() != 0 {
		return fmt.Errorf("%s has power already", h.Name)
	}
	if err := h.start(ctx); err != nil {
		return fmt.Errorf("starting %s: %w", h.Name, err)
	}
	for {
		state, err := h.command(ctx, nil, "systemctl", "is-system-running").Output()
		switch strings.TrimSpace(string(state)) {
		case "running", "degraded":
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-h.died:
			return fmt.Errorf("%s has died while it started: see %s", h.Name, filepath.Join(h.dir, "console.log"))
		case <-ctx.Done():
			return fmt.Errorf("%s does not come up: %q, %w, %w", h.Name, state, err, ctx.Err())
		}
	}
}

func (h *Host) start(ctx context.Context) error {
	content, err := json.Marshal(bootConfig{Name: h.Name, Root: filepath.Join(h.dir, "root"), Upper: filepath.Join(h.dir, "upper"),
		Work: filepath.Join(h.dir, "work"), Lower: h.lab.rootfs, Data: filepath.Join(h.dir, "data"), Folders: dataFolders})
	if err != nil {
		return err
	}
	console, err := os.OpenFile(filepath.Join(h.dir, "console.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer console.Close()
	wait, begin, err := os.Pipe()
	if err != nil {
		return err
	}
	defer wait.Close()
	defer begin.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{bootName, string(content)}
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles, cmd.Env = console, console, []*os.File{wait}, []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true,
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNET}
	if err := cmd.Start(); err != nil {
		return err
	}
	died := make(chan struct{})
	h.mu.Lock()
	h.process, h.died = cmd.Process, died
	h.mu.Unlock()
	go func() { // ends with the host; Down waits for it
		_ = cmd.Wait()
		h.mu.Lock()
		h.process = nil
		h.mu.Unlock()
		close(died)
	}()
	if err = h.connect(ctx, cmd.Process.Pid); err == nil {
		_, err = begin.Write([]byte{1})
	}
	return err
}

// connect puts the host's first process where it belongs, before it does anything.
func (h *Host) connect(ctx context.Context, pid int) error {
	if err := enterGroups(h.Name, pid); err != nil {
		return err
	}
	enter := []string{"nsenter", "--net=/proc/" + strconv.Itoa(pid) + "/ns/net"}
	if err := h.lab.Network.plug(ctx, "p-"+h.Name, strconv.Itoa(pid), h.Address, enter); err != nil {
		return err
	}
	h.mu.Lock()
	cut := h.cut
	h.mu.Unlock()
	if cut {
		if err := h.Cut(ctx); err != nil {
			return err
		}
	}
	return nft(ctx, enter, fmt.Sprintf(counterRules, "postrouting", 300, "oifname", "eth0"))
}

// PID is that of the host's process 1, as this process sees it; 0 without power.
func (h *Host) PID() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.process == nil {
		return 0
	}
	return h.process.Pid
}

// command enters all of the host's namespaces. Without power it fails.
func (h *Host) command(ctx context.Context, stdin io.Reader, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"-t", strconv.Itoa(h.PID()), "-m", "-u", "-i", "-n", "-p", "-C", "--wd=/", "--"}, args...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"}
	cmd.Stdin = stdin
	return cmd
}

// Exec runs a program on the host, writes it down, and returns its standard output. Its
// error is a *Failure.
func (h *Host) Exec(ctx context.Context, args ...string) (string, error) {
	return h.lab.log.recorded(h.Name, args, h.command(ctx, nil, args...))
}

// Look is Exec that is not written down: what it says is long, or asked for again and
// again.
func (h *Host) Look(ctx context.Context, args ...string) (string, error) {
	said, err := h.command(ctx, nil, args...).Output()
	return string(said), err
}

// Write puts a text into a file of the running host.
func (h *Host) Write(ctx context.Context, path, content string) error {
	args := []string{"sh", "-c", `mkdir -p "$(dirname "$1")" && cat > "$1"`, "write", path}
	_, err := h.lab.log.recorded(h.Name, []string{"write", path}, h.command(ctx, strings.NewReader(content), args...))
	return err
}

// Copy puts a file of this machine into the place of one of the running host, in one
// step: what runs goes on with the old one.
func (h *Host) Copy(ctx context.Context, path, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	args := []string{"sh", "-c", `mkdir -p "$(dirname "$1")" && cat > "$1.part" && chmod 755 "$1.part" && mv "$1.part" "$1"`, "copy", path}
	_, err = h.lab.log.recorded(h.Name, []string{"copy", from, path}, h.command(ctx, in, args...))
	return err
}

// Down takes the host's power away, at once: nothing is told, and nothing written back.
func (h *Host) Down() error {
	h.mu.Lock()
	process, died := h.process, h.died
	h.mu.Unlock()
	if process == nil {
		return nil
	}
	if n, err := h.Outside(); err == nil {
		h.mu.Lock()
		h.outside = n
		h.mu.Unlock()
	}
	if err := process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-died
	// The switch's side of its cable goes when the kernel has taken the namespace apart,
	// which may take a moment longer.
	_ = run(context.Background(), "ip", "link", "del", "p-"+h.Name)
	return removeGroups(h.Name)
}

// Outside is how many packets the host has sent to the outside since it was made, by its
// own count.
func (h *Host) Outside() (int, error) {
	h.mu.Lock()
	before := h.outside
	h.mu.Unlock()
	pid := h.PID()
	if pid == 0 {
		return before, nil
	}
	n, err := counted(exec.Command("nsenter", "--net=/proc/"+strconv.Itoa(pid)+"/ns/net", "nft", "-j", "list", "counters", "table", "inet", "outside"))
	return before + n, err
}

// Cut pulls the host's cable out; it stays out when the host is started again.
func (h *Host) Cut(ctx context.Context) error { return h.cable(ctx, true, "down") }

// Join puts the cable in again.
func (h *Host) Join(ctx context.Context) error { return h.cable(ctx, false, "up") }

func (h *Host) cable(ctx context.Context, cut bool, state string) error {
	h.mu.Lock()
	h.cut = cut
	h.mu.Unlock()
	if h.PID() == 0 {
		return nil
	}
	return run(ctx, "ip", "link", "set", "p-"+h.Name, state)
}

// Data is where a data folder of the host is on this machine: of /var/log, say.
func (h *Host) Data(folder string) string { return filepath.Join(h.dir, "data", folder) }

// Destroy powers the host off and removes its disk.
func (h *Host) Destroy() error {
	h.lab.mu.Lock()
	for i, other := range h.lab.hosts {
		if other == h {
			h.lab.hosts = append(h.lab.hosts[:i:i], h.lab.hosts[i+1:]...)
			break
		}
	}
	h.lab.mu.Unlock()
	return h.remove()
}

func (h *Host) remove() error {
	err := h.Down()
	if h.Disk > 0 {
		err = errors.Join(err, run(context.Background(), "umount", filepath.Join(h.dir, "data")))
	}
	return errors.Join(err, removeAll(h.dir))
}
