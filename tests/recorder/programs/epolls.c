/* Epoll instances over pipes and eventfds. Each case ends with 0 where all was as the manual says. */
#include "cases.h"
#include <sys/epoll.h>

#define SAME(one, other)                                                     \
    do {                                                                     \
        long a = (long)(one), b = (long)(other);                             \
        if (a != b) {                                                        \
            fprintf(stderr, "line %d: %ld and not %ld\n", __LINE__, a, b);   \
            exit(1);                                                         \
        }                                                                    \
    } while (0)

static char bytes[1 << 16];
static struct epoll_event found[8];

/* Time passes only when nobody else can run: those who wait do so by then. */
static void until_all_wait(void) { poll(NULL, 0, 1); }

static int control(int at, int operation, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    return epoll_ctl(at, operation, fd, &event);
}

static void about(int at, int fd, uint32_t events) { must(control(at, EPOLL_CTL_ADD, fd, events)); }

/* The one event that is there; 0 for none. */
static uint32_t one(int at, int fd, int timeout) {
    int count = must(epoll_wait(at, found, 8, timeout));
    if (count == 0) return 0;
    SAME(count, 1);
    SAME(found[0].data.fd, fd);
    return found[0].events;
}

static int writes_later(void *with) {
    until_all_wait();
    say(*(int *)with, "kettle");
    return 0;
}

static void what_comes(void) {
    int ends[2], at = must(epoll_create1(EPOLL_CLOEXEC));
    must(pipe(ends));
    about(at, ends[0], EPOLLIN);
    SAME(one(at, ends[0], 0), 0);
    pid_t pid = child_of(writes_later, &ends[1]);
    SAME(one(at, ends[0], -1), EPOLLIN);
    SAME(one(at, ends[0], 1000), EPOLLIN);
    hear(ends[0]);
    SAME(one(at, ends[0], 0), 0);
    SAME(reap(pid), 0);
    close(ends[1]);
    SAME(one(at, ends[0], -1), EPOLLHUP);
}

static void edges(void) {
    int ends[2], at = must(epoll_create1(0));
    must(pipe2(ends, O_NONBLOCK));
    about(at, ends[0], EPOLLIN | EPOLLET);
    say(ends[1], "one");
    SAME(one(at, ends[0], 0), EPOLLIN);
    SAME(one(at, ends[0], 0), 0);
    say(ends[1], "two");
    SAME(one(at, ends[0], 0), EPOLLIN);
    SAME(read(ends[0], bytes, 1), 1);
    SAME(one(at, ends[0], 0), 0);
    about(at, ends[1], EPOLLOUT | EPOLLET);
    SAME(one(at, ends[1], 0), EPOLLOUT);
    while (write(ends[1], bytes, 4096) > 0) {}
    must(epoll_wait(at, found, 8, 0));
    SAME(one(at, ends[1], 0), 0);
    SAME(read(ends[0], bytes, 5), 5);
    SAME(read(ends[0], bytes, 4096), 4096);
    SAME(one(at, ends[1], 0), EPOLLOUT);
}

static void one_shot(void) {
    int fd = must(eventfd(1, EFD_NONBLOCK)), at = must(epoll_create1(0));
    about(at, fd, EPOLLIN | EPOLLONESHOT);
    SAME(one(at, fd, -1), EPOLLIN);
    must(eventfd_write(fd, 1));
    SAME(one(at, fd, 0), 0);
    must(control(at, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT));
    SAME(one(at, fd, -1), EPOLLIN | EPOLLOUT);
    SAME(control(at, EPOLL_CTL_ADD, fd, EPOLLIN), -1);
    SAME(errno, EEXIST);
    must(control(at, EPOLL_CTL_DEL, fd, 0));
    SAME(one(at, fd, 0), 0);
    SAME(control(at, EPOLL_CTL_MOD, fd, EPOLLIN), -1);
    SAME(errno, ENOENT);
}

/* Each in its turn, a few at a time. */
static void in_turn(void) {
    int fds[4], at = must(epoll_create1(0));
    for (int i = 0; i < 4; i++) {
        fds[i] = must(eventfd(0, 0));
        about(at, fds[i], EPOLLIN);
    }
    for (int i = 3; i >= 0; i--) must(eventfd_write(fds[i], 1));
    SAME(epoll_wait(at, found, 3, -1), 3);
    for (int i = 0; i < 3; i++) SAME(found[i].data.fd, fds[3 - i]);
    SAME(epoll_wait(at, found, 3, -1), 3);
    SAME(found[0].data.fd, fds[0]);
    SAME(found[1].data.fd, fds[3]);
    SAME(epoll_wait(at, found, 0, 0), -1);
    SAME(errno, EINVAL);
}

/* It is about the open file description, whoever has it open. */
static void closed(void) {
    int fd = must(eventfd(1, 0)), at = must(epoll_create1(0)), copy = must(dup(fd));
    about(at, fd, EPOLLIN);
    close(fd);
    SAME(one(at, fd, 0), EPOLLIN);
    pid_t child = must(fork());
    if (child == 0) {
        until_all_wait();
        _exit(0);
    }
    close(copy);
    SAME(one(at, fd, 0), EPOLLIN);
    SAME(reap(child), 0);
    SAME(one(at, fd, 0), 0);
}

static int waits_and_takes(void *with) {
    int *fds = with, got = 0;
    while (got < 5) {
        if (epoll_wait(fds[0], found, 1, -1) != 1) return 99;
        uint64_t count;
        if (read(fds[1], &count, 8) == 8) got += (int)count;
        if (got >= 100) return 0;
    }
    return 1;
}

static void two_wait(void) {
    int fds[2] = {must(epoll_create1(0)), must(eventfd(0, EFD_NONBLOCK | EFD_SEMAPHORE))};
    about(fds[0], fds[1], EPOLLIN);
    pid_t children[2];
    for (int i = 0; i < 2; i++) children[i] = child_of(waits_and_takes, fds);
    for (int i = 0; i < 10; i++) {
        until_all_wait();
        must(eventfd_write(fds[1], 1));
    }
    for (int i = 0; i < 2; i++) SAME(reap(children[i]), 1 << 8);
}

static void caught(int signal) { (void)signal; }

static void with_an_end(void) {
    int fd = must(eventfd(0, 0)), at = must(epoll_create1(0)), ends[2];
    about(at, fd, EPOLLIN | EPOLLET);
    must(pipe(ends));
    about(at, ends[0], EPOLLIN);
    for (int i = 0; i < 3; i++) {
        SAME(one(at, fd, 5), 0);
        must(eventfd_write(fd, 1));
        SAME(one(at, fd, 5), EPOLLIN);
    }
    struct timespec soon = {.tv_nsec = 1000};
    SAME(epoll_pwait2(at, found, 8, &soon, NULL), 0);
    struct sigaction action = {.sa_handler = caught};
    must(sigaction(SIGALRM, &action, NULL));
    alarm(1);
    SAME(epoll_wait(at, found, 8, -1), -1);
    SAME(errno, EINTR);
    sigset_t all;
    sigfillset(&all);
    SAME(epoll_pwait(at, found, 8, 5, &all), 0);
    must(eventfd_write(fd, 1));
    SAME(one(at, fd, -1), EPOLLIN);
}

/* Nobody can tell where it leads. */
static void *volatile nowhere = (void *)8;

/* An instance in another one, one that is polled, and one about what is no object of ours. */
static void left_to_the_kernel(void) {
    int fd = must(eventfd(0, 0)), inner = must(epoll_create1(0)), outer = must(epoll_create1(0));
    about(inner, fd, EPOLLIN);
    about(outer, inner, EPOLLIN);
    SAME(one(outer, inner, 0), 0);
    must(eventfd_write(fd, 1));
    SAME(one(outer, inner, -1), EPOLLIN);
    SAME(one(inner, fd, -1), EPOLLIN);
    int polled = must(epoll_create1(0));
    about(polled, fd, EPOLLIN);
    struct pollfd asked = {.fd = polled, .events = POLLIN};
    SAME(poll(&asked, 1, -1), 1);
    SAME(one(polled, fd, -1), EPOLLIN);
    int timer = must(signalfd(-1, &(sigset_t){0}, 0)), mixed = must(epoll_create1(0));
    about(mixed, fd, EPOLLIN);
    about(mixed, timer, EPOLLIN);
    SAME(one(mixed, fd, -1), EPOLLIN);
    SAME(epoll_wait(mixed, nowhere, 8, 0), -1);
    SAME(errno, EFAULT);
}

static void never(void) {
    int fd = must(eventfd(0, 0)), at = must(epoll_create1(0));
    about(at, fd, EPOLLIN);
    epoll_wait(at, found, 8, -1);
}

RUN(CASE(what_comes), CASE(edges), CASE(one_shot), CASE(in_turn), CASE(closed), CASE(two_wait), CASE(with_an_end),
    CASE(left_to_the_kernel), CASE(never))
