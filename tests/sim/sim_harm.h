/* Those that do harm: a member with a key that the genesis names, and a machine without one. Part of sim.h. */
#ifndef SIM_HARM_H
#define SIM_HARM_H

#include "ledger/core/validity.h"

struct sim;
struct sim_block;
struct sim_doc;
struct sim_msg;

/* ---- sim_hostile.c, sim_forge.c ---- */
enum sim_hostile_way {
    SIM_WITHHOLD,
    SIM_EQUIVOCATE,
    SIM_EQUIVOCATE_SAID,
    SIM_EXCLUDE,
    SIM_EXCLUDE_ONE,
    SIM_COPY,
    SIM_CLAIM,
    SIM_GARBAGE,
    SIM_FORGE,
    SIM_WAYS
};
void sim_hostile_slot(struct sim *s, sg_minute slot);
void sim_hostile_release(struct sim *s);
bool sim_hostile_keeps(struct sim *s, const struct lg_block *b);

struct sim_forgery {                /* a block of no honest miner */
    unsigned by;                    /* the machine that signs it */
    lg_kid miner;                   /* 0: that machine's */
    const struct sim_block *parent; /* NULL: genesis */
    sg_minute slot;
    sg_ms time;
    const struct lg_statement *const *statements; /* any order */
    unsigned nstatements;
    const struct lg_body *const *bodies;
    unsigned nbodies;
    int64_t more_weight; /* claimed beyond the true one */
    bool bad_root, bad_signature;
};
struct sim_doc *sim_forge_block(struct sim *s, const struct sim_forgery *f);
struct sim_forged_statement {
    unsigned by;                    /* the machine that signs it */
    unsigned gw;                    /* whose it claims to be */
    const struct sim_block *parent; /* the branch on which it follows; its tip */
    sg_minute slot;
    sg_ms ts;
    bool new_inc;
    const struct lg_read *read; /* NULL: none */
};
/* NULL: the encoder refuses it. Caller frees. */
struct lg_statement *sim_forge_statement(struct sim *s, const struct sim_forged_statement *f);
/* The same numbers, another moment, and the signature of that machine. Likewise. */
struct lg_statement *sim_forge_variant(struct sim *s, const struct lg_statement *real, unsigned by);
/* An offer of one or two (other NULL) statements, without bodies. */
struct sim_doc *sim_offer_one(const struct lg_statement *st, const struct lg_statement *other);
void sim_hostile_offer(struct sim *s, const struct lg_statement *st, unsigned half);

/* ---- sim_keyless.c ---- */
void sim_keyless_draw(struct sim *s, unsigned rate);
/* Who has it as a peer; npeers. */
void sim_keyless_join(struct sim *s);
void sim_keyless_fini(struct sim *s);
void sim_keyless_slot(struct sim *s, sg_minute slot);
void sim_keyless_message(struct sim *s, struct sim_msg *msg);
/* sim_exclude.c */
void sim_hostile_exclude_one(struct sim *s, sg_minute slot);

#endif
