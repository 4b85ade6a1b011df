/*
 * SELinux labels of guests. A guest's own is the type of guests and a pair of categories, which no other guest on the
 * host has; label.c claims the pair once, for as long as the guest exists, and labels its files. Where SELinux is off
 * nothing is labelled, and labels are "".
 */
#pragma once
#include "base/bind.h"

struct guest_labels { char process[256], file[256]; };	/* "": none */
/* "auto", "none" or a label. ERR_USAGE */
int label_check(const char *word);
/*
 * Where SELinux is on: the policy knows the label, ERR_CONFIG, or for "auto" (NULL) the type of guests,
 * ERR_UNSUPPORTED.
 */
int label_possible(const char *word);
/*
 * The guest's labels: none where SELinux is off, or not wanted. What they need is done where it was not yet: two
 * categories claimed, of which no other guest of the host has both; its own directory labelled, and the files below
 * rootfs/. Fails as label_possible().
 */
int label_get(int dir_fd, const char *dir, const char *word, struct guest_labels *out);
/*
 * The directory of state gets the label by which what a keeper makes in it is of its guest. A no-op as label_keeper().
 */
int label_state(const char *root, const struct guest_labels *l);
/*
 * Layers of the store get the label of what all guests may read, each once: an overlay is labelled as a whole, but
 * mprotect(2) of a mapped file asks for the label of the file below.
 */
int label_layers(const char *home, const struct strv *layers, const struct guest_labels *l);
/*
 * The calling process, a keeper of one thread, enters the domain of keepers, with its guest's categories. Not where the
 * guest's label is none of ours: the policy has no domain that may start that one, either.
 */
int label_keeper(const struct guest_labels *l);
/* The label of the keeper of a guest with that label; "": its caller's. */
void label_of_keeper(const char *process, char *out, size_t size);
/* The label of files that are every guest's. */
void label_shared(char *out, size_t size);
/* What label_get() said, "" before it was asked. */
void label_read(int dir_fd, char *out, size_t size);
int label_release(const char *dir);	/* dir: the guest's, absolute */
int label_sweep(void);			/* of guests that are no more; how many */

/* ---- for label.c and its test: the pairs of categories, a directory of links ---- */

/*
 * Claims a pair in the directory of claims for the guest at dir (absolute) and writes its name. had: what it
 * had before, which it keeps if it can, or "". ERR_RESOURCE: there is none left.
 */
int label_claim(const char *claims, const char *dir, const char *had, char pair[16]);
