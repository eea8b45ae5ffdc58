package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"mooring/agent"
	"mooring/hsm/key"
)

// attester is the key store, if it can prove where its keys are.
func (k *keystore) attester() (key.Attester, error) {
	a, ok := k.keys.(key.Attester)
	if !ok {
		return nil, agent.WithHint(errors.New("this key store cannot prove where its keys are"), "a TPM can: tpm: in the configuration or as --key")
	}
	return a, nil
}

// attest prints what a verifier of a key needs.
func (k *keystore) attest(ctx context.Context, args []string) error {
	a, err := k.attester()
	if err != nil {
		return err
	}
	nonce, err := hex.DecodeString(k.nonce)
	if err != nil || len(nonce) > key.MaxNonce {
		return usagef("--nonce is at most %d bytes in hexadecimal digits", key.MaxNonce)
	}
	found, err := a.Attest(ctx, key.Ref(args[0]), nonce)
	if err != nil {
		return err
	}
	return json.NewEncoder(k.program.stdout).Encode(found)
}

// sealedCredential is a verifier's answer to an attestation.
type sealedCredential struct {
	Credential []byte `json:"credential"` // TPMS_ID_OBJECT
	Secret     []byte `json:"secret"`     // the encrypted seed
}

// activate opens a verifier's answer and prints what is in it, in hex.
func (k *keystore) activate(ctx context.Context, args []string) error {
	a, err := k.attester()
	if err != nil {
		return err
	}
	text, err := k.program.readFile(args[0])
	if err != nil {
		return err
	}
	var s sealedCredential
	if err := json.Unmarshal(text, &s); err != nil {
		return agent.WithHint(fmt.Errorf("%s: %w", args[0], err), `the file holds {"credential": "…", "secret": "…"}, both in base64`)
	}
	opened, err := a.Activate(ctx, s.Credential, s.Secret)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(k.program.stdout, "%x\n", opened)
	return err
}
