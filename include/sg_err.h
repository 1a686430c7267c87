/* Every error of the project: one table, one negative number each, its code as the REST interface and the
 * logs write it, and one sentence for a person.
 *
 * SG_ERR_RULES are the codes of the external contract (validity of documents and blocks, pool, REST);
 * SG_ERR_LOCAL never leave the process except in logs and start-up messages. */
#ifndef SG_ERR_H
#define SG_ERR_H

#define SG_ERR_LOCAL(X)                                                                                      \
    X(SG_EINVAL, "invalid", "an argument is out of its range")                                               \
    X(SG_ENOMEM, "memory", "out of memory")                                                                  \
    X(SG_EIO, "io", "input or output failed")                                                                \
    X(SG_ENOSPC, "disk_full", "no space left on the device")                                                 \
    X(SG_ECORRUPT, "corrupt", "stored bytes are not what was written")                                       \
    X(SG_ELOCKED, "locked", "another process holds the data directory")                                      \
    X(SG_EFULL, "full", "a bounded queue or buffer is full")                                                 \
    X(SG_ECLOSED, "closed", "the other end has closed")                                                      \
    X(SG_ETIMEOUT, "timeout", "no answer within the deadline")                                               \
    X(SG_EREFUSED, "refused", "connection refused or unreachable")                                           \
    X(SG_EEXCEPTION, "exception", "the relay answered with a Modbus exception")                              \
    X(SG_EMALFORMED, "malformed", "a frame or answer that no correct peer sends")                            \
    X(SG_EIDENTITY, "identity", "the relay is not the one that the genesis names")                           \
    X(SG_ECLOCK, "clock", "a clock cannot be trusted")                                                       \
    X(SG_ESTOPPED, "stopped", "stopping")                                                                    \
    X(SG_ECONFIG, "configuration", "the configuration is not usable")                                        \
    X(SG_EUSAGE, "usage", "wrong command line")                                                              \
    X(SG_EADDRINUSE, "address_in_use", "the port is taken by another program")                               \
    X(SG_EORPHAN, "orphan", "the parent of the block is not known")                                          \
    X(SG_EKNOWN, "known", "already here, byte for byte")                                                     \
    X(SG_EAGAIN, "again", "not now; try again")

#define SG_ERR_RULES(X)                                                                                      \
    X(SG_ECANONICAL, "canonical", "not canonical JSON (C0)")                                                 \
    X(SG_ESHAPE, "shape", "keys, types, ranges, base64 or sorting inside a document")                        \
    X(SG_ESIZE, "size", "larger than the genesis allows")                                                    \
    X(SG_ECHAIN, "chain", "of another chain")                                                                \
    X(SG_EHEIGHT, "height", "height is not the parent's plus one")                                           \
    X(SG_EPREV, "prev", "does not follow the named parent")                                                  \
    X(SG_EBITS, "bits", "difficulty is not the genesis's")                                                   \
    X(SG_ESLOT, "slot", "slot does not follow the parent's")                                                 \
    X(SG_ETIME, "time", "time not after the parent's, or before the end of the slot")                        \
    X(SG_EMINER, "miner", "unknown, or may not mine")                                                        \
    X(SG_EWORK, "work", "hash above the target")                                                             \
    X(SG_ESIGNATURE, "signature", "the miner's signature does not verify")                                   \
    X(SG_EEMPTY, "empty", "a block without a statement")                                                     \
    X(SG_EORDER, "order", "statements or bodies are not strictly increasing")                                \
    X(SG_EROOT, "root", "Merkle root or number of leaves does not recompute")                                \
    X(SG_EWEIGHT, "weight", "weight does not recompute")                                                     \
    X(SG_EDUPLICATE_BODY, "duplicate_body", "a body that is already on this branch")                         \
    X(SG_EUNKNOWN_GATEWAY, "unknown_gateway", "a statement of a key that the genesis does not name")         \
    X(SG_ESTATEMENT_SIGNATURE, "statement_signature", "the gateway's signature does not verify")             \
    X(SG_ESTATEMENT_CHAIN, "statement_chain", "does not continue this gateway's statements")                 \
    X(SG_ESTATEMENT_SLOT, "statement_slot", "slot, ts or inc of a statement out of order")                   \
    X(SG_ERELAY, "relay", "a relay that the genesis does not name")                                          \
    X(SG_EREADER, "reader", "the gateway is not a reader of this relay")                                     \
    X(SG_EMINUTE, "minute", "a minute outside genesis .. slot or older than 1439 slots")                     \
    X(SG_EMISSING_BODY, "missing_body", "a body that is read is neither here nor earlier on the branch")     \
    X(SG_EREAD_MISMATCH, "read_mismatch", "the digest is the body of another relay or minute")               \
    X(SG_EUNREAD_BODY, "unread_body", "no statement of the block reads this body")                           \
    X(SG_EBODY, "body", "samples of a body: columns, order or ranges")                                       \
    X(SG_EAGGREGATE, "aggregate", "aggregates or quality do not recompute from the samples")                 \
    X(SG_EFUTURE, "future", "lies ahead of this node's clock; offer it again later")                         \
    X(SG_ECONFLICT, "conflict", "another statement with this gateway, incarnation and sequence exists")      \
    X(SG_EGAP, "gap", "the statement before it is not known here")                                           \
    X(SG_ETOO_LARGE, "too_large", "larger than this node or the genesis accepts")                            \
    X(SG_EPOLICY, "policy", "genesis: the policy is out of range")                                           \
    X(SG_EGATEWAYS, "gateways", "genesis: the list of gateways is wrong")                                    \
    X(SG_EPROFILES, "profiles", "genesis: the list of profiles is wrong")                                    \
    X(SG_ERELAYS, "relays", "genesis: the list of relays is wrong")                                          \
    X(SG_ENOT_FOUND, "not_found", "there is no such thing here")                                             \
    X(SG_EBAD_PARAMETER, "bad_parameter", "a parameter of the request is wrong")                             \
    X(SG_EMETHOD, "method", "this method is not served here")                                                \
    X(SG_EOVERLOADED, "overloaded", "too much work at once; try again later")                                \
    X(SG_ENOT_READY, "not_ready", "the node is not ready")

#define SG_ERR_ENUM_(name, code, text) name##_NO,
enum sg_err_no { SG_OK_NO, SG_ERR_LOCAL(SG_ERR_ENUM_) SG_ERR_RULES(SG_ERR_ENUM_) SG_ERR_COUNT };
#undef SG_ERR_ENUM_

#define SG_ERR_ENUM_(name, code, text) name = -(int)name##_NO,
enum sg_err { SG_OK = 0, SG_ERR_LOCAL(SG_ERR_ENUM_) SG_ERR_RULES(SG_ERR_ENUM_) };
#undef SG_ERR_ENUM_

/* The code as written in answers and logs ("canonical"); "ok" for 0, "unknown" for anything else.
 * Returned strings are static. Thread: any. */
const char *sg_err_code(int err);
/* One sentence for a person, static. Thread: any. */
const char *sg_err_text(int err);
/* The number of a code, 0 for "ok", SG_EINVAL for a text that is no code. Thread: any. */
int sg_err_of_code(const char *code);

/* A start-up fault: what was wrong and where. Filled by functions that read configuration or keys. */
struct sg_fault {
    int err;
    char text[480]; /* "FILE:LINE: $.path: what is wrong", without a newline */
};

#endif
