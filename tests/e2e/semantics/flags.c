/* SPDX-License-Identifier: MIT */
/* flags.c: probes of every flag of recv(). */
#include "semantics.h"

#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

static void peek(struct shunt_ctx *ctx) {
  shunt_put(ctx, ctx->tx, 1000);
  shunt_get(ctx, ctx->rx, 500, MSG_PEEK);
  shunt_get(ctx, ctx->rx, 700, MSG_PEEK);
  shunt_get(ctx, ctx->rx, 100, 0);
  shunt_get(ctx, ctx->rx, 2000, MSG_PEEK);
  shunt_get(ctx, ctx->rx, 2000, 0);
}

static void peek_messages(struct shunt_ctx *ctx) {
  for (int i = 0; i < 3; i++)
    shunt_put(ctx, ctx->tx, 100);
  shunt_get(ctx, ctx->rx, 1000, MSG_PEEK);
  shunt_get(ctx, ctx->rx, 150, MSG_PEEK);
  shunt_get(ctx, ctx->rx, 150, 0);
  shunt_get(ctx, ctx->rx, 1000, MSG_PEEK);
  shunt_get(ctx, ctx->rx, 1000, 0);
}

static void peek_end(struct shunt_ctx *ctx) {
  shunt_put(ctx, ctx->tx, 10);
  shutdown(ctx->tx, SHUT_WR);
  shunt_wait(ctx, ctx->rx, POLLRDHUP);
  shunt_get(ctx, ctx->rx, 100, MSG_PEEK);
  shunt_get(ctx, ctx->rx, 100, MSG_PEEK | MSG_WAITALL);
  shunt_get(ctx, ctx->rx, 100, 0);
  shunt_get(ctx, ctx->rx, 100, MSG_PEEK);
}

static void waitall_ready(struct shunt_ctx *ctx) {
  for (int i = 0; i < 4; i++)
    shunt_put(ctx, ctx->tx, 25);
  shunt_get(ctx, ctx->rx, 100, MSG_WAITALL);
}

static void waitall_short(struct shunt_ctx *ctx) {
  shunt_put(ctx, ctx->tx, 50);
  shunt_get(ctx, ctx->rx, 100, MSG_WAITALL | MSG_DONTWAIT);
  shunt_put(ctx, ctx->tx, 50);
  shunt_get(ctx, ctx->rx, 100, MSG_WAITALL | MSG_PEEK | MSG_DONTWAIT);
  shunt_get(ctx, ctx->rx, 100, MSG_DONTWAIT);
}

static void waitall_halves(struct shunt_ctx *ctx) {
  char buf[100];
  struct shunt_task task = {.call = shunt_call_recv,
                            .fd = ctx->rx,
                            .buf = buf,
                            .len = 100,
                            .flags = MSG_WAITALL};

  shunt_put(ctx, ctx->tx, 50);
  shunt_task_start(&task);
  shunt_task_asleep(ctx, &task, SYS_recvfrom);
  shunt_put(ctx, ctx->tx, 50);
  shunt_task_note(ctx, "waitall", &task);
}

static void waitall_end(struct shunt_ctx *ctx) {
  char buf[100];
  struct shunt_task task = {.call = shunt_call_recv,
                            .fd = ctx->rx,
                            .buf = buf,
                            .len = 100,
                            .flags = MSG_WAITALL};

  shunt_task_start(&task);
  shunt_task_asleep(ctx, &task, SYS_recvfrom);
  shunt_put(ctx, ctx->tx, 50);
  shutdown(ctx->tx, SHUT_WR);
  shunt_task_note(ctx, "waitall", &task);
}

static void peek_waits(struct shunt_ctx *ctx) {
  char buf[100];
  struct shunt_task task = {.call = shunt_call_recv,
                            .fd = ctx->rx,
                            .buf = buf,
                            .len = 100,
                            .flags = MSG_PEEK};

  shunt_task_start(&task);
  shunt_task_asleep(ctx, &task, SYS_recvfrom);
  shunt_put(ctx, ctx->tx, 50);
  shunt_task_note(ctx, "peek", &task);
  shunt_get(ctx, ctx->rx, 100, 0);
}

static void trunc_null(struct shunt_ctx *ctx) {
  ssize_t n;

  shunt_put(ctx, ctx->tx, 100);
  n = recv(ctx->rx, NULL, 60, MSG_TRUNC);
  shunt_note_result(ctx, "discard", n);
  ctx->got[0] += n > 0 ? (uint64_t)n : 0;
  shunt_get(ctx, ctx->rx, 100, 0);
}

static void trunc_buffer(struct shunt_ctx *ctx) {
  char buf[64] = {0};
  ssize_t n;

  shunt_put(ctx, ctx->tx, 100);
  n = recv(ctx->rx, buf, 60, MSG_TRUNC);
  shunt_note_result(ctx, "trunc", n);
  shunt_note(ctx, "buffer=%s", buf[0] || buf[1] ? "written" : "untouched");
  ctx->got[0] += n > 0 ? (uint64_t)n : 0;
  shunt_get(ctx, ctx->rx, 100, 0);
}

static void trunc_peek(struct shunt_ctx *ctx) {
  char buf[64] = {0};

  shunt_put(ctx, ctx->tx, 100);
  shunt_note_result(ctx, "trunc", recv(ctx->rx, buf, 60, MSG_TRUNC | MSG_PEEK));
  shunt_get(ctx, ctx->rx, 100, 0);
}

static void dontwait(struct shunt_ctx *ctx) {
  shunt_get(ctx, ctx->rx, 10, MSG_DONTWAIT);
  shunt_put(ctx, ctx->tx, 10);
  shunt_get(ctx, ctx->rx, 10, MSG_DONTWAIT);
  shunt_get(ctx, ctx->rx, 10, MSG_DONTWAIT | MSG_PEEK);
}

static void errqueue_empty(struct shunt_ctx *ctx) {
  shunt_get(ctx, ctx->rx, 10, MSG_ERRQUEUE);
  shunt_put(ctx, ctx->tx, 10);
  shunt_get(ctx, ctx->rx, 10, MSG_ERRQUEUE);
  shunt_get(ctx, ctx->rx, 10, 0);
  shunt_get(ctx, ctx->tx, 10, MSG_ERRQUEUE);
}

static void cmsg_cloexec(struct shunt_ctx *ctx) {
  char buf[16], control[64];
  struct iovec iov = {buf, sizeof(buf)};
  struct msghdr msg = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};

  shunt_put(ctx, ctx->tx, 10);
  shunt_check(ctx, "recvmsg", ctx->rx, buf,
              recvmsg(ctx->rx, &msg, MSG_CMSG_CLOEXEC));
  shunt_note(ctx, "control=%zu flags=%#x", msg.msg_controllen,
             (unsigned)msg.msg_flags);
}

static void unknown_flags(struct shunt_ctx *ctx) {
  shunt_put(ctx, ctx->tx, 10);
  shunt_get(ctx, ctx->rx, 4, MSG_EOR);
  shunt_get(ctx, ctx->rx, 4, MSG_CTRUNC | MSG_CONFIRM);
  shunt_get(ctx, ctx->rx, 4, MSG_NOSIGNAL);
}

static void oob_none(struct shunt_ctx *ctx) {
  char byte;

  shunt_note_result(ctx, "oob", recv(ctx->rx, &byte, 1, MSG_OOB));
  shunt_note_result(ctx, "oob",
                    recv(ctx->rx, &byte, 1, MSG_OOB | MSG_DONTWAIT));
}

static void note_text(struct shunt_ctx *ctx, const char *what, const char *buf,
                      ssize_t n) {
  if (n < 0)
    shunt_note_result(ctx, what, n);
  else
    shunt_note(ctx, "%s=%.*s", what, (int)n, buf);
}

/* 'a', urgent 'X', 'b': both sides of the mark, and the mark itself. */
static void oob(struct shunt_ctx *ctx) {
  int mark = -1;
  char buf[16];

  send(ctx->tx, "a", 1, 0);
  send(ctx->tx, "X", 1, MSG_OOB);
  send(ctx->tx, "b", 1, 0);
  shunt_arrived(ctx, ctx->tx);
  shunt_poll(ctx, "poll", ctx->rx);
  note_text(ctx, "oob", buf,
            recv(ctx->rx, buf, sizeof(buf), MSG_OOB | MSG_DONTWAIT));
  note_text(ctx, "recv", buf, recv(ctx->rx, buf, sizeof(buf), MSG_DONTWAIT));
  shunt_note_result(ctx, "ioctl", ioctl(ctx->rx, SIOCATMARK, &mark));
  shunt_note(ctx, "mark=%d", mark);
  note_text(ctx, "recv", buf, recv(ctx->rx, buf, sizeof(buf), MSG_DONTWAIT));
  note_text(ctx, "recv", buf, recv(ctx->rx, buf, sizeof(buf), MSG_DONTWAIT));
}

/* The first urgent byte takes the pair back to TCP; the next one is TCP's. */
static void oob_settled(struct shunt_ctx *ctx) {
  char buf[16];

  send(ctx->tx, "U", 1, MSG_OOB);
  shunt_arrived(ctx, ctx->tx);
  note_text(ctx, "first", buf,
            recv(ctx->rx, buf, sizeof(buf), MSG_OOB | MSG_DONTWAIT));
  note_text(ctx, "recv", buf, recv(ctx->rx, buf, sizeof(buf), MSG_DONTWAIT));
  shunt_settle(ctx, "urgent");
  oob(ctx);
}

static void oob_inline(struct shunt_ctx *ctx) {
  int on = 1;
  char buf[16];

  setsockopt(ctx->rx, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
  send(ctx->tx, "a", 1, 0);
  send(ctx->tx, "X", 1, MSG_OOB);
  shunt_arrived(ctx, ctx->tx);
  note_text(ctx, "recv", buf, recv(ctx->rx, buf, sizeof(buf), MSG_DONTWAIT));
  note_text(ctx, "recv", buf, recv(ctx->rx, buf, sizeof(buf), MSG_DONTWAIT));
}

const struct shunt_probe shunt_probes_flags[] = {
    PROBE(peek, SHUNT_BOTH),
    PROBE(peek_messages, SHUNT_BOTH),
    PROBE(peek_end, SHUNT_BOTH),
    PROBE(peek_waits, SHUNT_BLOCKING),
    PROBE(waitall_ready, SHUNT_BOTH),
    PROBE(waitall_short, SHUNT_BOTH),
    PROBE(waitall_halves, SHUNT_BLOCKING),
    PROBE(waitall_end, SHUNT_BLOCKING),
    PROBE(trunc_null, SHUNT_BOTH),
    PROBE(trunc_buffer, SHUNT_BOTH),
    PROBE(trunc_peek, SHUNT_BOTH),
    PROBE(dontwait, SHUNT_BOTH),
    PROBE(errqueue_empty, SHUNT_BOTH),
    PROBE(cmsg_cloexec, SHUNT_BOTH),
    PROBE(unknown_flags, SHUNT_BOTH),
    PROBE(oob_none, SHUNT_BOTH),
    PROBE(oob, SHUNT_BOTH),
    PROBE(oob_settled, SHUNT_BOTH),
    PROBE(oob_inline, SHUNT_BOTH),
    {0},
};
