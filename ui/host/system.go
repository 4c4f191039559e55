package host

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// System is what the machine is. Figures that are not known are left out.
type System struct {
	Hostname      string `json:"hostname,omitempty"`
	MachineID     string `json:"machineId,omitempty"` // tells machines apart, and is not the one in /etc/machine-id
	BootID        string `json:"bootId,omitempty"`    // another one after each start of the machine
	OS            string `json:"os,omitempty"`        // Debian GNU/Linux 12 (bookworm)
	OSID          string `json:"osId,omitempty"`      // debian
	OSVersion     string `json:"osVersion,omitempty"` // 12
	Kernel        string `json:"kernel,omitempty"`    // 6.1.0-18-amd64
	Architecture  string `json:"architecture"`        // amd64
	CPUs          int    `json:"cpus"`                // that the appliance may use
	UptimeSeconds int64  `json:"uptimeSeconds,omitempty"`
	Memory        Memory `json:"memory"`
	Load          *Load  `json:"load,omitempty"`
}

// Memory is the machine's.
type Memory struct {
	TotalBytes     int64 `json:"totalBytes,omitempty"`
	AvailableBytes int64 `json:"availableBytes,omitempty"` // for programs, without swapping
	SwapTotalBytes int64 `json:"swapTotalBytes,omitempty"`
	SwapFreeBytes  int64 `json:"swapFreeBytes,omitempty"`
	LimitBytes     int64 `json:"limitBytes,omitempty"` // of the container; 0: none is known
}

// Load is how many processes were running or waiting for the disk on average, in
// the last 1, 5 and 15 minutes.
type Load struct {
	One     float64 `json:"one"`
	Five    float64 `json:"five"`
	Fifteen float64 `json:"fifteen"`
}

func (r files) system() System {
	s := System{Architecture: runtime.GOARCH, CPUs: runtime.NumCPU(), BootID: r.text("proc/sys/kernel/random/boot_id"), Kernel: r.text("proc/sys/kernel/osrelease")}
	s.Hostname, _ = os.Hostname()
	s.MachineID = hashMachineID(r.text("etc/machine-id"))
	if release := r.text("etc/os-release"); release != "" {
		s.parseOS(release)
	} else {
		s.parseOS(r.text("usr/lib/os-release"))
	}
	if words := strings.Fields(r.text("proc/uptime")); len(words) > 0 {
		s.UptimeSeconds = int64(number(words[0]))
	}
	if words := strings.Fields(r.text("proc/loadavg")); len(words) >= 3 {
		s.Load = &Load{number(words[0]), number(words[1]), number(words[2])}
	}
	s.Memory.parse(r.text("proc/meminfo"))
	s.Memory.LimitBytes, _ = strconv.ParseInt(r.text("sys/fs/cgroup/memory.max"), 10, 64)
	return s
}

// hashMachineID: the machine's own id is confidential, says machine-id(5), and
// wants to be hashed with what asks for it.
func hashMachineID(id string) string {
	if len(id) != 32 {
		return "" // "uninitialized", in images
	}
	h := hmac.New(sha256.New, []byte(id))
	h.Write([]byte("landfall"))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// parseOS reads os-release(5), in which values may be quoted as in a shell.
func (s *System) parseOS(text string) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"'`)
		switch name {
		case "PRETTY_NAME":
			s.OS = value
		case "ID":
			s.OSID = value
		case "VERSION_ID":
			s.OSVersion = value
		}
	}
}

func (m *Memory) parse(text string) {
	for _, words := range cutLines(text) {
		if len(words) < 2 {
			continue
		}
		kib, err := strconv.ParseInt(words[1], 10, 64)
		if err != nil || kib < 0 || kib > math.MaxInt64>>10 {
			continue
		}
		switch words[0] {
		case "MemTotal:":
			m.TotalBytes = kib << 10
		case "MemAvailable:":
			m.AvailableBytes = kib << 10
		case "SwapTotal:":
			m.SwapTotalBytes = kib << 10
		case "SwapFree:":
			m.SwapFreeBytes = kib << 10
		}
	}
}

// number is 0 for what is none.
func number(text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || n < 0 || n > 1<<53 {
		return 0
	}
	return n
}

func readAll(f io.Reader) string {
	content, _ := io.ReadAll(io.LimitReader(f, maxFile))
	return string(content)
}
