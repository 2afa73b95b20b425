/* SPDX-License-Identifier: MIT */
/*
 * semantics.h: what the probes and their runner share: a connected pair, the observation a probe writes, and the
 * helpers for it.
 *
 * A probe is one question to a pair of connected sockets. Its answer is a short line of words ("recv=1000
 * poll=IN,OUT"), the same in every run on plain TCP; the runner asks the same question on shunt's roads and compares
 * the lines.
 */
#ifndef SHUNT_SEMANTICS_H
#define SHUNT_SEMANTICS_H

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

enum {
	SHUNT_BLOCKING = 1,    /* asked of blocking sockets */
	SHUNT_NONBLOCKING = 2, /* asked of non-blocking sockets */
	SHUNT_BOTH = 3,
	SHUNT_OWN_CGROUP = 4,	 /* leaves a mark on its cgroup, so it gets one for itself */
	SHUNT_BOUND = 8,	 /* the line starts with bytes, which may grow to twice plain's and 4 MiB a socket */
	SHUNT_CLIENT_SENDS = 32, /* not when the ends are swapped */
	SHUNT_LONG = 16,	 /* only with --long */
};

enum { SHUNT_TEXT_MAX = 512, SHUNT_CHUNK = 1 << 20 };

struct shunt_ctx;

struct shunt_probe {
	const char *name;
	void (*ask)(struct shunt_ctx *ctx);
	unsigned flags;
	unsigned sockets; /* SHUNT_BOUND: how many share the bound; 0: one */
};

/* A probe is named after its function. */
#define PROBE(function, which, ...)                                                                                    \
	{                                                                                                              \
		.name = #function, .ask = function, .flags = (which), ##__VA_ARGS__                                    \
	}

/* One way of running the probes. expect: what shuntd must say of the pair before the probe starts; NULL: it is not
 * asked. */
struct shunt_way {
	const char *name;
	const char *plain; /* the way it is compared with; NULL: it is such a reference */
	const char *pod;   /* cgroup below the root, and the pod's name */
	const char *expect;
	bool blocking;
};

/* Lives in shared memory: a probe's children write to the same observation. */
struct shunt_ctx {
	const struct shunt_way *way;
	const struct shunt_probe *probe;
	const char *socket; /* of shuntd; NULL: nobody is asked */
	char cgroup[PATH_MAX];
	char *text;
	size_t used;
	int64_t asked_ms; /* when the probe began; 0: the pair is not ready yet */
	bool swap;	  /* the server sends and the client reads */
	int patience_ms;  /* how long an event may take before it counts as never */
	int tx;		  /* the end that sends by default */
	int rx;
	uint64_t put[2]; /* position in the pattern, by direction: 0 is tx to rx */
	uint64_t got[2];
};

/* pair.c */
int shunt_listen(int family, uint16_t *ret_port, bool reuseport);
uint16_t shunt_port_of(int fd); /* its own */
int shunt_connect(int family, uint16_t port);
int shunt_accept(int listener, int timeout_ms);
void shunt_nonblocking(int fd, bool on);
void shunt_adopt_mode(const struct shunt_ctx *ctx, int fd); /* blocking or not, as the way says */
int shunt_pair_make(const struct shunt_ctx *ctx, int *ret_client, int *ret_server);
int shunt_pair_open(struct shunt_ctx *ctx); /* makes ctx's pair and brings it into the state the way expects */
int shunt_pair_warm(struct shunt_ctx *ctx, int a, int b); /* the same for a pair of the probe's own */

/* flows.c: what shuntd says. Empty words when it knows no such flow. */
struct shunt_said {
	char state[16];
	char reason[24];
};
int shunt_flow_ask(const struct shunt_ctx *ctx, int fd, struct shunt_said *ret);
bool shunt_flow_becomes(const struct shunt_ctx *ctx, int fd, const char *state, const char *reason, int timeout_ms);
/* A promoted pair whose application has just done something that membership does not survive: waits until shuntd has
 * taken it back to TCP for this reason ("a|b": one of them), and notes it when it does not. Does nothing on other ways.
 */
void shunt_settle(struct shunt_ctx *ctx, const char *reason);

/* tell.c: the observation */
void shunt_note(struct shunt_ctx *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));
void shunt_note_result(struct shunt_ctx *ctx, const char *what,
		       ssize_t result); /* the number, or the name of errno if negative */
void shunt_note_events(struct shunt_ctx *ctx, const char *what, unsigned events);
const char *shunt_error_name(int error);
int64_t shunt_now_ms(void);

/* bytes.c: patterned bytes, sent and checked by position */
void shunt_pattern(uint64_t position, char *buf, size_t len);
bool shunt_right(uint64_t position, const char *buf, size_t len);
ssize_t shunt_send(struct shunt_ctx *ctx, int fd, size_t len, int flags); /* one send(); never a signal */
void shunt_put(struct shunt_ctx *ctx, int fd, size_t len); /* all of it, and waits until it has arrived */
void shunt_arrived(struct shunt_ctx *ctx, int fd);	   /* what fd sent is in the other end's queue */
void shunt_check(struct shunt_ctx *ctx, const char *what, int fd, const char *buf,
		 ssize_t result);				      /* notes "what=result", advances */
void shunt_get(struct shunt_ctx *ctx, int fd, size_t len, int flags); /* one recv(), noted and checked */
size_t shunt_fill(struct shunt_ctx *ctx, int fd, size_t len); /* sends len-byte messages until nothing more fits */
size_t shunt_drain(struct shunt_ctx *ctx, int fd,
		   size_t want); /* reads until want bytes, the end or patience; notes wrong bytes */
bool shunt_wait(struct shunt_ctx *ctx, int fd, short events);	  /* false and noted: the event never came */
void shunt_poll(struct shunt_ctx *ctx, const char *what, int fd); /* notes what poll() says now */

/* tasks.c: blocking calls in threads and children */
struct shunt_task {
	ssize_t (*call)(struct shunt_task *task);
	int fd;
	size_t len;
	int flags;
	void *buf;
	ssize_t result;
	int error;
	pthread_t thread;
	pid_t tid;
	bool done;
};
ssize_t shunt_call_recv(struct shunt_task *task);
ssize_t shunt_call_send(struct shunt_task *task);
void shunt_task_start(struct shunt_task *task);
void shunt_task_asleep(struct shunt_ctx *ctx, struct shunt_task *task, long nr); /* inside system call nr, or done */
bool shunt_task_join(struct shunt_ctx *ctx, struct shunt_task *task);		 /* false: noted as a hang */
void shunt_task_note(struct shunt_ctx *ctx, const char *what, struct shunt_task *task); /* joins and notes the result */
pid_t shunt_child(struct shunt_ctx *ctx, void (*body)(struct shunt_ctx *ctx));
bool shunt_child_asleep(struct shunt_ctx *ctx, pid_t pid, long nr);
bool shunt_child_end(struct shunt_ctx *ctx, pid_t pid);

void shunt_fd_send(int channel, int fd);
int shunt_fd_receive(int channel);

/* stamping.c: as long as this process lives */
int shunt_stamping_hold(void);

/* table.c: docs/semantics.md */
struct shunt_row {
	char probe[64];
	char who[128]; /* ", "-separated names of ways */
	char plain[SHUNT_TEXT_MAX];
	char observed[SHUNT_TEXT_MAX]; /* a shell pattern */
	unsigned line;
};
struct shunt_table {
	struct shunt_row rows[512];
	size_t n_rows;
};
int shunt_table_load(struct shunt_table *table, const char *path);
bool shunt_row_concerns(const struct shunt_row *row, const char *probe, const char *way);
struct shunt_row *shunt_table_find(struct shunt_table *table, const char *probe, const char *way);

/* run.c: every probe, every way */
struct shunt_run {
	const char *root;   /* folder of the cgroups */
	const char *socket; /* NULL: plain against plain */
	const char *only;   /* shell pattern of probe names; NULL: all */
	bool with_long;
	bool times; /* tell on stderr how long each took */
	bool swap;
	struct shunt_table *table;
	char *text; /* SHUNT_TEXT_MAX bytes a way and probe, shared with the workers */
};
extern const struct shunt_way shunt_ways[];
const struct shunt_way *shunt_way_named(const char *name);
const struct shunt_probe *shunt_probe_at(size_t index); /* NULL beyond the last */
size_t shunt_probe_count(void);
bool shunt_probe_applies(const struct shunt_run *run, const struct shunt_probe *probe, const struct shunt_way *way);
char *shunt_run_text(const struct shunt_run *run, const struct shunt_way *way, size_t index);
int shunt_enter_cgroup(const char *cgroup);
int shunt_run_way(const struct shunt_run *run, const struct shunt_way *way); /* in the calling process */

extern const struct shunt_probe shunt_probes_recv[], shunt_probes_flags[], shunt_probes_send[], shunt_probes_ready[],
	shunt_probes_epoll[], shunt_probes_options[], shunt_probes_window[], shunt_probes_close[],
	shunt_probes_process[], shunt_probes_signal[], shunt_probes_uring[], shunt_probes_splice[],
	shunt_probes_memory[], shunt_probes_stream[];

#endif
