#!/bin/sh
# SPDX-License-Identifier: MIT
# The string forms from a shell, by gdbus and by busctl. A string stays in the memory of the bus daemon for a while: where that
# matters, use sparekey, which sends a descriptor. Making one so needs the setting create-requires = nothing: what proves the
# owner is good for one connection, and a shell makes a new one for each call.
set -eu
made=$(gdbus call --session --dest org.sparekey.Broker1 --object-path /org/sparekey/Broker1 \
	--method org.sparekey.Broker1.Manager.CreatePassword "From a shell" "{'scopes': <['imap']>}")
secret=$(echo "$made" | sed "s/.*, '\(.*\)')/\1/")
gdbus call --session --dest org.sparekey.Broker1 --object-path /org/sparekey/Broker1 \
	--method org.sparekey.Broker1.Verifier.Verify "$secret" imap "{'remote': <'192.0.2.7'>}"
busctl --user call org.sparekey.Broker1 /org/sparekey/Broker1 org.sparekey.Broker1.Verifier \
	Verify 'ssa{sv}' "$secret" imap 0
busctl --user call org.sparekey.Broker1 /org/sparekey/Broker1 org.sparekey.Broker1.Manager \
	RevokeAll 'a{sv}a{sv}' 1 scope s imap 0
