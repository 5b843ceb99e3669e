/* Eventfds. Each case ends with 0 where all was as the manual says. */
#include "cases.h"
#include <sys/uio.h>

#define SAME(one, other)                                                     \
    do {                                                                     \
        long long a = (long long)(one), b = (long long)(other);              \
        if (a != b) {                                                        \
            fprintf(stderr, "line %d: %lld and not %lld\n", __LINE__, a, b); \
            exit(1);                                                         \
        }                                                                    \
    } while (0)
#define FAILS(call, error)   \
    do {                     \
        SAME(call, -1);      \
        SAME(errno, error);  \
    } while (0)

/* Time passes only when nobody else can run: those who wait do so by then. */
static void until_all_wait(void) { poll(NULL, 0, 1); }

static uint64_t taken(int fd) {
    uint64_t count = 0;
    SAME(read(fd, &count, sizeof count), 8);
    return count;
}

static void add(int fd, uint64_t count) { SAME(write(fd, &count, sizeof count), 8); }

static int events_of(int fd) {
    struct pollfd one = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDNORM};
    must(poll(&one, 1, 0));
    return one.revents;
}

static void counts(void) {
    int fd = must(eventfd(3, 0));
    uint64_t numbers[2] = {1, 9};
    SAME(taken(fd), 3);
    add(fd, 4);
    add(fd, 5);
    add(fd, 0);
    SAME(events_of(fd), POLLIN | POLLOUT);
    SAME(taken(fd), 9);
    SAME(events_of(fd), POLLOUT);
    FAILS(read(fd, numbers, 7), EINVAL);
    FAILS(read(fd, numbers, 0), EINVAL);
    FAILS(write(fd, numbers, 4), EINVAL);
    numbers[0] = UINT64_MAX;
    FAILS(write(fd, numbers, 8), EINVAL);
    numbers[0] = 6;
    /* Kernels differ about a number with more behind it. */
    if (write(fd, numbers, 16) == 8) SAME(taken(fd), 6);
    add(fd, 2);
    SAME(read(fd, numbers, 16), 8);
    SAME(numbers[0], 2);
}

static void of_semaphores(void) {
    int fd = must(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK));
    SAME(taken(fd), 1);
    SAME(taken(fd), 1);
    uint64_t count;
    FAILS(read(fd, &count, 8), EAGAIN);
    add(fd, 3);
    SAME(taken(fd), 1);
    must(fcntl(fd, F_SETFL, 0));
    SAME(taken(fd), 1);
    SAME(taken(fd), 1);
    must(fcntl(fd, F_SETFL, O_NONBLOCK));
    FAILS(read(fd, &count, 8), EAGAIN);
}

static int takes(void *with) { return (int)taken(*(int *)with); }

static void reads_wait(void) {
    int fd = must(eventfd(0, 0));
    pid_t one = child_of(takes, &fd);
    until_all_wait();
    add(fd, 7);
    SAME(reap(one), 7 << 8);
    int many = must(eventfd(0, EFD_SEMAPHORE));
    pid_t children[3];
    for (int i = 0; i < 3; i++) children[i] = child_of(takes, &many);
    until_all_wait();
    add(many, 2);
    until_all_wait();
    SAME(events_of(many), POLLOUT);
    add(many, 1);
    for (int i = 0; i < 3; i++) SAME(reap(children[i]), 1 << 8);
}

static int adds(void *with) {
    add(*(int *)with, 2);
    return 0;
}

static void writes_wait(void) {
    int fd = must(eventfd(0, 0));
    add(fd, UINT64_MAX - 2);
    SAME(events_of(fd), POLLIN | POLLOUT);
    add(fd, 1);
    SAME(events_of(fd), POLLIN);
    pid_t child = child_of(adds, &fd);
    until_all_wait();
    SAME((uint64_t)taken(fd) == UINT64_MAX - 1, 1);
    SAME(reap(child), 0);
    SAME(taken(fd), 2);
    must(fcntl(fd, F_SETFL, O_NONBLOCK));
    add(fd, UINT64_MAX - 1);
    uint64_t one = 1;
    FAILS(write(fd, &one, 8), EAGAIN);
}

static void in_parts(void) {
    int fd = must(eventfd(0, 0));
    uint64_t numbers[2] = {3, 4};
    struct iovec both[2] = {{&numbers[0], 8}, {&numbers[1], 8}}, halves[2] = {{numbers, 4}, {(char *)numbers + 4, 4}};
    SAME(writev(fd, both, 2), 16);
    SAME(readv(fd, halves, 2), 8);
    SAME(numbers[0], 7);
}

/* Nobody can tell where it leads. */
static void *volatile nowhere = (void *)8;

static void bad_addresses(void) {
    int fd = must(eventfd(1, 0));
    FAILS(write(fd, nowhere, 8), EFAULT);
    FAILS(read(fd, nowhere, 8), EFAULT);
    add(fd, 3);
    SAME(taken(fd), 3);
}

static void caught(int signal) { (void)signal; }

static void interrupted(void) {
    int fd = must(eventfd(0, 0));
    struct sigaction action = {.sa_handler = caught};
    must(sigaction(SIGALRM, &action, NULL));
    alarm(1);
    uint64_t count;
    FAILS(read(fd, &count, 8), EINTR);
    add(fd, 5);
    SAME(taken(fd), 5);
}

static void never(void) { taken(must(eventfd(0, 0))); }

RUN(CASE(counts), CASE(of_semaphores), CASE(reads_wait), CASE(writes_wait), CASE(in_parts), CASE(bad_addresses),
    CASE(interrupted), CASE(never))
