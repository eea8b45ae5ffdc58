package crlcheck

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"mooring/server/platform"
)

// clockSkew is how far an issuer's clock may be ahead of ours.
const clockSkew = 5 * time.Minute

// ageWithoutEnd is how long a list is used that does not say when the next one
// comes, which RFC 5280 §5.1.2.5 demands.
const ageWithoutEnd = time.Hour

// content is what a list says. It is immutable; nil says nothing.
type content struct {
	serials     map[serialKey]struct{}
	from, until time.Time // thisUpdate; nextUpdate, after which it counts no more
	leavesOnly  bool
	issuersOnly bool
}

// serialKey is the SHA-256 of a serial, cut to 128 bits: serials have any length.
type serialKey [16]byte

func keyOfSerial(n *big.Int) serialKey { return keyOfBytes(n.Bytes()) }

func keyOfBytes(magnitude []byte) serialKey {
	sum := sha256.Sum256(magnitude)
	return serialKey(sum[:16])
}

func (c *content) usable(now time.Time) bool { return c != nil && !now.After(c.until) }

func (c *content) size() int {
	if c == nil {
		return 0
	}
	return len(c.serials)
}

func (c *content) has(serial *big.Int) bool {
	_, listed := c.serials[keyOfSerial(serial)]
	return listed
}

func (c *content) answer(cert *x509.Certificate) platform.ListAnswer {
	switch {
	case c.has(cert.SerialNumber):
		return platform.ListAnswer{State: platform.ListRevoked, Until: c.until}
	case c.leavesOnly && cert.IsCA || c.issuersOnly && !cert.IsCA:
		return platform.ListAnswer{State: platform.ListUnknown, Until: c.until, Detail: "the list does not cover certificates of this kind"}
	}
	return platform.ListAnswer{State: platform.ListGood, Until: c.until}
}

// sameAs reports whether the same serials are listed.
func (c *content) sameAs(o *content) bool {
	if c.size() != o.size() || c.leavesOnly != o.leavesOnly || c.issuersOnly != o.issuersOnly {
		return false
	}
	for k := range c.serials {
		if _, ok := o.serials[k]; !ok {
			return false
		}
	}
	return true
}

// parse reads a list in DER or PEM that was fetched for certificates of issuer
// which name urls, and checks it (RFC 5280 §6.3.3): issuer, signature, dates,
// scope. A list that is only part of the truth is refused.
func parse(body []byte, issuer *x509.Certificate, urls []string, now time.Time) (*content, error) {
	if block, _ := pem.Decode(body); block != nil {
		if block.Type != "X509 CRL" {
			return nil, errors.New("the answer is no revocation list")
		}
		body = block.Bytes
	}
	read, entries, err := split(body)
	if err != nil {
		return nil, fmt.Errorf("the answer is no revocation list: %w", err)
	}
	if !bytes.Equal(read.RawIssuer, issuer.RawSubject) {
		return nil, errors.New("the list is of another issuer")
	}
	if err := read.CheckSignatureFrom(issuer); err != nil {
		return nil, fmt.Errorf("the list is not signed by the issuer: %w", err)
	}
	c := &content{from: read.ThisUpdate, until: read.NextUpdate}
	if c.until.IsZero() {
		c.until = earlier(read.ThisUpdate.Add(ageWithoutEnd), now.Add(ageWithoutEnd))
	}
	switch {
	case read.ThisUpdate.After(now.Add(clockSkew)):
		return nil, fmt.Errorf("the list is from the future: %s", read.ThisUpdate.UTC().Format(time.RFC3339))
	case now.After(c.until):
		return nil, fmt.Errorf("the list has expired: its next update was due %s", c.until.UTC().Format(time.RFC3339))
	}
	if err := c.readScope(read, urls); err != nil {
		return nil, err
	}
	if c.serials, err = readEntries(entries); err != nil {
		return nil, err
	}
	return c, nil
}

var oidIssuingDistributionPoint = asn1.ObjectIdentifier{2, 5, 29, 28}

// issuingDistributionPoint is RFC 5280 §5.2.5.
type issuingDistributionPoint struct {
	Point struct {
		FullName []asn1.RawValue `asn1:"optional,tag:0"`
		Relative asn1.RawValue   `asn1:"optional,tag:1"`
	} `asn1:"optional,tag:0"`
	LeavesOnly  bool           `asn1:"optional,tag:1"`
	IssuersOnly bool           `asn1:"optional,tag:2"`
	SomeReasons asn1.BitString `asn1:"optional,tag:3"`
	Indirect    bool           `asn1:"optional,tag:4"`
	Attributes  bool           `asn1:"optional,tag:5"`
}

// readScope reads what the list covers. Its critical extensions must all be
// understood; a delta list has one that is not.
func (c *content) readScope(read *x509.RevocationList, urls []string) error {
	for _, e := range read.Extensions {
		if !e.Id.Equal(oidIssuingDistributionPoint) {
			if e.Critical {
				return fmt.Errorf("the list has a critical extension that is not understood: %s", e.Id)
			}
			continue
		}
		var p issuingDistributionPoint
		if rest, err := asn1.Unmarshal(e.Value, &p); err != nil || len(rest) > 0 {
			return errors.New("the scope of the list cannot be read")
		}
		if p.Indirect || p.Attributes || p.SomeReasons.BitLength > 0 {
			return errors.New("the list covers a part of the revocations only")
		}
		named := slices.ContainsFunc(p.Point.FullName, func(n asn1.RawValue) bool {
			return n.Class == asn1.ClassContextSpecific && n.Tag == 6 && slices.Contains(urls, string(n.Bytes))
		})
		if len(p.Point.FullName) > 0 && !named {
			return errors.New("the list is for another distribution point")
		}
		c.leavesOnly, c.issuersOnly = p.LeavesOnly, p.IssuersOnly
	}
	return nil
}
