/* SPDX-License-Identifier: MIT */
/* script.h: what the two ends of one connection will do, derived from its seed alone. */
#ifndef STRESS_SCRIPT_H
#define STRESS_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

enum stress_role { STRESS_CLIENT = 0, STRESS_SERVER = 1 };

#define STRESS_READS(X)                                                                                                \
	X(READ, read)                                                                                                  \
	X(READV, readv)                                                                                                \
	X(RECV, recv) X(PEEK, peek) X(RECVMSG, recvmsg) X(RECVMMSG, recvmmsg) X(URING_RECV, uring_recv)                \
		X(URING_ARMED, uring_armed)
#define STRESS_WRITES(X)                                                                                               \
	X(WRITE, write)                                                                                                \
	X(WRITEV, writev)                                                                                              \
	X(SEND, send) X(MORE, more) X(SENDMSG, sendmsg) X(SENDMMSG, sendmmsg) X(SENDFILE, sendfile) X(SPLICE, splice)  \
		X(URING_SEND, uring_send)
#define STRESS_WAITS(X) X(POLL, poll) X(LEVEL, epoll_level) X(EDGE, epoll_edge) X(URING_POLL, uring_poll)
#define STRESS_ENDINGS(X)                                                                                              \
	X(CLIENT_CLOSES, client_closes)                                                                                \
	X(SERVER_CLOSES, server_closes)                                                                                \
	X(CLIENT_HALF, client_half) X(SERVER_HALF, server_half) X(BOTH_HALF, both_half) X(CLIENT_RESET, client_reset)  \
		X(SERVER_RESET, server_reset) X(UNSPEC, unspec)

enum stress_read {
#define X(name, word) STRESS_READ_##name,
	STRESS_READS(X)
#undef X
		STRESS_READ_COUNT
};

enum stress_write {
#define X(name, word) STRESS_WRITE_##name,
	STRESS_WRITES(X)
#undef X
		STRESS_WRITE_COUNT
};

enum stress_wait {
#define X(name, word) STRESS_WAIT_##name,
	STRESS_WAITS(X)
#undef X
		STRESS_WAIT_COUNT
};

enum stress_ending {
#define X(name, word) STRESS_END_##name,
	STRESS_ENDINGS(X)
#undef X
		STRESS_END_COUNT
};

#define STRESS_MAX_PHASES 6
#define STRESS_BUFFER 131072 /* bytes of the largest single read or write */
#define STRESS_STEADY_BYTES 2048

/* Turns: `first` sends bytes[first], the other answers with bytes[!first], `turns` times. Otherwise both send at once,
 * once. */
struct stress_phase {
	bool in_turns;
	enum stress_role first;
	uint32_t turns;
	uint32_t bytes[2]; /* by sender */
};

struct stress_style {
	enum stress_read read;
	enum stress_write write;
	enum stress_wait wait;
	bool mixed; /* read and write change with every call */
	bool nodelay;
	uint32_t receive_buffer; /* 0: the kernel's choice */
	uint32_t send_buffer;
	uint32_t read_size;
	uint32_t write_size;
	uint32_t pause_per_mille; /* of the reads */
	uint32_t pause_us;
};

struct stress_script {
	uint64_t seed;
	bool steady; /* small turns until the client half-closes; phases are not used */
	uint32_t phases;
	struct stress_phase phase[STRESS_MAX_PHASES];
	enum stress_ending ending;
	uint64_t abort_after; /* the aborting end's sent + received */
	uint32_t tail;	      /* sent after the other side's half-close */
	uint64_t total[2];    /* by sender */
	struct stress_style style[2];
};

void stress_script_make(struct stress_script *script, uint64_t seed, bool steady);
uint64_t stress_stream_seed(uint64_t seed, enum stress_role sender);
const char *stress_ending_word(enum stress_ending ending);
const char *stress_read_word(enum stress_read method);
const char *stress_write_word(enum stress_write method);
const char *stress_wait_word(enum stress_wait method);

#endif
