/*
 * Datagrams with descriptors over AF_UNIX SOCK_SEQPACKET: one send is one message.
 * Received descriptors are O_CLOEXEC. SIGPIPE is never raised.
 */
#pragma once
#include <stddef.h>
#include <sys/types.h>

enum { DGRAM_FDS_MAX = 64 };

int dgram_pair(int sv[2]);
/* Sending, and connecting, takes no longer: whoever does not read is not waited for. */
int dgram_limit(int fd, int seconds);
int dgram_send(int fd, const void *p, size_t n, const int *fds, size_t nfds);
/* The same on a stream: how much of it was taken. */
ssize_t dgram_send_some(int fd, const void *p, size_t n, const int *fds, size_t nfds);
/*
 * Length of the message, 0 when the peer is gone, or -errno. *nfds: room in, number
 * out; descriptors that do not fit are closed and -EMSGSIZE is returned.
 */
ssize_t dgram_recv(int fd, void *p, size_t size, int *fds, size_t *nfds);
/*
 * connect(2) to, and bind(2)+listen(2) (SOCK_DGRAM: bind only) at, dirfd/name, whatever the length of the way
 * to dirfd.
 */
int dgram_connect(int dirfd, const char *name, int type);
/*
 * The message of a send(2) that failed just now, by errno: EAGAIN is a peer of dgram_connect_path's that does
 * not read.
 */
int dgram_not_sent(const char *what);
/*
 * A stream socket at a path of the host, of any length. It belongs to a program that we do not know: a
 * connection, and each sending over it, that takes longer than ten seconds fails with -ETIMEDOUT.
 */
int dgram_connect_path(const char *path);
int dgram_listen(int dirfd, const char *name, int type);
