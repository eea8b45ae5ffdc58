package deviceauth

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
	"slices"
	"time"

	"mooring/internal/pki"
	"mooring/server/platform"
)

// ticketMagic starts our entry in tls.SessionState.Extra, which several layers
// may share. The digit is the version of the layout.
const ticketMagic = "mooring-ticket2"

// maxTicketBytes bounds our entry. A chain of ten with serials of 20 bytes, a
// tenant of 64 and a device of 254, nine of which name a list, take 905.
const maxTicketBytes = 1024

// ticketTimeout bounds how long a handshake waits for the store to say whether
// a device user is still enabled, before it becomes a full one.
const ticketTimeout = 2 * time.Second

// ticketKind says what a ticket resumes.
type ticketKind byte

const (
	ticketNobody ticketKind = 'n' // the client sent no certificate
	ticketDevice ticketKind = 'd' // the verdict was Full
)

// ticket is what our entry says. In bytes, after the magic:
//
//	kind     1
//	until    8   Unix seconds, big endian; the session ends with the certificates
//	count    1   of the fields that follow
//	listener 2+n each text has its length in front, big endian
//	tenant   2+n
//	device   2+n
//	anchor   2+n SHA-1 fingerprint
//	lists    2+n 17 bytes for each serial that an issuer may list: its place
//	             among the serials, the key of the list
//	serials  2+n of each certificate of the path, big endian, to the end
//
// A refused certificate gets an entry of the magic alone: its session is never
// resumed, so that TLS proves the key again.
type ticket struct {
	kind     ticketKind
	listener string
	verdict  platform.Verdict // Tenant, Device, Anchor, Lists, Serials and ValidUntil
}

// UseTickets makes cfg, which serves listener, hand out session tickets that
// remember the verdict, and take them back only as long as it would be the
// same: else the handshake becomes a full one. The keys are cfg's own;
// a clone of cfg keeps using them.
func (a *Auth) UseTickets(cfg *tls.Config, listener string) {
	now := func() time.Time {
		if cfg.Time != nil {
			return cfg.Time()
		}
		return a.cfg.Now()
	}
	cfg.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		ss.Extra = append(ss.Extra, a.TicketExtra(cs, listener, now()))
		return cfg.EncryptTicket(cs, ss)
	}
	cfg.UnwrapSession = func(identity []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		ss, err := cfg.DecryptTicket(identity, cs)
		if err != nil || ss == nil {
			return nil, err
		}
		for _, extra := range ss.Extra {
			if bytes.HasPrefix(extra, []byte(ticketMagic)) {
				if !a.TicketStillGood(extra, listener, now()) {
					return nil, nil
				}
				return ss, nil
			}
		}
		return nil, nil
	}
}

// TicketExtra is the entry for the session of cs on listener.
func (a *Auth) TicketExtra(cs tls.ConnectionState, listener string, now time.Time) []byte {
	t := ticket{kind: ticketNobody, listener: listener}
	if len(cs.PeerCertificates) > 0 {
		v := a.Decide(cs.PeerCertificates, now)
		if v.Scope != platform.Full {
			return []byte(ticketMagic)
		}
		t.kind, t.verdict = ticketDevice, v
	}
	extra, ok := t.encode()
	if !ok || len(extra) > maxTicketBytes {
		return []byte(ticketMagic)
	}
	return extra
}

// TicketStillGood reports whether the session that extra belongs to may be
// resumed on listener: the certificates would still be accepted and the device
// user may still use them.
func (a *Auth) TicketStillGood(extra []byte, listener string, now time.Time) bool {
	t, ok := decodeTicket(extra)
	if !ok || t.listener != listener {
		return false
	}
	if t.kind == ticketNobody {
		return true
	}
	if a.cfg.Trust.StillTrusted(t.verdict, now) != platform.Accepted {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), ticketTimeout)
	defer cancel()
	u, err := a.users.get(ctx, t.verdict.Tenant, t.verdict.Device)
	return err == nil && u.mayUseCertificate() == platform.Accepted
}

func (t ticket) encode() (extra []byte, ok bool) {
	anchor, err := hex.DecodeString(t.verdict.Anchor)
	if err != nil {
		return nil, false
	}
	until := int64(0)
	if t.kind == ticketDevice {
		until = t.verdict.ValidUntil.Unix()
	}
	extra = append([]byte(ticketMagic), byte(t.kind))
	extra = binary.BigEndian.AppendUint64(extra, uint64(until))
	fields := [][]byte{[]byte(t.listener), []byte(t.verdict.Tenant), []byte(t.verdict.Device), anchor, encodeLists(t.verdict)}
	for _, s := range t.verdict.Serials {
		n, err := pki.ParseSerialHex(s)
		if err != nil {
			return nil, false
		}
		fields = append(fields, n.Bytes())
	}
	if len(fields) > math.MaxUint8 {
		return nil, false
	}
	extra = append(extra, byte(len(fields)))
	for _, f := range fields {
		if len(f) > maxTicketBytes {
			return nil, false
		}
		extra = binary.BigEndian.AppendUint16(extra, uint16(len(f)))
		extra = append(extra, f...)
	}
	return extra, true
}

func decodeTicket(extra []byte) (t ticket, ok bool) {
	rest, ok := bytes.CutPrefix(extra, []byte(ticketMagic))
	if !ok || len(rest) < 10 || len(extra) > maxTicketBytes {
		return ticket{}, false
	}
	t.kind = ticketKind(rest[0])
	t.verdict.ValidUntil = time.Unix(int64(binary.BigEndian.Uint64(rest[1:9])), 0).UTC()
	fields, ok := splitFields(rest[10:])
	if !ok || len(fields) != int(rest[9]) || len(fields) < 5 || t.kind != ticketNobody && t.kind != ticketDevice {
		return ticket{}, false
	}
	t.listener = string(fields[0])
	t.verdict.Tenant = platform.TenantID(fields[1])
	t.verdict.Device = string(fields[2])
	t.verdict.Anchor = hex.EncodeToString(fields[3])
	for _, f := range fields[5:] {
		t.verdict.Serials = append(t.verdict.Serials, pki.SerialHex(new(big.Int).SetBytes(f)))
	}
	t.verdict.Lists, ok = decodeLists(fields[4], t.verdict.Serials)
	return t, ok
}

// listBytes is the length of one entry of the field lists.
const listBytes = 1 + len(platform.ListKey{})

func encodeLists(v platform.Verdict) []byte {
	var b []byte
	for _, e := range v.Lists {
		if i := slices.Index(v.Serials, e.Serial); i >= 0 && i <= math.MaxUint8 {
			b = append(append(b, byte(i)), e.List[:]...)
		}
	}
	return b
}

func decodeLists(b []byte, serials []string) (lists []platform.ListEntry, ok bool) {
	for ; len(b) >= listBytes; b = b[listBytes:] {
		if int(b[0]) >= len(serials) {
			return nil, false
		}
		lists = append(lists, platform.ListEntry{List: platform.ListKey(b[1:listBytes]), Serial: serials[b[0]]})
	}
	return lists, len(b) == 0
}

func splitFields(b []byte) (fields [][]byte, ok bool) {
	for len(b) > 0 {
		if len(b) < 2 {
			return nil, false
		}
		n := int(binary.BigEndian.Uint16(b))
		if len(b)-2 < n {
			return nil, false
		}
		fields = append(fields, b[2:2+n])
		b = b[2+n:]
	}
	return fields, true
}
