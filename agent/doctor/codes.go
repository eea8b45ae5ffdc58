package doctor

// Code names one finding for good: it is never given to another one.
type Code string

// layer is where a fault lies. Layers stand in the order in which a fault
// of one explains those that follow.
type layer string

const (
	inConfig      layer = "configuration"
	inState       layer = "state"
	inDisk        layer = "disk"
	inClock       layer = "clock"
	inKey         layer = "key"
	inCertificate layer = "certificate"
	inDNS         layer = "dns"
	inProxy       layer = "proxy"
	inTCP         layer = "tcp"
	inTLS         layer = "tls"
	inServer      layer = "server" // what it has against the device
	inMQTT        layer = "mqtt"
	inToken       layer = "token"
	inEST         layer = "est"
	inAgent       layer = "agent" // the running one
	inEnrolment   layer = "enrolment"
	inDoctor      layer = "doctor"
)

var layers = []layer{inConfig, inState, inDisk, inClock, inKey, inCertificate, inDNS, inProxy, inTCP, inTLS, inServer, inMQTT, inToken, inEST,
	inAgent, inEnrolment, inDoctor}

// Level is how bad a finding is.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Skipped Level = "skipped"
	Warning Level = "warning" // works, and will not for ever or not for all
	Error   Level = "error"
)

// Entry is what a code stands for.
type Entry struct {
	Code   Code
	Layer  layer
	Level  Level
	Later  bool // may be gone by itself: exit status 75
	Cause  string
	Advice string
}

// Lookup returns the entry of a code.
func Lookup(code Code) (Entry, bool) {
	for _, e := range Codes {
		if e.Code == code {
			return e, true
		}
	}
	return Entry{}, false
}

// Codes is the table of codes. docs/doctor.md is made from it.
var Codes = []Entry{
	{"M001", inConfig, Error, false, "the configuration cannot be used", "correct the file named; mooring-agent config check tries it"},
	{"M002", inConfig, Error, false, "the trust anchors of the server cannot be read", "ca must name a PEM file with the trust anchors of the server's certificate"},
	{"M003", inConfig, Error, false, "the settings of the proxy cannot be used", "correct proxy.url and proxy.credentials, or HTTPS_PROXY in the environment"},
	{"M004", inConfig, Error, false, "the device ID holds a character that the platform does not take, such as a colon", "choose a device ID without : / + # and control characters, and enrol under it"},

	{"M010", inState, Error, false, "the state directory cannot be used", "create it for the user that runs mooring-agent, mode 700"},
	{"M011", inState, Error, false, "the identity on disk is damaged", "restore the state directory from a backup, or move it away and enrol the device again"},
	{"M012", inState, Error, false, "a file of the state directory belongs to another user", "chown it to the owner of the directory: some command ran as another user"},
	{"M013", inState, Warning, false, "the state directory is in memory: the identity is lost when the device restarts", "put the state directory on flash or disk"},

	{"M020", inDisk, Error, false, "the disk of the state directory is full", "free some space: a renewed certificate could not be stored"},
	{"M021", inDisk, Warning, false, "the disk of the state directory is nearly full", "free some space before a renewed certificate cannot be stored"},
	{"M022", inDisk, Error, false, "the disk of the state directory is read-only", "mount it writable, or put the state directory elsewhere; flash turns read-only when it wears out"},

	{"M030", inClock, Error, false, "the clock of this device is ahead", "set the clock: until then nothing is renewed and certificates of servers seem to have expired; NTP keeps it right"},
	{"M031", inClock, Warning, false, "the clock of this device is a little off", "let NTP set the clock"},
	{"M032", inClock, Warning, false, "the clock of this device is behind; the agent reckons with the time it knows to have passed", "set the clock, and see to it that it is set at each start (NTP, a battery for the clock)"},

	{"M040", inKey, Error, false, "the key store cannot be opened", "check key in the configuration, and that this user may use the store"},
	{"M041", inKey, Error, false, "the key of the device cannot be used", "repair the key store or restore the key; if it is gone, enrol the device again"},
	{"M042", inKey, Error, false, "the certificate is for another key", "restore key and certificate that belong together, or enrol the device again"},
	{"M043", inKey, Error, false, "the key does not sign, or what it signs does not verify", "the key store is at fault: mooring-agent keystore selftest tells more"},
	{"M044", inKey, Warning, false, "the key signs slowly", "handshakes may run into limits of servers: mooring-agent keystore selftest measures"},
	{"M045", inKey, Warning, true, "the key store does not serve the doctor beside the running agent, which is connected", "nothing, if the store takes one user at a time; else mooring-agent keystore selftest tells more when the agent is stopped"},
	{"M046", inKey, Error, true, "the token or TPM with the key cannot be reached", "see that it is plugged in, switched on and not in use by another program"},
	{"M047", inKey, Error, false, "the key store does not take the PIN or passphrase", "correct the file with the PIN or passphrase that key names"},
	{"M048", inKey, Error, false, "the server does not wait until the key has signed", "use a faster key store, or have the server's limit of a handshake raised"},

	{"M050", inCertificate, Error, false, "the certificates are not in order: the device's own is not the first", "put the device's certificate first, then each issuer"},
	{"M051", inCertificate, Error, false, "the chain breaks: a certificate is not issued by the next one", "put the certificates in order and leave none out: the device's, then each issuer"},
	{"M052", inCertificate, Warning, false, "the chain does not include the trust anchor", "the issuer of the last certificate must be a trusted certificate of the tenant; else append the certificates up to and including the trusted one"},
	{"M053", inCertificate, Error, false, "the CN of the certificate is not the device ID", "device_id must be the CN: it is the MQTT client ID"},
	{"M054", inCertificate, Error, false, "the CN of the certificate holds a character that the platform does not take, such as a colon", "get a certificate whose CN has no : / + # and no control characters"},
	{"M055", inCertificate, Error, false, "the certificate has expired", "register the device again and run mooring-agent enrol --again; a server may also renew for some days after"},
	{"M056", inCertificate, Error, false, "the certificate is not valid yet", "compare the clocks of this device and of the issuer"},
	{"M057", inCertificate, Warning, false, "the certificate expires soon, and it was not renewed in time", "see why with mooring-agent renew; keep mooring-agent run going"},
	{"M058", inCertificate, Error, false, "an issuer in the chain is no CA", "its certificate needs the extension basicConstraints CA:TRUE: create it with -extensions v3_ca or the like"},
	{"M059", inCertificate, Error, false, "the certificate is not for client authentication", "its extended key usage must include clientAuth"},
	{"M060", inCertificate, Warning, false, "the certificate is self-signed", "this very certificate must be uploaded as trusted certificate of the tenant"},
	{"M061", inCertificate, Error, false, "an issuer in the chain has expired", "renew the issuer's certificate and the chain of the device"},
	{"M062", inCertificate, Error, false, "a key or signature in the chain is too weak", "use RSA 2048 or P-256 and SHA-256 at least"},

	{"M070", inDNS, Error, false, "the name is not known", "check server in the configuration, and the name servers of this network"},
	{"M071", inDNS, Error, true, "the name servers do not answer", "check /etc/resolv.conf and whether this network is connected"},

	{"M080", inProxy, Error, true, "the proxy cannot be reached", "check its address: proxy.url, else HTTPS_PROXY"},
	{"M081", inProxy, Error, true, "the proxy takes the connection and does not answer", "check that it is a proxy of this kind; it may be overloaded"},
	{"M082", inProxy, Error, false, "the proxy wants other credentials", "proxy.credentials names a file with USER:PASSWORD"},
	{"M083", inProxy, Error, false, "the proxy refuses the connection to the server", "have the proxy allow CONNECT to the server's ports, 8883 included"},
	{"M084", inProxy, Error, true, "the proxy cannot reach the server", "the proxy's own network, name servers or firewall are at fault, or the server's name is wrong"},
	{"M085", inProxy, Error, false, "what answers is no proxy of this kind", "check scheme and port of proxy.url: http://, https:// or socks5://"},

	{"M090", inTCP, Error, true, "nothing listens on the port", "check server and ports; the server may be down"},
	{"M091", inTCP, Error, true, "the connection is swallowed: no answer", "a firewall drops it, or the server is down; ask for the port to be opened"},
	{"M092", inTCP, Error, true, "there is no way to the server's network", "check address and routes of this device: is it connected at all?"},
	{"M093", inTCP, Error, true, "the connection cannot be opened", "check the network of the device"},
	{"M094", inTCP, Warning, true, "one of several addresses of the server does not answer", "repair it or take it from the list: only the others are left to fail over to"},

	{"M100", inTLS, Error, false, "what answers is not TLS", "check the port; a login page, a proxy or a plain service answers there"},
	{"M101", inTLS, Error, false, "the server's certificate is issued by nobody trusted here", "set ca to the server's trust anchors; if the issuer named is not the server's, something in between breaks TLS open"},
	{"M102", inTLS, Error, false, "the server's certificate is for another name", "server must be a name that the certificate has"},
	{"M103", inTLS, Error, false, "the server's certificate is not valid at this time", "the operator of the server must renew it"},
	{"M104", inTLS, Error, false, "server and device share no version or cipher of TLS", "the server must speak TLS 1.2 or 1.3"},
	{"M105", inTLS, Warning, false, "TLS 1.3 fails where TLS 1.2 works", "something in between does not know TLS 1.3; the agent connects by TLS 1.2 only if the server asks for it"},
	{"M106", inTLS, Error, false, "the server's list of CA names is too long for TLS", "the server's operator must shorten its list of accepted CAs: 64 KiB is the end"},
	{"M107", inTLS, Warning, false, "the server's list of CA names is long", "the server's operator should shorten it: at 64 KiB every device is locked out"},
	{"M108", inTLS, Error, false, "the server does not ask for a client certificate", "two-way TLS is off for this port or something in between ends TLS; ask the operator"},
	{"M109", inTLS, Error, true, "the connection is closed in the handshake", "a firewall or a balancer without server may do so; try again"},
	{"M110", inTLS, Error, true, "the handshake does not end in time", "the network loses large packets (MTU), or the server is overloaded"},
	{"M111", inTLS, Error, false, "the server refuses the certificate in the handshake and does not say why", "is its issuer a trusted certificate of this very tenant and enabled? does the chain lead to it?"},
	{"M112", inTLS, Error, false, "the server does not know the issuer of the certificate", "upload the issuer as trusted certificate of the tenant, or enrol at this server; send the chain up to it"},
	{"M113", inTLS, Error, false, "the server says that the certificate has expired or is not valid yet", "compare the dates of the certificate with the clocks of both"},
	{"M114", inTLS, Error, false, "the server says that the certificate is revoked", "register the device again and run mooring-agent enrol --again"},
	{"M115", inTLS, Error, false, "the server cannot verify what the key signed", "key and certificate do not belong together, or the key store is at fault"},

	{"M120", inServer, Error, false, "the server refused without a reason that it tells", "check: is the trusted certificate enabled, with auto-registration? is the device set up with a password? is two-way TLS on? does the chain reach the trusted certificate?"},
	{"M121", inServer, Error, false, "the server does not know the issuer of the certificate", "upload the issuer as trusted certificate of this very tenant, or enrol the device at this server"},
	{"M122", inServer, Error, false, "the server finds the chain out of order", "leaf first, then each issuer"},
	{"M123", inServer, Error, false, "the chain does not reach the certificate that the server trusts", "append the intermediates up to and including the trusted certificate, or upload the leaf's own issuer"},
	{"M124", inServer, Error, false, "the server finds the chain invalid", "see what it says: signature, path length, name constraint, CA flag"},
	{"M125", inServer, Error, false, "the server says that the certificate has expired", "register the device again and run mooring-agent enrol --again"},
	{"M126", inServer, Error, false, "the server says that the certificate is not valid yet", "compare the clocks of device and server"},
	{"M127", inServer, Error, false, "the certificate is revoked", "register the device again and run mooring-agent enrol --again"},
	{"M128", inServer, Error, true, "the server cannot get the revocation list", "the operator must repair the list's address or allow devices without it"},
	{"M129", inServer, Error, false, "the trusted certificate is disabled at the server", "have it enabled"},
	{"M130", inServer, Error, false, "more than one tenant trusts this chain", "one of the tenants must prove possession of the certificate or remove it"},
	{"M131", inServer, Error, false, "the server finds the certificate not fit for a device", "see what it says: key usage, weak key, broken certificate"},
	{"M132", inServer, Error, false, "the server does not take the name of the device", "the CN must be one, without colon"},
	{"M133", inServer, Error, false, "the client ID is not the CN of the certificate", "device_id must be the CN"},
	{"M134", inServer, Error, false, "the device is not registered, and its trusted certificate does not register by itself", "register the device, or switch on auto-registration of the trusted certificate"},
	{"M135", inServer, Error, false, "the device's user is disabled at the server", "have the user enabled, or the device registered again"},
	{"M136", inServer, Error, false, "the device is set up with a password at the server", "enrol it once with that password, or take another device ID, or delete the old device and its user"},
	{"M137", inServer, Error, false, "two-way TLS is switched off at the server", "the operator must switch it on: no certificate works without it"},
	{"M138", inServer, Error, true, "the server closed the connection because of too many messages", "send less, or have the limit raised"},
	{"M139", inServer, Error, true, "the server could not decide", "try again; if it lasts, the operator finds the cause in the server's log"},
	{"M140", inServer, Error, false, "the server refused the device's user or password", "register the device again and run mooring-agent enrol --again"},
	{"M141", inServer, Error, false, "the server accepted another certificate than this one", "something in between presents its own; connect without it"},
	{"M142", inServer, Error, false, "the name of the device is that of another device's child", "have the child's object deleted or given another owner, or take another device ID"},

	{"M150", inMQTT, Error, false, "the server does not speak MQTT 3.1.1 here", "check mqtts_port: the agent needs the port of Core MQTT, 8883"},
	{"M151", inMQTT, Error, false, "the server does not take the client ID", "the device ID must not hold a colon"},
	{"M152", inMQTT, Error, true, "the server says that it is not available", "try again later"},
	{"M153", inMQTT, Error, true, "the server takes the connection and does not answer CONNECT", "what listens there may be no MQTT server, or one without a back end"},
	{"M154", inMQTT, Error, false, "what answers is not MQTT", "check mqtts_port: HTTPS may listen there"},
	{"M155", inMQTT, Error, false, "the connection was closed soon after it was accepted: another client uses the same client ID", "find the other device or program with this identity, and stop it: only one can be connected"},
	{"M156", inMQTT, Warning, true, "the server refused once and then accepted", "nothing to do: the agent tries again; if it happens often, tell the server's operator"},
	{"M157", inMQTT, Error, true, "the connection breaks before the server answers CONNECT", "the server refused the certificate without a word, or something in between closed it"},

	{"M160", inToken, Error, true, "the server gives no device token", "the device may have to be known first: start mooring-agent run once; else see the operator"},
	{"M161", inToken, Error, false, "the server refuses the token it gave", "the clock of a server, or another tenant behind the name: ask the operator"},
	{"M162", inToken, Error, false, "what the server gave is no token", "something in between answers for it"},

	{"M170", inEST, Error, false, "there is no EST at the server", "check server and https_port; renewal will fail"},
	{"M171", inEST, Error, true, "an HTML page answers in place of the server", "a login page or a maintenance page is in between, or the address is wrong"},
	{"M172", inEST, Error, true, "the server has a fault of its own", "try again later; the operator finds the cause in the server's log"},
	{"M173", inEST, Error, true, "the server's answer over HTTPS breaks off", "try again; something in between may cut connections"},

	{"M180", inAgent, Error, false, "mooring-agent runs and does not answer", "restart it: systemctl restart mooring-agent"},
	{"M181", inAgent, Error, false, "mooring-agent runs and is not connected, although nothing stands in the way", "it may be waiting for its next attempt; if this stays, restart it and report the log"},
	{"M182", inAgent, Error, false, "mooring-agent runs and is not connected", "see its last error, and the other findings"},
	{"M183", inAgent, Warning, false, "mooring-agent does not run", "start it: systemctl enable --now mooring-agent"},

	{"M190", inEnrolment, Error, false, "the device is not enrolled", "register the device at the server, then run mooring-agent enrol"},

	{"M198", inDoctor, Warning, true, "time ran out before everything was examined", "run it again with a longer --timeout"},
	{"M199", inDoctor, Error, false, "something unknown is wrong", "see the detail"},
}

// reasons are the words of the server (GET /mooring/explain) and of the
// running agent.
var reasons = map[string]Code{
	"clock": "M030", "no-certificate": "M108", "broken-certificate": "M131", "unknown-issuer": "M121", "chain-order": "M122", "chain-incomplete": "M123",
	"chain-too-deep": "M124", "chain-invalid": "M124", "expired": "M125", "not-yet-valid": "M126", "revoked": "M127",
	"revocation-list-unavailable": "M128", "anchor-disabled": "M129", "ambiguous-tenant": "M130", "not-for-client-authentication": "M131",
	"weak-key": "M131", "bad-common-name": "M132", "client-id-differs-from-common-name": "M133", "device-not-registered": "M134",
	"device-user-disabled": "M135", "device-uses-password": "M136", "bad-credentials": "M140", "otp-refused": "M140", "csr-refused": "M131",
	"protocol-not-supported": "M150", "bad-client-id": "M151", "two-way-tls-off": "M137", "too-many-messages": "M138", "internal-error": "M139",
	"device-id-taken": "M142",
}
