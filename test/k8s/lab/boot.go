package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// bootName is what a process calls itself that is to become a host.
const bootName = "landfall-k8s-host"

// bootConfig is how a host's root is put together.
type bootConfig struct {
	Name                     string
	Root, Lower, Upper, Work string
	Data                     string   // folder that has Folders
	Folders                  []string // mounted from Data over those of the root
}

// Boot becomes a host's systemd when this process was begun as one, and does not return
// then. It has to be called first of all in main.
func Boot() {
	if os.Args[0] != bootName {
		return
	}
	err := boot()
	fmt.Fprintln(os.Stderr, "boot:", err)
	os.Exit(1)
}

func boot() error {
	runtime.LockOSThread() // the control groups' namespace is the thread's that asks for it
	var c bootConfig
	if len(os.Args) != 2 {
		return errors.New("want a configuration")
	}
	if err := json.Unmarshal([]byte(os.Args[1]), &c); err != nil {
		return err
	}
	begin := os.NewFile(3, "begin") // told when this process is in its groups and has its network
	if n, err := begin.Read(make([]byte, 1)); n != 1 {
		return fmt.Errorf("not begun: %w", err)
	}
	begin.Close()
	err := errors.Join(unix.Unshare(unix.CLONE_NEWCGROUP), unix.Sethostname([]byte(c.Name)), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	if err != nil {
		return err
	}
	m := &mounts{root: c.Root}
	m.mount("overlay", "", "overlay", 0, "lowerdir="+c.Lower+",upperdir="+c.Upper+",workdir="+c.Work)
	for _, folder := range c.Folders {
		m.mkdir(folder)
		m.mount(filepath.Join(c.Data, folder), folder, "", unix.MS_BIND, "")
	}
	m.system()
	m.groups()
	m.devices()
	m.guard()
	if m.err != nil {
		return m.err
	}
	return enter(c.Root)
}

// enter makes the folder the root, and begins systemd.
func enter(root string) error {
	if err := errors.Join(os.Chdir(root), os.MkdirAll("mnt", 0o755), unix.PivotRoot(".", "mnt"), os.Chdir("/")); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount("/mnt", unix.MNT_DETACH); err != nil {
		return err
	}
	env := []string{"container=landfall", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	return unix.Exec("/sbin/init", []string{"/sbin/init", "--log-target=console", "--show-status=no", "--default-standard-output=journal"}, env)
}

// mounts furnishes a root; the first error stays.
type mounts struct {
	root string
	err  error
}

func (m *mounts) path(at string) string { return filepath.Join(m.root, at) }

func (m *mounts) do(what string, err error) {
	if m.err == nil && err != nil {
		m.err = fmt.Errorf("%s: %w", what, err)
	}
}

func (m *mounts) mount(source, at, kind string, flags uintptr, data string) {
	if m.err == nil {
		m.do("mount "+at, unix.Mount(source, m.path(at), kind, flags, data))
	}
}

func (m *mounts) mkdir(at string) { m.do("mkdir "+at, os.MkdirAll(m.path(at), 0o755)) }

func (m *mounts) link(to, at string) { m.do("link "+at, os.Symlink(to, m.path(at))) }

func (m *mounts) system() {
	m.mount("proc", "/proc", "proc", 0, "")
	m.mount("sysfs", "/sys", "sysfs", 0, "")
	m.mount("tmpfs", "/run", "tmpfs", 0, "mode=755")
	m.mount("tmpfs", "/tmp", "tmpfs", 0, "")
}

// groups mounts control groups of version 1 as systemd lays them out.
func (m *mounts) groups() {
	const at = "/sys/fs/cgroup"
	m.mount("tmpfs", at, "tmpfs", 0, "mode=755")
	for _, c := range controllers {
		kind, data := "cgroup", c
		switch c {
		case "unified":
			kind, data = "cgroup2", ""
		case "systemd":
			data = "none,name=systemd"
		}
		m.mkdir(filepath.Join(at, c))
		m.mount(kind, filepath.Join(at, c), kind, 0, data)
	}
}

func (m *mounts) devices() {
	m.mount("tmpfs", "/dev", "tmpfs", 0, "mode=755")
	for _, sub := range []string{"pts", "shm", "mqueue"} {
		m.mkdir(filepath.Join("/dev", sub))
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty", "kmsg", "fuse"} {
		from := filepath.Join("/dev", name)
		if _, err := os.Stat(from); err == nil {
			m.bind(from, from)
		}
	}
	m.mount("devpts", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666")
	m.mount("tmpfs", "/dev/shm", "tmpfs", 0, "")
	m.link("pts/ptmx", "/dev/ptmx")
	m.link("/proc/self/fd", "/dev/fd")
	for i, name := range []string{"stdin", "stdout", "stderr"} {
		m.link(fmt.Sprintf("fd/%d", i), "/dev/"+name)
	}
}

// bind mounts a file over one that it makes.
func (m *mounts) bind(from, at string) {
	f, err := os.OpenFile(m.path(at), os.O_CREATE|os.O_RDONLY, 0o644)
	m.do(at, err)
	f.Close()
	m.mount(from, at, "", unix.MS_BIND, "")
}

// guard puts files over those settings of the kernel that a kubelet writes and that are
// the whole machine's, not the namespace's: it may write them, and nothing changes.
func (m *mounts) guard() {
	m.mkdir("/run/settings")
	for name, value := range map[string]string{
		"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1",
		"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
	} {
		file := m.path(filepath.Join("/run/settings", strings.ReplaceAll(name, "/", ".")))
		m.do(name, os.WriteFile(file, []byte(value+"\n"), 0o644))
		m.mount(file, filepath.Join("/proc/sys", name), "", unix.MS_BIND, "")
	}
}
