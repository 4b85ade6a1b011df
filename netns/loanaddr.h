/* The addresses of a link that is lent: noted, and given back in the order in which the kernel had them. */
#pragma once
#include "netns/loan.h"
#include "netns/nl.h"

/* Those that somebody set, of all the host, as net_address_text() has them. */
int net_loan_note_addresses(struct nlq *q, int index, const char *device, struct arena *a, struct strv *out);
int net_loan_give_addresses(struct nlq *q, const struct net_loan *l, int index);
