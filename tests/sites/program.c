/* Each text stands in the line whose place its write has to have; "tool" is another program's. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int done;

#define SAY(text) (done += write(1, text, sizeof text - 1) > 0)

static void handler(int number) {
    SAY("handler");
    (void)number;
}

static inline __attribute__((always_inline)) void inlined(void) {
    SAY("inlined");
}

static void *thread(void *nothing) {
    SAY("thread");
    return nothing;
}

static int compare(const void *one, const void *other) {
    if (done >= 0) SAY("compare");
    return *(const int *)one - *(const int *)other;
}

__attribute__((noinline)) static int deep(int level) {
    if (level > 0) return deep(level - 1) + 1;
    SAY("deep");
    return 0;
}

int main(void) {
    signal(SIGUSR1, handler);
    SAY("before");
    raise(SIGUSR1); /* "raise" */
    inlined();
    printf("stdio"), fflush(stdout);
    int numbers[2] = {2, 1};
    qsort(numbers, 2, sizeof numbers[0], compare);
    pthread_t other;
    pthread_create(&other, NULL, thread, NULL);
    pthread_join(other, NULL);
    if (fork() == 0) {
        SAY("child");
        _exit(deep(60) != 60);
    }
    wait(NULL);
    if (vfork() == 0) {
        execl("/bin/echo", "echo", "tool", (char *)NULL);
        _exit(1);
    }
    wait(NULL);
    int ends[2];
    if (pipe(ends) != 0) return 1;
    char byte;
    return read(ends[0], &byte, 1) != 1; /* "stuck" */
}
