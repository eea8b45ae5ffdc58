package tpmkey

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
)

const (
	headerBytes = 10 // tag, length, command or response code
	maxSessions = 3
)

var errAnswer = errors.New("the answer of the TPM is malformed")

// command is one command of a TPM (TPM 2.0 Part 1 §18). Its sessions are go-tpm's;
// go-tpm's own Execute has its code once for each command, 10 KB each.
type command struct {
	code tpm2.TPMCC
	// handles come in the command's order. Those with Auth are authorized by it,
	// and come first.
	handles []tpm2.AuthHandle
	// parameters are marshalled. If the first session encrypts, they begin with
	// a TPM2B.
	parameters []byte
	// makesHandle tells that the answer begins with a handle.
	makesHandle bool
}

// parameters puts marshalled parameters one after the other.
func parameters(all ...tpm2.Marshallable) (area []byte) {
	for _, p := range all {
		area = append(area, tpm2.Marshal(p)...)
	}
	return area
}

// execute sends c. What the TPM refuses is a tpm2.TPMRC; an answer whose
// authorization is not the TPM's is an error.
func (c command) execute(tpm transport.TPM) (*answer, error) {
	sessions, names, err := c.begin(tpm)
	if err != nil {
		return nil, err
	}
	message, err := c.message(sessions, names)
	if err != nil {
		return nil, err
	}
	got, err := tpm.Send(message)
	if err != nil {
		return nil, err
	}
	if len(got) < headerBytes {
		return nil, errAnswer
	}
	if rc := tpm2.TPMRC(binary.BigEndian.Uint32(got[6:])); rc != tpm2.TPMRCSuccess {
		return nil, errors.Join(append([]error{rc}, cleanUp(tpm, sessions)...)...)
	}
	a := &answer{rest: got[headerBytes:]}
	if c.makesHandle {
		a.handle = tpm2.TPMHandle(a.uint32())
	}
	if len(sessions) > 0 {
		if err := a.authenticate(c.code, sessions, names); err != nil {
			return nil, err
		}
	}
	return a, a.err
}

// begin makes the sessions ready, and names what is authorized.
func (c command) begin(tpm transport.TPM) (sessions []tpm2.Session, names []tpm2.TPM2BName, err error) {
	for _, h := range c.handles {
		if name := h.KnownName(); name != nil {
			names = append(names, *name)
		}
		if h.Auth == nil {
			continue
		}
		if len(sessions) == maxSessions || len(sessions) > 0 && (h.Auth.IsEncryption() || h.Auth.IsDecryption()) {
			return nil, nil, errors.New("only the first of three sessions encrypts")
		}
		sessions = append(sessions, h.Auth)
	}
	if len(sessions) > 0 && len(names) != len(c.handles) {
		return nil, nil, errors.New("a handle without a name cannot be authorized")
	}
	for _, s := range sessions {
		if err := errors.Join(s.Init(tpm), s.NewNonceCaller()); err != nil {
			return nil, nil, fmt.Errorf("begin a session: %w", err)
		}
	}
	return sessions, names, nil
}

// message is the command's bytes:
//
//	tag length code *handle [ size *authorization ] *parameter
func (c command) message(sessions []tpm2.Session, names []tpm2.TPM2BName) ([]byte, error) {
	area := append([]byte(nil), c.parameters...)
	tag := tpm2.TPMSTNoSessions
	var authorizations []byte
	if len(sessions) > 0 {
		tag = tpm2.TPMSTSessions
		if sessions[0].IsDecryption() {
			first := answer{rest: area}
			secret := first.buffer()
			if err := errors.Join(first.err, sessions[0].Encrypt(secret)); err != nil {
				return nil, err
			}
		}
	}
	for i, s := range sessions {
		auth, err := s.Authorize(c.code, area, nil, names, i)
		if err != nil {
			return nil, err
		}
		authorizations = append(authorizations, tpm2.Marshal(*auth)...)
	}
	m := binary.BigEndian.AppendUint16(nil, uint16(tag))
	m = binary.BigEndian.AppendUint32(m, 0) // its length, below
	m = binary.BigEndian.AppendUint32(m, uint32(c.code))
	for _, h := range c.handles {
		m = binary.BigEndian.AppendUint32(m, uint32(h.Handle))
	}
	if len(sessions) > 0 {
		m = binary.BigEndian.AppendUint32(m, uint32(len(authorizations)))
	}
	m = append(append(m, authorizations...), area...)
	binary.BigEndian.PutUint32(m[2:], uint32(len(m)))
	return m, nil
}

func cleanUp(tpm transport.TPM, sessions []tpm2.Session) (failed []error) {
	for _, s := range sessions {
		failed = append(failed, s.CleanupFailure(tpm))
	}
	return failed
}

// answer is what a TPM gave back, read from its beginning. After err everything
// read is empty.
type answer struct {
	handle tpm2.TPMHandle
	rest   []byte
	err    error
}

func (a *answer) take(n int) []byte {
	if a.err != nil || n < 0 || n > len(a.rest) { // below 0 on 32 bits: it came as an uint32
		a.err = errAnswer
		return nil
	}
	taken := a.rest[:n:n]
	a.rest = a.rest[n:]
	return taken
}

func (a *answer) uint32() uint32 {
	if b := a.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// buffer reads a TPM2B without its length.
func (a *answer) buffer() []byte {
	if b := a.take(2); b != nil {
		return a.take(int(binary.BigEndian.Uint16(b)))
	}
	return nil
}

// authenticate checks the authorizations that follow the parameters, decrypts
// the first parameter if its session says so, and leaves the parameters.
func (a *answer) authenticate(code tpm2.TPMCC, sessions []tpm2.Session, names []tpm2.TPM2BName) error {
	area := a.take(int(a.uint32()))
	for i, s := range sessions {
		auth := tpm2.TPMSAuthResponse{Nonce: tpm2.TPM2BNonce{Buffer: a.buffer()}}
		if attributes := a.take(1); attributes != nil {
			read, err := tpm2.Unmarshal[tpm2.TPMASession](attributes)
			if err != nil {
				return err
			}
			auth.Attributes = *read
		}
		auth.Authorization = tpm2.TPM2BData{Buffer: a.buffer()}
		if a.err != nil {
			return a.err
		}
		if err := s.Validate(tpm2.TPMRCSuccess, code, area, names, i, &auth); err != nil {
			return fmt.Errorf("the answer is not the TPM's: %w", err)
		}
	}
	if len(a.rest) > 0 {
		return errAnswer
	}
	a.rest = area
	if !sessions[0].IsEncryption() {
		return nil
	}
	first := answer{rest: area}
	secret := first.buffer()
	return errors.Join(first.err, sessions[0].Decrypt(secret))
}
