/* SPDX-License-Identifier: MIT */
/* client.c: a non-blocking client that verifies every byte of an answer and gives up at a deadline instead of hanging.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROOM 65536
#define TURN_MAX 4000
#define FRAME 64
#define LATE 300

struct session {
	int fd;
	int index;
	uint32_t seed;
	char *out;
	char *in;
	size_t out_len;
	size_t in_len;
	size_t sent;
	size_t want; /* bytes of the answer, once known */
	size_t size; /* of out and in */
	const char *phase;
};

struct protocol {
	const char *name;
	int (*greet)(struct session *);
	int (*exchange)(struct session *, size_t payload);
};

enum outcome { OK, RESET, HANG, CORRUPT, FAILED, OUTCOMES };
static const char *const outcome_names[] = {"ok", "reset", "hang", "corrupt", "failed"};

static struct {
	int connections, parallel, patience_ms, warm_ms, turns, rounds, resets;
	size_t bulk;
	const char *until;
	const struct protocol *protocol;
	struct sockaddr_in peer;
} options = {.connections = 1, .parallel = 8, .patience_ms = 15000, .turns = 40, .rounds = 1};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* The first turns go on for a number, a time, and until a file exists; a minute at most. */
static int is_warm(int turns, int64_t begin)
{
	int64_t spent = now_ms() - begin;

	if (turns < options.turns || spent < options.warm_ms)
		return 0;
	return !options.until || spent > 60000 || !access(options.until, F_OK);
}

/* Letters only, so that they pass for a value, a body and a stream; never the same twice. */
static void fill(struct session *s, char *to, size_t len)
{
	uint32_t x = ++s->seed * 2654435761U | 1;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		to[i] = 'a' + (x >> 8) % 26;
	}
}

static int send_some(struct session *s)
{
	ssize_t n = send(s->fd, s->out + s->sent, s->out_len - s->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	s->sent += n;
	return 0;
}

static int receive_some(struct session *s)
{
	ssize_t n;

	if (s->in_len == s->size)
		return -EBADMSG;
	n = recv(s->fd, s->in + s->in_len, s->size - s->in_len, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	s->in_len += n;
	return 0;
}

/* One step of sending and receiving. Nothing moving for so long that a busy machine is no excuse is a hang. */
static int step(struct session *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLIN | (s->sent < s->out_len ? POLLOUT : 0)};
	int r = 0;

	if (poll(&p, 1, options.patience_ms) == 0)
		return -ETIMEDOUT;
	if (p.revents & (POLLIN | POLLHUP | POLLERR))
		r = receive_some(s);
	if (r == 0 && p.revents & POLLOUT)
		r = send_some(s);
	return r;
}

/* Sends out and reads the answer until answered() returns 1 (0: more; -errno: wrong). */
static int transact(struct session *s, int (*answered)(struct session *))
{
	int r = 0, done = 0;

	s->sent = 0;
	s->in_len = 0;
	while (r == 0 && !(done == 1 && s->sent == s->out_len)) {
		r = step(s);
		if (r == 0)
			done = answered(s);
		if (done < 0)
			return done;
	}
	return r;
}

static int answered_in_full(struct session *s)
{
	if (s->in_len > s->want)
		return -EBADMSG;
	return s->in_len == s->want;
}

/* echo: the answer is the question. */

static int echo_exchange(struct session *s, size_t payload)
{
	int r;

	fill(s, s->out, payload);
	s->out_len = s->want = payload;
	r = transact(s, answered_in_full);
	if (r == 0 && memcmp(s->in, s->out, payload))
		r = -EBADMSG;
	return r;
}

/* relay: frames that the proxy answers itself, then a frame "G..." after which it copies to and from its upstream. */

static int frame(struct session *s, char kind)
{
	int r;

	fill(s, s->out, FRAME);
	s->out[0] = kind;
	s->out_len = s->want = FRAME;
	r = transact(s, answered_in_full);
	if (r == 0 && memcmp(s->in, s->out, FRAME))
		r = -EBADMSG;
	return r;
}

static int relay_greet(struct session *s)
{
	int64_t begin = now_ms();
	int r = 0;

	s->phase = "handshake";
	for (int i = 0; r == 0 && !is_warm(i, begin); i++)
		r = frame(s, 'H');
	if (r == 0)
		r = frame(s, 'G');
	if (r == 0)
		r = echo_exchange(s, LATE);
	return r;
}

/* redis: SET a value, GET it back. */

static int redis_exchange(struct session *s, size_t payload)
{
	char *value = s->in + s->size / 2; /* the answer is shorter than half of the room */
	char length[32];
	int r, digits;

	fill(s, value, payload);
	digits = snprintf(length, sizeof(length), "$%zu\r\n", payload);
	s->out_len = sprintf(s->out, "*3\r\n$3\r\nSET\r\n$8\r\nk%07d\r\n%s", s->index, length);
	memcpy(s->out + s->out_len, value, payload);
	s->out_len += payload;
	s->out_len += sprintf(s->out + s->out_len, "\r\n*2\r\n$3\r\nGET\r\n$8\r\nk%07d\r\n", s->index);
	s->want = 5 + digits + payload + 2;
	r = transact(s, answered_in_full);
	if (r == 0 && (memcmp(s->in, "+OK\r\n", 5) || memcmp(s->in + 5, length, digits) ||
		       memcmp(s->in + 5 + digits, value, payload) || memcmp(s->in + s->in_len - 2, "\r\n", 2)))
		r = -EBADMSG;
	return r;
}

/* http: PUT a file, GET it back on the same connection. */

static char *body_of(struct session *s, size_t *length)
{
	char *end = memmem(s->in, s->in_len, "\r\n\r\n", 4);
	char *header;

	if (!end)
		return NULL;
	header = memmem(s->in, end + 4 - s->in, "Content-Length: ", 16);
	*length = header ? strtoul(header + 16, NULL, 10) : 0;
	return end + 4;
}

static int http_answered(struct session *s)
{
	size_t length;
	char *body = body_of(s, &length);

	if (!body)
		return 0;
	s->want = body - s->in + length;
	return answered_in_full(s);
}

static int http_put(struct session *s, const char *content, size_t payload)
{
	int r;

	s->out_len =
		sprintf(s->out, "PUT /put/%d HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", s->index, payload);
	memcpy(s->out + s->out_len, content, payload);
	s->out_len += payload;
	r = transact(s, http_answered);
	if (r == 0 && memcmp(s->in, "HTTP/1.1 20", 11))
		r = -EBADMSG;
	return r;
}

static int http_get(struct session *s, const char *content, size_t payload)
{
	size_t length;
	char *body;
	int r;

	s->out_len = sprintf(s->out, "GET /put/%d HTTP/1.1\r\nHost: x\r\n\r\n", s->index);
	r = transact(s, http_answered);
	if (r)
		return r;
	body = body_of(s, &length);
	return length == payload && !memcmp(body, content, payload) ? 0 : -EBADMSG;
}

static int http_exchange(struct session *s, size_t payload)
{
	char *content = s->in + s->size / 2;
	int r;

	fill(s, content, payload);
	r = http_put(s, content, payload);
	return r ? r : http_get(s, content, payload);
}

static int http_greet(struct session *s)
{
	char content[100];
	int64_t begin = now_ms();
	int r;

	s->phase = "keep-alive GETs";
	fill(s, content, sizeof(content));
	r = http_put(s, content, sizeof(content));
	for (int i = 0; r == 0 && !is_warm(i, begin); i++)
		r = http_get(s, content, sizeof(content));
	return r;
}

static const struct protocol protocols[] = {
	{"echo", NULL, echo_exchange},
	{"relay", relay_greet, echo_exchange},
	{"redis", NULL, redis_exchange},
	{"http", http_greet, http_exchange},
};

/* a connection's life */

static int turn(struct session *s)
{
	return options.protocol->exchange(s, 1 + s->seed * 7919U % TURN_MAX);
}

static int plain_greet(struct session *s)
{
	int64_t begin = now_ms();
	int r = 0;

	s->phase = "turns";
	for (int i = 0; r == 0 && !is_warm(i, begin); i++)
		r = turn(s);
	return r;
}

static int bulk(struct session *s)
{
	int r = 0;

	s->phase = "bulk";
	for (int i = 0; r == 0 && i < options.rounds; i++)
		r = options.protocol->exchange(s, options.bulk);
	return r;
}

static int turns_after_bulk(struct session *s)
{
	int r = 0;

	s->phase = "turns after bulk";
	for (int i = 0; r == 0 && i < options.turns; i++)
		r = turn(s);
	return r;
}

static int converse(struct session *s)
{
	int r = options.protocol->greet ? options.protocol->greet(s) : plain_greet(s);

	if (r == 0 && options.bulk)
		r = bulk(s);
	if (r == 0 && options.bulk)
		r = turns_after_bulk(s);
	return r;
}

static int open_session(struct session *s, int index)
{
	struct timeval patience = {.tv_sec = options.patience_ms / 1000 + 1};

	s->index = index;
	s->seed = index * 100003U;
	s->size = 2 * (options.bulk + ROOM);
	s->out = malloc(s->size);
	s->in = malloc(s->size);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || !s->out || !s->in)
		return -ENOMEM;
	setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)); /* bounds connect() */
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (connect(s->fd, (struct sockaddr *)&options.peer, sizeof(options.peer)))
		return -errno;
	return fcntl(s->fd, F_SETFL, O_NONBLOCK) ? -errno : 0;
}

static enum outcome outcome_of(int r)
{
	switch (r) {
	case 0:
		return OK;
	case -ETIMEDOUT:
		return HANG;
	case -EBADMSG:
		return CORRUPT;
	case -ECONNRESET:
	case -EPIPE:
	case -ECONNABORTED:
		return RESET;
	}
	return FAILED;
}

static enum outcome run_session(int index)
{
	struct session s = {.fd = -1, .phase = "connect"};
	int r = open_session(&s, index);
	enum outcome outcome;

	if (r == 0)
		r = converse(&s);
	outcome = outcome_of(r);
	if (outcome != OK)
		fprintf(stderr, "connection %d: %s in %s: %s; sent %zu of %zu, received %zu of %zu\n", index,
			outcome_names[outcome], s.phase, strerror(-r), s.sent, s.out_len, s.in_len, s.want);
	return outcome; /* the process ends, and with it the session */
}

static void reap(int *counts)
{
	int status;

	if (wait(&status) < 0)
		return;
	counts[WIFEXITED(status) && WEXITSTATUS(status) < OUTCOMES ? WEXITSTATUS(status) : FAILED]++;
}

static void run_all(int *counts)
{
	int running = 0;

	for (int i = 0; i < options.connections; i++) {
		pid_t pid;

		if (running == options.parallel) {
			reap(counts);
			running--;
		}
		pid = fork();
		if (pid == 0)
			_exit(run_session(i));
		running++;
	}
	while (running--)
		reap(counts);
}

static int usage(void)
{
	fprintf(stderr,
		"usage: apps-client [-n CONNECTIONS] [-j PARALLEL] [-t DEADLINE_MS] [-w WARM_MS] [-k TURNS]\n"
		"                   [-b BULK_BYTES] [-r BULK_ROUNDS] [-R RESETS_ALLOWED] echo|relay|redis|http PORT\n");
	return 2;
}

static int parse_option(int option)
{
	switch (option) {
	case 'n':
		return options.connections = atoi(optarg);
	case 'j':
		return options.parallel = atoi(optarg);
	case 't':
		return options.patience_ms = atoi(optarg);
	case 'w':
		return options.warm_ms = atoi(optarg);
	case 'u':
		options.until = optarg;
		return 0;
	case 'k':
		return options.turns = atoi(optarg);
	case 'b':
		return options.bulk = strtoul(optarg, NULL, 10);
	case 'r':
		return options.rounds = atoi(optarg);
	case 'R':
		return options.resets = atoi(optarg);
	}
	return -1;
}

static int parse(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "n:j:t:w:u:k:b:r:R:")) != -1)
		if (parse_option(option) < 0)
			return -EINVAL;
	if (argc - optind != 2)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(protocols) / sizeof(*protocols); i++)
		if (!strcmp(protocols[i].name, argv[optind]))
			options.protocol = &protocols[i];
	options.peer.sin_family = AF_INET;
	options.peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	options.peer.sin_port = htons(atoi(argv[optind + 1]));
	return options.protocol ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	int counts[OUTCOMES] = {0};

	if (parse(argc, argv))
		return usage();
	run_all(counts);
	for (int i = 0; i < OUTCOMES; i++)
		printf("%s%s=%d", i ? " " : "", outcome_names[i], counts[i]);
	printf("\n");
	return counts[HANG] || counts[CORRUPT] || counts[FAILED] || counts[RESET] > options.resets;
}
