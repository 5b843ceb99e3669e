/* Socket pairs. Each case ends with 0 where all was as the manual says. */
#include "cases.h"
#include <sys/epoll.h>
#include <sys/uio.h>

#define SAME(one, other)                                                     \
    do {                                                                     \
        long a = (long)(one), b = (long)(other);                             \
        if (a != b) {                                                        \
            fprintf(stderr, "line %d: %ld and not %ld\n", __LINE__, a, b);   \
            exit(1);                                                         \
        }                                                                    \
    } while (0)
#define FAILS(call, error)   \
    do {                     \
        SAME(call, -1);      \
        SAME(errno, error);  \
    } while (0)

static char bytes[1 << 20];

/* Time passes only when nobody else can run: those who wait do so by then. */
static void until_all_wait(void) { poll(NULL, 0, 1); }

static void make(int *ends) { must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends)); }

static int events_of(int fd) {
    struct pollfd one = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP | POLLPRI};
    must(poll(&one, 1, 0));
    return one.revents;
}

static void both_ways(void) {
    int ends[2];
    make(ends);
    SAME(events_of(ends[0]), POLLOUT);
    FAILS(recv(ends[0], bytes, 9, MSG_DONTWAIT), EAGAIN);
    say(ends[0], "to the other");
    SAME(send(ends[1], "and back", 8, MSG_NOSIGNAL), 8);
    SAME(events_of(ends[0]), POLLIN | POLLOUT);
    SAME(read(ends[1], bytes, 6), 6);
    SAME(recv(ends[1], bytes, 100, 0), 6);
    struct iovec parts[2] = {{bytes, 3}, {bytes + 10, 90}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    SAME(recvmsg(ends[0], &message, 0), 8);
    SAME(memcmp(bytes + 10, " back", 5), 0);
    parts[1].iov_len = 5;
    SAME(sendmsg(ends[0], &message, 0), 8);
    SAME(readv(ends[1], parts, 2), 8);
    SAME(write(ends[0], bytes, 0), 0);
    SAME(read(ends[1], bytes, 0), 0);
    say(ends[0], "looked at");
    SAME(recv(ends[1], bytes, 100, MSG_PEEK), 9);
    SAME(recv(ends[1], bytes, 100, MSG_WAITALL | MSG_DONTWAIT), 9);
}

static int answers(void *with) {
    int *ends = with;
    close(ends[0]);
    for (ssize_t got; (got = read(ends[1], bytes, 100)) > 0;)
        if (write(ends[1], bytes, (size_t)got) != got) return 1;
    return 7;
}

static void there_and_back(void) {
    int ends[2];
    make(ends);
    pid_t child = child_of(answers, ends);
    close(ends[1]);
    for (int i = 0; i < 20; i++) {
        say(ends[0], "ping");
        SAME(recvfrom(ends[0], bytes, 100, 0, NULL, NULL), 4);
    }
    must(shutdown(ends[0], SHUT_WR));
    SAME(read(ends[0], bytes, 1), 0);
    SAME(reap(child), 7 << 8);
}

static void shut(void) {
    int ends[2];
    signal(SIGPIPE, SIG_IGN);
    make(ends);
    say(ends[0], "before");
    must(shutdown(ends[0], SHUT_WR));
    FAILS(write(ends[0], bytes, 1), EPIPE);
    FAILS(write(ends[0], bytes, 0), EPIPE);
    SAME(events_of(ends[1]), POLLIN | POLLOUT | POLLRDHUP);
    SAME(read(ends[1], bytes, 100), 6);
    SAME(read(ends[1], bytes, 100), 0);
    must(shutdown(ends[0], SHUT_RD));
    SAME(events_of(ends[0]), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
    FAILS(send(ends[1], bytes, 1, 0), EPIPE);
    FAILS(shutdown(ends[0], 3), EINVAL);
}

static void the_other_goes(void) {
    int ends[2];
    signal(SIGPIPE, SIG_IGN);
    make(ends);
    say(ends[0], "never read");
    say(ends[1], "last");
    close(ends[1]);
    SAME(events_of(ends[0]), POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR);
    FAILS(write(ends[0], bytes, 1), EPIPE);
    SAME(read(ends[0], bytes, 100), 4);
    FAILS(read(ends[0], bytes, 100), ECONNRESET);
    SAME(read(ends[0], bytes, 100), 0);
    SAME(events_of(ends[0]), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
    make(ends);
    pid_t child = child_of(answers, ends);
    close(ends[1]);
    must(kill(child, SIGKILL));
    SAME(read(ends[0], bytes, 100), 0);
    SAME(reap(child), SIGKILL);
}

static int drains(void *with) {
    int *ends = with;
    close(ends[0]);
    until_all_wait();
    long sum = 0;
    for (ssize_t got; (got = read(ends[1], bytes, sizeof bytes)) > 0;) sum += got;
    return sum == 300 * 4096 ? 0 : 1;
}

static void full(void) {
    int ends[2];
    make(ends);
    long sum = 0;
    for (ssize_t put; (put = send(ends[0], bytes, 4096, MSG_DONTWAIT)) > 0;) sum += put;
    SAME(events_of(ends[0]), 0);
    for (long got; sum > 0; sum -= got) got = must(read(ends[1], bytes, 10000));
    SAME(events_of(ends[0]), POLLOUT);
    pid_t child = child_of(drains, ends);
    close(ends[1]);
    for (int i = 0; i < 300; i++) SAME(write(ends[0], bytes, 4096), 4096);
    close(ends[0]);
    SAME(reap(child), 0);
    make(ends);
    child = child_of(drains, ends);
    close(ends[1]);
    SAME(write(ends[0], bytes, 1 << 20), 1 << 20);
    SAME(write(ends[0], bytes, 300 * 4096 - (1 << 20)), 300 * 4096 - (1 << 20));
    close(ends[0]);
    SAME(reap(child), 0);
}

/* Each side's reader wakes the other that waits for room, and each write is an edge of its own. */
static void by_epoll(void) {
    int ends[2], at = must(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET}, found;
    make(ends);
    must(epoll_ctl(at, EPOLL_CTL_ADD, ends[0], &event));
    SAME(epoll_wait(at, &found, 1, -1), 1);
    SAME(found.events, EPOLLOUT);
    SAME(epoll_wait(at, &found, 1, 0), 0);
    say(ends[0], "x");
    SAME(epoll_wait(at, &found, 1, 0), 0);
    hear(ends[1]);
    SAME(epoll_wait(at, &found, 1, -1), 1);
    SAME(found.events, EPOLLOUT);
    say(ends[1], "y");
    SAME(epoll_wait(at, &found, 1, -1), 1);
    SAME(found.events, EPOLLIN | EPOLLOUT);
    close(ends[1]);
    SAME(epoll_wait(at, &found, 1, -1), 1);
    SAME(found.events, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
}

static int sleeps_in_it(void *with) { return (int)read(*(int *)with, bytes, 100); }

static void with_an_end(void) {
    int ends[2];
    make(ends);
    struct timeval soon = {.tv_usec = 1000};
    must(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon));
    FAILS(read(ends[0], bytes, 100), EAGAIN);
    say(ends[1], "there");
    SAME(read(ends[0], bytes, 100), 5);
    pid_t child = child_of(sleeps_in_it, &ends[1]);
    until_all_wait();
    say(ends[0], "later");
    SAME(reap(child), 5 << 8);
    int small = 1;
    must(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small));
    say(ends[0], "small");
    SAME(read(ends[1], bytes, 100), 5);
}

/* A descriptor that is sent takes what it leads to, and the pair, out of the model. */
static void passed(void) {
    int ends[2], fd = must(eventfd(0, 0)), got;
    make(ends);
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    struct iovec part = {bytes, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    SAME(sendmsg(ends[0], &message, 0), 1);
    SAME(recvmsg(ends[1], &message, 0), 1);
    memcpy(&got, CMSG_DATA(&control.header), sizeof got);
    must(eventfd_write(got, 4));
    eventfd_t count;
    must(eventfd_read(fd, &count));
    SAME(count, 4);
}

static void never(void) {
    int ends[2];
    make(ends);
    hear(ends[0]);
}

RUN(CASE(both_ways), CASE(there_and_back), CASE(shut), CASE(the_other_goes), CASE(full), CASE(by_epoll),
    CASE(with_an_end), CASE(passed), CASE(never))
