/* POSIX message queues that are polled. Each case ends with 0 where all was as the manual says; `generic_NAME` does the same
   on a queue that is left to the kernel. */
#include "cases.h"
#include "same.h"
#include <sys/epoll.h>
#include <sys/select.h>

enum { MOST = 3, LONGEST = 16, INSTANCES = 2 };

static char text[LONGEST];
static struct epoll_event found[8];

static mqd_t a_queue(int flags) {
    struct mq_attr attributes = {.mq_maxmsg = MOST, .mq_msgsize = LONGEST};
    mqd_t queue = must(mq_open("/watched", O_RDWR | O_CREAT | flags, 0600, &attributes));
    must(mq_unlink("/watched"));
    if (generic) {
        struct sigevent none = {.sigev_notify = SIGEV_NONE};
        must(mq_notify(queue, &none));
        must(mq_notify(queue, NULL));
    }
    return queue;
}

static int control(int at, int operation, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    return epoll_ctl(at, operation, fd, &event);
}

static int watching(int fd, uint32_t events) {
    int at = must(epoll_create1(0));
    must(control(at, EPOLL_CTL_ADD, fd, events));
    return at;
}

static uint32_t one(int at, int timeout) {
    int count = must(epoll_wait(at, found, 8, timeout));
    return count == 0 ? 0 : found[0].events;
}

static void sends(mqd_t queue) { must(mq_send(queue, "text", 4, 0)); }
static void receives(mqd_t queue) { SAME(mq_receive(queue, text, LONGEST, NULL), 4); }

static void levels(void) {
    mqd_t queue = a_queue(0);
    int at = watching(queue, EPOLLIN | EPOLLOUT);
    SAME(one(at, -1), EPOLLOUT);
    sends(queue);
    SAME(one(at, -1), EPOLLIN | EPOLLOUT);
    SAME(one(at, 0), EPOLLIN | EPOLLOUT);
    sends(queue);
    sends(queue);
    SAME(one(at, -1), EPOLLIN);
    for (int i = 0; i < MOST; i++) receives(queue);
    SAME(one(at, 0), EPOLLOUT);
    must(control(at, EPOLL_CTL_MOD, queue, EPOLLIN));
    SAME(one(at, 0), 0);
}

/* Each message that comes or goes is an edge, whatever was asked for. */
static void edges(void) {
    mqd_t queue = a_queue(O_NONBLOCK);
    int at = watching(queue, EPOLLIN | EPOLLOUT | EPOLLET), once = watching(queue, EPOLLIN | EPOLLONESHOT);
    SAME(one(at, 0), EPOLLOUT);
    SAME(one(at, 0), 0);
    FAILS(mq_receive(queue, text, LONGEST, NULL), EAGAIN);
    SAME(one(at, 0), 0);
    for (int i = 0; i < MOST; i++) {
        sends(queue);
        SAME(one(at, -1), i + 1 < MOST ? EPOLLIN | EPOLLOUT : EPOLLIN);
        SAME(one(at, 0), 0);
    }
    FAILS(mq_send(queue, "text", 4, 0), EAGAIN);
    SAME(one(at, 0), 0);
    SAME(one(once, -1), EPOLLIN);
    receives(queue);
    SAME(one(at, -1), EPOLLIN | EPOLLOUT);
    SAME(one(once, 0), 0);
    must(control(once, EPOLL_CTL_MOD, queue, EPOLLIN | EPOLLONESHOT));
    SAME(one(once, 0), EPOLLIN);
}

static int sends_later(void *of) {
    for (int i = 0; i < 3; i++) {
        until_all_wait();
        sends(*(mqd_t *)of);
    }
    return 0;
}

static void who_waits(void) {
    mqd_t queue = a_queue(0);
    int at = watching(queue, EPOLLIN);
    pid_t child = child_of(sends_later, &queue);
    SAME(one(at, -1), EPOLLIN);
    receives(queue);
    SAME(one(at, 500), EPOLLIN);
    receives(queue);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(queue, &set);
    SAME(select(queue + 1, &set, NULL, NULL, NULL), 1);
    receives(queue);
    SAME(one(at, 5), 0);
    SAME(reap(child), 0);
}

static int receives_two(void *of) {
    receives(*(mqd_t *)of);
    receives(*(mqd_t *)of);
    return 0;
}

/* What is handed over to one that waits is no edge for those who poll. */
static void handed_over(void) {
    mqd_t queue = a_queue(0);
    pid_t child = child_of(receives_two, &queue);
    until_all_wait();
    int at = watching(queue, EPOLLIN | EPOLLOUT | EPOLLET);
    SAME(one(at, 0), EPOLLOUT);
    sends(queue);
    SAME(one(at, 0), 0);
    until_all_wait();
    sends(queue);
    SAME(one(at, 0), 0);
    SAME(reap(child), 0);
    queue = a_queue(0);
    at = watching(queue, EPOLLIN | EPOLLOUT | EPOLLET);
    SAME(one(at, 0), EPOLLOUT);
    child = child_of(receives_two, &queue);
    until_all_wait();
    sends(queue);
    SAME(one(at, 0), 0);
    sends(queue);
    SAME(reap(child), 0);
    for (int i = 0; i < MOST; i++) sends(queue);
    one(at, 0);
    child = child_of(sends_later, &queue);
    until_all_wait();
    until_all_wait();
    receives(queue);
    SAME(one(at, 0), 0);
    for (int i = 0; i < MOST + 2; i++) receives(queue);
    SAME(reap(child), 0);
}

/* Calls drawn by chance: where all are audited, the model is compared with the kernel at each. */
static mqd_t queues[2];
static int instances[INSTANCES];

static void one_call(void) {
    mqd_t queue = queues[below(2)];
    int at = instances[below(INSTANCES)];
    switch (below(8)) {
        case 0 ... 1: mq_send(queue, text, (size_t)below(LONGEST + 2), (unsigned)below(3)); break;
        case 2 ... 3: mq_receive(queue, text, LONGEST, NULL); break;
        case 4 ... 5: epoll_wait(at, found, 1 + below(3), 0); break;
        case 6: {
            struct pollfd asked = {.fd = queue, .events = POLLIN | POLLOUT};
            poll(&asked, 1, 0);
            break;
        }
        default: {
            uint32_t events = (below(2) ? EPOLLIN : 0) | (below(2) ? EPOLLOUT : 0) | (below(2) ? EPOLLET : 0);
            if (below(4) == 0) events |= EPOLLONESHOT;
            control(at, below(3) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, queue, events);
        }
    }
}

static void at_random(void) {
    dice = 7;
    for (int i = 0; i < 2; i++) queues[i] = a_queue(O_NONBLOCK);
    for (int i = 0; i < INSTANCES; i++) instances[i] = must(epoll_create1(0));
    for (int i = 0; i < 300; i++) one_call();
    for (int process = 0; process < 2; process++) {
        if (must(fork()) > 0) continue;
        dice += (unsigned long)process;
        for (int i = 0; i < 100; i++) one_call();
        _exit(0);
    }
    while (wait(NULL) > 0) {}
}

static int answers(void *of) {
    mqd_t *both = of;
    int at = watching(both[0], EPOLLIN);
    for (int i = 0; i < 50; i++) {
        SAME(one(at, -1), EPOLLIN);
        receives(both[0]);
        sends(both[1]);
    }
    return 0;
}

/* There and back, each of the two waiting for it by an instance. */
static void echo(void) {
    mqd_t both[2] = {a_queue(0), a_queue(0)};
    pid_t child = child_of(answers, both);
    int at = watching(both[1], EPOLLIN);
    for (int i = 0; i < 50; i++) {
        sends(both[0]);
        SAME(one(at, -1), EPOLLIN);
        receives(both[1]);
    }
    SAME(reap(child), 0);
}

RUN_BOTH(CASE(levels), CASE(edges), CASE(who_waits), CASE(handed_over), CASE(at_random), CASE(echo))
