/* What the attacks share: each attempt says in a line of standard output what came of it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* `result` is below zero where the attempt failed, with errno. */
static inline void came_of(const char *what, long result) {
    int error = errno;
    printf("%s: %s\n", what, result < 0 ? strerrorname_np(error) : "done");
    fflush(stdout);
}
