package lab

import (
	"errors"
	"net"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// outsideAddress is what names stand for that are not of the lab (RFC 5737).
var outsideAddress = [4]byte{198, 51, 100, 7}

// resolver answers each question for an address, and remembers for which names it was
// asked. Without it, nobody who wants to dial the outside by a name would send a packet
// there, and nothing would be counted.
type resolver struct {
	conn  net.PacketConn
	ended sync.WaitGroup

	mu    sync.Mutex // protects known and asked
	known map[string][4]byte
	asked map[string]bool
}

func newResolver(address string) (*resolver, error) {
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, err
	}
	r := &resolver{conn: conn, known: map[string][4]byte{}, asked: map[string]bool{}}
	r.ended.Go(r.serve)
	return r, nil
}

func (r *resolver) close() error {
	err := r.conn.Close()
	r.ended.Wait()
	return err
}

// know makes a name one of the lab.
func (r *resolver) know(name, address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[name] = [4]byte(net.ParseIP(address).To4())
}

func (r *resolver) names() (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.asked {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

func (r *resolver) serve() {
	buffer := make([]byte, 1500)
	for {
		n, from, err := r.conn.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if answer, err := r.answer(buffer[:n]); err == nil {
			_, _ = r.conn.WriteTo(answer, from) // who gets none asks again
		}
	}
}

func (r *resolver) answer(question []byte) ([]byte, error) {
	var p dnsmessage.Parser
	header, err := p.Start(question)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: header.ID, Response: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true})
	if err = errors.Join(b.StartQuestions(), b.Question(q)); err != nil {
		return nil, err
	}
	if q.Type == dnsmessage.TypeA {
		err = errors.Join(b.StartAnswers(), b.AResource(dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 5},
			dnsmessage.AResource{A: r.lookup(q.Name.String())}))
	}
	if err != nil {
		return nil, err
	}
	return b.Finish()
}

func (r *resolver) lookup(name string) [4]byte {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	r.mu.Lock()
	defer r.mu.Unlock()
	if a, is := r.known[name]; is {
		return a
	}
	r.asked[name] = true
	return outsideAddress
}
