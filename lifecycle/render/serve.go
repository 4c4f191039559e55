package render

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/object"
)

// workerVariable in the environment makes a worker of the program.
const workerVariable = "LANDFALL_RENDER_WORKER"

// How a worker ends without an answer.
const (
	exitBroken = 1 // its pipes
	exitMemory = 3
	exitOrphan = 4 // nobody is left to answer to
)

// Main is to be the first thing that a program does which renders, and that its
// tests do. In a worker it serves and never returns, else it returns at once.
func Main() {
	if os.Getenv(workerVariable) == "" {
		return
	}
	q, archive, err := readRequest(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "request:", err)
		os.Exit(exitBroken)
	}
	go func() {
		io.Copy(io.Discard, os.Stdin) //nolint:errcheck // it ends with the parent
		os.Exit(exitOrphan)
	}()
	if err := confine(q.Memory); err != nil {
		fmt.Fprintln(os.Stderr, "limits:", err)
		os.Exit(exitBroken)
	}
	if err := serve(q, archive, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "answer:", err)
		os.Exit(exitBroken)
	}
	os.Exit(0)
}

// confine takes from the process what rendering does not need: from here on no file,
// socket or pipe can be opened, and so no program started, and memory is bounded.
func confine(memory int64) error {
	http.DefaultTransport = refusing{}
	http.DefaultClient.Transport = refusing{}
	_ = time.Now().Local().String() // reads the zone while it can
	debug.SetMemoryLimit(memory / 10 * 9)
	debug.SetMaxStack(int(min(memory/4, 128<<20)))
	limits := map[int]uint64{
		syscall.RLIMIT_NOFILE: 0,
		syscall.RLIMIT_CORE:   0,
		syscall.RLIMIT_DATA:   dataSize() + uint64(memory) + 2*arena,
	}
	for which, most := range limits {
		if err := syscall.Setrlimit(which, &syscall.Rlimit{Cur: most, Max: most}); err != nil {
			return err
		}
	}
	go watch(uint64(memory))
	return nil
}

// arena is what the Go runtime takes from the system at once, in bytes.
const arena = 64 << 20

// dataSize is what RLIMIT_DATA counts of the process now, in bytes. The race
// detector alone takes very much.
func dataSize() uint64 {
	content, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return arena
	}
	for line := range strings.Lines(string(content)) {
		var kib uint64
		if n, _ := fmt.Sscanf(line, "VmData: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	return arena
}

// watch ends the process when it holds too much memory although its garbage was
// collected as eagerly as possible. The system's limit is above that and only for
// what grows faster.
func watch(memory uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for over := 0; over < 3; time.Sleep(10 * time.Millisecond) {
		metrics.Read(sample)
		if sample[0].Value.Uint64()-sample[1].Value.Uint64() > memory {
			over++
		} else {
			over = 0
		}
	}
	os.Exit(exitMemory)
}

// refusing is a transport that dials nobody.
type refusing struct{}

func (refusing) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("%s is not read: rendering dials nobody; copy it into the folder", r.URL.Redacted())
}

// errLimit is how what renders says that a limit was reached.
type errLimit string

func (e errLimit) Error() string { return "limit: " + string(e) }

// serve renders, and writes what came of it.
func serve(q *request, archive []byte, to io.Writer) error {
	w := bufio.NewWriter(to)
	named := false
	name := func(text string) error {
		named = true
		if err := json.NewEncoder(w).Encode(subject{text}); err != nil {
			return err
		}
		return w.Flush()
	}
	a := &answer{}
	warnings := &warnings{}
	slog.SetDefault(slog.New(slog.NewTextHandler(warnings, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: plainWarning})))
	log.SetOutput(warnings)
	log.SetFlags(0)
	files, err := renderAny(q, archive, name)
	for _, f := range files {
		q.Output -= int64(len(f.Content))
	}
	var limit errLimit
	switch {
	case errors.As(err, &limit):
		a.Limit = string(limit)
	case err != nil:
		a.Problem = err.Error()
	case q.Output < 0:
		a.Limit = limitOutput
	default:
		a.Hooks = hooks(files)
	}
	if a.Limit != "" || a.Problem != "" {
		files = nil
	}
	a.Warnings = warnings.lines
	if !named {
		if err := name(""); err != nil {
			return err
		}
	}
	if err := a.write(w, files); err != nil {
		return err
	}
	return w.Flush()
}

// renderAny turns a panic of a library into an error of the chart.
func renderAny(q *request, archive []byte, name func(string) error) (files []object.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it cannot be rendered: %v", r)
		}
	}()
	if q.Kind == kindKustomize {
		return kustomize(archive, name)
	}
	return helm(q, archive, name)
}

// warnings are what a library logs, line by line, each once.
type warnings struct{ lines []string }

const maxWarnings = 100

func (w *warnings) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		if strings.HasPrefix(line, "warning: ") {
			line, _, _ = strings.Cut(line, " (") // a value follows, which may be secret
		}
		line = strings.ToValidUTF8(shorten(strings.TrimSpace(line), 1000), "")
		if line != "" && len(w.lines) < maxWarnings && !slices.Contains(w.lines, line) {
			w.lines = append(w.lines, line)
		}
	}
	return len(p), nil
}

// plainWarning leaves out of a line what is the same in each.
func plainWarning(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return a
}
