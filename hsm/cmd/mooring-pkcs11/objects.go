//go:build cgo && linux

package main

import (
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"mooring/hsm/pkcs11key/wire"
)

// maxObjects bounds a search: both halves of wire.MaxRefs keys, and one more.
const maxObjects = 2*wire.MaxRefs + 1

// object is one half of a key pair in the token.
type object struct {
	handle  pkcs11.ObjectHandle
	private bool
	id      []byte
	label   string
}

// withSession lends the session that keeps the login.
func (t *token) withSession(work func(pkcs11.SessionHandle) error) error { return work(t.keeper) }

// objects finds halves of key pairs, private ones first; id nil means all.
func (t *token) objects(id []byte) (found []object, err error) {
	err = t.withSession(func(session pkcs11.SessionHandle) error {
		for _, class := range []uint{pkcs11.CKO_PRIVATE_KEY, pkcs11.CKO_PUBLIC_KEY} {
			template := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, class), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true)}
			if id != nil {
				template = append(template, pkcs11.NewAttribute(pkcs11.CKA_ID, id))
			}
			handles, err := t.search(session, template)
			if err != nil {
				return err
			}
			for _, h := range handles {
				o := object{handle: h, private: class == pkcs11.CKO_PRIVATE_KEY}
				if o.id, o.label, err = t.nameOf(session, h); err != nil {
					return err
				}
				found = append(found, o)
			}
		}
		return nil
	})
	return found, err
}

func (t *token) search(session pkcs11.SessionHandle, template []*pkcs11.Attribute) ([]pkcs11.ObjectHandle, error) {
	if err := t.raw.FindObjectsInit(session, template); err != nil {
		return nil, fmt.Errorf("look for objects: %w", err)
	}
	var all []pkcs11.ObjectHandle
	for {
		some, _, err := t.raw.FindObjects(session, 64)
		if err != nil {
			_ = t.raw.FindObjectsFinal(session)
			return nil, fmt.Errorf("look for objects: %w", err)
		}
		if all = append(all, some...); len(some) == 0 || len(all) > maxObjects {
			break
		}
	}
	if err := t.raw.FindObjectsFinal(session); err != nil {
		return nil, fmt.Errorf("look for objects: %w", err)
	}
	if len(all) > maxObjects {
		return nil, refused("the token holds too many objects")
	}
	return all, nil
}

// nameOf reads ID and label; an object without them has empty ones.
func (t *token) nameOf(session pkcs11.SessionHandle, h pkcs11.ObjectHandle) (id []byte, label string, err error) {
	for _, a := range []uint{pkcs11.CKA_ID, pkcs11.CKA_LABEL} {
		got, err := t.raw.GetAttributeValue(session, h, []*pkcs11.Attribute{pkcs11.NewAttribute(a, nil)})
		switch {
		case errors.Is(err, pkcs11.Error(pkcs11.CKR_ATTRIBUTE_TYPE_INVALID)):
			continue
		case err != nil:
			return nil, "", fmt.Errorf("read an object's name: %w", err)
		case a == pkcs11.CKA_ID:
			id = got[0].Value
		default:
			label = string(got[0].Value)
		}
	}
	return id, label, nil
}

func (t *token) remove(objects []object) error {
	return t.withSession(func(session pkcs11.SessionHandle) error {
		for _, o := range objects {
			if err := t.raw.DestroyObject(session, o.handle); err != nil {
				return fmt.Errorf("destroy an object: %w", err)
			}
		}
		return nil
	})
}
