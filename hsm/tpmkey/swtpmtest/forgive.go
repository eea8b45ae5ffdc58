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
	conn, err := net.Dial("unix", tpm.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	command, err := hex.DecodeString("80020000001b000001394000000a0000000940000009000000" + "0000")
	if err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 64)
	if _, err := conn.Write(command); err != nil {
		t.Fatal(err)
	}
	n, err := conn.Read(answer)
	if err != nil || n < 10 || binary.BigEndian.Uint32(answer[6:]) != 0 {
		t.Fatalf("reset the lockout: %x, %v", answer[:n], err)
	}
}
