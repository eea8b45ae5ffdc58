package attest_test

import (
	"os"
	"testing"

	"mooring/hsm/tpmkey/attesttest"
	"mooring/hsm/tpmkey/swtpmtest"
)

// A TPM with certificates as the tools of swtpm make them: RSA issuers, in a chain.
func TestSWTPMTools(t *testing.T) {
	r := newRig(t)
	tpm, file := swtpmtest.StartEndorsed(t)
	makers, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r.trust(tenant, makers)
	r.want(r.prove("dev1", attesttest.New(t, tpm)), nil)
}
