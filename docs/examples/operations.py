#!/usr/bin/env python3
"""Carries out the operations that a device type defines for itself.

    operations.py /run/mooring/api.sock

Hears SmartREST operations and answers commands (511) with their own text. A
real program looks at the text, does what it says, and reports failure with 502.
"""

import csv
import sys

from local_api import follow, publish


def quoted(text):
    """A SmartREST field: quotes are doubled inside quotes."""
    return '"' + text.replace('"', '""') + '"'


def main(path):
    for message in follow(path, "/v1/messages?topic=s/ds"):
        for template, *fields in csv.reader(message["payload"].splitlines()):
            if template != "511":
                continue
            publish(path, "501,c8y_Command")
            publish(path, "503,c8y_Command," + quoted("you said " + fields[1]))


main(*sys.argv[1:])
