package tpmkey

import (
	"errors"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
)

// createParameters are those of TPM2_Create and TPM2_CreatePrimary (TPM 2.0
// Part 3 §12.1, §24.1), without outside information and registers.
func createParameters(sensitive tpm2.TPMSSensitiveCreate, public tpm2.TPMTPublic) []byte {
	return parameters(tpm2.TPM2BSensitiveCreate{Sensitive: &sensitive}, tpm2.New2B(public), tpm2.TPM2BData{}, tpm2.TPMLPCRSelection{})
}

// createPrimary makes a primary key. Its handle is to be flushed.
func createPrimary(tpm transport.TPM, hierarchy tpm2.TPMHandle, template tpm2.TPMTPublic) (*storageKey, error) {
	made, err := command{code: tpm2.TPMCCCreatePrimary, handles: []tpm2.AuthHandle{{Handle: hierarchy, Auth: tpm2.PasswordAuth(nil)}},
		parameters: createParameters(tpm2.TPMSSensitiveCreate{}, template), makesHandle: true}.execute(tpm)
	if err != nil {
		return nil, err
	}
	public, err := tpm2.Unmarshal[tpm2.TPMTPublic](made.buffer())
	_ = made.buffer() // creation data
	_ = made.buffer() // its hash
	_ = made.take(6)  // ticket: tag, hierarchy
	_ = made.buffer() // and digest
	name := tpm2.TPM2BName{Buffer: made.buffer()}
	if err := errors.Join(err, made.err); err != nil {
		_, flushed := tpm2.FlushContext{FlushHandle: made.handle}.Execute(tpm)
		return nil, errors.Join(err, flushed)
	}
	return &storageKey{handle: made.handle, name: name, public: *public}, nil
}

// create makes an object under k.
func (k *storageKey) create(tpm transport.TPM, sensitive tpm2.TPMSSensitiveCreate, public tpm2.TPMTPublic) (*keyFile, error) {
	made, err := command{code: tpm2.TPMCCCreate, handles: []tpm2.AuthHandle{k.auth(encryptIn())},
		parameters: createParameters(sensitive, public)}.execute(tpm)
	if err != nil {
		return nil, err
	}
	private := tpm2.TPM2BPrivate{Buffer: made.buffer()}
	return &keyFile{Private: private, Public: tpm2.BytesAs2B[tpm2.TPMTPublic](made.buffer())}, made.err
}

// load brings an object under k into the TPM's memory.
func (k *storageKey) load(tpm transport.TPM, private tpm2.TPM2BPrivate, public tpm2.TPM2BPublic) (tpm2.TPMHandle, tpm2.TPM2BName, error) {
	loaded, err := command{code: tpm2.TPMCCLoad, handles: []tpm2.AuthHandle{k.auth(encryptIn())},
		parameters: parameters(private, public), makesHandle: true}.execute(tpm)
	if err != nil {
		return 0, tpm2.TPM2BName{}, err
	}
	name := tpm2.TPM2BName{Buffer: loaded.buffer()}
	return loaded.handle, name, loaded.err
}
