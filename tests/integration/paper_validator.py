"""A stand-in of the validator of the published design (Muñoz-Romero et al., 2022), written from its description: it knows only
json.dumps, SHA-256 and the rule of the proof, and judges what GET /get_chain answers."""

import hashlib
import json


def block_hash(block):
    return hashlib.sha256(json.dumps(block, sort_keys=True).encode()).hexdigest()


def proof_holds(proof, previous):
    return hashlib.sha256(str(proof**2 - previous**2).encode()).hexdigest()[:4] == "0000"


def chain_valid(chain):
    """True, or a sentence that says what is wrong."""
    for previous, block in zip(chain, chain[1:]):
        if block["4_previous_hash"] != block_hash(previous):
            return "previous hash of index %d" % block["1_Index"]
        if not proof_holds(block["3_proof"], previous["3_proof"]):
            return "proof of index %d" % block["1_Index"]
    return True
