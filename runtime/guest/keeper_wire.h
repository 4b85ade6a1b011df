/*
 * The keeper of a running guest, seen from outside: how it is started, and what is said at its socket, keeper.sock.
 *
 * A packet is a struct keeper_packet up to the end of its text, over SOCK_SEQPACKET. A client's first one says what it
 * wants (WATCH, CONSOLE, STOPPING, SUSPENDING, KILL); the keeper answers with what happens from then on.
 */
#pragma once
#include "runtime/container/checkpoint.h"
#include "runtime/guest/guest.h"

/*
 * Becomes the keeper of g; reports over `report`; never returns to the caller's work. restore: of its checkpoint; NULL:
 * the guest boots.
 */
_Noreturn void keeper_main(struct guest *g, int report, const struct checkpoint_opts *restore);
enum keeper_msg {
	KEEPER_STARTED = 1, KEEPER_READY, KEEPER_FAILED, KEEPER_ENDED,	/* to the starter and watchers */
	KEEPER_WARNED,		/* to the starter, before any of those */
	KEEPER_DATA, KEEPER_SIZE, KEEPER_WATCH, KEEPER_CONSOLE, KEEPER_STOPPING,	/* from clients */
	KEEPER_SUSPENDING,	/* as STOPPING, as long as the client is there */
	KEEPER_KILL,		/* its init, when nobody else knows the guest's container any more */
};
struct keeper_packet { uint32_t msg; int32_t code, class, pid; char text[1000]; };
/*
 * Connects to the keeper of a running guest. -EBUSY: it has none; any other error says nothing of it. init: of the
 * boot that is meant, as the guest may have begun another: a keeper of that hangs up; 0: whichever.
 */
int keeper_connect(const struct guest_where *at, const char *name, enum keeper_msg hello, pid_t init);
bool keeper_lives(const struct guest_where *at, const char *name);
bool keeper_done(int fd);	/* waits until it has cleared up and ended; false: for ten seconds it said nothing */
