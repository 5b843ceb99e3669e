/* What the recorder's benchmark runs. The first argument names the case, the second is its size. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int to_child[2], to_parent[2];

static void fail(const char *what) {
    perror(what);
    exit(2);
}

/* One byte there and one back, so many times: four calls each, two of which wait. */
static void ping_pong(long rounds) {
    char byte = 'x';
    if (pipe(to_child) < 0 || pipe(to_parent) < 0) fail("pipe");
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        for (long i = 0; i < rounds; i++)
            if (read(to_child[0], &byte, 1) != 1 || write(to_parent[1], &byte, 1) != 1) fail("child");
        _exit(0);
    }
    for (long i = 0; i < rounds; i++)
        if (write(to_child[1], &byte, 1) != 1 || read(to_parent[0], &byte, 1) != 1) fail("parent");
    if (waitpid(child, NULL, 0) != child) fail("waitpid");
}

/* Arithmetic, and memory of its own; no call that anybody else could notice. */
static void compute(long rounds) {
    volatile unsigned long sum = 0;
    for (long i = 0; i < rounds; i++) sum = sum * 6364136223846793005UL + 1442695040888963407UL;
    for (long i = 0; i < rounds / 10000; i++) {
        void *volatile block = malloc(1 << 16);
        memset(block, 1, 1 << 16);
        free(block);
        (void)getppid();
    }
}

/* An exercise's usual size: a line through a pipe, a child that answers on standard output, and a wait. */
static void exercise(void) {
    char line[64];
    if (pipe(to_child) < 0) fail("pipe");
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        close(to_child[1]);
        ssize_t got = read(to_child[0], line, sizeof line);
        if (got <= 0 || write(STDOUT_FILENO, line, (size_t)got) != got) fail("child");
        _exit(0);
    }
    close(to_child[0]);
    if (write(to_child[1], "kettle\n", 7) != 7) fail("write");
    close(to_child[1]);
    if (waitpid(child, NULL, 0) != child) fail("waitpid");
}

/* So many plain loads and stores, half of each, of memory that a child shares; the child does nothing. */
static void guarded(long accesses) {
    volatile int *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED) fail("mmap");
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) _exit(0);
    if (waitpid(child, NULL, 0) != child) fail("waitpid");
    for (long i = 0; i < accesses / 2; i++) {
        int value = *m;
        *m = value + 1;
    }
}

/* Tells the time and then waits for a line that nobody is going to write. */
static void deadlock(void) {
    struct timespec now;
    char byte;
    if (pipe(to_child) < 0 || pipe(to_parent) < 0) fail("pipe");
    pid_t child = fork();
    if (child < 0) fail("fork");
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (child != 0 && write(to_parent[1], &now, sizeof now) != sizeof now) fail("write");
    if (read(to_child[0], &byte, 1) < 0) fail("read");
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    long size = argc > 2 ? atol(argv[2]) : 0;
    if (strcmp(name, "ping_pong") == 0) ping_pong(size);
    else if (strcmp(name, "compute") == 0) compute(size);
    else if (strcmp(name, "exercise") == 0) exercise();
    else if (strcmp(name, "guarded") == 0) guarded(size);
    else if (strcmp(name, "deadlock") == 0) deadlock();
    else return 2;
    return 0;
}
