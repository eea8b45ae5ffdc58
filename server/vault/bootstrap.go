package vault

import (
	"context"
	"crypto/rand"

	"mooring/internal/secret"
	"mooring/server/platform"
)

// PurposeBootstrap is the password of management/devicebootstrap.
const PurposeBootstrap = "bootstrap-password"

func newBootstrapPassword() ([]byte, error) { return []byte(rand.Text()), nil }

// BootstrapPassword returns the password by which devices fetch their own; it
// is made when it is first asked for.
func (v *Vault) BootstrapPassword(ctx context.Context) (secret.String, error) {
	_, password, err := v.Current(ctx, platform.Management, PurposeBootstrap, newBootstrapPassword)
	return secret.New(string(password)), err
}

// RotateBootstrap replaces the password at once: the one before it is no longer
// good.
func (v *Vault) RotateBootstrap(ctx context.Context) (secret.String, error) {
	if err := v.Rotate(ctx, platform.Management, PurposeBootstrap, newBootstrapPassword, 1); err != nil {
		return secret.String{}, err
	}
	return v.BootstrapPassword(ctx)
}
