/* SPDX-License-Identifier: MIT */
/* main.c: the options of pairing-peer. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

static const char usage_text[] = "usage: pairing-peer serve|connect|self|cross|forge|remote ADDR:PORT [--from "
				 "ADDR:PORT] [--server-first] [--reuseport]\n"
				 "       [--mptcp] [--defer] [--early] [--blocking-connect] [--listeners N] [--count "
				 "N] [--messages N] [--fastopen cookie|data]\n";

static const struct {
	const char *word;
	int (*run)(const struct peer_options *options);
} commands[] = {
	{"serve", peer_serve}, {"connect", peer_connect}, {"self", peer_self},
	{"cross", peer_cross}, {"forge", peer_forge},	  {"remote", peer_remote},
};

static int parse_fastopen(const char *word, enum peer_fastopen *ret)
{
	if (strcmp(word, "cookie") != 0 && strcmp(word, "data") != 0)
		return -EINVAL;
	*ret = word[0] == 'c' ? PEER_FASTOPEN_COOKIE : PEER_FASTOPEN_DATA;
	return 0;
}

static int parse_option(int option, const char *value, struct peer_options *options)
{
	switch (option) {
	case 'f':
		return peer_parse_address(value, &options->from, &options->from_length);
	case '1':
		options->server_first = true;
		return 0;
	case 'r':
		options->reuseport = true;
		return 0;
	case 'm':
		options->mptcp = true;
		return 0;
	case 'd':
		options->defer = true;
		return 0;
	case 'e':
		options->early = true;
		return 0;
	case 'b':
		options->blocking_connect = true;
		return 0;
	case 'l':
		options->listeners = (uint32_t)strtoul(value, NULL, 10);
		return 0;
	case 'c':
		options->count = (uint32_t)strtoul(value, NULL, 10);
		return 0;
	case 'n':
		options->messages = (uint32_t)strtoul(value, NULL, 10);
		return 0;
	case 'o':
		return parse_fastopen(value, &options->fastopen);
	default:
		return -EINVAL;
	}
}

static int parse(int argc, char **argv, struct peer_options *options)
{
	static const struct option list[] = {
		{"from", required_argument, NULL, 'f'},
		{"server-first", no_argument, NULL, '1'},
		{"reuseport", no_argument, NULL, 'r'},
		{"mptcp", no_argument, NULL, 'm'},
		{"defer", no_argument, NULL, 'd'},
		{"early", no_argument, NULL, 'e'},
		{"blocking-connect", no_argument, NULL, 'b'},
		{"listeners", required_argument, NULL, 'l'},
		{"count", required_argument, NULL, 'c'},
		{"messages", required_argument, NULL, 'n'},
		{"fastopen", required_argument, NULL, 'o'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", list, NULL)) != -1)
		if (parse_option(option, optarg, options) < 0)
			return -EINVAL;
	if (optind + 2 != argc || options->count > PEER_MAX_CONNECTIONS)
		return -EINVAL;
	return peer_parse_address(argv[optind + 1], &options->at, &options->at_length);
}

int main(int argc, char **argv)
{
	struct peer_options options = {.listeners = 1, .count = 1, .messages = 40};

	signal(SIGPIPE, SIG_IGN);
	if (parse(argc, argv, &options) < 0) {
		fputs(usage_text, stderr);
		return 2;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		int r;

		if (strcmp(commands[i].word, argv[optind]) != 0)
			continue;
		r = commands[i].run(&options);
		if (r < 0)
			fprintf(stderr, "pairing-peer: %s %s: %s\n", argv[optind], argv[optind + 1], strerror(-r));
		return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	fputs(usage_text, stderr);
	return 2;
}
