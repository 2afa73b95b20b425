/* SPDX-License-Identifier: MIT */
/* flows.c: what shuntd says of a connection, asked over its control socket. */
#include "semantics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

static void own_address(int fd, char *buf, size_t size)
{
	struct sockaddr_in a = {0};
	char ip[INET_ADDRSTRLEN] = "";
	socklen_t len = sizeof(a);

	getsockname(fd, (struct sockaddr *)&a, &len);
	inet_ntop(AF_INET, &a.sin_addr, ip, sizeof(ip));
	snprintf(buf, size, "%s:%u", ip, ntohs(a.sin_port));
}

static void copy_word(char *to, size_t size, const json_t *flow, const char *key)
{
	const char *word = json_string_value(json_object_get(flow, key));

	snprintf(to, size, "%s", word ? word : "");
}

static json_t *list(const struct shunt_ctx *ctx)
{
	struct shunt_client *client = NULL;
	struct shunt_client_error error = {0};
	json_t *params = json_pack("{s:s}", "pod", ctx->way->pod), *reply = NULL;

	if (!shunt_client_connect(&client, ctx->socket, 2000))
		shunt_client_call(client, "FlowList", params, 5000, &reply, &error);
	shunt_client_error_clear(&error);
	shunt_client_free(client);
	json_decref(params);
	return reply;
}

int shunt_flow_ask(const struct shunt_ctx *ctx, int fd, struct shunt_said *ret)
{
	char local[64];
	json_t *reply = list(ctx), *flow;
	size_t i;
	int r = reply ? -ENOENT : -EIO;

	memset(ret, 0, sizeof(*ret));
	own_address(fd, local, sizeof(local));
	json_array_foreach (json_object_get(reply, "flows"), i, flow) {
		const char *end = json_string_value(json_object_get(flow, "local"));

		if (!end || strcmp(end, local))
			continue;
		copy_word(ret->state, sizeof(ret->state), flow, "state");
		copy_word(ret->reason, sizeof(ret->reason), flow, "reason");
		r = 0;
	}
	json_decref(reply);
	return r;
}

/* words: "a|b|c" */
static bool one_of(const char *word, const char *words)
{
	size_t len = strlen(word);

	for (const char *w = words; w && *w; w = strchr(w, '|') ? strchr(w, '|') + 1 : NULL) {
		if (len && !strncmp(w, word, len) && (w[len] == 0 || w[len] == '|'))
			return true;
	}
	return false;
}

bool shunt_flow_becomes(const struct shunt_ctx *ctx, int fd, const char *state, const char *reason, int timeout_ms)
{
	int64_t deadline = shunt_now_ms() + timeout_ms;
	struct shunt_said said;

	for (;;) {
		if (!shunt_flow_ask(ctx, fd, &said) && !strcmp(said.state, state) && one_of(said.reason, reason))
			return true;
		if (shunt_now_ms() > deadline)
			return false;
		poll(NULL, 0, 10);
	}
}

/* A member's recv() does not know MSG_OOB and finds nothing; TCP's says that there is no urgent byte. Only with an
 * empty queue. */
static bool is_member(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_OOB | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* Eager pods assert that their sockets are non-blocking, and are not taken back for it. */
static bool survives(const struct shunt_ctx *ctx, const char *reason)
{
	return !strncmp(ctx->way->name, "eager", 5) && !strncmp(reason, "blocking", 8);
}

void shunt_settle(struct shunt_ctx *ctx, const char *reason)
{
	int64_t deadline = shunt_now_ms() + ctx->patience_ms;
	struct shunt_said said;

	if (!ctx->socket || !ctx->way->expect || strcmp(ctx->way->expect, "redirect") || survives(ctx, reason))
		return;
	if (!shunt_flow_becomes(ctx, ctx->rx, "tcp", reason, ctx->patience_ms)) {
		shunt_flow_ask(ctx, ctx->rx, &said);
		shunt_note(ctx, "not-settled=%s/%s", said.state, said.reason);
		return;
	}
	while (is_member(ctx->rx) || is_member(ctx->tx)) {
		if (shunt_now_ms() > deadline) {
			shunt_note(ctx, "not-settled=member");
			return;
		}
		poll(NULL, 0, 2);
	}
}
