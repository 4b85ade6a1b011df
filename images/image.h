/*
 * What the rest of vzrun may ask of images. Everything that parses bytes from outside (archives, manifests,
 * layers, templates) runs in the executable vzrun-image, found beside vzrun or in libexec (VZRUN_LIBEXEC
 * overrides); images/client.c, the only part linked into vzrun, runs it and reads its JSON answer.
 *
 * Store: HOME/images/{blobs/sha256/HEX, layers/HEX/, refs/..., tmp/}. A layer directory is unpacked once,
 * with plain ids (0, 1000, ...), whiteouts as overlayfs wants them; it is never written again.
 */
#pragma once
#include "base/bind.h"

/* The answer of `vzrun-image resolve`: everything that a root filesystem needs. */
struct image_rootfs {
	const char *ref, *digest;	/* digest of the manifest, "sha256:..." */
	struct strv layers;		/* absolute directories, lowest first */
	struct strv env, cmd, entrypoint;
	const char *user, *workdir, *stop_signal;
	struct arena arena;
	struct json *tree;
};
void image_rootfs_free(struct image_rootfs *r);
#define auto_image_rootfs __attribute__((cleanup(image_rootfs_free)))

/* ERR_NOT_FOUND when there is no such reference; ERR_IMAGE when a blob is missing or does not match. */
int image_resolve(const char *home, const char *ref, struct image_rootfs *out);
/*
 * Bring something into the store under a reference. source: a directory, a tar (plain, gz, xz, zst), an OCI
 * layout (directory or archive), a docker-save archive; told apart by content. ref NULL: from the source's
 * own annotation or name. The progress of the helper goes to our stderr when that is a terminal.
 */
int image_import(const char *home, const char *source, const char *ref, struct buf *made_ref);
/* "debian:bookworm", "busybox": built once (mmdebstrap or debootstrap; host's busybox), then from the store.
 */
int image_template(const char *home, const char *template, struct buf *made_ref);
/* A plain copy of the layers, flattened, into the (existing, empty) directory target: --storage dir. */
int image_unpack_copy(const char *home, const char *ref, const char *target);
/* Runs a command of the helper (ls, import, rm, tag, ...), which speaks for us; returns its exit status. */
int image_command(const char *home, bool json, int argc, const char *const *argv);
