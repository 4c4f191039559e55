package fat

import (
	"context"
	"fmt"
	"iter"

	"github.com/landfall-dev/landfall/bundle/media/extent"
)

const (
	maxRuns   = 1 << 20   // of one file: 24 MiB of memory
	maxFolder = 256 << 20 // bytes: the most that exFAT allows; FAT allows 2 MiB
	window    = 64 << 10  // of the table, in memory at a time
	piece     = 32 << 10  // of a folder
)

// walker reads the table, a window at a time.
type walker struct {
	v      *Volume
	window []byte
	from   int64 // where the window is
}

// next is the cluster after another in its file; 0 after the last.
func (w *walker) next(cluster uint32) (uint32, error) {
	at := w.v.table + int64(cluster)*tableBits(w.v.bits)/8
	width := int64(4)
	if w.v.bits <= 16 {
		width = 2
	}
	if at < w.from || at+width > w.from+int64(len(w.window)) {
		if err := w.load(at); err != nil {
			return 0, err
		}
	}
	b := w.window[at-w.from:]
	var value uint32
	switch {
	case w.v.bits == 12 && cluster%2 == 1:
		value = uint32(le.Uint16(b) >> 4)
	case w.v.bits <= 16:
		value = uint32(le.Uint16(b))
	default:
		value = le.Uint32(b)
	}
	all := uint32(1)<<w.v.bits - 1 // of 32 bits, too
	value &= all
	if value >= all-7 {
		return 0, nil
	}
	if !w.v.has(value) {
		return 0, fmt.Errorf("%w: cluster %d is followed by %d", ErrDamaged, cluster, value)
	}
	return value, nil
}

func (w *walker) load(at int64) error {
	w.from = at - at%4096
	w.window = make([]byte, min(window, w.v.tableEnd-w.from))
	if err := extent.Full(w.v.device, w.window, w.from); err != nil {
		w.window = nil
		return fmt.Errorf("the table: %w", err)
	}
	return nil
}

func (v *Volume) has(cluster uint32) bool { return cluster >= 2 && cluster-2 < v.clusters }

// place is where a cluster is on the device.
func (v *Volume) place(cluster uint32) int64 { return v.heap + int64(cluster-2)*v.cluster }

// runs finds the bytes of a file or folder: at least length of them, or, when
// that is negative, all up to the end of the chain.
func (v *Volume) runs(ctx context.Context, e Entry, length int64) ([]extent.Run, error) {
	if e.fixed != nil {
		return []extent.Run{*e.fixed}, nil
	}
	if length == 0 {
		return nil, nil
	}
	if !v.has(e.first) {
		return nil, fmt.Errorf("%w: it begins at cluster %d", ErrDamaged, e.first)
	}
	if e.contiguous {
		all := (length + v.cluster - 1) / v.cluster
		if all > int64(v.clusters)-int64(e.first-2) {
			return nil, fmt.Errorf("%w: %d bytes do not fit from cluster %d on", ErrDamaged, length, e.first)
		}
		return []extent.Run{{Start: v.place(e.first), Length: all * v.cluster}}, nil
	}
	return v.follow(ctx, e.first, length)
}

// follow walks a chain. It ends however the chain is made: a file has no more
// clusters than its length asks for, a folder no more than maxFolder allows.
func (v *Volume) follow(ctx context.Context, first uint32, length int64) (list []extent.Run, err error) {
	limit := length
	if length < 0 {
		limit = min(maxFolder, int64(v.clusters)*v.cluster)
	}
	if limit > int64(v.clusters)*v.cluster {
		return nil, fmt.Errorf("%w: %d bytes do not fit into the volume", ErrDamaged, length)
	}
	w := walker{v: v}
	at := int64(0)
	for cluster := first; cluster != 0; {
		if at >= limit {
			if length < 0 {
				return list, fmt.Errorf("%w: a folder without an end", ErrDamaged)
			}
			break
		}
		start := v.place(cluster)
		if last := len(list) - 1; last >= 0 && list[last].Start+list[last].Length == start {
			list[last].Length += v.cluster
		} else if len(list) == maxRuns {
			return nil, fmt.Errorf("%w: it is in more than %d pieces", ErrDamaged, maxRuns)
		} else {
			list = append(list, extent.Run{At: at, Start: start, Length: v.cluster})
		}
		at += v.cluster
		if at/v.cluster%4096 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if cluster, err = w.next(cluster); err != nil {
			return nil, err
		}
	}
	if at < length {
		return nil, fmt.Errorf("%w: %d bytes of %d are there", ErrDamaged, at, length)
	}
	return list, nil
}

// records yields the entries of a folder, 32 bytes each, up to the mark of their
// end. They are good until the next is asked for.
func (v *Volume) records(ctx context.Context, folder Entry) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		list, err := v.runs(ctx, folder, folder.length)
		buffer := make([]byte, piece)
		for _, r := range list {
			for at := int64(0); at < r.Length; at += piece {
				if ctx.Err() != nil {
					yield(nil, context.Cause(ctx))
					return
				}
				part := buffer[:min(piece, r.Length-at)]
				if err := extent.Full(v.device, part, r.Start+at); err != nil {
					yield(nil, fmt.Errorf("a folder: %w", err))
					return
				}
				for ; len(part) >= 32; part = part[32:] {
					if part[0] == 0 || !yield(part[:32], nil) {
						return
					}
				}
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}
