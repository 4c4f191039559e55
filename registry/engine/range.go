package engine

import (
	"math"
	"strings"
)

// parseRange reads a Range header over a blob of the given size (RFC 9110,
// 14.1.2). Several ranges, other units and what is no range at all are
// ignored, which a server may: partial is false and the whole blob is meant.
// A range without a byte of the blob is not ok.
func parseRange(header string, size int64) (start, n int64, partial, ok bool) {
	spec, isBytes := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !isBytes || !dash || size == 0 {
		return 0, size, false, true
	}
	a, isA := parseNumber(first)
	b, isB := parseNumber(last)
	switch {
	case first == "" && isB: // the last b bytes
		n = min(b, size)
		return size - n, n, true, n > 0
	case isA && last == "":
		b = size - 1
	case !isA || !isB:
		return 0, size, false, true
	}
	if a > b || a >= size {
		return 0, 0, true, false
	}
	return a, min(b, size-1) - a + 1, true, true
}

// parseContentRange reads the range of a chunk, both ends inclusive:
// "<start>-<end>" (distribution-spec, "Pushing a blob in chunks"), or the form
// of RFC 9110, "bytes <start>-<end>/<size or *>".
func parseContentRange(header string) (start, end int64, ok bool) {
	if spec, isBytes := strings.CutPrefix(header, "bytes "); isBytes {
		header, _, _ = strings.Cut(spec, "/")
	}
	first, last, _ := strings.Cut(header, "-")
	start, isStart := parseNumber(first)
	end, isEnd := parseNumber(last)
	return start, end, isStart && isEnd && start <= end && end < math.MaxInt64
}

// parseNumber reads digits only; what is too large is math.MaxInt64.
func parseNumber(s string) (n int64, ok bool) {
	for i := 0; i < len(s); i++ {
		c := int64(s[i]) - '0'
		if c < 0 || c > 9 {
			return 0, false
		}
		if n > (math.MaxInt64-c)/10 {
			n = math.MaxInt64
			continue
		}
		n = n*10 + c
	}
	return n, len(s) > 0
}
