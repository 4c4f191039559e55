package settings

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
)

// kind is what values a field has and where a Config keeps them.
type kind struct {
	name   string
	want   string
	list   bool
	path   bool     // relative ones in a file are found from its folder
	lines  int      // 0: the value is one line; else a text of at most so many bytes
	oneOf  []string // nil: any that check takes
	schema string   // pattern of JSON Schema; empty: any text
	check  func(text string) error
	bind   func(*Config) bound
}

// bound is a field of one Config.
type bound interface {
	set(texts []string) error
	texts() []string
}

// single is a bound of one value.
type single[T any] struct {
	to     *T
	parse  func(string) (T, error)
	format func(T) string
}

func (s single[T]) set(texts []string) (err error) {
	if len(texts) != 1 {
		return errors.New("one value is wanted")
	}
	*s.to, err = s.parse(texts[0])
	return err
}

func (s single[T]) texts() []string { return []string{s.format(*s.to)} }

// several is a bound of any number of values.
type several[T any] struct {
	to     *[]T
	parse  func(string) (T, error)
	format func(T) string
}

// maxList bounds how many values a field may have.
const maxList = 100

func (s several[T]) set(texts []string) error {
	if len(texts) > maxList {
		return fmt.Errorf("want at most %d values", maxList)
	}
	list := make([]T, len(texts))
	for i, text := range texts {
		var err error
		if list[i], err = s.parse(text); err != nil {
			return err
		}
	}
	*s.to = list
	return nil
}

func (s several[T]) texts() []string {
	texts := make([]string, len(*s.to))
	for i, value := range *s.to {
		texts[i] = s.format(value)
	}
	return texts
}

// form is how values of one type are read and written.
type form[T any] struct {
	parse  func(string) (T, error)
	format func(T) string
}

// one completes a kind of one value; its parser wants what the kind says.
func one[T any](k kind, at func(*Config) *T, f form[T]) kind {
	parse := wanting(k.want, f.parse)
	k.check = checking(parse)
	k.bind = func(c *Config) bound { return single[T]{at(c), parse, f.format} }
	return k
}

// many completes a kind of any number of values.
func many[T any](k kind, at func(*Config) *[]T, f form[T]) kind {
	parse := wanting(k.want, f.parse)
	k.list = true
	k.check = checking(parse)
	k.bind = func(c *Config) bound { return several[T]{at(c), parse, f.format} }
	return k
}

func wanting[T any](want string, parse func(string) (T, error)) func(string) (T, error) {
	return func(text string) (T, error) {
		value, err := parse(text)
		if err != nil {
			err = fmt.Errorf("want %s", want)
		}
		return value, err
	}
}

func checking[T any](parse func(string) (T, error)) func(string) error {
	return func(text string) error {
		_, err := parse(text)
		return err
	}
}

// errOther is replaced by what is wanted.
var errOther = errors.New("not of its kind")

// texts that a condition holds for are their own values.
func textForm(good func(string) bool) form[string] {
	return form[string]{func(text string) (string, error) {
		if !good(text) {
			return "", errOther
		}
		return text, nil
	}, func(text string) string { return text }}
}

func boolean(at func(*Config) *bool) kind {
	return one(kind{name: "bool", want: "true or false"}, at, form[bool]{func(text string) (bool, error) {
		if text != "true" && text != "false" {
			return false, errOther
		}
		return text == "true", nil
	}, strconv.FormatBool})
}

func choice(at func(*Config) *string, of ...string) kind {
	return one(kind{name: "choice", want: strings.Join(of, " or "), oneOf: of}, at,
		textForm(func(text string) bool { return slices.Contains(of, text) }))
}

// path is a file's or folder's; empty where there may be none.
func path(name string, at func(*Config) *string) kind {
	return one(kind{name: name, want: "the path of a " + name, path: true}, at, pathForm)
}

// paths are some, none of them empty.
func paths(name string, at func(*Config) *[]string) kind {
	return many(kind{name: name, want: "the path of a " + name, path: true}, at, form[string]{func(text string) (string, error) {
		if text == "" {
			return "", errOther
		}
		return pathForm.parse(text)
	}, pathForm.format})
}

var pathForm = form[string]{func(text string) (string, error) {
	if strings.ContainsRune(text, 0) {
		return "", errOther
	}
	if text == "" {
		return "", nil
	}
	return filepath.Clean(text), nil
}, func(text string) string { return text }}

func level(at func(*Config) *slog.Level) kind {
	levels := []string{"debug", "info", "warn", "error"}
	return one(kind{name: "level", want: "debug, info, warn or error", oneOf: levels}, at, form[slog.Level]{func(text string) (l slog.Level, err error) {
		return l, l.UnmarshalText([]byte(text)) // takes info+2, too
	}, func(l slog.Level) string { return strings.ToLower(l.String()) }})
}

// sizePattern lets pass what size takes.
const sizePattern = `^(0|[1-9][0-9]*([KMGTP]i?)?B)$`

func size(at func(*Config) *int64) kind {
	return one(kind{name: "size", want: "a size like 64MiB, or 0", schema: sizePattern}, at, form[int64]{func(text string) (int64, error) {
		if text == "0" {
			return 0, nil
		}
		return units.ParseSize(text)
	}, func(n int64) string {
		if n == 0 {
			return "0"
		}
		return units.Size(n)
	}})
}

// span is a time of min to max; one of min 0 may be 0.
func span(at func(*Config) *time.Duration, min, max time.Duration) kind {
	want := fmt.Sprintf("a time from %s to %s, like 90m, 24h or 7d", formatSpan(min), formatSpan(max))
	return one(kind{name: "time", want: want}, at, form[time.Duration]{func(text string) (time.Duration, error) {
		d, err := units.ParseAge(text)
		if err != nil {
			d, err = time.ParseDuration(text) // below a second, too
		}
		if err != nil || d < min || d > max {
			return 0, errOther
		}
		return d, nil
	}, formatSpan})
}

// formatSpan writes 12h for what time.Duration writes as 12h0m0s.
func formatSpan(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	text := units.Age(d)
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

const addressWant = "host:port, or http://host:port or https://host:port"

var listenForm = form[Listen]{parseListen, Listen.String}

// listens are addresses to answer on.
func listens(at func(*Config) *[]Listen) kind {
	return many(kind{name: "address", want: addressWant}, at, listenForm)
}

// listen is an address, or empty for none.
func listen(at func(*Config) *Listen) kind {
	return one(kind{name: "address", want: addressWant}, at, form[Listen]{func(text string) (Listen, error) {
		if text == "" {
			return Listen{}, nil
		}
		return parseListen(text)
	}, Listen.String})
}

// hostPort is an address without a scheme, or empty for none.
func hostPort(at func(*Config) *string) kind {
	return one(kind{name: "address", want: "host:port"}, at, textForm(func(text string) bool {
		_, err := parseListen("https://" + text)
		return text == "" || err == nil && !strings.Contains(text, "/")
	}))
}

// parseListen takes plain HTTP for an address of loopback that says nothing else.
func parseListen(text string) (l Listen, err error) {
	var plain bool
	if l.Address, plain = strings.CutPrefix(text, "http://"); !plain {
		l.Address, l.TLS = strings.CutPrefix(text, "https://")
	}
	host, port, err := net.SplitHostPort(l.Address)
	if err != nil {
		return Listen{}, err
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return Listen{}, err
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !hostPattern.MatchString(host) {
		return Listen{}, errOther
	}
	l.TLS = l.TLS || !plain && !l.Loopback()
	return l, nil
}

var hostPattern = regexp.MustCompile(`\A[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*\z`)

// hosts are host names and addresses, as certificates have them.
func hosts(at func(*Config) *[]string) kind {
	return many(kind{name: "name", want: "a host name, which may begin with *., or an IP address"}, at, textForm(func(text string) bool {
		_, err := netip.ParseAddr(text)
		return len(text) <= 253 && (err == nil && !strings.Contains(text, "%") || hostPattern.MatchString(strings.TrimPrefix(text, "*.")))
	}))
}

// address of a service; empty for none. Userinfo is a secret, and has no place
// where a value is shown.
func webAddress(at func(*Config) *string, userinfo bool) kind {
	want := "a URL like https://id.example.com"
	if !userinfo {
		want += ", without user and password"
	}
	return one(kind{name: "URL", want: want}, at, textForm(func(text string) bool {
		u, err := url.Parse(text)
		return text == "" || err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.Fragment == "" && (userinfo || u.User == nil)
	}))
}

// maxLine bounds a line that people are shown, in bytes.
const maxLine = 256

func line(at func(*Config) *string) kind {
	return one(kind{name: "text", want: "one line of at most 256 bytes"}, at, textForm(isLine))
}

// lines are texts that programs compare.
func lines(at func(*Config) *[]string) kind {
	return many(kind{name: "text", want: "texts of at most 256 bytes"}, at,
		textForm(func(text string) bool { return text != "" && isLine(text) }))
}

// platforms are those of hosts.
func platforms(at func(*Config) *[]string) kind {
	return many(kind{name: "platform", want: "os/architecture[/variant], like linux/arm64"}, at, textForm(func(text string) bool {
		_, err := registry.ParsePlatform(text)
		return err == nil && isLine(text) && !strings.ContainsAny(text, " ,")
	}))
}

// devices are names of block devices, or patterns of them.
func devices(at func(*Config) *[]string) kind {
	return many(kind{name: "name", want: "the name of a block device, like sdc, or loop*"}, at, textForm(func(text string) bool {
		_, err := filepath.Match(text, "")
		return err == nil && text != "" && !strings.Contains(text, "/") && isLine(text)
	}))
}

func isLine(text string) bool {
	return len(text) <= maxLine && !strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) })
}

// maxBlock bounds a text of several lines, in bytes.
const maxBlock = 4096

func block(at func(*Config) *string) kind {
	form := textForm(func(text string) bool {
		return len(text) <= maxBlock && !strings.ContainsFunc(text, func(c rune) bool { return c != '\n' && !unicode.IsPrint(c) })
	})
	parse := form.parse
	form.parse = func(text string) (string, error) { return parse(strings.TrimRight(text, "\n")) }
	return one(kind{name: "text", want: "a text of at most 4096 bytes", lines: maxBlock}, at, form)
}
