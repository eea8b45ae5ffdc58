#!/usr/bin/env bash
# Sends one measurement through the agent; it is on the disk when this returns.
#   send.sh /run/mooring/api.sock 21.5
set -euo pipefail
socket=$1 celsius=$2
curl --fail-with-body --silent --show-error --unix-socket "$socket" \
	--data "200,c8y_Temperature,T,$celsius,C" http://agent/v1/publish
