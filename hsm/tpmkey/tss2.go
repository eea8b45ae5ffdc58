package tpmkey

import (
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
)

// keyFile is what a key file holds: a key that its storage root key can load.
//
//	TPMKey ::= SEQUENCE {
//	    type        OBJECT IDENTIFIER,                  -- 2.23.133.10.1.3, loadable
//	    emptyAuth   [0] EXPLICIT BOOLEAN OPTIONAL,      -- no password
//	    policy      [1] EXPLICIT SEQUENCE OF TPMPolicy OPTIONAL,
//	    secret      [2] EXPLICIT OCTET STRING OPTIONAL, -- of other types
//	    authPolicy  [3] EXPLICIT … OPTIONAL,            -- not used here
//	    description [4] EXPLICIT UTF8String OPTIONAL,
//	    …                                               -- more of that kind
//	    parent      INTEGER,                            -- handle
//	    pubkey      OCTET STRING,                       -- TPM2B_PUBLIC
//	    privkey     OCTET STRING }                      -- TPM2B_PRIVATE
//	TPMPolicy ::= SEQUENCE {
//	    commandCode   [0] EXPLICIT INTEGER,
//	    commandPolicy [1] EXPLICIT OCTET STRING }
//
// in PEM, as draft-woodhouse-cert-best-practice §5.6.2 ("TPM keys") has it and
// OpenSSL's tpm2 provider reads and writes.
type keyFile struct {
	Policy      []policyStep
	Description string
	Public      tpm2.TPM2BPublic
	Private     tpm2.TPM2BPrivate
}

// policyStep is a command whose success the key asks for.
type policyStep struct {
	Command    int    `asn1:"explicit,tag:0"`
	Parameters []byte `asn1:"explicit,tag:1"`
}

const pemType = "TSS2 PRIVATE KEY"

var oidLoadable = asn1.ObjectIdentifier{2, 23, 133, 10, 1, 3}

// encode gives the PEM form.
func (f *keyFile) encode() ([]byte, error) {
	der, err := asn1.Marshal(struct {
		Type        asn1.ObjectIdentifier
		EmptyAuth   bool         `asn1:"explicit,tag:0"`
		Policy      []policyStep `asn1:"explicit,tag:1,omitempty"`
		Description string       `asn1:"explicit,tag:4,utf8,optional"`
		Parent      int64
		Public      []byte
		Private     []byte
	}{oidLoadable, true, f.Policy, f.Description, int64(tpm2.TPMRHOwner), tpm2.Marshal(f.Public), tpm2.Marshal(f.Private)})
	if err != nil {
		return nil, fmt.Errorf("encode key file: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), nil
}

// decode reads what encode or another program wrote.
func decode(text []byte) (*keyFile, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemType {
		return nil, errors.New("it holds no PEM block " + pemType)
	}
	var all asn1.RawValue
	if rest, err := asn1.Unmarshal(block.Bytes, &all); err != nil || len(rest) > 0 || all.Tag != asn1.TagSequence {
		return nil, errors.New("its contents make no sense")
	}
	var kind asn1.ObjectIdentifier
	body, err := asn1.Unmarshal(all.Bytes, &kind)
	if err != nil {
		return nil, fmt.Errorf("its type: %w", err)
	}
	if !kind.Equal(oidLoadable) {
		return nil, errors.New("it holds something else than a loadable key")
	}
	f := &keyFile{}
	if body, err = f.options(body); err != nil {
		return nil, err
	}
	return f, f.parts(body)
}

// options reads what may be absent, and returns what follows.
func (f *keyFile) options(body []byte) ([]byte, error) {
	for {
		var option asn1.RawValue
		rest, err := asn1.Unmarshal(body, &option)
		if err != nil {
			return nil, fmt.Errorf("it is incomplete: %w", err)
		}
		if option.Class != asn1.ClassContextSpecific {
			return body, nil
		}
		switch option.Tag {
		case 1:
			_, err = asn1.Unmarshal(option.Bytes, &f.Policy)
		case 4:
			_, err = asn1.Unmarshal(option.Bytes, &f.Description)
		}
		if err != nil {
			return nil, fmt.Errorf("its part [%d]: %w", option.Tag, err)
		}
		body = rest
	}
}

// parts reads parent, public and private part. The parent's handle is of no
// interest: whether the storage root key is the right one shows its Name.
func (f *keyFile) parts(body []byte) error {
	var parent int64
	var public, private []byte
	for _, part := range []any{&parent, &public, &private} {
		var err error
		if body, err = asn1.Unmarshal(body, part); err != nil {
			return fmt.Errorf("it is incomplete: %w", err)
		}
	}
	if len(body) > 0 {
		return errors.New("something follows the key")
	}
	readPublic, err := tpm2.Unmarshal[tpm2.TPM2BPublic](public)
	if err != nil {
		return fmt.Errorf("its public part: %w", err)
	}
	readPrivate, err := tpm2.Unmarshal[tpm2.TPM2BPrivate](private)
	if err != nil {
		return fmt.Errorf("its private part: %w", err)
	}
	f.Public, f.Private = *readPublic, *readPrivate
	return nil
}
