/*
 * packets SENDER RECEIVER ADDRESS SIZE MILLISECONDS: datagrams of SIZE bytes from the network namespace of process
 * SENDER to ADDRESS in that of RECEIVER, as fast as one processor sends them. Writes how many a second arrived at the
 * receiver's links. Nobody reads them: what is measured is the way.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 9999, BATCH = 64, SIZE_LIMIT = 1400 };

static void die(const char *what)
{
	fprintf(stderr, "packets: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void enter(const char *pid)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%s/ns/net", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		die(path);
	close(fd);
}

static struct sockaddr_in at(const char *address)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	if (inet_pton(AF_INET, address, &a.sin_addr) != 1)
		die(address);
	return a;
}

/* Packets that came in by links other than lo. fd: the receiver's /proc/net/dev. */
static unsigned long long arrived(int fd)
{
	static char text[65536];
	unsigned long long sum = 0, n;
	ssize_t got = pread(fd, text, sizeof text - 1, 0);

	if (got < 0)
		die("/proc/net/dev");
	text[got] = '\0';
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char *colon = strchr(line, ':');

		if (colon && !strstr(line, "lo:") && sscanf(colon + 1, "%*u %llu", &n) == 1)
			sum += n;
	}
	return sum;
}

static void blast(int s, size_t size, double until)
{
	static char data[SIZE_LIMIT];
	struct iovec v = { data, size };
	struct mmsghdr m[BATCH] = { 0 };

	for (int i = 0; i < BATCH; i++)
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &v, .msg_iovlen = 1 };
	while (now() < until) {
		if (sendmmsg(s, m, BATCH, 0) < 0 && errno != ENOBUFS && errno != ECONNREFUSED)
			die("send");
	}
}

int main(int argc, char **argv)
{
	if (argc != 6) {
		fprintf(stderr, "usage: packets SENDER RECEIVER ADDRESS SIZE MILLISECONDS\n");
		return 2;
	}
	struct sockaddr_in to = at(argv[3]);
	size_t size = strtoul(argv[4], NULL, 10);
	double seconds = strtod(argv[5], NULL) / 1e3;

	enter(argv[2]);
	int there = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (there < 0 || bind(there, (struct sockaddr *)&to, sizeof to) < 0)
		die("bind");
	/* Opened here, it shows the links of here for good. */
	int links = open("/proc/thread-self/net/dev", O_RDONLY | O_CLOEXEC);
	if (links < 0)
		die("/proc/thread-self/net/dev");

	enter(argv[1]);
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof to) < 0)
		die("connect");
	blast(s, size <= SIZE_LIMIT ? size : SIZE_LIMIT, now() + 0.05);
	unsigned long long before = arrived(links);
	double begun = now();
	blast(s, size <= SIZE_LIMIT ? size : SIZE_LIMIT, begun + seconds);
	double took = now() - begun;
	printf("%.0f\n", (double)(arrived(links) - before) / took);
	return 0;
}
