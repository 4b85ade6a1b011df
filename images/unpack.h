/* The parent's side of the confined extractor: layers and archives become directories of a stage. */
#pragma once
#include "images/stage.h"

/*
 * fd: from its first byte. what: for messages. flags: LAYER_*. name: the directory made. diff: of the
 * uncompressed layer.
 */
int unpack_layer(struct stage *g, int fd, const char *what, int flags, char name[32], char diff[HEX_SIZE]);
/* An archive of blobs: files and directories of ours, links resolved inside it only. */
int unpack_plain(struct stage *g, int fd, const char *what, char name[32]);

enum archive_kind { ARCHIVE_ROOTFS, ARCHIVE_OCI, ARCHIVE_DOCKER };
/* What an archive is, told from the names of its members. */
int unpack_probe(int fd, const char *what, enum archive_kind *kind);
