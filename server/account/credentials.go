package account

import (
	"context"
	"encoding/base64"
	"strings"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/platform"
)

// Keys that begin with credentialPrefix are stored encrypted (rest.md §4.7).
const (
	credentialPrefix  = "credentials."
	credentialPurpose = "tenant-option"
)

// ownCategory holds what the server notes for itself; clients neither see nor
// set it.
const ownCategory = "mooring"

// Sealer encrypts what the database alone must not tell: server/vault.
type Sealer interface {
	Seal(ctx context.Context, tenant platform.TenantID, purpose, keyID string, plaintext []byte) (platform.SealedKey, error)
	Unseal(ctx context.Context, k platform.SealedKey) ([]byte, error)
}

// IsCredential reports whether an option is stored encrypted.
func IsCredential(key platform.OptionKey) bool { return strings.HasPrefix(key.Key, credentialPrefix) }

func optionName(key platform.OptionKey) string { return key.Category + "/" + key.Key }

// sealOption binds the value to the tenant and the name it is stored under.
func (s *Service) sealOption(ctx context.Context, tenant platform.TenantID, o platform.Option) (string, error) {
	if s.sealer == nil {
		return "", problem.New(problem.Unprocessable, "Options that begin with 'credentials.' are not kept here.", nil)
	}
	k, err := s.sealer.Seal(ctx, tenant, credentialPurpose, optionName(o.OptionKey), []byte(o.Value))
	return base64.StdEncoding.EncodeToString(k.Sealed), err
}

// Credential returns the value of an option that is stored encrypted, for the
// part of the server that needs it; set is false if the tenant has none.
func (s *Service) Credential(ctx context.Context, tenant platform.TenantID, key platform.OptionKey) (value secret.String, set bool, err error) {
	text, set, err := s.Option(ctx, tenant, key)
	if err != nil || !set || s.sealer == nil || !IsCredential(key) {
		return secret.String{}, false, err
	}
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return secret.String{}, false, problem.New(problem.Internal, "", err)
	}
	plain, err := s.sealer.Unseal(ctx, platform.SealedKey{Tenant: tenant, Purpose: credentialPurpose, KeyID: optionName(key), Sealed: sealed})
	return secret.New(string(plain)), err == nil, err
}

// lockKey is where management keeps that an option is its own to set.
func lockKey(key platform.OptionKey) platform.OptionKey {
	return platform.OptionKey{Category: ownCategory, Key: "locked." + optionName(key)}
}

// SetEditable lets the tenants set an option, or management alone.
func (s *Service) SetEditable(ctx context.Context, actor platform.Principal, key platform.OptionKey, editable bool) error {
	locked := "true"
	if editable {
		locked = "false"
	}
	return s.setOptions(ctx, actor, platform.Management, []platform.Option{{OptionKey: lockKey(key), Value: locked}})
}

// checkEditable refuses a tenant what management keeps to itself.
func (s *Service) checkEditable(ctx context.Context, actor platform.Principal, key platform.OptionKey) error {
	denied := problem.WithCode(problem.Forbidden, "security/Forbidden", "Access is denied.", nil)
	if key.Category == ownCategory {
		return denied
	}
	if actor.Tenant == platform.Management || actor.Method == platform.ByAdminSocket {
		return nil
	}
	locked, _, err := s.Option(ctx, platform.Management, lockKey(key))
	if err == nil && locked == "true" {
		return denied
	}
	return err
}
