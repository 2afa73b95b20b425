/* SPDX-License-Identifier: MIT */
/* offline.c: the programs beside shuntctl: shuntd for what must work without a running daemon, shunt-bench. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "cli.h"
#include "clock.h"
#include "varlink.h"

static int try_file(char **ret, const char *folder, int length, const char *rest, const char *name)
{
	char *file = NULL;

	if (asprintf(&file, "%.*s%s/%s", length, folder, rest, name) < 0)
		return -ENOMEM;
	if (access(file, X_OK) < 0) {
		free(file);
		return -ENOENT;
	}
	*ret = file;
	return 0;
}

static int find_in_path(const char *name, char **ret)
{
	const char *path = getenv("PATH");

	while (path && *path) {
		int length = strcspn(path, ":");
		if (length && try_file(ret, path, length, "", name) == 0)
			return 0;
		path += length + (path[length] == ':');
	}
	return -ENOENT;
}

int shunt_program_find(const char *name, char **ret)
{
	char self[4096];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (length > 0) {
		self[length] = 0;
		length = strrchr(self, '/') - self;
		if (try_file(ret, self, length, "", name) == 0 || try_file(ret, self, length, "/../sbin", name) == 0)
			return 0;
	}
	return find_in_path(name, ret);
}

static pid_t start(char *const *argv, int *ret_output)
{
	int pipes[2];

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (dup2(pipes[1], STDOUT_FILENO) >= 0)
			execv(argv[0], argv);
		_exit(127);
	}
	int error = errno;
	close(pipes[1]);
	if (pid < 0) {
		close(pipes[0]);
		return -error;
	}
	*ret_output = pipes[0];
	return pid;
}

static long now_ms(void)
{
	return shunt_now_ns() / 1000000;
}

/* All that comes until the end, at most one message's worth, within the time. */
static int read_all(int fd, int timeout_ms, char *text, size_t size, size_t *ret_length)
{
	long deadline = now_ms() + timeout_ms;
	size_t length = 0;

	while (length < size) {
		struct pollfd pollfd = {.fd = fd, .events = POLLIN};
		long left = deadline - now_ms();
		int ready = poll(&pollfd, 1, left > 0 ? (int)left : 0);
		if (ready == 0)
			return -ETIMEDOUT;
		ssize_t n = ready < 0 ? -1 : read(fd, text + length, size - length);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		length += n > 0 ? n : 0;
	}
	*ret_length = length;
	return 0;
}

static int finish(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Runs a program and reads the JSON it prints. Its exit status in *ret_status; -EBADMSG: it printed something else. */
static int run_for_json(char *const *argv, int timeout_ms, json_t **ret, int *ret_status)
{
	_cleanup_close_ int output = -1;
	_cleanup_free_ char *text = malloc(SHUNT_MESSAGE_MAX);
	size_t length = 0;

	if (!text)
		return -ENOMEM;
	pid_t pid = start(argv, &output);
	if (pid < 0)
		return pid;
	int r = read_all(output, timeout_ms, text, SHUNT_MESSAGE_MAX, &length);
	if (r < 0)
		kill(pid, SIGTERM);
	*ret_status = finish(pid);
	if (r < 0)
		return r;
	json_t *reply = json_loadb(text, length, 0, NULL);
	if (!json_is_object(reply)) {
		json_decref(reply);
		return -EBADMSG;
	}
	*ret = reply;
	return 0;
}

/* With neither daemon nor program there is nothing to do the work. */
static int show_offline(const struct shunt_invocation *invocation, const char *action)
{
	_cleanup_free_ char *program = NULL;
	json_auto_t *reply = NULL;
	const char *pin_dir = shunt_local_text(invocation, "pin-dir");
	int status = 0;

	if (shunt_program_find("shuntd", &program) < 0)
		return shunt_complain(
			invocation, SHUNT_EXIT_UNREACHABLE,
			"no shuntd answers at %s, and there is none to run beside shuntctl or in PATH: install shuntd",
			shunt_socket_of(invocation));
	char *argv[] = {program,
			(char *)action,
			"--socket",
			(char *)shunt_socket_of(invocation),
			pin_dir ? "--pin-dir" : NULL,
			(char *)pin_dir,
			NULL};
	int r = run_for_json(argv, invocation->command->timeout_ms, &reply, &status);
	if (r == -ETIMEDOUT)
		return shunt_complain(invocation, SHUNT_EXIT_FAILED,
				      "%s %s did not end within %d s and was stopped: run it by hand", program, action,
				      invocation->command->timeout_ms / 1000);
	if (r < 0)
		return shunt_complain(invocation, SHUNT_EXIT_FAILED,
				      "%s %s gave no answer (exit status %d): run it by hand", program, action, status);
	int code = shunt_show(invocation, reply);
	return code ? code : status;
}

static int run_or_offline(const struct shunt_invocation *invocation, const char *action)
{
	json_auto_t *reply = NULL;
	int code = shunt_ask_daemon(invocation, &reply);

	if (code == SHUNT_EXIT_UNREACHABLE)
		return show_offline(invocation, action);
	return code ? code : shunt_show(invocation, reply);
}

int shunt_run_doctor(const struct shunt_invocation *invocation)
{
	return run_or_offline(invocation, "--probe");
}

int shunt_run_uninstall(const struct shunt_invocation *invocation)
{
	return run_or_offline(invocation, "--uninstall");
}

static size_t count_words(char **words)
{
	size_t count = 0;

	while (words[count])
		count++;
	return count;
}

int shunt_run_bench(const struct shunt_invocation *invocation)
{
	_cleanup_free_ char *program = NULL;
	_cleanup_free_ char **argv = NULL;
	size_t count = 0;

	if (shunt_program_find("shunt-bench", &program) < 0)
		return shunt_complain(invocation, SHUNT_EXIT_FAILED,
				      "there is no shunt-bench beside shuntctl or in PATH: install it");
	argv = calloc(count_words(invocation->rest) + 3, sizeof(*argv));
	if (!argv)
		return shunt_complain(invocation, SHUNT_EXIT_FAILED, "out of memory");
	argv[count++] = program;
	for (char **word = invocation->rest; *word; word++)
		argv[count++] = *word;
	if (invocation->json)
		argv[count++] = "--json";
	if (invocation->socket)
		setenv("SHUNT_SOCKET", invocation->socket, 1);
	execv(program, argv);
	return shunt_complain(invocation, SHUNT_EXIT_FAILED, "%s could not be started: %s", program, strerror(errno));
}
