# Guards bulk registration: the three separators, quotes, and broken rows that must not take the good ones with them.
. "$LIB"

# bulk NAME ALL SUCCESSFUL FAILED uploads NAME.csv and checks the counts.
bulk() {
	api 201 POST /devicecontrol/bulkNewDeviceRequests -F "file=@$1.csv" >"$1.json"
	same "$(jq -c '[.numberOfAll, .numberOfSuccessful, .numberOfFailed, (.failedCreationList | length)]' "$1.json")" "[$2,$3,$4,$4]" "$1"
}

authority

step 'semicolon, comma, tab'
printf 'ID;AUTH_TYPE;ENROLLMENT_OTP\nbulk-semicolon;CERTIFICATES;pass,word-1\n' >semicolon.csv
printf 'ID,AUTH_TYPE,ENROLLMENT_OTP\r\nbulk-comma,CERTIFICATES,pass;word-2\r\n' >comma.csv
printf '"ID"\t"AUTH_TYPE"\t"ENROLLMENT_OTP"\n"bulk-tab"\t"CERTIFICATES"\t"pass;w,ord ""3"""' >tab.csv
bulk semicolon 1 1 0
bulk comma 1 1 0
bulk tab 1 1 0
enrol semicolon bulk-semicolon 'pass,word-1'
enrol comma bulk-comma 'pass;word-2'
enrol tab bulk-tab 'pass;w,ord "3"'

step 'what the columns make of the device'
cat >columns.csv <<'END'
ID;TYPE;NAME;ICCID;IDTYPE;PATH;SHELL;AUTH_TYPE;ENROLLMENT_OTP;com_cumulocity_model_Agent.active
bulk-columns;c8y_Device;Sample Device;+491555555;;bulk group/subgroup1;1;CERTIFICATES;password-4;true
END
bulk columns 1 1 0
api 200 GET "/inventory/managedObjects/$(object bulk-columns)" >columns.object
jq -e '.type == "c8y_Device" and .name == "Sample Device" and .owner == "device_bulk-columns" and has("c8y_IsDevice")
	and .c8y_Mobile.iccid == "+491555555" and .com_cumulocity_model_Agent.active == "true"' columns.object >/dev/null || fail "$(<columns.object)"

step 'broken rows between good ones'
cat >broken.csv <<'END'
ID;AUTH_TYPE;ENROLLMENT_OTP
bulk-good-1;CERTIFICATES;password-5
;CERTIFICATES;password-6
bulk:colon;CERTIFICATES;password-7
bulk-short;CERTIFICATES
bulk-long;CERTIFICATES;password-8;more
bulk-secretless;CERTIFICATES;0123456789012345678901234567890123456789
bulk-good-2;CERTIFICATES;password-9
END
api 201 POST /devicecontrol/bulkNewDeviceRequests -F 'file=@broken.csv' >broken.json
jq -e '.numberOfAll == 7 and .numberOfSuccessful == 2 and .numberOfFailed == 5 and all(.failedCreationList[]; .failureReason != "")' \
	broken.json >/dev/null || fail "$(<broken.json)"
! grep -E 'password-[0-9]' broken.json || fail 'the answer repeats a password'
object bulk-good-1 >/dev/null
object bulk-good-2 >/dev/null
unknown bulk-short
unknown bulk-long
enrol good bulk-good-2 password-9

step 'no ID column, no text'
printf 'NAME;AUTH_TYPE\nx;CERTIFICATES\n' >headless.csv
bulk headless 1 0 1
printf '\377\376\001\000\n\000\000\n' >noise.csv
api 201 POST /devicecontrol/bulkNewDeviceRequests -F 'file=@noise.csv' | jq -e '.numberOfSuccessful == 0' >/dev/null || fail "$(<answer)"
