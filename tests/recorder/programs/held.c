/* Threads that wait on a descriptor which another thread closes or puts something else in the place of, and calls that
   wait on what is made O_NONBLOCK meanwhile: they go on waiting for what they began with (close(2), NOTES). Each case ends
   with 0 where all was so; `generic_NAME` does the same on pipes that are left to the kernel. */
#include "cases.h"
#include "same.h"
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>

enum { LONG = 300000, CAPACITY = 65536 };

static char bytes[LONG];

struct waiter {
    pthread_t thread;
    long (*call)(int);
    int fd;
    long result;
    char text[64];
};

static struct waiter *current;

static void *waits(void *of) {
    struct waiter *self = of;
    self->result = self->call(self->fd);
    if (self->result < 0) self->result = -errno;
    return NULL;
}

/* Another thread makes this call, and waits. */
static void begins(struct waiter *self, long (*call)(int), int fd) {
    *self = (struct waiter){.call = call, .fd = fd};
    current = self;
    must(-pthread_create(&self->thread, NULL, waits, self));
    until_all_wait();
}

static long ends(struct waiter *self) {
    must(-pthread_join(self->thread, NULL));
    return self->result;
}

static void a_pipe(int ends[2]) {
    int on = 1, off = 0;
    must(pipe(ends));
    if (generic) {
        must(ioctl(ends[0], FIOASYNC, &on));
        must(ioctl(ends[0], FIOASYNC, &off));
    }
}

static void fills(int fd) {
    static char full[CAPACITY];
    SAME(write(fd, full, CAPACITY), CAPACITY);
}

static void takes(int fd, long count) {
    static char got[CAPACITY];
    while (count > 0) {
        long most = count < CAPACITY ? count : CAPACITY, one = must(read(fd, got, most));
        SAME(one > 0, 1);
        count -= one;
    }
}

static long inside(int fd) {
    int count = 0;
    must(ioctl(fd, FIONREAD, &count));
    return count;
}

static long reads(int fd) { return read(fd, current->text, 8); }
static long writes(int fd) { return write(fd, "late", 4); }
static long writes_long(int fd) { return write(fd, bytes, LONG); }

static void read_closed(void) {
    int old[2];
    struct waiter reader;
    a_pipe(old);
    begins(&reader, reads, old[0]);
    must(close(old[0]));
    SAME(write(old[1], "old", 3), 3);
    SAME(ends(&reader), 3);
    SAME(memcmp(reader.text, "old", 3), 0);
}

static void read_replaced(void) {
    int old[2], new[2];
    struct waiter reader;
    a_pipe(old);
    must(pipe(new));
    say(new[1], "new");
    begins(&reader, reads, old[0]);
    must(dup2(new[0], old[0]));
    say(old[1], "older");
    SAME(ends(&reader), 5);
    SAME(memcmp(reader.text, "older", 5), 0);
    /* What is in the new one is still there, and no more. */
    SAME(read(old[0], bytes, 8), 3);
    say(new[1], "newer");
    SAME(read(old[0], bytes, 8), 5);
}

/* Nobody writes to the old one, and what it says of the wait is the old one's. */
static void read_replaced_for_ever(void) {
    int old[2], new[2];
    struct waiter reader;
    a_pipe(old);
    must(pipe(new));
    say(new[1], "new");
    begins(&reader, reads, old[0]);
    must(dup2(new[0], old[0]));
    ends(&reader);
}

/* What it waits for has come, and it has not gone on yet. */
static void read_woken(void) {
    int old[2];
    struct waiter reader;
    a_pipe(old);
    begins(&reader, reads, old[0]);
    say(old[1], "old");
    must(close(old[0]));
    SAME(ends(&reader), 3);
}

static void range_closed(void) {
    int old[2];
    struct waiter reader;
    a_pipe(old);
    int high = must(fcntl(old[0], F_DUPFD, 100));
    begins(&reader, reads, high);
    must(close_range(50, ~0u, 0));
    say(old[1], "old");
    SAME(ends(&reader), 3);
}

/* Close-on-exec changes nothing before. */
static void range_for_exec(void) {
    int old[2];
    struct waiter reader;
    a_pipe(old);
    begins(&reader, reads, old[0]);
    must(close_range(old[0], old[0], CLOSE_RANGE_CLOEXEC));
    say(old[1], "old");
    SAME(ends(&reader), 3);
}

static void write_closed(void) {
    int old[2];
    struct waiter writer;
    a_pipe(old);
    fills(old[1]);
    begins(&writer, writes, old[1]);
    must(close(old[1]));
    takes(old[0], CAPACITY);
    SAME(ends(&writer), 4);
    SAME(read(old[0], bytes, 8), 4);
    SAME(read(old[0], bytes, 8), 0);
}

static void write_replaced(void) {
    int old[2], new[2];
    struct waiter writer;
    a_pipe(old);
    must(pipe(new));
    fills(old[1]);
    begins(&writer, writes, old[1]);
    must(dup2(new[1], old[1]));
    takes(old[0], CAPACITY);
    SAME(ends(&writer), 4);
    SAME(read(old[0], bytes, 8), 4);
    SAME(inside(new[0]), 0);
    say(new[1], "new");
    SAME(read(new[0], bytes, 8), 3);
}

/* All of a long write goes where its beginning went. */
static void pieces_closed(void) {
    int old[2];
    struct waiter writer;
    a_pipe(old);
    begins(&writer, writes_long, old[1]);
    takes(old[0], 5000);
    must(close(old[1]));
    takes(old[0], LONG - 5000);
    SAME(ends(&writer), LONG);
    SAME(read(old[0], bytes, 8), 0);
}

static void pieces_replaced(void) {
    int old[2], new[2];
    struct waiter writer;
    a_pipe(old);
    must(pipe(new));
    begins(&writer, writes_long, old[1]);
    must(dup2(new[1], old[1]));
    takes(old[0], LONG);
    SAME(ends(&writer), LONG);
    SAME(read(old[0], bytes, 8), 0);
    SAME(inside(new[0]), 0);
}

/* Who sleeps already is not woken, and finds what it waits for. */
static void does_not_wait(void) {
    int old[2];
    struct waiter reader;
    a_pipe(old);
    begins(&reader, reads, old[0]);
    must(fcntl(old[0], F_SETFL, O_NONBLOCK));
    until_all_wait();
    say(old[1], "old");
    SAME(ends(&reader), 3);
    FAILS(read(old[0], bytes, 1), EAGAIN);
}

static int reads_three(void *of) {
    char text[8];
    return read(*(int *)of, text, sizeof text) != 3;
}

/* The open file description is the child's too (fork(2)). */
static void does_not_wait_by_another(void) {
    int old[2], on = 1;
    a_pipe(old);
    pid_t pid = child_of(reads_three, &old[0]);
    until_all_wait();
    must(ioctl(old[0], FIONBIO, &on));
    until_all_wait();
    say(old[1], "old");
    SAME(reap(pid), 0);
}

/* Of two that wait the second finds nothing when it is woken: a pipe's reader looks at O_NONBLOCK again then
   (fs/pipe.c, pipe_read). */
static void pieces_do_not_wait(void) {
    int old[2];
    struct waiter writer;
    a_pipe(old);
    begins(&writer, writes_long, old[1]);
    must(fcntl(old[1], F_SETFL, O_NONBLOCK));
    until_all_wait();
    takes(old[0], CAPACITY);
    long result = ends(&writer);
    SAME(result > CAPACITY && result < LONG, 1);
    takes(old[0], result - CAPACITY);
}

static void count_closed(void) {
    struct waiter reader;
    int old = must(eventfd(0, 0)), same = must(dup(old));
    unsigned long one = 1;
    begins(&reader, reads, old);
    must(close(old));
    SAME(must(eventfd(7, 0)), old);
    SAME(write(same, &one, 8), 8);
    SAME(ends(&reader), 8);
    SAME(memcmp(reader.text, &one, 8), 0);
    SAME(read(old, &one, 8), 8);
    SAME(one, 7);
}

static long takes_part(int fd) { return recv(fd, current->text, 8, 0); }

static void socket_closed(void) {
    int old[2];
    struct waiter reader;
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, old));
    begins(&reader, takes_part, old[0]);
    must(fcntl(old[0], F_SETFL, O_NONBLOCK));
    must(close(old[0]));
    say(old[1], "old");
    SAME(ends(&reader), 3);
}

static mqd_t queue(const char *name) {
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 8};
    mqd_t queue = must(mq_open(name, O_RDWR | O_CREAT, 0600, &attributes));
    must(mq_unlink(name));
    return queue;
}

static long sends(int fd) { return mq_send(fd, "late", 4, 3); }
static long receives(int fd) { return mq_receive(fd, current->text, 8, NULL); }

static void queue_replaced(void) {
    struct waiter waiter;
    char text[8];
    mqd_t old = queue("/old"), same = must(dup(old)), new = queue("/new");
    begins(&waiter, receives, old);
    must(dup2(new, old));
    must(mq_send(old, "new", 3, 0));
    must(mq_send(same, "old", 3, 0));
    SAME(ends(&waiter), 3);
    SAME(memcmp(waiter.text, "old", 3), 0);
    must(mq_send(same, "first", 5, 0));
    begins(&waiter, sends, same);
    must(mq_close(same));
    SAME(mq_receive(new, text, 8, NULL), 3);
}

static long polls(int fd) {
    struct pollfd one = {.fd = fd, .events = POLLIN};
    int count = poll(&one, 1, -1);
    return count < 0 ? -1 : one.revents;
}

static long selects(int fd) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    return select(fd + 1, &set, NULL, NULL, NULL);
}

static long waits_for_events(int fd) {
    struct epoll_event event = {0};
    int count = epoll_wait(fd, &event, 1, -1);
    return count < 0 ? -1 : (long)event.data.u64;
}

/* It is woken by the old one, and looks at the new one (fs/select.c, do_pollfd). */
static void poll_replaced(void) {
    int old[2], new[2];
    struct waiter poller, other;
    a_pipe(old);
    a_pipe(new);
    say(new[1], "new");
    begins(&poller, polls, old[0]);
    int same = must(dup(old[0]));
    must(dup2(new[0], old[0]));
    until_all_wait();
    say(old[1], "old");
    SAME(ends(&poller), POLLIN);
    hear(same);
    begins(&poller, polls, same);
    begins(&other, selects, same);
    say(old[1], "again");
    SAME(ends(&poller), POLLIN);
    SAME(ends(&other), 1);
}

static void poll_closed(void) {
    int old[2];
    struct waiter poller;
    a_pipe(old);
    begins(&poller, polls, old[0]);
    int same = must(dup(old[0]));
    must(close(old[0]));
    until_all_wait();
    say(old[1], "old");
    SAME(ends(&poller), POLLNVAL);
    hear(same);
}

static void epoll_closed(void) {
    int old[2];
    struct waiter waiter;
    a_pipe(old);
    int instance = must(epoll_create1(0)), same = must(dup(instance));
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 5};
    must(epoll_ctl(instance, EPOLL_CTL_ADD, old[0], &event));
    begins(&waiter, waits_for_events, instance);
    must(dup2(old[0], instance));
    until_all_wait();
    say(old[1], "old");
    SAME(ends(&waiter), 5);
    SAME(waits_for_events(same), 5);
    hear(instance);
}

RUN_BOTH(CASE(read_closed), CASE(read_replaced), CASE(read_replaced_for_ever), CASE(read_woken), CASE(range_closed), CASE(range_for_exec),
         CASE(write_closed), CASE(write_replaced), CASE(pieces_closed), CASE(pieces_replaced), CASE(does_not_wait),
         CASE(does_not_wait_by_another), CASE(pieces_do_not_wait), CASE(count_closed), CASE(socket_closed),
         CASE(queue_replaced), CASE(poll_replaced), CASE(poll_closed), CASE(epoll_closed))
