package k8s

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Where the fleet's appliance is.
const (
	fleetAppliance = "10.78.0.1"
	fleetRegistry  = fleetAppliance + ":5442" // where what goes through is counted
	fleetHostsURL  = "https://" + fleetAppliance + ":5444"
	fleetMetrics   = "127.0.0.1:5445"
)

// watched is an appliance whose process is looked at.
type watched struct {
	t     *testing.T
	data  string
	cmd   *exec.Cmd
	admin *http.Client

	rss, anonymous atomic.Int64 // the most since measure, in bytes
	whole          atomic.Int64 // the most of rss ever
}

// watch starts an appliance, and watches it until the test ends.
func watch(t *testing.T, data string) *watched {
	t.Helper()
	w := &watched{t: t, data: data}
	w.admin = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(data, "landfall.sock"))
	}}}
	log := must(os.Create(filepath.Join(out(t), "fleet-appliance.log")))(t)
	defer log.Close()
	w.cmd = exec.Command(binary(), "serve", "--data", data, "--listen", "https://"+fleetAppliance+":5443", "--hosts-listen", strings.TrimPrefix(fleetHostsURL, "https://"),
		"--tls-name", fleetAppliance, "--metrics-listen", fleetMetrics)
	w.cmd.Stdout, w.cmd.Stderr = log, log
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var looking sync.WaitGroup
	looking.Go(func() { w.look(ctx) })
	t.Cleanup(func() {
		stop()
		looking.Wait()
		w.admin.CloseIdleConnections()
		if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := w.cmd.Wait(); err != nil {
			t.Error("the appliance:", err)
		}
	})
	eventually(t, time.Minute, "the appliance", func() (bool, string) {
		err := w.call("GET", "/fleet", nil, nil)
		return err == nil, fmt.Sprint(err)
	})
	return w
}

// look notes the most memory that the appliance has had.
func (w *watched) look(ctx context.Context) {
	most := func(to *atomic.Int64, n int64) {
		if n > to.Load() {
			to.Store(n)
		}
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		status := w.status()
		most(&w.rss, status["VmRSS"])
		most(&w.anonymous, status["RssAnon"])
		most(&w.whole, status["VmHWM"])
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// status is what the kernel says of the appliance's memory, in bytes.
// https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
func (w *watched) status() map[string]int64 {
	content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.cmd.Process.Pid))
	list := map[string]int64{}
	for line := range strings.Lines(string(content)) {
		name, value, _ := strings.Cut(line, ":")
		if number, is := strings.CutSuffix(strings.TrimSpace(value), " kB"); is {
			n, _ := strconv.ParseInt(number, 10, 64)
			list[name] = n << 10
		}
	}
	return list
}

// peak is the most memory that the appliance has ever had, files of its program included.
func (w *watched) peak() int64 { return w.whole.Load() }

// cpu is how much time it has had of processors.
func (w *watched) cpu() time.Duration {
	content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.cmd.Process.Pid))
	fields := strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))
	const user, system, perSecond = 11, 12, 100
	if len(fields) <= system {
		return 0
	}
	a, _ := strconv.Atoi(fields[user])
	b, _ := strconv.Atoi(fields[system])
	return time.Duration(a+b) * time.Second / perSecond
}

// call asks its API, as the administrator.
func (w *watched) call(method, path string, body, to any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, "http://landfall/api/v1"+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := w.admin.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return err
	case answer.StatusCode/100 != 2:
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
	case to == nil:
		return nil
	}
	return json.Unmarshal(text, to)
}

// token makes a token for a host.
func (w *watched) token(context.Context) (string, error) {
	var made struct{ Token string }
	return made.Token, w.call("POST", "/fleet-tokens", map[string]string{}, &made)
}

var requestLine = regexp.MustCompile(`(?m)^landfall_http_requests_total\{(.*)\} (\S+)$`)

// requests are how many the appliance has answered, by their labels.
func (w *watched) requests() map[string]float64 {
	answer, err := http.Get("http://" + fleetMetrics + "/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	content := must(io.ReadAll(answer.Body))(w.t)
	list := map[string]float64{}
	for _, m := range requestLine.FindAllStringSubmatch(string(content), -1) {
		n, _ := strconv.ParseFloat(m[2], 64)
		list[m[1]] += n
	}
	return list
}

// measurement is what the appliance does for a while.
type measurement struct {
	of       *watched
	began    time.Time
	cpu      time.Duration
	requests map[string]float64
	agents   [4]int64
}

func (x *fleetTest) measure() *measurement {
	x.site.rss.Store(0)
	x.site.anonymous.Store(0)
	return &measurement{x.site, time.Now(), x.site.cpu(), x.site.requests(), x.calls()}
}

// calls are how many times agents have asked for work, told of it, told of themselves,
// and not been heard.
func (x *fleetTest) calls() [4]int64 {
	c := &x.fleet.Calls
	return [4]int64{c.Work.Load(), c.Reports.Load(), c.Inventories.Load(), c.Failed.Load()}
}

// tell keeps what was measured.
func (m *measurement) tell(x *fleetTest, name string) time.Duration {
	x.t.Helper()
	took := time.Since(m.began)
	total := 0.0
	var lines []string
	for labels, n := range m.of.requests() {
		if n -= m.requests[labels]; n > 0 {
			total += n
			lines = append(lines, fmt.Sprintf("  %6.0f %s", n, labels))
		}
	}
	slices.Sort(lines)
	agents := x.calls()
	for i := range agents {
		agents[i] -= m.agents[i]
	}
	x.t.Logf("%s: agents have asked for work %d times, told of it %d times, of themselves %d times, and failed %d times; other requests\n%s",
		name, agents[0], agents[1], agents[2], agents[3], strings.Join(lines, "\n"))
	// Agents ask again; on a machine that does the work of all hosts some come too late.
	if asked := agents[0] + agents[1] + agents[2]; agents[3]*100 > asked {
		x.t.Errorf("%d of %d requests of agents have failed", agents[3], asked)
	}
	for figure, value := range map[string]float64{
		"seconds": took.Seconds(), "cpu.seconds": (m.of.cpu() - m.cpu).Seconds(), "requests": total, "agents.requestsPerSecond": float64(agents[0]+agents[1]+agents[2]) / took.Seconds(),
		"rss.MiB": mib(m.of.rss.Load()), "rssAnon.MiB": mib(m.of.anonymous.Load()),
	} {
		x.figures.set(x.t, "fleet."+name+"."+figure, value)
	}
	return took
}

// fleetState is what the API says of the cluster.
type fleetState struct {
	Phase, Reason, Next, Running string
	Run                          struct {
		Kind, State string
		Done, Total int
		Steps       []struct {
			Phase        string
			Began, Ended time.Time
		}
	}
}

type phaseTook struct {
	name string
	took time.Duration
}

// phases tell how long each of a run's took, in their order.
func (c *fleetState) phases() (list []phaseTook) {
	var began, ended time.Time
	for i, s := range c.Run.Steps {
		if began.IsZero() || s.Began.Before(began) {
			began = s.Began
		}
		if s.Ended.After(ended) {
			ended = s.Ended
		}
		if i+1 == len(c.Run.Steps) || c.Run.Steps[i+1].Phase != s.Phase {
			list = append(list, phaseTook{s.Phase, ended.Sub(began)})
			began, ended = time.Time{}, time.Time{}
		}
	}
	return list
}
