/*
 * A transaction over the system. Every resource acquired on the way registers
 * how to give it back; leaving the scope gives back everything, newest first,
 * unless the transaction was committed.
 *
 *	auto_undo struct undo u = { 0 };
 *	TRY(link_add(&l, &id));
 *	TRY(undo_push(&u, "link", link_remove, &id, sizeof id));
 *	...
 *	undo_commit(&u);
 */
#pragma once
#include "base/scope.h"

struct undo_entry;
struct undo { struct undo_entry *top; };

typedef int undo_fn(void *arg);		/* already gone is success */

/* Copies `size` bytes of `arg`: the entry never points into a dead frame. */
int undo_push(struct undo *u, const char *what, undo_fn *fn, const void *arg, size_t size);
void undo_commit(struct undo *u);
void undo_rollback(struct undo *u);	/* keeps errno and the pending error */

#define auto_undo SCOPED(undo_rollback)
