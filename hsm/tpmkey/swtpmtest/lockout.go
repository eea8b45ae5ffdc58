package swtpmtest

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"testing"
)

// Forgive is TPM2_DictionaryAttackLockReset (TPM 2.0 part 3, §25.2) by the
// lockout hierarchy, whose password is empty. Nobody else may be connected.
func (tpm *TPM) Forgive(t testing.TB) {
	t.Helper()
	tpm.byLockout(t, "0000001b00000139", "")
}

// LockOut is TPM2_DictionaryAttackParameters (§25.3) by the same: no wrong password
// is borne any more, so that the TPM is in lockout.
func (tpm *TPM) LockOut(t testing.TB) {
	t.Helper()
	tpm.byLockout(t, "000000270000013a", "00000000"+"000003e8"+"000003e8") // tries, and seconds to recover
}

// byLockout sends a command with an empty password.
func (tpm *TPM) byLockout(t testing.TB, sizeAndCode, parameters string) {
	t.Helper()
	conn, err := net.Dial("unix", tpm.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	command, err := hex.DecodeString("8002" + sizeAndCode + "4000000a" + "00000009" + "40000009" + "0000" + "00" + "0000" + parameters)
	if err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 64)
	if _, err := conn.Write(command); err != nil {
		t.Fatal(err)
	}
	n, err := conn.Read(answer)
	if err != nil || n < 10 || binary.BigEndian.Uint32(answer[6:]) != 0 {
		t.Fatalf("command of the lockout hierarchy: %x, %v", answer[:n], err)
	}
}
