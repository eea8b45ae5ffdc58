#!/usr/bin/env bash
# Prints the device's latest measurement, asked of the server as the device.
#   proxy.sh 127.0.0.1:8001 DEVICE
set -euo pipefail
proxy=$1 device=$2
id=$(curl --fail-with-body --silent --show-error "http://$proxy/identity/externalIds/c8y_Serial/$device" | jq -r .managedObject.id)
curl --fail-with-body --silent --show-error "http://$proxy/measurement/measurements?source=$id&revert=true&dateFrom=1970-01-01&pageSize=1" |
	jq -cS '.measurements[0].c8y_Temperature'
