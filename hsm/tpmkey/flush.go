package tpmkey

import (
	"encoding/binary"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
)

// maxHandles bounds how many handles are asked for at once; a TPM has room for
// three or a few more.
const maxHandles = 64

// flushAll unloads every object and session. Without a resource manager they stay
// when a program is killed, and three such kills fill a TPM; a resource manager
// shows us our own alone. Another program that is using the TPM just now finds its
// handles gone, as after a reset.
func flushAll(tpm transport.TPM) {
	// TPM_HT_TRANSIENT, TPM_HT_LOADED_SESSION (TPM 2.0 Part 2 §7.2).
	for _, first := range []uint32{0x80000000, 0x02000000} {
		for _, handle := range loaded(tpm, first) {
			_, _ = tpm2.FlushContext{FlushHandle: handle}.Execute(tpm) // what stays is in the way, and that is told
		}
	}
}

// loaded lists the handles from first on (TPM 2.0 Part 3 §30.2).
func loaded(tpm transport.TPM, first uint32) (handles []tpm2.TPMHandle) {
	area := binary.BigEndian.AppendUint32(nil, uint32(tpm2.TPMCapHandles))
	area = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(area, first), maxHandles)
	got, err := command{code: tpm2.TPMCCGetCapability, parameters: area}.execute(tpm)
	if err != nil {
		return nil
	}
	_ = got.take(1) // whether there are more
	_ = got.uint32()
	for range min(got.uint32(), maxHandles) {
		if handle := got.uint32(); got.err == nil {
			handles = append(handles, tpm2.TPMHandle(handle))
		}
	}
	return handles
}
