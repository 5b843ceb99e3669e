/* Timers behind descriptors. Each case ends with 0 where all was as the manual says; `generic_NAME` does the same on timers
   that the recorder leaves to the kernel. */
#include "cases.h"
#include "same.h"
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

enum { HOUR = 3600 };

static int a_timer(int flags) {
    int fd = must(timerfd_create(CLOCK_MONOTONIC, flags));
    /* Nobody knows what comes of that, but the kernel. */
    if (generic) FAILS(tee(fd, fd, 1, 0), EINVAL);
    return fd;
}

static void arm(int fd, int first, int every) {
    struct itimerspec spec = {.it_value.tv_sec = first, .it_interval.tv_sec = every};
    must(timerfd_settime(fd, 0, &spec, NULL));
}

/* A time-out, because sleepers may be early. */
static void passes(int seconds) { SAME(poll(NULL, 0, 1000 * seconds), 0); }

static long taken(int fd) {
    uint64_t count = 0;
    SAME(read(fd, &count, sizeof count), 8);
    return (long)count;
}

static int events_of(int fd) {
    struct pollfd one = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDNORM};
    must(poll(&one, 1, 0));
    return one.revents;
}

static void ends_well(int child) {
    int status;
    SAME(waitpid(child, &status, 0), child);
    SAME(status, 0);
}

static void counts(void) {
    int fd = a_timer(TFD_NONBLOCK | TFD_CLOEXEC);
    uint64_t numbers[2];
    FAILS(read(fd, numbers, 7), EINVAL);
    FAILS(read(fd, numbers, 8), EAGAIN);
    FAILS(write(fd, numbers, 8), EINVAL);
    SAME(events_of(fd), 0);
    arm(fd, HOUR, HOUR);
    FAILS(read(fd, numbers, 8), EAGAIN);
    until_all_wait();
    FAILS(read(fd, numbers, 8), EAGAIN);
    passes(HOUR);
    SAME(events_of(fd), POLLIN);
    SAME(read(fd, numbers, 16), 8);
    SAME(numbers[0], 1);
    FAILS(read(fd, numbers, 8), EAGAIN);
    passes(5 * HOUR);
    FAILS(read(fd, numbers, 7), EINVAL);
    SAME(events_of(fd), POLLIN);
    SAME(taken(fd), 5);
    SAME(events_of(fd), 0);
    passes(HOUR);
    arm(fd, HOUR, 0);
    FAILS(read(fd, numbers, 8), EAGAIN);
    passes(3 * HOUR);
    SAME(taken(fd), 1);
    passes(HOUR);
    arm(fd, 0, 0);
    FAILS(read(fd, numbers, 8), EAGAIN);
}

static void in_parts(void) {
    int fd = a_timer(0);
    struct {
        char before[3], after[5];
    } number = {{0}, {0}};
    struct iovec one = {&number, 8};
    for (int hours = 1; hours <= 4; hours++) {
        arm(fd, HOUR, HOUR);
        passes(hours * HOUR);
        SAME(readv(fd, &one, 1), 8);
        SAME(number.before[0], hours);
        SAME(number.before[1] | number.after[4], 0);
    }
}

static void reads_wait(void) {
    int fd = a_timer(0), done[2];
    must(pipe(done));
    int child = must(fork());
    if (child == 0) {
        for (int i = 0; i < 3; i++) SAME(taken(fd), 1);
        must(write(done[1], "x", 1));
        _exit(0);
    }
    until_all_wait();
    arm(fd, HOUR, HOUR);
    SAME(read(done[0], &(char){0}, 1), 1);
    ends_well(child);
}

/* One that is armed anew goes off at its new time; who waits for it waits on. */
static void armed_anew(void) {
    int fd = a_timer(0);
    arm(fd, HOUR, 0);
    int child = must(fork());
    if (child == 0) {
        struct timespec before, after;
        clock_gettime(CLOCK_MONOTONIC, &before);
        SAME(taken(fd), 1);
        clock_gettime(CLOCK_MONOTONIC, &after);
        _exit(after.tv_sec - before.tv_sec >= 2 * HOUR - 1 ? 0 : 1);
    }
    until_all_wait();
    arm(fd, 2 * HOUR, 0);
    ends_well(child);
}

static void two_read(void) {
    int fd = a_timer(0), children[2];
    for (int i = 0; i < 2; i++)
        if ((children[i] = must(fork())) == 0) {
            long count = taken(fd);
            _exit(count == 1 ? 0 : 1);
        }
    until_all_wait();
    arm(fd, HOUR, HOUR);
    ends_well(children[0]);
    ends_well(children[1]);
}

static void watched(void) {
    int fd = a_timer(0), pair[2];
    must(pipe(pair));
    arm(fd, HOUR, HOUR);
    int child = must(fork());
    if (child == 0) {
        struct pollfd two[] = {{.fd = pair[0], .events = POLLIN}, {.fd = fd, .events = POLLIN}};
        for (int i = 0; i < 2; i++) {
            SAME(poll(two, 2, -1), 1);
            SAME(two[0].revents, 0);
            SAME(two[1].revents, POLLIN);
            SAME(taken(fd), 1);
        }
        fd_set set;
        FD_ZERO(&set);
        FD_SET(fd, &set);
        SAME(select(fd + 1, &set, NULL, NULL, NULL), 1);
        SAME(taken(fd), 1);
        SAME(poll(two, 2, HOUR * 500), 0);
        must(write(pair[1], "x", 1));
        SAME(poll(two, 2, -1), 1);
        SAME(two[0].revents, POLLIN);
        _exit(0);
    }
    ends_well(child);
}

static void instances(void) {
    int fd = a_timer(TFD_NONBLOCK), epoll = must(epoll_create1(0));
    struct epoll_event level = {.events = EPOLLIN, .data.u64 = 1}, edge = {.events = EPOLLIN | EPOLLET, .data.u64 = 2}, got[4];
    int copy = must(dup(fd));
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &level));
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, copy, &edge));
    SAME(epoll_wait(epoll, got, 4, 0), 0);
    arm(fd, HOUR, HOUR);
    SAME(epoll_wait(epoll, got, 4, -1), 2);
    SAME(epoll_wait(epoll, got, 4, 0), 1);
    SAME(got[0].data.u64, 1);
    passes(HOUR);
    /* It is not started anew before it is read. */
    SAME(epoll_wait(epoll, got, 4, 0), 1);
    SAME(taken(copy), 2);
    SAME(epoll_wait(epoll, got, 4, 0), 0);
    SAME(epoll_wait(epoll, got, 4, -1), 2);
    /* Nor before it is looked at. */
    struct itimerspec left;
    must(timerfd_gettime(fd, &left));
    SAME(epoll_wait(epoll, got, 4, 0), 1);
    passes(HOUR);
    SAME(epoll_wait(epoll, got, 4, 0), 2);
    passes(HOUR);
    SAME(epoll_wait(epoll, got, 4, 0), 1);
    SAME(taken(fd), 3);
    edge.events |= EPOLLONESHOT;
    must(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL));
    must(epoll_ctl(epoll, EPOLL_CTL_MOD, copy, &edge));
    SAME(epoll_wait(epoll, got, 4, -1), 1);
    SAME(taken(fd), 1);
    SAME(epoll_wait(epoll, got, 4, HOUR * 2000), 0);
    must(epoll_ctl(epoll, EPOLL_CTL_MOD, copy, &edge));
    SAME(epoll_wait(epoll, got, 4, -1), 1);
    arm(fd, 0, 0);
    SAME(epoll_wait(epoll, got, 4, HOUR * 1000), 0);
}

static void bad_addresses(void) {
    int fd = a_timer(TFD_NONBLOCK);
    uint64_t count;
    for (int hours = 1; hours <= 3; hours += 2) {
        arm(fd, HOUR, HOUR);
        passes(hours * HOUR);
        FAILS(syscall(SYS_read, fd, 8, 8), EFAULT);
        FAILS(read(fd, &count, 8), EAGAIN);
        passes(HOUR);
        SAME(taken(fd), 1);
    }
}

static void handler(int number) { (void)number; }

static void interrupted(void) {
    int fd = a_timer(0);
    uint64_t count;
    struct sigaction action = {.sa_handler = handler};
    must(sigaction(SIGALRM, &action, NULL));
    arm(fd, 3 * HOUR, 0);
    alarm(HOUR);
    FAILS(read(fd, &count, 8), EINTR);
    action.sa_flags = SA_RESTART;
    must(sigaction(SIGALRM, &action, NULL));
    alarm(HOUR);
    SAME(read(fd, &count, 8), 8);
    SAME(count, 1);
}

static void *waits_for(void *fd) {
    SAME(taken(*(int *)fd), 1);
    return NULL;
}

/* Copies in other processes keep it. */
static void closed(void) {
    int fd = a_timer(0), child = must(fork());
    if (child == 0) {
        pthread_t thread;
        must(pthread_create(&thread, NULL, waits_for, &fd));
        pthread_join(thread, NULL);
        _exit(0);
    }
    arm(fd, HOUR, 0);
    close(fd);
    ends_well(child);
    fd = a_timer(TFD_NONBLOCK);
    FAILS(read(fd, &(uint64_t){0}, 8), EAGAIN);
}

static void again_and_again(void) {
    int fd = a_timer(0);
    arm(fd, 1, 1);
    for (int i = 0; i < 300; i++) SAME(taken(fd), 1);
}

/* The program that comes after has it, armed, unless it is close-on-exec. */
static void kept_over_exec(void) {
    int fd = a_timer(0), gone = a_timer(TFD_CLOEXEC);
    arm(fd, HOUR, HOUR);
    SAME(dup2(fd, 20), 20);
    SAME(dup3(gone, 21, O_CLOEXEC), 21);
    execl("/proc/self/exe", "timerfds", generic ? "generic_after_exec" : "after_exec", NULL);
}

static void after_exec(void) {
    FAILS(read(21, &(uint64_t){0}, 8), EBADF);
    SAME(taken(20), 1);
    passes(2 * HOUR);
    SAME(taken(20), 2);
}

static void never(void) { taken(a_timer(0)); }

RUN_BOTH(CASE(counts), CASE(in_parts), CASE(reads_wait), CASE(armed_anew), CASE(two_read), CASE(watched), CASE(instances),
         CASE(bad_addresses), CASE(interrupted), CASE(closed), CASE(again_and_again), CASE(kept_over_exec), CASE(after_exec), CASE(never))
