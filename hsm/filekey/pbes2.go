package filekey

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
)

// Bounds of what a file may ask for: openssl writes 2,048 iterations unless told
// otherwise, careful people a million.
const (
	maxIterations = 10_000_000
	maxSalt       = 64
)

// ownIterations are what a key file of ours asks for: a tenth of a second on a
// small processor, because a passphrase from a credential is random and long.
// PBKDF2 and not a function that fills memory: devices have little.
const (
	ownIterations = 100_000
	ownSalt       = 16
)

// The object identifiers of PBES2 (RFC 8018 appendix C, RFC 3565 §4).
var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}

	prfs = map[string]func() hash.Hash{
		"1.2.840.113549.2.7":  sha1.New,
		"1.2.840.113549.2.9":  sha256.New,
		"1.2.840.113549.2.10": sha512.New384,
		"1.2.840.113549.2.11": sha512.New,
	}
	aesKeyBytes = map[string]int{
		"2.16.840.1.101.3.4.1.2":  16,
		"2.16.840.1.101.3.4.1.22": 24,
		"2.16.840.1.101.3.4.1.42": 32,
	}
)

// encryptedKey is EncryptedPrivateKeyInfo (RFC 5958 §3) by PBES2.
type encryptedKey struct {
	Algorithm struct {
		ID         asn1.ObjectIdentifier
		Parameters struct {
			Derivation pbkdf2Algorithm
			Encryption pkix.AlgorithmIdentifier
		}
	}
	Data []byte
}

type pbkdf2Algorithm struct {
	ID         asn1.ObjectIdentifier
	Parameters pbkdf2Parameters
}

type pbkdf2Parameters struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	PRF        pkix.AlgorithmIdentifier `asn1:"optional"` // absent: HMAC-SHA-1
}

// check refuses what takes too long, or makes no key of keyBytes.
func (p pbkdf2Parameters) check(keyBytes int) error {
	if p.Iterations < 1 || p.Iterations > maxIterations || len(p.Salt) > maxSalt || p.KeyLength != 0 && p.KeyLength != keyBytes {
		return fmt.Errorf("the encrypted key asks for %d iterations and %d bytes of salt; at most %d and %d are done", p.Iterations, len(p.Salt), maxIterations, maxSalt)
	}
	return nil
}

// encryptPKCS8 is the inverse of decryptPKCS8, with HMAC-SHA-256 and AES-256, so
// that openssl reads the file, too.
func encryptPKCS8(der, passphrase []byte) ([]byte, error) {
	random := make([]byte, ownSalt+aes.BlockSize)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	salt, iv := random[:ownSalt], random[ownSalt:]
	secret, err := pbkdf2.Key(sha256.New, string(passphrase), salt, ownIterations, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	pad := aes.BlockSize - len(der)%aes.BlockSize
	data := append(append([]byte(nil), der...), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(data, data)
	var e encryptedKey
	e.Algorithm.ID, e.Data = oidPBES2, data
	derivation := &e.Algorithm.Parameters.Derivation
	derivation.ID = oidPBKDF2
	derivation.Parameters.Salt, derivation.Parameters.Iterations = salt, ownIterations
	derivation.Parameters.PRF = pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}, Parameters: asn1.NullRawValue}
	encodedIV, err := asn1.Marshal(iv)
	if err != nil {
		return nil, err
	}
	e.Algorithm.Parameters.Encryption = pkix.AlgorithmIdentifier{
		Algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}, Parameters: asn1.RawValue{FullBytes: encodedIV}}
	return asn1.Marshal(e)
}

// decryptPKCS8 decrypts what openssl pkcs8 and openssl genpkey -aes256 write.
func decryptPKCS8(der, passphrase []byte) ([]byte, error) {
	unknown := errors.New("the key is encrypted in a way that is not known here; openssl pkcs8 -topk8 -v2 aes256 writes one that is")
	var e encryptedKey
	if rest, err := asn1.Unmarshal(der, &e); err != nil || len(rest) > 0 {
		return nil, unknown
	}
	derivation, encryption := e.Algorithm.Parameters.Derivation, e.Algorithm.Parameters.Encryption
	if !e.Algorithm.ID.Equal(oidPBES2) || !derivation.ID.Equal(oidPBKDF2) {
		return nil, unknown
	}
	prf := sha1.New
	if id := derivation.Parameters.PRF.Algorithm; id != nil {
		prf = prfs[id.String()]
	}
	keyBytes := aesKeyBytes[encryption.Algorithm.String()]
	var iv []byte
	if _, err := asn1.Unmarshal(encryption.Parameters.FullBytes, &iv); err != nil || prf == nil || keyBytes == 0 || len(iv) != aes.BlockSize {
		return nil, unknown
	}
	p := derivation.Parameters
	if err := p.check(keyBytes); err != nil {
		return nil, err
	}
	secret, err := pbkdf2.Key(prf, string(passphrase), p.Salt, p.Iterations, keyBytes)
	if err != nil {
		return nil, err
	}
	return decryptCBC(secret, iv, e.Data)
}

func decryptCBC(secret, iv, data []byte) ([]byte, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	if len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, errPassphrase
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
	pad := int(out[len(out)-1])
	if pad < 1 || pad > aes.BlockSize {
		return nil, errPassphrase
	}
	for _, b := range out[len(out)-pad:] {
		if int(b) != pad {
			return nil, errPassphrase
		}
	}
	return out[:len(out)-pad], nil
}
