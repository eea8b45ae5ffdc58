package tpmkey

import (
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
)

// selection names registers of the SHA-256 bank.
func selection(pcrs []uint) tpm2.TPMLPCRSelection {
	return tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{
		{Hash: tpm2.TPMAlgSHA256, PCRSelect: tpm2.PCClientCompatible.PCRs(pcrs...)}}}
}

// policyDigest is what a key made now must be bound to, so that it signs only
// while the registers hold what they hold now (TPM 2.0 Part 3 §23.7).
func policyDigest(tpm transport.TPM, pcrs []uint) (digest tpm2.TPM2BDigest, err error) {
	trial, end, err := tpm2.PolicySession(tpm, tpm2.TPMAlgSHA256, 16, tpm2.Trial())
	if err != nil {
		return digest, fmt.Errorf("begin a policy: %w", err)
	}
	defer func() { err = errors.Join(err, end()) }()
	if err := takePCRs(tpm, trial.Handle(), selection(pcrs)); err != nil {
		return digest, fmt.Errorf("take the PCRs into a policy: %w", err)
	}
	got, err := command{code: tpm2.TPMCCPolicyGetDigest, handles: []tpm2.AuthHandle{{Handle: trial.Handle()}}}.execute(tpm)
	if err != nil {
		return digest, fmt.Errorf("read the policy: %w", err)
	}
	return tpm2.TPM2BDigest{Buffer: got.buffer()}, got.err
}

// takePCRs takes the registers, as they are now, into the policy of a session.
func takePCRs(tpm transport.TPM, session tpm2.TPMHandle, pcrs tpm2.TPMLPCRSelection) error {
	_, err := command{code: tpm2.TPMCCPolicyPCR, handles: []tpm2.AuthHandle{{Handle: session}},
		parameters: parameters(tpm2.TPM2BDigest{}, pcrs)}.execute(tpm)
	return err
}

// pcrPolicy is how a key file tells its policy: the parameters of TPM2_PolicyPCR
// with an empty digest, which means the registers as they are when it is used.
func pcrPolicy(pcrs []uint) policyStep {
	return policyStep{Command: int(tpm2.TPMCCPolicyPCR),
		Parameters: append(tpm2.Marshal(tpm2.TPM2BDigest{}), tpm2.Marshal(selection(pcrs))...)}
}

// policyOf reads what pcrPolicy wrote.
func policyOf(file *keyFile) (tpm2.TPMLPCRSelection, error) {
	const emptyDigest = 2 // bytes: its length alone
	if len(file.Policy) != 1 || file.Policy[0].Command != int(tpm2.TPMCCPolicyPCR) || len(file.Policy[0].Parameters) < emptyDigest {
		return tpm2.TPMLPCRSelection{}, &Error{Kind: Refused, Text: "the key is bound to a policy that its file does not tell"}
	}
	pcrs, err := tpm2.Unmarshal[tpm2.TPMLPCRSelection](file.Policy[0].Parameters[emptyDigest:])
	if err != nil {
		return tpm2.TPMLPCRSelection{}, fmt.Errorf("read the policy of the key: %w", err)
	}
	return *pcrs, nil
}
