/*
 * The layers of an image as plain files, one tree. Names are never followed, on either side:
 * both walks go by descriptors.
 */
#pragma once
#include "images/load.h"

/* target: an existing, empty directory. ERR_STORAGE; ERR_STATE when it is not empty. */
int copy_image(const struct store *s, const struct image *i, const char *target);
