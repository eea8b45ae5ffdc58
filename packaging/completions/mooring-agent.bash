# bash completion of mooring-agent; made by a test from its table of commands
_mooring_agent() {
	local words flags
	case "${COMP_WORDS[*]:1:COMP_CWORD-1}" in
	"") words="enrol selfsign prove import run status token renew pub doctor keystore config version help" ;;
	esac
	case "${COMP_WORDS[*]:1}" in
	"enrol "*) flags="--again --algorithm --attestation --ca --config --id --key --mqtts-port --mtls-port --new-otp --otp-file --second-otp-file --server --state --timeout" ;;
	"selfsign "*) flags="--algorithm --ca --config --days --id --key --mqtts-port --mtls-port --server --state" ;;
	"prove "*) flags="--config --state" ;;
	"import "*) flags="--algorithm --ca --cert --config --id --key --key-file --mqtts-port --mtls-port --passphrase-file --server --state" ;;
	"run "*) flags="--config --state" ;;
	"status "*) flags="--check --config --json --state" ;;
	"token "*) flags="--config --state --timeout" ;;
	"renew "*) flags="--config --state --timeout" ;;
	"pub "*) flags="--config --queue --state --timeout" ;;
	"doctor "*) flags="--codes --config --json --state --timeout" ;;
	"keystore "*) flags="--algorithm --all --config --force --json --key --label --n --nonce --passphrase-file --state" ;;
	"config "*) flags="--config --state" ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words $flags" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _mooring_agent mooring-agent
