package ca

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// Times of our lists. A list is signed again when it is older than listAge, so
// that whoever fetches one can use it for six days at least.
const (
	listValidity = 7 * 24 * time.Hour
	listAge      = 24 * time.Hour
)

// offlinePurpose is of the keys that sign offline lists of tenants without a
// certificate authority.
const offlinePurpose = "offline-list"

// signedList is a list in DER and when it was signed.
type signedList struct {
	der []byte
	at  time.Time
}

// CRL returns the list of the leaves that the tenant's certificate authority
// issued and that are revoked, in DER, signed by it. It is NotFound if there
// is none. The tenant's offline list, which also speaks of the leaves of other
// issuers, is OfflineList.
func (s *Service) CRL(ctx context.Context, tenant platform.TenantID) ([]byte, error) {
	now := s.now()
	list, era, ok := s.lists.get(tenant)
	if ok && now.Sub(list.at) < listAge && !now.Before(list.at) {
		return list.der, nil
	}
	i, err := s.issuer(ctx, tenant)
	if err != nil {
		return nil, err
	}
	revoked, err := s.revokedLeaves(ctx, tenant, i)
	if err != nil {
		return nil, err
	}
	scope, err := scopeOf(s.profile.distributionPoint(tenant), true)
	if err != nil {
		return nil, err
	}
	der, err := i.signList(revoked, now, scope)
	if err != nil {
		return nil, err
	}
	s.lists.put(tenant, &signedList{der: der, at: now}, era)
	return der, nil
}

// OfflineList returns entries as a CRL in DER (rest.md §3.4), signed by the
// tenant's certificate authority or, if it has none, by a key of its own.
func (s *Service) OfflineList(ctx context.Context, tenant platform.TenantID, entries []platform.Revocation) ([]byte, error) {
	i, err := s.issuer(ctx, tenant)
	if errors.Is(err, problem.NotFound) {
		i, err = s.offlineSigner(ctx, tenant)
	}
	if err != nil {
		return nil, err
	}
	scope, err := scopeOf(s.profile.offlineList(tenant), false)
	if err != nil {
		return nil, err
	}
	return i.signList(entries, s.now(), scope)
}

func (s *Service) offlineSigner(ctx context.Context, tenant platform.TenantID) (*issuer, error) {
	_, der, err := s.vault.Current(ctx, tenant, offlinePurpose, func() ([]byte, error) {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		return x509.MarshalECPrivateKey(k)
	})
	if err != nil {
		return nil, err
	}
	k, err := parseKey(der)
	if err != nil {
		return nil, err
	}
	cert, err := selfSigned(tenant, k, s.now())
	if err != nil {
		return nil, err
	}
	return &issuer{cert: cert, signer: k}, nil
}

// revokedLeaves picks from the tenant's offline list what i issued.
func (s *Service) revokedLeaves(ctx context.Context, tenant platform.TenantID, i *issuer) ([]platform.Revocation, error) {
	all, err := s.store.Revocations(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("read revocations: %w", err)
	}
	open := map[string]platform.Revocation{}
	for _, r := range all {
		open[pki.SerialHex(r.Serial)] = r
	}
	var picked []platform.Revocation
	for page := (platform.Page{Number: 1, Size: platform.MaxPageSize}); len(open) > 0; page.Number++ {
		issued, err := s.store.IssuedCertificates(ctx, tenant, "", page)
		if err != nil {
			return nil, fmt.Errorf("read issued certificates: %w", err)
		}
		for _, c := range issued.Items {
			r, ok := open[c.Serial]
			if !ok {
				continue
			}
			delete(open, c.Serial)
			if leaf, err := x509.ParseCertificate(c.Certificate); err == nil && string(leaf.AuthorityKeyId) == string(i.cert.SubjectKeyId) {
				picked = append(picked, r)
			}
		}
		if !issued.More {
			break
		}
	}
	return picked, nil
}

// signList signs entries as a CRL. Its number is the time in milliseconds,
// which grows from list to list whichever node signs.
func (i *issuer) signList(entries []platform.Revocation, now time.Time, extensions ...pkix.Extension) ([]byte, error) {
	list := &x509.RevocationList{
		Number:          big.NewInt(now.UnixMilli()),
		ThisUpdate:      now.UTC().Truncate(time.Second),
		NextUpdate:      now.Add(listValidity).UTC().Truncate(time.Second),
		ExtraExtensions: extensions,
	}
	for _, r := range entries {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: r.Serial, RevocationTime: r.At.UTC().Truncate(time.Second)})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, i.cert, i.signer)
	if err != nil {
		return nil, fmt.Errorf("sign revocation list: %w", err)
	}
	return der, nil
}

var oidIssuingDistributionPoint = asn1.ObjectIdentifier{2, 5, 29, 28}

// scopeOf is the critical extension IssuingDistributionPoint (RFC 5280
// §5.2.5), without which some checkers ignore a list (est-interop.md §2):
//
//	SEQUENCE { [0] { [0] { [6] URI } }, [1] onlyContainsUserCerts TRUE OPTIONAL }
func scopeOf(uri string, userCerts bool) (pkix.Extension, error) {
	type pointName struct {
		FullName []asn1.RawValue `asn1:"optional,tag:0"`
	}
	scope := struct {
		Point     pointName `asn1:"optional,tag:0"`
		UserCerts bool      `asn1:"optional,tag:1"`
	}{UserCerts: userCerts}
	if uri != "" {
		scope.Point.FullName = []asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(uri)}}
	}
	der, err := asn1.Marshal(scope)
	if err != nil {
		return pkix.Extension{}, fmt.Errorf("encode issuing distribution point: %w", err)
	}
	return pkix.Extension{Id: oidIssuingDistributionPoint, Critical: true, Value: der}, nil
}
