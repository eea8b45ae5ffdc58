package crlcheck

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
)

// element is one element of DER with a tag of one byte.
type element struct {
	tag           byte
	whole, inside []byte
}

// Tags that lists are made of.
const (
	tagBoolean         = 0x01
	tagInteger         = 0x02
	tagUTCTime         = 0x17
	tagGeneralizedTime = 0x18
	tagSequence        = 0x30
)

var errDER = errors.New("the encoding is broken")

// next cuts the first element off b.
func next(b []byte) (e element, rest []byte, err error) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return element{}, nil, errDER
	}
	n, at := int(b[1]), 2
	if n >= 0x80 {
		digits := n - 0x80
		if digits < 1 || digits > 4 || len(b) < 2+digits {
			return element{}, nil, errDER
		}
		n = 0
		for _, d := range b[2 : 2+digits] {
			n = n<<8 | int(d)
		}
		at += digits
	}
	if n < 0 || n > len(b)-at {
		return element{}, nil, errDER
	}
	return element{tag: b[0], whole: b[:at+n], inside: b[at : at+n]}, b[at+n:], nil
}

// nextOf is next of an element that must have the tag.
func nextOf(tag byte, b []byte) (e element, rest []byte, err error) {
	e, rest, err = next(b)
	if err == nil && e.tag != tag {
		err = errDER
	}
	return e, rest, err
}

// split reads a list of any length without the memory that its entries would
// take as crypto/x509 reads them: it hands back the entries as they stand, and
// the list parsed without them, whose signature is still that of the whole.
//
//	SEQUENCE { tbs SEQUENCE { version, algorithm, issuer, thisUpdate,
//	  nextUpdate OPTIONAL, entries SEQUENCE OPTIONAL, [0] extensions },
//	  algorithm, signature }
func split(body []byte) (read *x509.RevocationList, entries []byte, err error) {
	outer, rest, err := nextOf(tagSequence, body)
	if err != nil || len(rest) > 0 {
		return nil, nil, errDER
	}
	tbs, tail, err := nextOf(tagSequence, outer.inside)
	if err != nil {
		return nil, nil, err
	}
	var kept []byte
	dated := false
	for b := tbs.inside; len(b) > 0; {
		var e element
		if e, b, err = next(b); err != nil {
			return nil, nil, err
		}
		if e.tag == tagSequence && dated {
			if entries != nil {
				return nil, nil, errDER
			}
			entries = e.inside
			continue
		}
		dated = dated || e.tag == tagUTCTime || e.tag == tagGeneralizedTime
		kept = append(kept, e.whole...)
	}
	short, err := sequence(kept)
	if err != nil {
		return nil, nil, err
	}
	if short, err = sequence(append(short, tail...)); err != nil {
		return nil, nil, err
	}
	if read, err = x509.ParseRevocationList(short); err != nil {
		return nil, nil, err
	}
	read.RawTBSRevocationList = tbs.whole
	return read, entries, nil
}

func sequence(inside []byte) ([]byte, error) {
	return asn1.Marshal(asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSequence, IsCompound: true, Bytes: inside})
}

// readEntries reads the serials of entries:
//
//	SEQUENCE { serial INTEGER, date, extensions SEQUENCE OPTIONAL } ...
func readEntries(entries []byte) (map[serialKey]struct{}, error) {
	serials := map[serialKey]struct{}{}
	for len(entries) > 0 {
		entry, rest, err := nextOf(tagSequence, entries)
		if err != nil {
			return nil, err
		}
		entries = rest
		serial, rest, err := nextOf(tagInteger, entry.inside)
		if err != nil || len(serial.inside) == 0 {
			return nil, errDER
		}
		_, rest, err = next(rest) // the date
		if err != nil {
			return nil, err
		}
		if err := checkEntryExtensions(rest); err != nil {
			return nil, err
		}
		if serial.inside[0] < 0x80 { // a negative one is never asked for
			serials[keyOfBytes(bytes.TrimLeft(serial.inside, "\x00"))] = struct{}{}
		}
	}
	return serials, nil
}

// checkEntryExtensions refuses critical ones: they say that the entry means
// another issuer's certificate.
func checkEntryExtensions(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	list, rest, err := nextOf(tagSequence, b)
	if err != nil || len(rest) > 0 {
		return errDER
	}
	for b := list.inside; len(b) > 0; {
		var extension, flag element
		if extension, b, err = nextOf(tagSequence, b); err != nil {
			return err
		}
		_, rest, err := next(extension.inside) // its name
		if err != nil {
			return err
		}
		if flag, _, err = next(rest); err != nil {
			return err
		}
		if flag.tag == tagBoolean && !bytes.Equal(flag.inside, []byte{0}) {
			return errors.New("an entry has a critical extension that is not understood")
		}
	}
	return nil
}
