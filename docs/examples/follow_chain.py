#!/usr/bin/env python3
"""Keeps a file with the device's certificate chain, through every renewal.

    follow_chain.py /run/mooring/api.sock /run/app/chain.pem

The file is replaced as a whole, so a reader never sees half of it.
"""

import os
import sys

from local_api import follow


def main(path, file):
    for event in follow(path, "/v1/chain?follow"):
        with open(file + ".new", "w", encoding="ascii") as new:
            new.write(event["chain"])
        os.replace(file + ".new", file)
        print(event["fingerprint"], "until", event["not_after"], flush=True)


main(*sys.argv[1:])
