package found

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/landfall-dev/landfall/internal/leaktest"
)

// The test runs itself again as two machines, each in a network of its own that ends with
// its process: one that looks, and one that announces.
const roleVariable = "LANDFALL_TEST_FOUND"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "looks":
		os.Exit(ended(looks()))
	case "announces":
		os.Exit(ended(announces()))
	}
	leaktest.Main(m)
}

func ended(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, err)
	if errors.Is(err, errNoNetwork) {
		return exitSkip
	}
	return 1
}

const exitSkip = 77

var errNoNetwork = errors.New("networks cannot be made here")

// machine runs this test in a role, in a network of its own.
func machine(ctx context.Context, role string, user bool) *exec.Cmd {
	c := exec.CommandContext(ctx, os.Args[0])
	c.Env = append(os.Environ(), roleVariable+"="+role)
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if user {
		own := func(id int) []syscall.SysProcIDMap {
			return []syscall.SysProcIDMap{{ContainerID: 0, HostID: id, Size: 1}}
		}
		c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings, c.SysProcAttr.GidMappings = own(os.Getuid()), own(os.Getgid())
	}
	return c
}

// Machines on a network find each other, follow changes of addresses, and do not answer
// who asks them alone.
func TestNetwork(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("networks are made with ip(8), which is not here")
	}
	c := machine(t.Context(), "looks", os.Getuid() != 0)
	err := c.Run()
	exit := (*exec.ExitError)(nil)
	switch {
	case errors.Is(err, syscall.EPERM) || errors.As(err, &exit) && exit.ExitCode() == exitSkip:
		t.Skip(errNoNetwork)
	case err != nil:
		t.Fatal(err)
	}
}

func ip(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: ip %s: %w: %s", errNoNetwork, strings.Join(args, " "), err, out)
	}
	return nil
}

// announces is the machine that announces: it does what it is told, line by line.
func announces() error {
	ctx, stop := context.Background(), func() {}
	defer func() { stop() }()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		words := strings.Fields(lines.Text())
		var err error
		switch words[0] {
		case "ip":
			err = ip(words[1:]...)
		case "announce":
			stop, err = Announce(ctx, Service{Kind: Appliance, Name: "edge 1", Port: 5444, Text: map[string]string{Site: "s1", Authority: "abc"}},
				AnnounceOptions{Look: 10 * time.Millisecond})
		case "stop":
			stop()
		}
		if err != nil {
			return err
		}
		fmt.Println("done")
	}
	return nil
}

// other is the machine that announces, as the one that looks has it.
type other struct {
	in  io.Writer
	out *bufio.Scanner
}

func (o *other) do(format string, args ...any) error {
	if _, err := fmt.Fprintf(o.in, format+"\n", args...); err != nil {
		return err
	}
	if !o.out.Scan() {
		return fmt.Errorf("%w: the other machine ended at "+format, append([]any{errNoNetwork}, args...)...)
	}
	return nil
}

func looks() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := machine(ctx, "announces", false)
	in, err := c.StdinPipe()
	if err != nil {
		return err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	defer func() { in.Close(); err = errors.Join(err, c.Wait()) }()
	o := &other{in, bufio.NewScanner(out)}
	if _, err := Browse(ctx, Appliance, BrowseOptions{}); err == nil {
		return errors.New("found something without a network")
	}
	for _, step := range []func() error{
		func() error { return o.do("announce") }, // before there is a network
		func() error { return connect(o, c.Process.Pid) },
		func() error { return find(ctx, "10.9.0.2") },
		func() error { return mustBeSilent() },
		func() error { return o.do("ip addr add 10.9.0.3/24 dev eth0") },
		func() error { return o.do("ip addr del 10.9.0.2/24 dev eth0") },
		func() error { return o.do("ip addr replace 10.9.0.3/24 dev eth0") },
		func() error { return find(ctx, "10.9.0.3") },
		func() error { return o.do("stop") },
		func() error { return findNothing(ctx) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// connect makes a network between the two machines.
func connect(o *other, pid int) error {
	for _, words := range []string{
		"link set lo up", "link add eth0 type veth peer name eth0 netns " + strconv.Itoa(pid), "addr add 10.9.0.1/24 dev eth0", "link set eth0 up",
	} {
		if err := ip(strings.Fields(words)...); err != nil {
			return err
		}
	}
	return errors.Join(o.do("ip addr add 10.9.0.2/24 dev eth0"), o.do("ip link set eth0 up"))
}

// find looks until the other machine is found at an address.
func find(ctx context.Context, address string) error {
	at := func(e Entry) bool {
		return e.Name == "edge 1" && e.Port == 5444 && e.Text[Site] == "s1" && e.Text[Authority] == "abc" && strings.Contains(fmt.Sprint(e.Addresses), address)
	}
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); {
		list, err := Browse(ctx, Appliance, BrowseOptions{For: 10 * time.Second, Until: at})
		if err != nil {
			continue // the network is coming
		}
		if len(list) == 1 && at(list[0]) {
			return nil
		}
	}
	return fmt.Errorf("nobody was found at %s", address)
}

func findNothing(ctx context.Context) error {
	list, err := Browse(ctx, Appliance, BrowseOptions{For: time.Second})
	if err == nil && len(list) > 0 {
		err = fmt.Errorf("found %+v, which is announced no more", list)
	}
	return err
}

// mustBeSilent asks the other machine alone, as who is not on its network would.
func mustBeSilent() error {
	conn, err := net.Dial("udp4", "10.9.0.2:5353")
	if err != nil {
		return err
	}
	defer conn.Close()
	question := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(string(Appliance) + ".local."), Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET}}}
	packet, err := question.Pack()
	if err != nil {
		return err
	}
	if _, err := conn.Write(packet); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
		return err
	}
	if _, err := conn.Read(make([]byte, 1500)); err == nil {
		return errors.New("a question to the machine alone was answered")
	}
	return nil
}
