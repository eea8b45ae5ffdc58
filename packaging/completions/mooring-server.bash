# bash completion of mooring-server; made by a test from its table of commands
_mooring_server() {
	local words flags
	case "${COMP_WORDS[*]:1:COMP_CWORD-1}" in
	"") words="serve device ca trust explain attestation tenant user bootstrap version help" ;;
	device) words="register certificates tpm" ;;
	ca) words="create show" ;;
	trust) words="list revoke" ;;
	attestation) words="makers challenge verify" ;;
	tenant) words="list create" ;;
	user) words="password" ;;
	bootstrap) words="show rotate" ;;
	esac
	case "${COMP_WORDS[*]:1}" in
	"serve "*) flags="--data --config --dev" ;;
	"device register "*) flags="--data --id --otp-file" ;;
	"device certificates "*) flags="--data --id" ;;
	"device tpm "*) flags="--data --id --ek-sha256 --forget" ;;
	"ca create "*) flags="--data" ;;
	"ca show "*) flags="--data" ;;
	"trust list "*) flags="--data" ;;
	"trust revoke "*) flags="--data" ;;
	"explain "*) flags="--data" ;;
	"attestation makers "*) flags="--data --add --delete" ;;
	"attestation challenge "*) flags="--secret-file" ;;
	"attestation verify "*) flags="--makers --ek-sha256 --csr --expired --secret-file" ;;
	"tenant list "*) flags="--data" ;;
	"tenant create "*) flags="--data --id --domain --admin --password-file" ;;
	"user password "*) flags="--data --user --password-file" ;;
	"bootstrap show "*) flags="--data" ;;
	"bootstrap rotate "*) flags="--data" ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words $flags" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _mooring_server mooring-server
