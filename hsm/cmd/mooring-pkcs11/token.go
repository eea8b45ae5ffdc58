//go:build cgo && linux

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/eclipse-keypont/crypto11"
	"github.com/miekg/pkcs11"

	"mooring/hsm/pkcs11key/wire"
)

// token is one that is open and logged in.
type token struct {
	module string
	holder *crypto11.Context    // has the module stay initialised
	ctx    *crypto11.Context    // works; nil: its sessions are to be opened
	raw    *pkcs11.Ctx          // the same module, for what crypto11 does not do
	keeper pkcs11.SessionHandle // keeps the login, and works for raw; 0: none
	slot   uint
	info   wire.Token
	keys   map[string]crypto11.Signer // by Ref, found in the sessions that are open
	kek    *sealingKey                // nil: not asked for
}

// open finds the one token that target names, and logs in if it wants that.
//
// It looks at the token before the PIN is used: crypto11 takes the first token
// that fits and tries the PIN at once.
func open(target wire.Target, pin string, spare []string) (*token, error) {
	if _, err := os.Stat(target.Module); err != nil {
		return nil, refused("the PKCS#11 module cannot be read: " + err.Error())
	}
	slot, info, err := survey(target, pin, spare)
	if err != nil {
		return nil, err
	}
	t := &token{module: target.Module, slot: slot, info: info, raw: pkcs11.New(target.Module)}
	if t.holder, err = t.configure(); err != nil {
		t.raw.Destroy()
		return nil, err
	}
	if err := t.enter(pin, info.LoggedIn); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// survey chooses the token and says whether to log in.
func survey(target wire.Target, pin string, spare []string) (uint, wire.Token, error) {
	raw := pkcs11.New(target.Module)
	if raw == nil {
		return 0, wire.Token{}, &wire.Fault{Kind: wire.KindRefused, Text: "the PKCS#11 module " + target.Module + " cannot be loaded: it is no shared library for this machine"}
	}
	defer raw.Destroy()
	if err := raw.Initialize(); err != nil {
		return 0, wire.Token{}, fmt.Errorf("initialize the module: %w", err)
	}
	defer func() { _ = raw.Finalize() }()
	slot, found, err := choose(raw, target)
	if err != nil {
		return 0, wire.Token{}, err
	}
	login, err := checkLogin(found, pin, spare)
	if err != nil {
		return 0, wire.Token{}, err
	}
	algorithms, err := algorithmsOf(raw, slot)
	if err != nil {
		return 0, wire.Token{}, err
	}
	return slot, wire.Token{Label: found.Label, Serial: found.SerialNumber, Manufacturer: found.ManufacturerID, Model: found.Model,
		SlotID: slot, Algorithms: algorithms, LoggedIn: login}, nil
}

// choose refuses to guess between tokens.
func choose(raw *pkcs11.Ctx, target wire.Target) (uint, pkcs11.TokenInfo, error) {
	slots, err := raw.GetSlotList(true)
	if err != nil {
		return 0, pkcs11.TokenInfo{}, fmt.Errorf("list slots: %w", err)
	}
	var (
		all, fitting []string
		slot         uint
		chosen       pkcs11.TokenInfo
	)
	for _, s := range slots {
		info, err := raw.GetTokenInfo(s)
		if err != nil || info.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0 {
			continue
		}
		all = append(all, describe(s, info))
		if fits(target, s, info) {
			fitting = append(fitting, describe(s, info))
			slot, chosen = s, info
		}
	}
	switch len(fitting) {
	case 1:
		return slot, chosen, nil
	case 0:
		there := "there is none"
		if len(all) > 0 {
			there = "there are: " + strings.Join(all, "; ")
		}
		return 0, chosen, &wire.Fault{Kind: wire.KindNoToken, Text: there}
	}
	return 0, chosen, &wire.Fault{Kind: wire.KindAmbiguous, Text: "several tokens match: " + strings.Join(fitting, "; ")}
}

func describe(slot uint, info pkcs11.TokenInfo) string {
	return fmt.Sprintf("token=%s serial=%s slot-id=%d", info.Label, info.SerialNumber, slot)
}

func fits(target wire.Target, slot uint, info pkcs11.TokenInfo) bool {
	same := func(want, got string) bool { return want == "" || want == strings.TrimRight(got, " \x00") }
	return same(target.Label, info.Label) && same(target.Serial, info.SerialNumber) && same(target.Manufacturer, info.ManufacturerID) &&
		same(target.Model, info.Model) && (target.SlotID == nil || *target.SlotID == slot)
}

// checkLogin reads what the token tells about its PIN and never lets the last
// try be used up: a person may know better.
func checkLogin(info pkcs11.TokenInfo, pin string, spare []string) (login bool, err error) {
	has := func(flag uint) bool { return info.Flags&flag != 0 }
	switch {
	case !has(pkcs11.CKF_LOGIN_REQUIRED):
		return false, nil
	case !has(pkcs11.CKF_USER_PIN_INITIALIZED):
		return false, &wire.Fault{Kind: wire.KindNoUserPIN}
	case has(pkcs11.CKF_USER_PIN_LOCKED):
		return false, &wire.Fault{Kind: wire.KindPINLocked}
	case has(pkcs11.CKF_USER_PIN_FINAL_TRY):
		return false, &wire.Fault{Kind: wire.KindFinalTry}
	case slices.Contains(spare, info.SerialNumber):
		return false, &wire.Fault{Kind: wire.KindPINRefused}
	case pin == "" && !has(pkcs11.CKF_PROTECTED_AUTHENTICATION_PATH):
		return false, &wire.Fault{Kind: wire.KindNeedsPIN}
	}
	return true, nil
}

// algorithmsOf asks which keys the token makes and signs with.
func algorithmsOf(raw *pkcs11.Ctx, slot uint) ([]string, error) {
	var names []string
	if ec, err := raw.GetMechanismInfo(slot, mechanism(pkcs11.CKM_EC_KEY_PAIR_GEN)); err == nil {
		for bits, name := range map[uint]string{256: "ecdsa-p256", 384: "ecdsa-p384"} {
			if within(ec, bits) {
				names = append(names, name)
			}
		}
	}
	if len(names) == 2 && names[0] > names[1] { // maps have no order
		names[0], names[1] = names[1], names[0]
	}
	if rsa, err := raw.GetMechanismInfo(slot, mechanism(pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN)); err == nil {
		for _, bits := range []uint{2048, 3072, 4096} {
			if within(rsa, bits) {
				names = append(names, fmt.Sprintf("rsa-%d", bits))
			}
		}
	}
	return names, nil
}

func mechanism(m uint) []*pkcs11.Mechanism { return []*pkcs11.Mechanism{pkcs11.NewMechanism(m, nil)} }

// within counts a limit of 0 as none, which some modules answer.
func within(info pkcs11.MechanismInfo, bits uint) bool {
	return info.MinKeySize <= bits && (info.MaxKeySize >= bits || info.MaxKeySize == 0)
}

// faultOf puts an error into the form of the protocol.
func faultOf(err error) *wire.Fault {
	var fault *wire.Fault
	if errors.As(err, &fault) {
		return fault
	}
	var code pkcs11.Error
	if errors.As(err, &code) {
		return &wire.Fault{Code: uint(code)}
	}
	return &wire.Fault{Kind: wire.KindBroken, Text: err.Error()}
}
