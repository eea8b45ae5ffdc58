package main

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/agent/identity"
	"mooring/hsm/key"
	"mooring/internal/pki"
)

// keystoreLimit bounds one command: a chip makes an RSA key in up to a minute.
const keystoreLimit = 10 * time.Minute

const keystoreVerbs = "list, selftest, create, import FILE, certs FILE, attest NAME, activate FILE, destroy NAME and sweep"

var keystoreCommand = command{
	name:  "keystore",
	args:  "list|selftest|create|import|certs|attest|activate|destroy|sweep",
	short: "look at the key store, try and change it",
	long: "Works on the key store of the device, or on that of --key.\n\n" +
		"  keystore list          the keys, and what the device uses them for\n" +
		"  keystore selftest      makes a key, signs with it, measures, removes it; what the\n" +
		"                         agent allows for a signature and a handshake comes of it\n" +
		"  keystore create        makes a key of --algorithm and prints its name\n" +
		"  keystore import FILE   takes a key from a PEM or PKCS#12 file into a file: store;\n" +
		"                         encrypted ones with --passphrase-file\n" +
		"  keystore certs FILE    prints the certificates of a PKCS#12 key store or trust\n" +
		"                         store in PEM, as --ca and import want them\n" +
		"  keystore attest NAME   has a TPM certify that it holds the key, with --nonce, and\n" +
		"                         prints the proof with EK certificate and public keys in JSON\n" +
		"  keystore activate FILE opens what a verifier has sealed to that TPM\n" +
		"                         (TPM2_MakeCredential), from JSON with credential and secret\n" +
		"  keystore destroy NAME  removes a key for good\n" +
		"  keystore sweep         shows the keys that an agent made and this one does not\n" +
		"                         use, as those of a lost state directory; --force\n" +
		"                         removes them",
	example: "mooring-agent keystore selftest --key tpm: --json",
	setup: func(p *program, f *flag.FlagSet) func([]string) error {
		k := &keystore{program: p, place: p.addPlace(f)}
		f.StringVar(&k.uri, "key", "", "`URI` of the key store (default that of the device)")
		f.StringVar(&k.algorithm, "algorithm", "", "`kind` of key to make: ecdsa-p256 (default), ecdsa-p384, rsa-2048, rsa-3072, rsa-4096")
		f.StringVar(&k.label, "label", "", "`text` that the key's name begins with")
		f.StringVar(&k.passphrase, "passphrase-file", "", "`file` whose first line opens the key to import; - is standard input")
		f.StringVar(&k.nonce, "nonce", "", "at most 32 bytes in `hex` that a verifier has signed along with attest")
		f.IntVar(&k.signatures, "n", 50, "how `many` signatures a self-test makes, 1 to 10000; fewer if they take more than two minutes")
		f.BoolVar(&k.all, "all", false, "let a self-test try every kind of key; RSA takes minutes on some chips")
		f.BoolVar(&k.force, "force", false, "destroy a key although the device uses it; let sweep remove what it finds")
		f.BoolVar(&k.asJSON, "json", false, "print one JSON object")
		return func(args []string) error {
			if len(args) == 0 {
				return usagef("say what to do with the key store: " + keystoreVerbs)
			}
			if err := f.Parse(args[1:]); err != nil { // flags may follow the verb
				return flagError("keystore", err)
			}
			return k.run(args[0], f.Args())
		}
	},
}

// keystore is one run of the command.
type keystore struct {
	program            *program
	place              *place
	uri                string
	passphrase         string // file
	algorithm, label   string
	nonce              string // hex
	signatures         int
	all, force, asJSON bool

	config config.Config
	keys   key.Store
}

func (k *keystore) run(verb string, args []string) error {
	verbs := map[string]func(ctx context.Context, args []string) error{
		"list": k.list, "selftest": k.selftest, "create": k.create, "import": k.take, "certs": k.certs, "attest": k.attest, "activate": k.activate, "destroy": k.destroy, "sweep": k.sweep,
	}
	do := verbs[verb]
	if do == nil {
		return usagef("keystore does not know %q; it knows "+keystoreVerbs, verb)
	}
	if wanted := map[string]int{"import": 1, "certs": 1, "attest": 1, "activate": 1, "destroy": 1}[verb]; len(args) != wanted {
		return usagef("keystore %s takes %d arguments", verb, wanted)
	}
	if verb == "certs" { // needs no key store
		return do(k.program.ctx, args)
	}
	c, err := k.place.load()
	if err != nil {
		return err
	}
	if k.uri != "" {
		c.Key = k.uri
	} else if err := identity.CheckDir(k.program.fsys, c.State); err != nil {
		return err // it would be made where the device does not look
	}
	k.config = c
	ctx, cancel := context.WithTimeout(k.program.ctx, keystoreLimit)
	defer cancel()
	if k.keys, err = k.program.openKeys(ctx, c.KeyURI()); err != nil {
		return err
	}
	defer func() { _ = k.keys.Close() }()
	agent.PrepareKeys(k.program.fsys, c, k.keys)
	return do(ctx, args)
}

// keyRow is one key, as list prints it.
type keyRow struct {
	Name      key.Ref `json:"name"`
	Algorithm string  `json:"algorithm,omitempty"`
	// Public is the SHA-256 of the public key (SubjectPublicKeyInfo) in hex.
	Public string `json:"public_sha256,omitempty"`
	// Use is "current", "next" or empty.
	Use   string `json:"use,omitempty"`
	Error string `json:"error,omitempty"`
}

func (k *keystore) list(ctx context.Context, _ []string) error {
	refs, err := k.keys.List(ctx)
	if err != nil {
		return err
	}
	uses, err := k.uses(ctx)
	if err != nil {
		return err
	}
	rows := make([]keyRow, 0, len(refs))
	for _, ref := range refs {
		row := keyRow{Name: ref, Use: uses[ref]}
		if signer, err := k.keys.Open(ctx, ref); err != nil {
			row.Error = err.Error()
		} else {
			row.describe(signer)
		}
		rows = append(rows, row)
	}
	if k.asJSON {
		return json.NewEncoder(k.program.stdout).Encode(map[string]any{"keys": rows})
	}
	for _, r := range rows {
		fmt.Fprintf(k.program.stdout, "%-40s %-10s %.16s %s\n", r.Name, or(r.Algorithm, "unusable"), r.Public, or(r.Use, r.Error))
	}
	return nil
}

func (r *keyRow) describe(signer crypto.Signer) {
	r.Algorithm = "other"
	if algorithm, err := key.AlgorithmOf(signer.Public()); err == nil {
		r.Algorithm = algorithm.String()
	}
	if sum, err := pki.PublicKeyHash(signer.Public()); err == nil {
		r.Public = fmt.Sprintf("%x", sum)
	}
}

// uses says which keys the device's identity is made of. The names of keys mean
// nothing in another store than the device's.
func (k *keystore) uses(ctx context.Context) (map[key.Ref]string, error) {
	if !k.own() {
		return nil, nil
	}
	ids, err := identity.Open(k.program.fsys, k.config.State, k.keys)
	if err != nil {
		return nil, err
	}
	found, err := ids.Find(ctx)
	if err != nil {
		return nil, err
	}
	uses := map[key.Ref]string{}
	if found.Next != nil {
		uses[found.Next.KeyRef] = "next"
	}
	if found.Current != nil {
		uses[found.Current.KeyRef] = "current"
	}
	return uses, nil
}

// own reports whether the key store is that of the device.
func (k *keystore) own() bool {
	own, err := k.place.load()
	return err == nil && own.KeyURI() == k.config.KeyURI() && identity.CheckDir(k.program.fsys, own.State) == nil
}

func (k *keystore) create(ctx context.Context, _ []string) error {
	algorithm, err := key.ParseAlgorithm(k.algorithm)
	if err != nil {
		return usageError{err}
	}
	ref, signer, err := k.keys.Create(ctx, key.Spec{Algorithm: algorithm, Label: k.label})
	if err != nil {
		return err
	}
	return k.printName(ref, signer)
}

func (k *keystore) printName(ref key.Ref, signer crypto.Signer) error {
	row := keyRow{Name: ref}
	row.describe(signer)
	if k.asJSON {
		return json.NewEncoder(k.program.stdout).Encode(row)
	}
	fmt.Fprintln(k.program.stdout, row.Name)
	return nil
}

func (k *keystore) destroy(ctx context.Context, args []string) error {
	ref := key.Ref(args[0])
	if !k.force {
		// The agent makes the key of its next certificate at any time.
		uses, err := k.uses(ctx)
		if err != nil {
			return agent.WithHint(fmt.Errorf("whether the device uses the key cannot be seen: %w", err), "--force destroys it all the same")
		}
		if use := uses[ref]; use != "" {
			return agent.WithHint(fmt.Errorf("%s is the key of the device's %s certificate", ref, use),
				"--force destroys it; the device must then be registered and enrolled again")
		}
	}
	return k.keys.Destroy(ctx, ref)
}

// sweep finds what earlier lives of the device left in its key store. Another
// device's keys in the same token look alike, so nothing goes without --force.
func (k *keystore) sweep(ctx context.Context, _ []string) error {
	release, err := k.program.lock(k.config.State)
	if errors.Is(err, identity.ErrLocked) {
		return agent.WithHint(err, "stop the agent first: it may be making a key just now")
	}
	if err != nil {
		return k.program.stateError(k.config.State, err)
	}
	defer release()
	uses, err := k.uses(ctx)
	if err != nil {
		return err
	}
	if uses == nil {
		return usagef("sweep works on the device's own key store alone")
	}
	refs, err := k.keys.List(ctx)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if uses[ref] != "" || !identity.Made(ref) {
			continue
		}
		fmt.Fprintln(k.program.stdout, ref)
		if k.force {
			if err := k.keys.Destroy(ctx, ref); err != nil {
				return err
			}
		}
	}
	return nil
}
