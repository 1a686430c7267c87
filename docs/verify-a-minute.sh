#!/usr/bin/env bash
# Verify the proof of a minute with jq, sha256sum, xxd and openssl alone.
#
#   verify-a-minute.sh PROOF.json GENESIS.json
#
# PROOF.json is what GET /v1/minutes/RELAY/MINUTE/proof answers. GENESIS.json must come from somebody whom you trust: it names the keys.
# Prints the minute and its witnesses and exits 0, or names the first thing that does not hold and exits 1.
set -euo pipefail

[ $# -eq 2 ] || { echo "usage: $0 PROOF.json GENESIS.json" >&2; exit 2; }
proof=$1 genesis=$2
jq -e .genesis "$proof" >/dev/null 2>&1 || { echo "INVALID: $proof is no proof (missing, empty, cut, or an error that a node answered)" >&2; exit 1; }
jq -e .gateways "$genesis" >/dev/null 2>&1 || { echo "INVALID: $genesis is no genesis" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "INVALID: $*" >&2; exit 1; }
p() { jq -r "$1" "$proof"; }
canonical() { jq -cS "$1" "$proof" | tr -d '\n'; }            # the canonical bytes of a document in the proof
sha() { sha256sum | cut -c1-64; }
tagged() { { printf '%s\n' "$1"; cat; } | sha; }             # H(tag, document)
leaf() { { printf '\0'; cat; } | sha; }                      # SHA-256(0x00 || document)
node() { printf '01%s%s' "$1" "$2" | xxd -r -p | sha; }      # SHA-256(0x01 || left || right)

# ---- the genesis is the one that the proof names ----
chain=$(jq -cS . "$genesis" | tr -d '\n' | tagged gridwitness/genesis/v1)
[ "$chain" = "$(p .genesis)" ] || fail "the proof is of another chain than this genesis ($chain)"

# verify KID TAG SIGNATURE < document: Ed25519 by a key of the genesis, whose id is recomputed
verify() {
    local key
    key=$(jq -r --arg id "$1" '.gateways[] | select(.id == $id) | .key' "$genesis")
    [ -n "$key" ] || fail "key $1 is not in the genesis"
    [ "$(printf %s "$key" | base64 -d | sha | cut -c1-16)" = "$1" ] || fail "key $1 has another id"
    { printf '302a300506032b6570032100' | xxd -r -p; printf %s "$key" | base64 -d; } >"$work/key.der"
    openssl pkey -pubin -inform DER -in "$work/key.der" -out "$work/key.pem"
    printf %s "$3" | base64 -d >"$work/sig"
    { printf '%s\n' "$2"; cat; } >"$work/message"
    openssl pkeyutl -verify -rawin -pubin -inkey "$work/key.pem" -sigfile "$work/sig" -in "$work/message" >/dev/null ||
        fail "a signature of $1 ($2) does not verify"
}

# ---- every block: hash, work, chain, miner ----
bits=$(jq .bits "$genesis")
for ((i = 0; i < $(p '.blocks | length'); i++)); do
    hash=$(canonical ".blocks[$i].header" | tagged gridwitness/block/v1)
    [ "$hash" = "$(p ".blocks[$i].hash")" ] || fail "block $i has the hash $hash"
    [ "$(p ".blocks[$i].header.chain")" = "$chain" ] || fail "block $i is of another chain"
    [ "$(p ".blocks[$i].header.bits")" = "$bits" ] || fail "block $i has another difficulty"
    zeros=$(printf %s "$hash" | xxd -r -p | xxd -b -c 32 | cut -d' ' -f2-33 | tr -d ' ' | sed 's/1.*//' | tr -d '\n' | wc -c)
    [ "$zeros" -ge "$bits" ] || fail "block $i shows $zeros bits of work, not $bits"
    miner=$(p ".blocks[$i].header.miner")
    [ "$(jq --arg id "$miner" '[.gateways[] | select(.id == $id and .mine == 1)] | length' "$genesis")" = 1 ] || fail "block $i: $miner may not mine"
    canonical ".blocks[$i].header" | verify "$miner" gridwitness/block/v1 "$(p ".blocks[$i].sig")"
done

# in_block PART: its leaf stands in its block under the Merkle root (RFC 9162, 2.1.3.2)
in_block() {
    local hash index last root sibling
    hash=$(canonical "$1.document" | leaf)
    index=$(p "$1.index")
    last=$(($(p ".blocks[$(p "$1.block")].header.leaves") - 1))
    root=$(p ".blocks[$(p "$1.block")].header.root")
    [ "$index" -le "$last" ] || fail "$1 has the index $index beyond its block's leaves"
    for sibling in $(p "$1.path[]"); do
        [ "$last" -gt 0 ] || fail "$1 has a path that is too long"
        if ((index % 2 == 1 || index == last)); then
            hash=$(node "$sibling" "$hash")
            while ((index % 2 == 0 && index > 0)); do index=$((index / 2)) last=$((last / 2)); done
        else
            hash=$(node "$hash" "$sibling")
        fi
        index=$((index / 2)) last=$((last / 2))
    done
    { [ "$last" = 0 ] && [ "$hash" = "$root" ]; } || fail "$1 is not under the root of its block"
}

# ---- the body, and every statement that reads it ----
in_block .body
digest=$(canonical .body.document | leaf)
relay=$(p .body.document.relay) minute=$(p .body.document.min)
echo "relay $relay, minute $minute ($(date -u -d "@$((minute * 60))" +%FT%H:%MZ)), body $digest, block $(p ".blocks[$(p .body.block)].header.height")"
for ((i = 0; i < $(p '.statements | length'); i++)); do
    in_block ".statements[$i]"
    gateway=$(p ".statements[$i].document.gw")
    canonical ".statements[$i].document | del(.sig)" | verify "$gateway" gridwitness/statement/v1 "$(p ".statements[$i].document.sig")"
    live=$(jq -r --argjson i "$i" --arg r "$relay" --argjson m "$minute" --arg d "$digest" \
        '.statements[$i].document.reads[] | select(.[0] == $r and .[1] == $m and .[2] == $d) | .[3]' "$proof")
    [ -n "$live" ] || fail "statement $i does not read this body"
    echo "  attested by $(jq -r --arg id "$gateway" '.gateways[] | select(.id == $id) | .name' "$genesis") ($gateway), $live samples seen live"
done
[ "$(p '[.statements[].document.gw] | unique | length')" -gt 0 ] || fail "no statement attests this body"
echo "valid"
