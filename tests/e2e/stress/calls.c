/* SPDX-License-Identifier: MIT */
/* calls.c: every system call by which a program can read from or write to a connected socket, bar splice from it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "end.h"

#define PARTS 3
#define PIPE_BYTES 32768

static ssize_t result(ssize_t n)
{
	return n < 0 ? -errno : n;
}

/* Cuts n bytes into at most PARTS pieces of random length; returns how many. */
static int split(struct stress_end *end, struct iovec *parts, char *buffer, size_t n)
{
	int count = 0;

	while (n > 0) {
		size_t part = count == PARTS - 1 ? n : 1 + stress_below(&end->rng, (uint32_t)n);

		parts[count++] = (struct iovec){buffer, part};
		buffer += part;
		n -= part;
	}
	return count;
}

static ssize_t by_read(struct stress_end *end, size_t n)
{
	return result(read(end->fd, end->in, n));
}

static ssize_t by_readv(struct stress_end *end, size_t n)
{
	struct iovec parts[PARTS];

	return result(readv(end->fd, parts, split(end, parts, end->in, n)));
}

static ssize_t by_recv(struct stress_end *end, size_t n)
{
	return result(recv(end->fd, end->in, n, MSG_DONTWAIT));
}

/* What was seen must be read: a wrong byte is left in end->in for the caller to find. */
static ssize_t by_peek(struct stress_end *end, size_t n)
{
	ssize_t seen = recv(end->fd, end->in, n, MSG_PEEK);
	ssize_t got;

	if (seen <= 0 || stress_verify(end->in, (size_t)seen, end->receive_seed, end->received) >= 0)
		return result(seen);
	got = recv(end->fd, end->in, (size_t)seen, 0);
	if (got >= 0 && got < seen && end->theirs->state != STRESS_SIDE_ABORTED)
		stress_fail(end->slot, end->role, "MSG_PEEK saw %zd bytes, recv then gave %zd", seen, got);
	return result(got);
}

static ssize_t by_recvmsg(struct stress_end *end, size_t n)
{
	struct iovec parts[PARTS];
	struct msghdr message = {.msg_iov = parts};

	message.msg_iovlen = (size_t)split(end, parts, end->in, n);
	return result(recvmsg(end->fd, &message, 0));
}

/* Each message has a piece of the buffer; the pieces are moved together. */
static ssize_t by_recvmmsg(struct stress_end *end, size_t n)
{
	struct mmsghdr messages[PARTS] = {0};
	struct iovec parts[PARTS];
	int count = split(end, parts, end->in, n);
	size_t total = 0;

	for (int i = 0; i < count; i++)
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
	count = recvmmsg(end->fd, messages, (unsigned int)count, MSG_DONTWAIT, NULL);
	if (count < 0)
		return -errno;
	for (int i = 0; i < count; i++) {
		memmove(end->in + total, parts[i].iov_base, messages[i].msg_len);
		total += messages[i].msg_len;
	}
	return (ssize_t)total;
}

static ssize_t ring_complete(struct stress_end *end)
{
	struct io_uring_cqe *cqe;
	int r = io_uring_submit_and_wait(&end->ring, 1);

	if (r < 0)
		return r;
	r = io_uring_peek_cqe(&end->ring, &cqe);
	if (r < 0)
		return r;
	r = cqe->res;
	io_uring_cqe_seen(&end->ring, cqe);
	return r;
}

static ssize_t by_uring_recv(struct stress_end *end, size_t n)
{
	int r = stress_ring_open(end);

	if (r < 0)
		return r;
	io_uring_prep_recv(io_uring_get_sqe(&end->ring), end->fd, end->in, n, MSG_DONTWAIT);
	return ring_complete(end);
}

/* A receive that is armed before the bytes come: poll, linked to recv. Gives -EAGAIN when the time is over or the poll
 * was spurious. */
static ssize_t by_uring_armed(struct stress_end *end, size_t n)
{
	struct __kernel_timespec slice = {.tv_nsec = 200000000};
	struct io_uring_sqe *sqe;
	ssize_t got = -EAGAIN;
	int r = stress_ring_open(end);

	if (r < 0)
		return r;
	sqe = io_uring_get_sqe(&end->ring);
	io_uring_prep_poll_add(sqe, end->fd, POLLIN);
	sqe->flags |= IOSQE_IO_LINK;
	sqe->user_data = 1;
	sqe = io_uring_get_sqe(&end->ring);
	io_uring_prep_link_timeout(sqe, &slice, 0);
	sqe->flags |= IOSQE_IO_LINK;
	sqe->user_data = 2;
	sqe = io_uring_get_sqe(&end->ring);
	io_uring_prep_recv(sqe, end->fd, end->in, n, MSG_DONTWAIT);
	sqe->user_data = 3;
	r = io_uring_submit_and_wait(&end->ring, 3);
	for (int i = 0; r >= 0 && i < 3; i++) {
		struct io_uring_cqe *cqe;

		r = io_uring_wait_cqe(&end->ring, &cqe);
		if (r < 0)
			break;
		if (cqe->user_data == 3 && cqe->res != -ECANCELED)
			got = cqe->res;
		io_uring_cqe_seen(&end->ring, cqe);
	}
	return r < 0 ? r : got;
}

static ssize_t by_write(struct stress_end *end, size_t n, bool more)
{
	return result(write(end->fd, end->out, n));
}

static ssize_t by_writev(struct stress_end *end, size_t n, bool more)
{
	struct iovec parts[PARTS];

	return result(writev(end->fd, parts, split(end, parts, end->out, n)));
}

static ssize_t by_send(struct stress_end *end, size_t n, bool more)
{
	return result(send(end->fd, end->out, n, MSG_DONTWAIT | MSG_NOSIGNAL));
}

static ssize_t by_more(struct stress_end *end, size_t n, bool more)
{
	return result(send(end->fd, end->out, n, MSG_NOSIGNAL | (more ? MSG_MORE : 0)));
}

static ssize_t by_sendmsg(struct stress_end *end, size_t n, bool more)
{
	struct iovec parts[PARTS];
	struct msghdr message = {.msg_iov = parts};

	message.msg_iovlen = (size_t)split(end, parts, end->out, n);
	return result(sendmsg(end->fd, &message, MSG_NOSIGNAL));
}

/*
 * One message a call. Plain TCP stops behind a message that went out short; for a member the kernel (6.18.44) goes on
 * with the next one and so leaves a gap, because tcp_bpf_sendmsg() has consumed the whole iterator: msg_data_left() is
 * 0. docs/semantics.md.
 */
static ssize_t by_sendmmsg(struct stress_end *end, size_t n, bool more)
{
	struct iovec parts[PARTS];
	struct mmsghdr message = {.msg_hdr.msg_iov = parts};

	message.msg_hdr.msg_iovlen = (size_t)split(end, parts, end->out, n);
	if (sendmmsg(end->fd, &message, 1, MSG_NOSIGNAL) < 0)
		return -errno;
	return message.msg_len;
}

/* The pages are sent without a copy: truncating first gives the file new ones, and leaves those in flight alone. */
static ssize_t by_sendfile(struct stress_end *end, size_t n, bool more)
{
	off_t from = 0;

	if (end->memfd < 0)
		end->memfd = memfd_create("stress", MFD_CLOEXEC);
	if (end->memfd < 0 || ftruncate(end->memfd, 0) < 0)
		return -errno;
	if (pwrite(end->memfd, end->out, n, 0) != (ssize_t)n)
		return -EIO;
	return result(sendfile(end->fd, end->memfd, &from, n));
}

/* What does not fit into the socket is taken out of the pipe again: the next call writes it anew. */
static ssize_t by_splice(struct stress_end *end, size_t n, bool more)
{
	unsigned int flags = SPLICE_F_NONBLOCK;
	ssize_t filled;
	ssize_t moved;

	if (end->pipe[0] < 0 && pipe2(end->pipe, O_NONBLOCK | O_CLOEXEC) < 0)
		return -errno;
	filled = write(end->pipe[1], end->out, n < PIPE_BYTES ? n : PIPE_BYTES);
	if (filled < 0)
		return -errno;
	if (more || filled < (ssize_t)n)
		flags |= SPLICE_F_MORE;
	moved = result(splice(end->pipe[0], NULL, end->fd, NULL, (size_t)filled, flags));
	for (ssize_t rest = filled - (moved > 0 ? moved : 0); rest > 0;) {
		ssize_t drained = read(end->pipe[0], end->out, (size_t)rest);

		if (drained <= 0)
			return -EIO;
		rest -= drained;
	}
	return moved;
}

static ssize_t by_uring_send(struct stress_end *end, size_t n, bool more)
{
	int r = stress_ring_open(end);

	if (r < 0)
		return r;
	io_uring_prep_send(io_uring_get_sqe(&end->ring), end->fd, end->out, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	return ring_complete(end);
}

ssize_t stress_receive(struct stress_end *end, size_t n, enum stress_read method)
{
	static ssize_t (*const readers[])(struct stress_end *, size_t) = {
#define X(name, word) by_##word,
		STRESS_READS(X)
#undef X
	};

	return readers[method](end, n);
}

ssize_t stress_transmit(struct stress_end *end, size_t n, bool more, enum stress_write method)
{
	static ssize_t (*const writers[])(struct stress_end *, size_t, bool) = {
#define X(name, word) by_##word,
		STRESS_WRITES(X)
#undef X
	};

	return writers[method](end, n, more);
}
