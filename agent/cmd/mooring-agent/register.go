package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/internal/durable"
	"mooring/internal/secret"

	"rsc.io/qr/coding"
)

const (
	// otpAlphabet leaves out what is mistaken for something else: the password may
	// have to be typed.
	otpAlphabet = "abcdefghjkmnpqrstuvwxyz23456789"
	// otpLength is at most 32 (contract rest.md §1.6); 20 are 99 bits.
	otpLength = 20
)

// newOTP makes a one-time password for the operator to register. It is kept as
// the second one, so that the device goes on asking with it when this command
// has ended, and shows the same link when it is run again.
func (p *program) newOTP(c config.Config) (secret.String, error) {
	if !c.Recovery.NewOTP {
		return secret.String{}, agent.WithHint(errors.New("the configuration forbids one-time passwords made here"),
			"ask the operator for one; or set new_otp = true in [recovery]")
	}
	otp, err := c.SecondOTP(p.fsys)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return otp, err
	}
	otp = randomOTP()
	return otp, c.SaveSecondOTP(p.fsys, otp)
}

func randomOTP() secret.String {
	text := make([]byte, 0, otpLength)
	for len(text) < otpLength {
		random := make([]byte, otpLength)
		_, _ = rand.Read(random) // never fails, it ends the program instead
		for _, b := range random {
			if n := int(b) % 32; n < len(otpAlphabet) && len(text) < otpLength {
				text = append(text, otpAlphabet[n])
			}
		}
	}
	return secret.New(string(text))
}

// forgetOTP removes the password that newOTP kept, once it is spent.
func (p *program) forgetOTP(c config.Config) error {
	if err := durable.Remove(p.fsys, c.SecondOTPPath()); err != nil {
		return fmt.Errorf("remove the spent one-time password: %w", err)
	}
	return nil
}

// registrationLink is the page of the platform that registers a device with a
// one-time password (contract rest.md §1.8).
func registrationLink(c config.Config, otp secret.String) string {
	host := c.Server
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if c.HTTPSPort != 443 {
		host = strings.TrimSuffix(host, ".") + fmt.Sprintf(":%d", c.HTTPSPort)
	}
	return "https://" + host + "/apps/devicemanagement/index.html#/deviceregistration?externalId=" +
		url.QueryEscape(c.DeviceID) + "&one-time-password=" + url.QueryEscape(otp.Reveal())
}

// showLink prints link, and as a QR code if one can hold it. Servers without
// that page take the password by their other ways.
func (p *program) showLink(id, link string) {
	fmt.Fprintf(p.stdout, "Open this link to register the device, or register %s with the one-time password that ends it:\n\n%s\n\n", id, link)
	if code := encodeQR(link); code != nil {
		fmt.Fprintln(p.stdout, blocks(code))
	}
}

// encodeQR returns the smallest code of text, with the least correction, which
// keeps it on the screen; nil if no code can hold it. Package qr above coding
// would do the same and bring pictures with it.
func encodeQR(text string) *coding.Code {
	bytes := coding.String(text)
	for v := coding.Version(coding.MinVersion); v <= coding.MaxVersion; v++ {
		if bytes.Bits(v) > v.DataBytes(coding.L)*8 {
			continue
		}
		plan, err := coding.NewPlan(v, coding.L, 0)
		if err != nil {
			return nil
		}
		code, err := plan.Encode(bytes)
		if err != nil {
			return nil
		}
		return code
	}
	return nil
}

// quiet is the light border of a QR code, in modules (ISO/IEC 18004 §6.3.8).
const quiet = 4

// blocks draws a code with two modules a character, light on dark terminals and
// the other way round: readers take both.
func blocks(code *coding.Code) string {
	light := func(x, y int) bool { return !code.Black(x, y) } // also outside
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		for x := -quiet; x < code.Size+quiet; x++ {
			top, bottom := light(x, y), light(x, y+1) && y+1 < code.Size+quiet
			switch {
			case top && bottom:
				b.WriteRune('█')
			case top:
				b.WriteRune('▀')
			case bottom:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
