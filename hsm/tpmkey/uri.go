package tpmkey

import (
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"mooring/internal/problem"
)

// DefaultDevice is the kernel's resource manager for the first TPM. /dev/tpm0
// has room for three objects at a time and is used only if it is asked for.
const DefaultDevice = "/dev/tpmrm0"

// maxPCR is the highest register of a TPM 2.0 for PCs (PC Client Platform TPM
// Profile §4.6.1).
const maxPCR = 23

// Location is what a tpm: URI says.
type Location struct {
	Device string // of the TPM, or the UNIX socket of one in software
	Dir    string // of the key files; empty for a sealer, which needs none
	PCRs   []uint // in the SHA-256 bank; empty: keys are bound to the TPM alone
}

// ParseURI reads
//
//	tpm:[DEVICE][?dir=/path/to/directory][&pcrs=0+2+7]
//
// Errors are problem.Unprocessable.
func ParseURI(uri string) (Location, error) {
	rest, found := strings.CutPrefix(uri, "tpm:")
	if !found {
		return Location{}, refuse("a TPM URI starts with tpm:")
	}
	device, query, _ := strings.Cut(rest, "?")
	l := Location{Device: DefaultDevice}
	if device != "" {
		path, err := url.PathUnescape(device)
		if err != nil || !filepath.IsAbs(path) {
			return Location{}, refuse("a tpm: URI names its device by an absolute path, as in tpm:/dev/tpmrm0")
		}
		l.Device = filepath.Clean(path)
	}
	values, err := url.ParseQuery(strings.ReplaceAll(query, "+", "%2B"))
	if err != nil {
		return Location{}, refuse("the part of a tpm: URI after ? is not name=value&name=value")
	}
	for name, all := range values {
		if len(all) != 1 {
			return Location{}, refuse("a tpm: URI names " + strconv.Quote(name) + " twice")
		}
		switch name {
		case "dir":
			if !filepath.IsAbs(all[0]) {
				return Location{}, refuse("dir in a tpm: URI needs an absolute path")
			}
			l.Dir = filepath.Clean(all[0])
		case "pcrs":
			if l.PCRs, err = parsePCRs(all[0]); err != nil {
				return Location{}, err
			}
		default:
			return Location{}, refuse("a tpm: URI knows dir and pcrs, not " + strconv.Quote(name))
		}
	}
	return l, nil
}

func parsePCRs(text string) ([]uint, error) {
	var pcrs []uint
	seen := map[uint64]bool{}
	for part := range strings.SplitSeq(text, "+") {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || n > maxPCR || seen[n] {
			return nil, refuse("pcrs in a tpm: URI are numbers from 0 to 23 joined by +, each once")
		}
		seen[n] = true
		pcrs = append(pcrs, uint(n))
	}
	return pcrs, nil
}

func refuse(detail string) error { return problem.New(problem.Unprocessable, detail, nil) }
