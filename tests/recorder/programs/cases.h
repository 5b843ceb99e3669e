/* What every program here begins with: its cases by name, `PROGRAM CASE`. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

struct one_case {
    const char *name;
    void (*run)(void);
};

/* Ends the run where a call of the test program's own fails: its trace is then not the expected one. */
static inline int must(long result) {
    if (result < 0) {
        perror("a call failed");
        exit(99);
    }
    return (int)result;
}

/* Forks; the child runs this and ends with its result. */
static inline pid_t child_of(int (*run)(void *), void *with) {
    pid_t pid = must(fork());
    if (pid == 0) _exit(run(with));
    return pid;
}

static inline int reap(pid_t pid) {
    int status = 0;
    must(waitpid(pid, &status, 0));
    return status;
}

static inline void say(int fd, const char *text) { must(write(fd, text, strlen(text))); }

static inline void hear(int fd) {
    char byte[64];
    must(read(fd, byte, sizeof byte));
}

#define RUN(...)                                                         \
    int main(int argc, char **argv) {                                    \
        static const struct one_case cases[] = {__VA_ARGS__};            \
        for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof *cases; i++) \
            if (strcmp(cases[i].name, argv[1]) == 0) {                   \
                cases[i].run();                                          \
                return 0;                                                \
            }                                                            \
        return 98;                                                       \
    }
#define CASE(name) {#name, name}
