/* Cases by name; each checks what it can see itself and says where it was disappointed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(what)                                                  \
    do {                                                             \
        if (!(what)) {                                               \
            dprintf(1, "line %d: %s (%d)\n", __LINE__, #what, errno); \
            _exit(1);                                                \
        }                                                            \
    } while (0)

static inline void *shared_pages(size_t len) {
    void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    return at;
}

static inline void ended_well(pid_t pid) {
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* In a child; the parent waits for it. */
#define CHILD \
    for (pid_t pid_ = fork(); pid_ >= 0; ended_well(pid_), pid_ = -1) \
        for (; pid_ == 0; _exit(0))

struct one_case {
    const char *name;
    void (*run)(void);
};

#define RUN(...)                                                              \
    int main(int argc, char **argv) {                                         \
        static const struct one_case cases[] = {__VA_ARGS__};                 \
        for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof *cases; i++) \
            if (strcmp(cases[i].name, argv[1]) == 0) {                        \
                cases[i].run();                                               \
                return 0;                                                     \
            }                                                                 \
        return 98;                                                            \
    }
#define CASE(name) {#name, name}
