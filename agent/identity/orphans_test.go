package identity_test

import (
	"fmt"
	"slices"
	"testing"

	"mooring/hsm/key"
	"mooring/hsm/pkcs11key/p11test"
	"mooring/internal/durable/durabletest"
)

// TestTokenFaultsLeaveNoOrphans spoils each call that making and destroying a
// key leads to, before and after the token has done it. The fault may be told;
// the next Sweep leaves the keys of the identity in the token and no others.
func TestTokenFaultsLeaveNoOrphans(t *testing.T) {
	f := p11test.StartFaults(t)
	f.AddToken(t, "device")
	keys := openToken(t, f.URI("device", ""))
	ca, disk := newIssuer(t), durabletest.New()
	s, _, err := openWith(disk, func() (key.Store, error) { return keys, nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := enrolSteps(t, s, ca); err != nil {
		t.Fatal(err)
	}
	made, faults := uint32(1), 0
	for _, call := range []string{"C_GenerateKeyPair", "C_FindObjectsInit", "C_FindObjects", "C_GetAttributeValue", "C_DestroyObject", "C_OpenSession", "C_SetAttributeValue"} {
		for _, what := range []string{"code 0x30", "code-after 0x30", "code 0x70", "code-after 0x70", "crash", "crash-after"} {
			for n := 1; n <= 2; n++ {
				made++
				f.Spoil(t, fmt.Sprintf("%s %d %s", call, n, what))
				_, err := s.Prepare(ctx, made, made, start)
				swept := s.Sweep(ctx, 1)
				f.Spoil(t)
				faults++
				if err := s.Sweep(ctx, 1); err != nil {
					t.Fatalf("%s %d %s: sweep: %v", call, n, what, err)
				}
				refs, listErr := keys.List(ctx)
				id, loadErr := s.Load(ctx, 1)
				if listErr != nil || loadErr != nil || len(refs) != 1 || !slices.Contains(refs, id.KeyRef) {
					t.Fatalf("%s %d %s: prepare %v, sweep %v; now %v, %v, %v", call, n, what, err, swept, refs, listErr, loadErr)
				}
			}
		}
	}
	if objects := f.Objects(t, "device"); len(objects) != 2 {
		t.Errorf("the token holds %v, want one pair", objects)
	}
	t.Logf("%d faults of the token, no key orphaned and none lost", faults)
}
