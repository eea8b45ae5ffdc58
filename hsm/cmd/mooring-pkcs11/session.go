//go:build cgo && linux

package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/eclipse-keypont/crypto11"
	"github.com/miekg/pkcs11"

	"mooring/hsm/pkcs11key/wire"
)

const (
	// maxSessions of one crypto11.Context: it keeps one, and works in the other.
	maxSessions = 2
	poolWait    = 10 * time.Second
)

// configure opens sessions of crypto11, which never uses the PIN: the login of
// the keeper is that of all sessions (PKCS#11 v2.40 base §5.6). It takes the token
// by its slot, which survey chose.
func (t *token) configure() (*crypto11.Context, error) {
	slot := int(t.slot)
	return crypto11.Configure(&crypto11.Config{Path: t.module, SlotNumber: &slot, MaxSessions: maxSessions, PoolWaitTimeout: poolWait, LoginNotSupported: true})
}

// newSessions replaces the sessions that work and the handles found in them. The
// login stays, unless it went with the sessions that are lost.
func (t *token) newSessions() error {
	if _, err := t.same(); err != nil {
		return err
	}
	return t.enter("", false)
}

// newLogin logs out and in again. What the token tells of its PIN is looked at
// first, as when it was opened.
func (t *token) newLogin(pin string, spare []string) error {
	found, err := t.same()
	if err != nil {
		return err
	}
	login, err := checkLogin(found, pin, spare)
	if err != nil {
		return err
	}
	return t.enter(pin, login)
}

// same tells whether the token is still there. One that was pulled may leave
// sessions that find nothing, and another one may be in its slot.
func (t *token) same() (pkcs11.TokenInfo, error) {
	found, err := t.raw.GetTokenInfo(t.slot)
	if err != nil {
		return found, fmt.Errorf("look at the token: %w", err)
	}
	if found.SerialNumber != t.info.Serial || found.Label != t.info.Label {
		return found, &wire.Fault{Code: wire.TokenNotPresent, Text: "another token is in its slot"}
	}
	return found, nil
}

// enter opens the sessions, and logs in with pin if login says so.
//
// Those that were open are closed before any is opened: a module may give the
// handle of a lost session to the next one.
func (t *token) enter(pin string, login bool) error {
	t.leave()
	old, again := t.keeper, t.keeper != 0
	if old != 0 && !t.alive(old) {
		old = 0
	}
	keeper, err := t.raw.OpenSession(t.slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return fmt.Errorf("open a session: %w", err)
	}
	t.keeper = keeper
	if old != 0 {
		_ = t.raw.CloseSession(old) // it may be what is broken
	}
	if login {
		if again {
			_ = t.raw.Logout(keeper) // it fails if nobody is logged in
		}
		if err := t.login(pin); err != nil {
			return err
		}
	}
	if t.ctx, err = t.configure(); err != nil {
		return err
	}
	if t.info.LoggedIn && !login && !t.loggedIn() {
		return &wire.Fault{Code: wire.UserNotLoggedIn, Text: "the login went with the sessions"}
	}
	return nil
}

// leave closes the sessions that work.
func (t *token) leave() {
	if t.ctx != nil {
		_ = t.ctx.Close() // never fails
	}
	t.ctx, t.kek, t.keys = nil, nil, map[string]crypto11.Signer{}
}

// login uses the PIN, once.
func (t *token) login(pin string) error {
	err := t.raw.Login(t.keeper, pkcs11.CKU_USER, pin)
	if err != nil && !errors.Is(err, pkcs11.Error(pkcs11.CKR_USER_ALREADY_LOGGED_IN)) {
		fault := faultOf(err)
		fault.Serial = t.info.Serial
		return fault
	}
	return nil
}

func (t *token) alive(session pkcs11.SessionHandle) bool {
	_, err := t.raw.GetSessionInfo(session)
	return err == nil
}

// loggedIn is true if the module does not tell.
func (t *token) loggedIn() bool {
	info, err := t.raw.GetSessionInfo(t.keeper)
	return err != nil || info.State == pkcs11.CKS_RW_USER_FUNCTIONS || info.State == pkcs11.CKS_RO_USER_FUNCTIONS
}

// close ends everything that open began.
func (t *token) close() {
	t.leave()
	if t.keeper != 0 {
		_ = t.raw.CloseSession(t.keeper)
	}
	_ = t.holder.Close() // C_Finalize
	t.raw.Destroy()
}
