/* SPDX-License-Identifier: MIT */
/* trial.c: puts a loopback pair into a private sockmap and looks at what changes. */
#include "trial.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "sh_probe.skel.h"

#define PATIENCE_MS 1000
#define MESSAGE "0123456789"
#define MESSAGE_BYTES 10

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

enum { SENDER = 0, READER = 1 }; /* indices in the map */

struct pair {
	int end[2];
};

static void close_pair(struct pair *pair)
{
	shunt_cleanup_close(&pair->end[SENDER]);
	shunt_cleanup_close(&pair->end[READER]);
}

#define _cleanup_pair_ _cleanup_(close_pair)
#define NO_PAIR                                                                                                        \
	{                                                                                                              \
		{                                                                                                      \
			-1, -1                                                                                         \
		}                                                                                                      \
	}

SHUNT_DEFINE_CLEANUP(struct sh_probe *, sh_probe__destroy)

static int wait_for(int fd, short events)
{
	struct pollfd poller = {.fd = fd, .events = events};

	int r = poll(&poller, 1, PATIENCE_MS);
	if (r < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

static int open_listener(int *ret, struct sockaddr_in *ret_address)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return -errno;
	*ret_address = address;
	*ret = TAKE_FD(fd);
	return 0;
}

static int open_pair(struct pair *ret)
{
	struct sockaddr_in address;
	_cleanup_close_ int listener = -1;
	_cleanup_pair_ struct pair pair = NO_PAIR;

	int r = open_listener(&listener, &address);
	if (r < 0)
		return r;
	pair.end[SENDER] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (pair.end[SENDER] < 0)
		return -errno;
	if (connect(pair.end[SENDER], (struct sockaddr *)&address, sizeof(address)) < 0 && errno != EINPROGRESS)
		return -errno;
	r = wait_for(listener, POLLIN);
	if (r < 0)
		return r;
	pair.end[READER] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (pair.end[READER] < 0)
		return -errno;
	*ret = pair;
	pair = (struct pair)NO_PAIR;
	return 0;
}

static int insert(int map, uint32_t index, int fd)
{
	uint64_t value = fd;

	return bpf_map_update_elem(map, &index, &value, BPF_ANY) < 0 ? -errno : 0;
}

static int insert_pair(int map, const struct pair *pair)
{
	int r = insert(map, READER, pair->end[READER]);

	return r < 0 ? r : insert(map, SENDER, pair->end[SENDER]);
}

/* How many bytes FIONREAD tells of a message that has arrived; reads it. */
static int count_message(const struct pair *pair, int *ret)
{
	char bytes[2 * MESSAGE_BYTES];
	int count;

	if (send(pair->end[SENDER], MESSAGE, MESSAGE_BYTES, MSG_NOSIGNAL) != MESSAGE_BYTES)
		return -errno;
	int r = wait_for(pair->end[READER], POLLIN);
	if (r < 0)
		return r;
	if (ioctl(pair->end[READER], FIONREAD, &count) < 0)
		return -errno;
	if (recv(pair->end[READER], bytes, sizeof(bytes), 0) != MESSAGE_BYTES)
		return -EIO;
	*ret = count;
	return 0;
}

static int try_fionread(struct sh_probe *probe, const struct pair *pair, struct shunt_trial_fionread *ret)
{
	probe->bss->sh_redirect = 0;
	int r = count_message(pair, &ret->tcp);
	if (r < 0)
		return r;
	probe->bss->sh_redirect = 1;
	r = count_message(pair, &ret->redirected);
	probe->bss->sh_redirect = 0;
	return r;
}

static int try_second_map(int program, const struct pair *pair)
{
	_cleanup_close_ int map =
		bpf_map_create(BPF_MAP_TYPE_SOCKMAP, "sh_probe_2nd", sizeof(uint32_t), sizeof(uint64_t), 2, NULL);

	if (map < 0 || bpf_prog_attach(program, map, BPF_SK_MSG_VERDICT, 0) < 0)
		return -errno;
	return insert(map, READER, pair->end[READER]);
}

static int start_ulp(int fd)
{
	return setsockopt(fd, SOL_TCP, TCP_ULP, "tls", sizeof("tls")) < 0 ? -errno : 0;
}

static int set_key(int fd)
{
	const struct tls12_crypto_info_aes_gcm_128 key = {
		.info = {.version = TLS_1_2_VERSION, .cipher_type = TLS_CIPHER_AES_GCM_128},
		.key = "an example's key",
	};

	return setsockopt(fd, SOL_TLS, TLS_TX, &key, sizeof(key)) < 0 ? -errno : 0;
}

static void try_plain_ulp(int map, struct shunt_trial *trial)
{
	_cleanup_pair_ struct pair pair = NO_PAIR;

	if (open_pair(&pair) < 0)
		return;
	trial->ulp_on_plain = start_ulp(pair.end[READER]);
	if (trial->ulp_on_plain == 0)
		trial->member_after_ulp = insert(map, READER, pair.end[READER]);
}

/* Kernels before 6.10 have no such link: there the program stays in the map until the map goes. */
static int attach(struct sh_probe *probe, struct shunt_trial *trial, int *ret_link)
{
	int program = bpf_program__fd(probe->progs.sh_probe_msg);
	int map = bpf_map__fd(probe->maps.sh_probe_socks);
	int link = bpf_link_create(program, map, BPF_SK_MSG_VERDICT, NULL);

	trial->link = link < 0 ? -errno : 0;
	if (link >= 0) {
		*ret_link = link;
		return 0;
	}
	return bpf_prog_attach(program, map, BPF_SK_MSG_VERDICT, 0) < 0 ? -errno : 0;
}

static void try_members(struct sh_probe *probe, struct shunt_trial *trial)
{
	int map = bpf_map__fd(probe->maps.sh_probe_socks);
	_cleanup_pair_ struct pair pair = NO_PAIR;

	trial->pair = open_pair(&pair);
	if (trial->pair == 0)
		trial->pair = insert_pair(map, &pair);
	if (trial->pair < 0)
		return;
	trial->fionread_result = try_fionread(probe, &pair, &trial->fionread);
	trial->second_map = try_second_map(bpf_program__fd(probe->progs.sh_probe_msg), &pair);
	trial->ulp_on_member = start_ulp(pair.end[READER]);
	if (trial->ulp_on_member == 0)
		trial->tls_on_member = set_key(pair.end[READER]);
}

void shunt_trial_run(struct shunt_trial *ret)
{
	const int no = -ECANCELED;
	_cleanup_(sh_probe__destroy_p) struct sh_probe *probe = NULL;
	_cleanup_close_ int link = -1;

	*ret = (struct shunt_trial){no, no, no, no, {0, 0}, no, no, no, no, no};
	probe = sh_probe__open_and_load();
	ret->load = probe ? 0 : -errno;
	if (!probe)
		return;
	ret->load = attach(probe, ret, &link);
	if (ret->load < 0)
		return;
	try_members(probe, ret);
	try_plain_ulp(bpf_map__fd(probe->maps.sh_probe_socks), ret);
}
