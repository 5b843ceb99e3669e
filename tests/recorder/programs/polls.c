/* poll(2) and select(2) over pipes and FIFOs. Each case ends with 0 where all was as the manual says. */
#include "cases.h"
#include <sys/select.h>

#define SAME(one, other)                                                     \
    do {                                                                     \
        long a = (one), b = (other);                                         \
        if (a != b) {                                                        \
            fprintf(stderr, "line %d: %ld and not %ld\n", __LINE__, a, b);   \
            exit(1);                                                         \
        }                                                                    \
    } while (0)

static char bytes[1 << 17];

/* Time passes only when nobody else can run: those who wait do so by then. */
static void until_all_wait(void) { poll(NULL, 0, 1); }

static int events_of(int fd, short events, int timeout) {
    struct pollfd one = {.fd = fd, .events = events, .revents = 0x7ff};
    int found = must(poll(&one, 1, timeout));
    SAME(found, one.revents != 0);
    return one.revents;
}

static int writes_later(void *with) {
    int *ends = with;
    until_all_wait();
    must(write(ends[1], "kettle", 6));
    return 0;
}

static void what_comes(void) {
    int ends[2];
    must(pipe(ends));
    SAME(events_of(ends[0], POLLIN, 0), 0);
    SAME(events_of(ends[1], POLLOUT | POLLIN, 0), POLLOUT);
    pid_t pid = child_of(writes_later, ends);
    SAME(events_of(ends[0], POLLIN | POLLRDNORM, -1), POLLIN | POLLRDNORM);
    SAME(read(ends[0], bytes, 100), 6);
    SAME(events_of(ends[0], POLLIN, 0), 0);
    SAME(reap(pid), 0);
    close(ends[1]);
    SAME(events_of(ends[0], POLLIN, -1), POLLHUP);
    SAME(events_of(ends[0], 0, -1), POLLHUP);
}

/* Nobody waits: what is there is told at once. */
static void ready_at_once(void) {
    int ends[2];
    must(pipe(ends));
    for (int i = 0; i < 10; i++) {
        SAME(events_of(ends[1], POLLOUT, -1), POLLOUT);
        SAME(events_of(ends[0], POLLIN, 0), 0);
        must(write(ends[1], bytes, 10));
        SAME(events_of(ends[0], POLLIN | POLLPRI, 1000), POLLIN);
        fd_set in, out;
        FD_ZERO(&in);
        FD_ZERO(&out);
        FD_SET(ends[0], &in);
        FD_SET(ends[1], &in);
        FD_SET(ends[1], &out);
        SAME(select(ends[1] + 1, &in, &out, NULL, NULL), 2);
        SAME(FD_ISSET(ends[1], &in), 0);
        SAME(read(ends[0], bytes, 100), 10);
    }
}

static int goes(void *with) {
    until_all_wait();
    (void)with;
    return 0;
}

/* The end, the room and the reader's end each end a wait. */
static void what_ends(void) {
    int ends[2];
    must(pipe(ends));
    pid_t pid = child_of(goes, NULL);
    close(ends[1]);
    SAME(events_of(ends[0], POLLIN, -1), POLLHUP);
    SAME(reap(pid), 0);
    must(pipe(ends));
    must(fcntl(ends[1], F_SETFL, O_NONBLOCK));
    SAME(write(ends[1], bytes, sizeof bytes), 65536);
    SAME(events_of(ends[1], POLLOUT, 0), 0);
    pid = must(fork());
    if (pid == 0) {
        until_all_wait();
        must(read(ends[0], bytes, 4095));
        until_all_wait();
        must(read(ends[0], bytes, 1));
        until_all_wait();
        _exit(0);
    }
    close(ends[0]);
    SAME(events_of(ends[1], POLLOUT, -1), POLLOUT);
    SAME(write(ends[1], bytes, 4096), 4096);
    SAME(events_of(ends[1], 0, -1), POLLERR);
    SAME(reap(pid), 0);
}

/* One of several, one of which is none. */
static void one_of_several(void) {
    int one[2], other[2];
    must(pipe(one));
    must(pipe(other));
    pid_t pid = child_of(writes_later, other);
    struct pollfd all[3] = {{.fd = one[0], .events = POLLIN}, {.fd = -1, .revents = 7}, {.fd = other[0], .events = POLLIN}};
    SAME(poll(all, 3, -1), 1);
    SAME(all[0].revents, 0);
    SAME(all[1].revents, 0);
    SAME(all[2].revents, POLLIN);
    SAME(reap(pid), 0);
    /* A number that leads nowhere. */
    all[1].fd = 77;
    SAME(poll(all, 3, -1), 2);
    SAME(all[1].revents, POLLNVAL);
}

static void by_select(void) {
    int one[2], other[2];
    must(pipe(one));
    must(pipe(other));
    pid_t pid = child_of(writes_later, other);
    fd_set in, out, odd;
    FD_ZERO(&in); FD_ZERO(&out); FD_ZERO(&odd);
    FD_SET(one[0], &in); FD_SET(other[0], &in); FD_SET(other[0], &odd);
    SAME(select(other[1] + 1, &in, NULL, &odd, NULL), 1);
    SAME(FD_ISSET(one[0], &in), 0);
    SAME(FD_ISSET(other[0], &in) != 0, 1);
    SAME(FD_ISSET(other[0], &odd), 0);
    SAME(reap(pid), 0);
    FD_SET(other[1], &out); FD_SET(one[0], &in);
    SAME(select(other[1] + 1, &in, &out, NULL, NULL), 2);
    SAME(FD_ISSET(other[1], &out) != 0, 1);
    close(one[1]);
    FD_ZERO(&in); FD_SET(one[0], &in);
    struct timeval none = {0, 0};
    SAME(select(one[0] + 1, &in, NULL, NULL, &none), 1);
    FD_ZERO(&in); FD_ZERO(&out); FD_SET(other[1], &out);
    must(fcntl(other[1], F_SETFL, O_NONBLOCK));
    while (write(other[1], bytes, sizeof bytes) > 0) {
    }
    SAME(select(other[1] + 1, NULL, &out, NULL, &none), 0);
    SAME(FD_ISSET(other[1], &out), 0);
}

static void with_an_end(void) {
    int ends[2];
    must(pipe(ends));
    SAME(events_of(ends[0], POLLIN, 5000), 0);
    pid_t pid = must(fork());
    if (pid == 0) {
        poll(NULL, 0, 300);
        must(write(ends[1], "x", 1));
        _exit(0);
    }
    struct pollfd one = {.fd = ends[0], .events = POLLIN};
    struct timespec left = {1, 0};
    SAME(syscall(SYS_ppoll, &one, 1, &left, NULL, 0), 1);
    SAME(left.tv_sec, 0);
    SAME(left.tv_nsec / 100000000, 7);
    SAME(read(ends[0], bytes, 9), 1);
    struct timeval soon = {2, 0};
    fd_set in;
    FD_ZERO(&in); FD_SET(ends[0], &in);
    SAME(syscall(SYS_select, ends[0] + 1, &in, NULL, NULL, &soon), 0);
    SAME(soon.tv_sec + soon.tv_usec, 0);
    SAME(FD_ISSET(ends[0], &in), 0);
    SAME(reap(pid), 0);
}

static volatile sig_atomic_t caught;
static void catches(int signal) { caught = signal; }

static int signals_later(void *with) {
    (void)with;
    until_all_wait();
    must(kill(getppid(), SIGUSR1));
    return 0;
}

static void interrupted(void) {
    int ends[2];
    must(pipe(ends));
    struct sigaction action = {.sa_handler = catches, .sa_flags = SA_RESTART};
    must(sigaction(SIGUSR1, &action, NULL));
    sigset_t one, none;
    sigemptyset(&one);
    sigemptyset(&none);
    sigaddset(&one, SIGUSR1);
    must(sigprocmask(SIG_BLOCK, &one, NULL));
    pid_t pid = child_of(signals_later, NULL);
    struct pollfd in = {.fd = ends[0], .events = POLLIN};
    SAME(ppoll(&in, 1, NULL, &none), -1);
    SAME(errno, EINTR);
    SAME(caught, SIGUSR1);
    SAME(reap(pid), 0);
    pid = child_of(signals_later, NULL);
    until_all_wait();
    SAME(reap(pid), 0);
    fd_set set;
    FD_ZERO(&set); FD_SET(ends[0], &set);
    SAME(pselect(ends[0] + 1, &set, NULL, NULL, NULL, &none), -1);
    SAME(errno, EINTR);
    must(sigprocmask(SIG_UNBLOCK, &one, NULL));
    caught = 0;
    pid = must(fork());
    if (pid == 0) {
        int result = poll(&in, 1, -1);
        _exit(result == -1 && errno == EINTR && caught == SIGUSR1 ? 0 : 1);
    }
    until_all_wait();
    must(kill(pid, SIGUSR1));
    SAME(reap(pid), 0);
}

/* A FIFO that nobody has opened to write to has not ended. */
static void of_a_fifo(void) {
    must(mkfifo("names", 0600));
    int in = must(open("names", O_RDONLY | O_NONBLOCK));
    SAME(events_of(in, POLLIN, 0), 0);
    int out = must(open("names", O_WRONLY));
    SAME(events_of(in, POLLIN, 0), 0);
    close(out);
    SAME(events_of(in, POLLIN, 0), POLLHUP);
    int again = must(open("names", O_RDONLY | O_NONBLOCK));
    SAME(events_of(again, POLLIN, 0), 0);
}

static int takes_one(void *with) {
    int *ends = with;
    must(fcntl(ends[0], F_SETFL, O_NONBLOCK));
    for (;;) {
        events_of(ends[0], POLLIN, -1);
        if (read(ends[0], bytes, 1) == 1) return 0;
        SAME(errno, EAGAIN);
    }
}

static void two_wait(void) {
    int ends[2];
    must(pipe(ends));
    pid_t one = child_of(takes_one, ends), other = child_of(takes_one, ends);
    until_all_wait();
    must(write(ends[1], "x", 1));
    until_all_wait();
    must(write(ends[1], "y", 1));
    SAME(reap(one) + reap(other), 0);
}

static void never(void) {
    int ends[2];
    must(pipe(ends));
    events_of(ends[0], POLLIN, -1);
}

RUN(CASE(ready_at_once), CASE(what_comes), CASE(what_ends), CASE(one_of_several), CASE(by_select), CASE(with_an_end), CASE(interrupted),
    CASE(of_a_fifo), CASE(two_wait), CASE(never))
