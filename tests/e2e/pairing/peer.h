/* SPDX-License-Identifier: MIT */
/* peer.h: the client and the server of the pairing story: short verified messages over a connection made in a chosen
 * way. */
#ifndef PAIRING_PEER_H
#define PAIRING_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define PEER_MESSAGE 64
#define PEER_TIMEOUT_MS 15000
#define PEER_MAX_CONNECTIONS 64

enum peer_fastopen { PEER_FASTOPEN_NONE, PEER_FASTOPEN_COOKIE, PEER_FASTOPEN_DATA };

struct peer_options {
	struct sockaddr_storage at; /* where to listen or to connect to */
	socklen_t at_length;
	struct sockaddr_storage from; /* the client's own address, if from_length is not 0 */
	socklen_t from_length;
	bool server_first;
	bool reuseport;
	bool mptcp;
	bool defer;
	bool early; /* make the socket, say so, and wait for a line before connecting */
	bool blocking_connect;
	uint32_t listeners;
	uint32_t count;
	uint32_t messages;
	enum peer_fastopen fastopen;
};

int peer_parse_address(const char *text, struct sockaddr_storage *ret, socklen_t *ret_length);
int peer_socket(const struct peer_options *options);
uint16_t peer_port(const struct sockaddr_storage *address);
void peer_set_port(struct sockaddr_storage *address, uint16_t port);
void peer_message(char *to, uint32_t number);
/* Moves exactly n bytes over a non-blocking socket within the timeout; 0 or -errno. */
int peer_send(int fd, const char *from, size_t n);
int peer_receive(int fd, char *to, size_t n);
int peer_await_connected(int fd);
/* Sends the numbered messages and checks the answers. */
int peer_converse(int fd, uint32_t messages);
/* Prints a line, then keeps everything open until standard input ends or a signal comes. */
void peer_hold(const char *line);

int peer_serve(const struct peer_options *options);
int peer_connect(const struct peer_options *options);
int peer_self(const struct peer_options *options);  /* one socket connected to itself */
int peer_cross(const struct peer_options *options); /* two sockets that open to each other at once */
int peer_forge(
	const struct peer_options *options); /* TCP_REPAIR takes both sequence numbers of a handshake under way */
int peer_remote(
	const struct peer_options *options); /* a TUN device behind which a machine answers that is not this one */

#endif
