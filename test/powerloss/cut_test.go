package powerloss

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// sector is what a disk writes whole or not at all, in bytes.
const sector = 512

// superblock is where ext4 keeps, beside its journal, the one checksum that
// spans two sectors. File systems rely on their block there.
const superblock = 4096

// cut is a power loss at a position, chosen for what an operation did there.
type cut struct {
	position int64
	kind     string
	seed     uint64 // for what is left of the writes that were not flushed
}

// power rebuilds what cuts leave. It goes through a log once: positions have
// to ascend.
type power struct {
	log     []record
	settled []byte // what the last flush made safe
	flushed int64  // how much of the log that is
	lies    int64  // for so many records before a cut, flushes did nothing
}

func newPower(d *disk) *power { return &power{log: d.log, settled: slices.Clone(d.first)} }

// off writes to image what a cut leaves of the disk: all that was flushed, and
// of the later writes some, in any order, and some of them in part.
func (p *power) off(c cut, image []byte) {
	if last := lastFlush(p.log[p.flushed:max(p.flushed, c.position-p.lies)]); last >= 0 {
		end := p.flushed + last + 1
		for _, r := range p.log[p.flushed:end] {
			copy(p.settled[r.offset:], r.data)
		}
		p.flushed = end
	}
	copy(image, p.settled)
	random := rand.New(rand.NewPCG(c.seed, 1))
	late := slices.Clone(p.log[p.flushed:c.position])
	random.Shuffle(len(late), func(i, j int) { late[i], late[j] = late[j], late[i] })
	kept := []float64{0, 0.2, 0.5, 0.8, 1}[random.IntN(5)]
	for _, r := range late {
		if random.Float64() < kept {
			tear(random, image, r)
		}
	}
}

// tear applies a write, one in three only in part.
func tear(random *rand.Rand, image []byte, r record) {
	if r.offset < superblock || random.IntN(3) > 0 {
		copy(image[r.offset:], r.data)
		return
	}
	keep := random.IntN(3) // 0: the start, 1: the end, 2: any sectors
	at := random.IntN(len(r.data)/sector + 1)
	for i := 0; i*sector < len(r.data); i++ {
		if keep == 0 && i < at || keep == 1 && i >= at || keep == 2 && random.IntN(2) == 0 {
			copy(image[r.offset+int64(i)*sector:], r.data[i*sector:min(len(r.data), (i+1)*sector)])
		}
	}
}

// chooseCuts spreads cuts over the kinds of operations, in ascending order:
// half of them around flushes, most others around acknowledgements.
func chooseCuts(random *rand.Rand, log []record, deeds []*deed, count int) []cut {
	kinds := map[string][]*deed{}
	for _, d := range deeds {
		if d.acked != never && d.acked > d.from {
			kinds[d.kind] = append(kinds[d.kind], d)
		}
	}
	names := slices.Sorted(maps.Keys(kinds))
	var cuts []cut
	for i := range count {
		kind := names[i%len(names)]
		d := kinds[kind][random.IntN(len(kinds[kind]))]
		cuts = append(cuts, cut{choosePosition(random, log, d), kind, random.Uint64()})
	}
	slices.SortFunc(cuts, func(a, b cut) int { return cmp.Compare(a.position, b.position) })
	return cuts
}

func choosePosition(random *rand.Rand, log []record, d *deed) int64 {
	at := d.from + random.Int64N(d.acked-d.from+1)
	switch random.IntN(10) {
	case 0: // anywhere
	case 1, 2, 3, 4:
		at = d.acked + random.Int64N(4)
	default:
		for at < d.acked && log[at].data != nil {
			at++
		}
		at += random.Int64N(6) - 2 // from before the flush to some writes after it
	}
	return min(max(at, 0), int64(len(log)))
}

// countKinds says how many cuts were chosen for which operation.
func countKinds(cuts []cut) string {
	count := map[string]int{}
	for _, c := range cuts {
		count[c.kind]++
	}
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(count)) {
		parts = append(parts, fmt.Sprintf("%s %d", kind, count[kind]))
	}
	return strings.Join(parts, ", ")
}

func sizeOf(log []record) string {
	writes, bytes := 0, 0
	for _, r := range log {
		if r.data != nil {
			writes++
			bytes += len(r.data)
		}
	}
	return fmt.Sprintf("%d writes (%d MiB) and %d flushes", writes, bytes>>20, len(log)-writes)
}
