package inventory

import (
	"fmt"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/lifecycle/host"
)

// little is the part of a file system below which the kubelet, as it is set by itself,
// sends pods away: one of so many.
const little = 10

// examine judges an inventory. known says that the kernel told how its clock is.
func examine(i *host.Inventory, known bool) (list []host.Finding) {
	warn := func(check, format string, args ...any) {
		list = append(list, host.Finding{Check: check, Severity: host.Warning, Text: fmt.Sprintf(format, args...)})
	}
	seen := map[string]bool{}
	for _, d := range i.Disks {
		if d.Size > 0 && d.Free < d.Size/little && (d.Mount == "" || !seen[d.Mount]) {
			warn("disk", "%s has %s of %s free: the kubelet sends pods away when it is this little; remove what is not needed, or use a larger disk", d.Path, units.Bytes(d.Free), units.Bytes(d.Size))
			seen[d.Mount] = true
		}
	}
	if known && !i.Time.Synchronized {
		warn("time", "nothing keeps the clock right: let it follow a time server of the site")
	}
	if i.Kernel.Swap > 0 {
		warn("swap", "%s of swap are in use, and the kubelet does not begin with that: switch it off, in /etc/fstab too, or let the kubelet allow it", units.Bytes(i.Kernel.Swap))
	}
	if i.Runtime.Name != "" && !i.Runtime.Ready {
		warn("runtime", "%s at %s is not ready: see whether it runs ('systemctl status %[1]s'), and whether its CRI plugin is switched on", i.Runtime.Name, i.Runtime.Endpoint)
	}
	return list
}
