/*
 * HOME/guests/NAME/events: what happened to a guest, a JSON object a line. Of bounded size: the older half is events.1.
 */
#pragma once
#include "runtime/guest/guest.h"

struct guest_event { const char *time, *event, *detail, *victim; struct opt_i64 code, signal, pid; };
extern const struct record guest_event_record;
int event_add(int dir_fd, const struct guest_event *e);		/* time is filled in */
/* Why the guest is in the state it is in, in words; the last end and what led to it. */
int guest_why(const struct guest_where *at, const char *name, struct buf *out, struct jout *json);
