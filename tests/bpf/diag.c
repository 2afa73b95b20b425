/* SPDX-License-Identifier: MIT */
/* diag.c: sock_diag shows exactly the connections that exist, in the right namespace, and resets the one that was
 * meant. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../manager/daemon/diag.h"
#include "../../manager/daemon/netns.h"
#include "../unit/test.h"
#include "cgroup.h"
#include "cleanup.h"

#define CGROUP "/shunt-test-diag"

static int inner = -1; /* the private namespace */

static uint64_t own_inode(void)
{
	struct stat status;

	assert_int_equal(stat("/proc/thread-self/ns/net", &status), 0);
	return status.st_ino;
}

static int raise_loopback(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -1 : 0;
}

static int open_story(void **state)
{
	const struct rlimit files = {20000, 20000};
	_cleanup_close_ int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (home < 0 || setrlimit(RLIMIT_NOFILE, &files) < 0 || unshare(CLONE_NEWNET) < 0 || raise_loopback() < 0)
		return -1;
	inner = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	return inner < 0 || setns(home, CLONE_NEWNET) < 0 ? -1 : 0;
}

static int close_story(void **state)
{
	_cleanup_free_ char *name = NULL;

	close(inner);
	if (shunt_cgroup_filename(CGROUP, &name) == 0)
		rmdir(name);
	return 0;
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct pair {
	int client;
	int server;
};

static void close_pair(struct pair *pair)
{
	shunt_cleanup_close(&pair->client);
	shunt_cleanup_close(&pair->server);
}

#define _cleanup_pair_ _cleanup_(close_pair)

static union address loopback(int family)
{
	union address address = {};

	if (family == AF_INET6)
		address.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	else
		address.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	return address;
}

static int listen_inside(int family, union address *ret)
{
	int home;
	socklen_t size = sizeof(*ret);

	*ret = loopback(family);
	assert_int_equal(shunt_netns_enter(inner, &home), 0);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	shunt_netns_leave(home);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &ret->any, sizeof(*ret)), 0);
	assert_int_equal(listen(fd, 4096), 0);
	assert_int_equal(getsockname(fd, &ret->any, &size), 0);
	return fd;
}

static struct pair connect_inside(int listener, const union address *address)
{
	struct pair pair;
	int home;

	assert_int_equal(shunt_netns_enter(inner, &home), 0);
	pair.client = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	shunt_netns_leave(home);
	assert_true(pair.client >= 0);
	assert_int_equal(connect(pair.client, &address->any, sizeof(*address)), 0);
	pair.server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(pair.server >= 0);
	return pair;
}

static struct pair open_pair(int family)
{
	union address address;
	_cleanup_close_ int listener = listen_inside(family, &address);

	return connect_inside(listener, &address);
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
	return cookie;
}

struct found {
	uint64_t cookie;
	unsigned total;
	unsigned hits;
	struct shunt_diag_socket socket;
};

static int look(const struct shunt_diag_socket *socket, void *context)
{
	struct found *found = context;

	found->total++;
	if (socket->cookie != found->cookie)
		return 0;
	found->hits++;
	found->socket = *socket;
	return 0;
}

static struct found find(int netns, uint64_t cookie)
{
	struct found found = {.cookie = cookie};
	uint64_t before = own_inode();

	assert_int_equal(shunt_diag_dump(netns, look, &found), 0);
	assert_int_equal(own_inode(), before);
	assert_true(found.hits <= 1);
	return found;
}

static void same_address(const struct shunt_address *shown, int fd, int (*ask)(int, struct sockaddr *, socklen_t *))
{
	union address address;
	socklen_t size = sizeof(address);
	uint8_t expected[16] = {[10] = 0xff, [11] = 0xff};

	assert_int_equal(ask(fd, &address.any, &size), 0);
	if (address.any.sa_family == AF_INET6)
		memcpy(expected, &address.v6.sin6_addr, 16);
	else
		memcpy(expected + 12, &address.v4.sin_addr, 4);
	assert_memory_equal(shown->ip, expected, 16);
	assert_int_equal(shown->port, ntohs(address.v4.sin_port));
}

static uint64_t own_cgroup(void)
{
	_cleanup_free_ char *path = NULL;
	uint64_t id;

	assert_int_equal(shunt_cgroup_of_pid(getpid(), &path), 0);
	assert_int_equal(shunt_cgroup_path_id(path, &id), 0);
	return id;
}

static void check_shown(int fd, int family)
{
	struct stat status;
	struct found found = find(inner, cookie_of(fd));

	assert_int_equal(found.hits, 1);
	assert_int_equal(found.socket.family, family);
	assert_int_equal(found.socket.state, TCP_ESTABLISHED);
	assert_false(found.socket.ulp);
	same_address(&found.socket.local, fd, getsockname);
	same_address(&found.socket.remote, fd, getpeername);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(found.socket.inode, status.st_ino);
	assert_true(found.socket.cgroup == own_cgroup());
}

static void shows_both_families(void **state)
{
	_cleanup_pair_ struct pair v4 = open_pair(AF_INET);
	_cleanup_pair_ struct pair v6 = open_pair(AF_INET6);

	check_shown(v4.client, AF_INET);
	check_shown(v4.server, AF_INET);
	check_shown(v6.client, AF_INET6);
	check_shown(v6.server, AF_INET6);
	assert_int_equal(find(inner, 0).total, 4);
}

static void shows_mapped_addresses(void **state)
{
	union address address = loopback(AF_INET6);
	socklen_t size = sizeof(address);
	_cleanup_pair_ struct pair pair = {-1, -1};
	int home;

	address.v6.sin6_addr = in6addr_any;
	assert_int_equal(shunt_netns_enter(inner, &home), 0);
	_cleanup_close_ int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	shunt_netns_leave(home);
	assert_int_equal(bind(listener, &address.any, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, &address.any, &size), 0);
	union address target = loopback(AF_INET);
	target.v4.sin_port = address.v6.sin6_port;
	pair = connect_inside(listener, &target);
	struct found client = find(inner, cookie_of(pair.client));
	struct found server = find(inner, cookie_of(pair.server));
	assert_int_equal(client.socket.family, AF_INET);
	assert_int_equal(server.socket.family, AF_INET6);
	assert_memory_equal(&client.socket.local, &server.socket.remote, sizeof(struct shunt_address));
	assert_memory_equal(&client.socket.remote, &server.socket.local, sizeof(struct shunt_address));
}

static void counts_bytes(void **state)
{
	_cleanup_pair_ struct pair pair = open_pair(AF_INET);
	char bytes[100] = {};

	assert_int_equal(send(pair.client, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(recv(pair.server, bytes, sizeof(bytes), MSG_WAITALL), sizeof(bytes));
	struct found sender = find(inner, cookie_of(pair.client));
	struct found reader = find(inner, cookie_of(pair.server));
	assert_int_equal(sender.socket.bytes_sent - sender.socket.bytes_retrans, sizeof(bytes));
	assert_int_equal(sender.socket.data_segs_out, 1);
	assert_int_equal(reader.socket.bytes_received, sizeof(bytes));
	assert_int_equal(reader.socket.data_segs_in, 1);
	assert_int_equal(reader.socket.bytes_sent, 0);
}

static void shows_half_closed(void **state)
{
	_cleanup_pair_ struct pair pair = open_pair(AF_INET);
	uint64_t client = cookie_of(pair.client);
	struct pollfd end = {.fd = pair.server, .events = POLLRDHUP};

	assert_int_equal(shutdown(pair.client, SHUT_WR), 0);
	assert_int_equal(poll(&end, 1, 5000), 1);
	int server_state = find(inner, cookie_of(pair.server)).socket.state;
	int client_state = find(inner, client).socket.state;
	assert_int_equal(server_state, TCP_CLOSE_WAIT);
	assert_true(client_state == TCP_FIN_WAIT1 || client_state == TCP_FIN_WAIT2);
	close_pair(&pair);
	pair = (struct pair){-1, -1};
	assert_int_equal(find(inner, client).hits, 0);
}

static void hides_listeners_and_other_namespaces(void **state)
{
	union address address;
	_cleanup_close_ int listener = listen_inside(AF_INET, &address);
	_cleanup_pair_ struct pair pair = connect_inside(listener, &address);

	assert_int_equal(find(inner, cookie_of(listener)).hits, 0);
	assert_int_equal(find(-1, cookie_of(pair.client)).hits, 0);
	assert_int_equal(find(inner, cookie_of(pair.client)).hits, 1);
}

static int stop_with_42(const struct shunt_diag_socket *socket, void *context)
{
	++*(unsigned *)context;
	return 42;
}

static void callback_ends_dump(void **state)
{
	_cleanup_pair_ struct pair pair = open_pair(AF_INET);
	unsigned calls = 0;

	assert_int_equal(shunt_diag_dump(inner, stop_with_42, &calls), 42);
	assert_int_equal(calls, 1);
	assert_int_equal(shunt_diag_dump(STDIN_FILENO, stop_with_42, &calls), -EINVAL);
}

static int error_of(int fd)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};
	char byte;

	if (poll(&poller, 1, 5000) != 1)
		return ETIMEDOUT;
	return recv(fd, &byte, 1, MSG_DONTWAIT) < 0 ? errno : 0;
}

static void destroys_the_one(void **state)
{
	_cleanup_pair_ struct pair victim = open_pair(AF_INET6);
	_cleanup_pair_ struct pair other = open_pair(AF_INET6);

	assert_int_equal(shunt_diag_destroy(inner, 0xdeadbeefdeadbeef), -ENOENT);
	assert_int_equal(shunt_diag_destroy(-1, cookie_of(victim.server)), -ENOENT);
	int r = shunt_diag_destroy(inner, cookie_of(victim.server));
	if (r == -EOPNOTSUPP) {
		print_message("# this kernel has no SOCK_DESTROY\n");
		skip();
	}
	assert_int_equal(r, 0);
	assert_int_equal(error_of(victim.server), ECONNABORTED);
	assert_int_equal(error_of(victim.client), ECONNRESET);
	check_shown(other.client, AF_INET6);
	check_shown(other.server, AF_INET6);
}

static double milliseconds(unsigned *ret_sockets)
{
	struct timespec start;
	struct timespec end;
	double best = 1e9;

	for (int i = 0; i < 11; i++) {
		clock_gettime(CLOCK_MONOTONIC, &start);
		*ret_sockets = find(inner, 0).total;
		clock_gettime(CLOCK_MONOTONIC, &end);
		double took = (double)(end.tv_sec - start.tv_sec) * 1e3 + (double)(end.tv_nsec - start.tv_nsec) / 1e6;
		best = took < best ? took : best;
	}
	return best;
}

/* The limit is far above what a busy machine takes; the figures are for the reader. */
static void dump_is_cheap(void **state)
{
	static const unsigned sizes[] = {0, 500, 2500};
	static struct pair pairs[2500];
	union address address;
	_cleanup_close_ int listener = listen_inside(AF_INET, &address);
	unsigned open_pairs = 0;
	unsigned sockets;

	for (size_t i = 0; i < SHUNT_COUNT_OF(sizes); i++) {
		while (open_pairs < sizes[i])
			pairs[open_pairs++] = connect_inside(listener, &address);
		double took = milliseconds(&sockets);
		print_message("# a dump of %u sockets takes %.2f ms\n", sockets, took);
		assert_int_equal(sockets, 2 * sizes[i]);
		assert_true(took < 500);
	}
	while (open_pairs)
		close_pair(&pairs[--open_pairs]);
}

/* A child of the cgroup in a namespace of its own, if it is to have one; waits to be killed. */
static pid_t start_in_cgroup(bool own_namespace)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_free_ char *procs = NULL;
	int ready[2];
	char byte;

	assert_int_equal(shunt_cgroup_filename(CGROUP, &name), 0);
	assert_true(mkdir(name, 0755) == 0 || errno == EEXIST);
	assert_true(asprintf(&procs, "%s/cgroup.procs", name) > 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open(procs, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0", 1) != 1 || (own_namespace && unshare(CLONE_NEWNET) < 0) ||
		    write(ready[1], "r", 1) != 1)
			_exit(1);
		alarm(60);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void namespaces_of_cgroups(void **state)
{
	const char *const cgroups[] = {CGROUP, "/shunt-test-diag-none", CGROUP};
	pid_t children[] = {start_in_cgroup(false), start_in_cgroup(true), start_in_cgroup(false)};
	struct shunt_netns *list = NULL;
	size_t count = 0;
	uint64_t cookies[2] = {};

	int r = shunt_netns_list(cgroups, SHUNT_COUNT_OF(cgroups), &list, &count);
	for (size_t i = 0; i < SHUNT_COUNT_OF(children); i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	assert_int_equal(r, 0);
	assert_int_equal(count, 2);
	assert_true((list[0].inode == own_inode()) + (list[1].inode == own_inode()) == 1);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(shunt_netns_cookie(list[i].fd, &cookies[i]), 0);
		assert_int_equal(find(list[i].fd, 0).hits, 0);
	}
	assert_true(cookies[0] && cookies[1] && cookies[0] != cookies[1]);
	shunt_netns_list_free(list, count);
	int fd;
	uint64_t inode;
	assert_int_equal(shunt_netns_of_pid(children[0], &fd, &inode), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_both_families),
		cmocka_unit_test(shows_mapped_addresses),
		cmocka_unit_test(counts_bytes),
		cmocka_unit_test(shows_half_closed),
		cmocka_unit_test(hides_listeners_and_other_namespaces),
		cmocka_unit_test(callback_ends_dump),
		cmocka_unit_test(destroys_the_one),
		cmocka_unit_test(dump_is_cheap),
		cmocka_unit_test(namespaces_of_cgroups),
	};

	return cmocka_run_group_tests(tests, open_story, close_story);
}
