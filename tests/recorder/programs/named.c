/* Stream sockets that are connected by name. Each case ends with 0 where all was as the manual says; `generic_NAME` does the
   same on sockets that are left to the kernel. */
#include "cases.h"
#include "same.h"
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/un.h>

enum { CHILDREN = 3 };

static char bytes[1 << 16];

static int left(int fd) {
    int on = 1;
    if (generic) must(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on));
    return fd;
}

static int made(int flags) { return left(must(socket(AF_UNIX, SOCK_STREAM | flags, 0))); }

/* `@name` is abstract, and no name at all one of the kernel's. */
static socklen_t address(struct sockaddr_un *to, const char *name) {
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    strcpy(to->sun_path, name);
    if (*name == '@') to->sun_path[0] = 0;
    return offsetof(struct sockaddr_un, sun_path) + strlen(name);
}

static int binds(int fd, const char *name) {
    struct sockaddr_un to;
    socklen_t len = address(&to, name);
    return bind(fd, (struct sockaddr *)&to, len);
}

static int connects(int fd, const char *name) {
    struct sockaddr_un to;
    socklen_t len = address(&to, name);
    return connect(fd, (struct sockaddr *)&to, len);
}

static int listening(const char *name, int backlog) {
    int fd = made(0);
    must(binds(fd, name));
    must(listen(fd, backlog));
    return fd;
}

static int connected(const char *name) {
    int fd = made(0);
    must(connects(fd, name));
    return fd;
}

static int accepted(int fd) { return must(accept(fd, NULL, NULL)); }

static int events_of(int fd) {
    struct pollfd one = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP | POLLPRI};
    must(poll(&one, 1, 0));
    return one.revents;
}

static void errors(void) {
    int fd = made(SOCK_NONBLOCK), other = made(0);
    FAILS(connects(fd, "nobody"), ENOENT);
    FAILS(connects(fd, "@nobody"), ECONNREFUSED);
    FAILS(connects(fd, ""), EINVAL);
    FAILS(listen(fd, 1), EINVAL);
    FAILS(accept(fd, NULL, NULL), EINVAL);
    FAILS(read(fd, bytes, 1), EINVAL);
    FAILS(write(fd, bytes, 1), ENOTCONN);
    SAME(events_of(fd), POLLOUT | POLLHUP);
    must(binds(fd, "here"));
    FAILS(binds(fd, "there"), EINVAL);
    FAILS(binds(other, "here"), EADDRINUSE);
    FAILS(connects(other, "here"), ECONNREFUSED);
    must(listen(fd, 5));
    SAME(events_of(fd), 0);
    FAILS(accept(fd, NULL, NULL), EAGAIN);
    must(connects(other, "./here"));
    FAILS(connects(other, "here"), EISCONN);
    FAILS(connects(fd, "here"), EINVAL);
    SAME(events_of(fd), POLLIN);
    FAILS(accept(other, NULL, NULL), EINVAL);
    FAILS(accept(-1, NULL, NULL), EBADF);
    int end = accepted(fd);
    say(other, "as ever");
    SAME(read(end, bytes, 100), 7);
    must(unlink("here"));
    FAILS(connects(made(0), "here"), ENOENT);
}

static int echoes(int end) {
    for (ssize_t got; (got = read(end, bytes, 100)) > 0;)
        if (write(end, bytes, (size_t)got) != got) return 1;
    close(end);
    return 7;
}

static int serves_one(void *with) { return echoes(accepted(*(int *)with)); }

static void talk(int fd) {
    for (int i = 0; i < 5; i++) {
        say(fd, "ping");
        SAME(recv(fd, bytes, 100, 0), 4);
    }
    must(shutdown(fd, SHUT_WR));
    SAME(read(fd, bytes, 100), 0);
}

static void by_name(const char *name) {
    int fd = listening(name, 5);
    pid_t child = child_of(serves_one, &fd);
    close(fd);
    talk(connected(name));
    SAME(reap(child), 7 << 8);
    FAILS(connects(made(0), name), ECONNREFUSED);
}

static void by_path(void) {
    by_name("socket");
    must(mkdir("folder", 0700));
    must(symlink("folder", "link"));
    must(chdir("link"));
    by_name("../other");
    by_name("/tmp/absolute");
}

static void by_abstract(void) { by_name("@abstract"); }

static void by_number(void) {
    int fd = listening("", 5);
    struct sockaddr_un name;
    socklen_t len = sizeof name;
    must(getsockname(fd, (struct sockaddr *)&name, &len));
    SAME(len, 8);
    pid_t child = child_of(serves_one, &fd);
    int own = made(0);
    must(connect(own, (struct sockaddr *)&name, len));
    talk(own);
    SAME(reap(child), 7 << 8);
}

/* What is sent before anybody accepts, and who goes before that. */
static void before_it_is_accepted(void) {
    int fd = listening("@early", 5), one = connected("@early"), other = connected("@early");
    say(one, "early");
    must(shutdown(one, SHUT_WR));
    close(other);
    int end = accepted(fd);
    SAME(read(end, bytes, 100), 5);
    SAME(read(end, bytes, 100), 0);
    say(end, "back");
    close(end);
    SAME(read(one, bytes, 100), 4);
    SAME(read(one, bytes, 100), 0);
    end = accepted(fd);
    SAME(events_of(end), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
    SAME(read(end, bytes, 100), 0);
    SAME(send(end, bytes, 1, MSG_NOSIGNAL), -1);
    SAME(errno, EPIPE);
    one = connected("@early");
    end = accepted(fd);
    say(end, "never read");
    close(one);
    SAME(read(end, bytes, 100), -1);
    SAME(errno, ECONNRESET);
    SAME(read(end, bytes, 100), 0);
}

static int connects_and_hears(void *name) {
    int fd = made(0);
    if (connects(fd, name) < 0) return errno;
    ssize_t got = read(fd, bytes, 1);
    return got == 1 ? bytes[0] : got == 0 ? 100 : errno;
}

/* One more than the backlog has room; then they wait, and come in the order in which they came. */
static void full(void) {
    int fd = listening("@full", 1), ends[CHILDREN + 2], own[2];
    for (int i = 0; i < 2; i++) own[i] = connected("@full");
    FAILS(connects(made(SOCK_NONBLOCK), "@full"), EAGAIN);
    pid_t children[CHILDREN];
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = child_of(connects_and_hears, "@full");
        until_all_wait();
    }
    for (int i = 0; i < CHILDREN + 2; i++) {
        ends[i] = accepted(fd);
        bytes[0] = (char)('a' + i);
        SAME(write(ends[i], bytes, 1), 1);
    }
    for (int i = 0; i < CHILDREN; i++) SAME(reap(children[i]), ('c' + i) << 8);
    for (int i = 0; i < 2; i++) SAME(read(own[i], bytes, 100), 1);
    int nobody = listening("@none", 0);
    connected("@none");
    FAILS(connects(made(SOCK_NONBLOCK), "@none"), EAGAIN);
    must(listen(nobody, 5));
    connected("@none");
    int any = listening("@any", -1);
    for (int i = 0; i < 20; i++) connected("@any");
    SAME(events_of(any), POLLIN);
}

/* The first that waits gets the first that comes. */
static int hears_which(void *with) {
    int end = accepted(*(int *)with);
    SAME(read(end, bytes, 1), 1);
    return bytes[0];
}

static void several_accept(void) {
    int fd = listening("several", 5);
    pid_t children[CHILDREN];
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = child_of(hears_which, &fd);
        until_all_wait();
    }
    for (int i = 0; i < CHILDREN; i++) {
        bytes[0] = (char)('a' + i);
        SAME(write(connected("several"), bytes, 1), 1);
    }
    for (int i = 0; i < CHILDREN; i++) SAME(reap(children[i]), ('a' + i) << 8);
}

/* Connections that nobody has accepted are reset, and who waits to connect is refused. */
static void closed(void) {
    int fd = listening("@closed", 0), one = connected("@closed");
    pid_t children[2];
    for (int i = 0; i < 2; i++) {
        children[i] = child_of(connects_and_hears, "@closed");
        until_all_wait();
    }
    say(one, "lost");
    /* The children have it too: they are not asked to close it, for they sleep. */
    pid_t keeper = fork();
    if (keeper == 0) {
        close(one);
        until_all_wait();
        _exit(0);
    }
    must(keeper);
    close(fd);
    SAME(events_of(one), POLLOUT);
    for (int i = 0; i < 2; i++) kill(children[i], SIGKILL), reap(children[i]);
    reap(keeper);
    SAME(events_of(one), POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR);
    FAILS(read(one, bytes, 100), ECONNRESET);
    SAME(read(one, bytes, 100), 0);
    SAME(send(one, bytes, 1, MSG_NOSIGNAL), -1);
    SAME(errno, EPIPE);
}

static int connects_later(void *name) {
    until_all_wait();
    return connects_and_hears(name);
}

static int only_connects_later(void *name) {
    until_all_wait();
    return connects(made(0), name) < 0 ? errno : 0;
}

/* The children are there before the socket is: they do not have it open. */
static void refused(void) {
    pid_t children[CHILDREN];
    for (int i = 0; i < CHILDREN; i++) children[i] = child_of(only_connects_later, "refused");
    int fd = listening("refused", 0);
    poll(NULL, 0, 10);
    close(fd);
    int refused = 0;
    for (int i = 0; i < CHILDREN; i++) refused += reap(children[i]) == ECONNREFUSED << 8;
    SAME(refused, CHILDREN - 1);
}

/* Who waited for a socket that is closed looks where the name leads now. */
static void another_of_that_name(void) {
    pid_t children[CHILDREN];
    for (int i = 0; i < CHILDREN; i++) children[i] = child_of(connects_later, "again");
    int fd = listening("again", 0);
    poll(NULL, 0, 10);
    must(unlink("again"));
    int other = listening("again", 0);
    close(fd);
    for (int i = 0; i < CHILDREN - 1; i++) say(accepted(other), "x");
    int heard = 0;
    for (int i = 0; i < CHILDREN; i++) heard += reap(children[i]) == 'x' << 8;
    SAME(heard, CHILDREN - 1);
}

static int shuts_later(void *with) {
    until_all_wait();
    must(shutdown(*(int *)with, SHUT_RDWR));
    return 0;
}

static void shut(void) {
    int fd = listening("@shut", 5), waiting = connected("@shut");
    must(shutdown(fd, SHUT_RD));
    FAILS(connects(made(0), "@shut"), ECONNREFUSED);
    say(accepted(fd), "kept");
    SAME(read(waiting, bytes, 100), 4);
    FAILS(accept(fd, NULL, NULL), EINVAL);
    fd = listening("@other", 5);
    pid_t child = child_of(shuts_later, &fd);
    FAILS(accept(fd, NULL, NULL), EINVAL);
    SAME(reap(child), 0);
}

static void flags(void) {
    int fd = listening("@flags", 5);
    struct sockaddr_un from;
    socklen_t len = sizeof from;
    for (int i = 0; i < 3; i++) {
        connected("@flags");
        int end = must(accept4(fd, NULL, NULL, (i & 1 ? SOCK_NONBLOCK : 0) | (i & 2 ? SOCK_CLOEXEC : 0)));
        SAME(fcntl(end, F_GETFL) & O_NONBLOCK, i & 1 ? O_NONBLOCK : 0);
        SAME(fcntl(end, F_GETFD), i & 2 ? FD_CLOEXEC : 0);
        if (i & 1) FAILS(read(end, bytes, 1), EAGAIN);
    }
    int own = made(SOCK_NONBLOCK);
    must(binds(own, "@client"));
    must(connects(own, "@flags"));
    FAILS(read(own, bytes, 1), EAGAIN);
    SAME(accept4(fd, NULL, NULL, 1), -1);
    int end = must(accept(fd, (struct sockaddr *)&from, &len));
    SAME(len, 2 + strlen("@client"));
    say(end, "now");
    SAME(read(own, bytes, 100), 3);
    connected("@flags");
    say(connected("@flags"), "second");
    FAILS(accept(fd, (struct sockaddr *)8, &len), EFAULT);
    SAME(read(accepted(fd), bytes, 100), 6);
}

static int comes_and_speaks(void *name) {
    until_all_wait();
    int fd = connected(name);
    until_all_wait();
    say(fd, "first");
    until_all_wait();
    say(fd, "and then");
    return 0;
}

static void by_poll(void) {
    int fd = listening("@polled", 5);
    pid_t child = child_of(comes_and_speaks, "@polled");
    struct pollfd asked[2] = {{.fd = fd, .events = POLLIN}, {.fd = -1, .events = POLLIN | POLLRDHUP}};
    SAME(poll(asked, 2, -1), 1);
    SAME(asked[0].revents, POLLIN);
    asked[1].fd = accepted(fd);
    SAME(poll(asked, 2, -1), 1);
    SAME(asked[1].revents, POLLIN);
    SAME(read(asked[1].fd, bytes, 100), 5);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(asked[1].fd, &set);
    FD_SET(fd, &set);
    SAME(select(asked[1].fd + 1, &set, NULL, NULL, NULL), 1);
    SAME(read(asked[1].fd, bytes, 100), 8);
    SAME(poll(asked, 2, -1), 1);
    SAME(asked[1].revents, POLLIN | POLLRDHUP | POLLHUP);
    SAME(reap(child), 0);
    FD_ZERO(&set);
    FD_SET(fd, &set);
    struct timeval soon = {.tv_usec = 500};
    SAME(select(fd + 1, &set, NULL, NULL, &soon), 0);
}

static struct epoll_event found[8];

static void about(int at, int operation, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    must(epoll_ctl(at, operation, fd, &event));
}

static uint32_t one(int at, int fd, int timeout) {
    int count = must(epoll_wait(at, found, 8, timeout));
    if (count == 0) return 0;
    SAME(count, 1);
    SAME(found[0].data.fd, fd);
    return found[0].events;
}

static void by_epoll(void) {
    int at = must(epoll_create1(0)), fd = listening("@epoll", 5), own = made(0);
    about(at, EPOLL_CTL_ADD, own, EPOLLIN | EPOLLOUT | EPOLLET);
    SAME(one(at, own, 0), EPOLLOUT | EPOLLHUP);
    about(at, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET);
    SAME(one(at, fd, 0), 0);
    must(connects(own, "@epoll"));
    SAME(one(at, fd, -1), EPOLLIN);
    SAME(one(at, fd, 0), 0);
    connected("@epoll");
    SAME(one(at, fd, -1), EPOLLIN);
    int end = accepted(fd);
    SAME(one(at, fd, 0), 0);
    about(at, EPOLL_CTL_MOD, fd, EPOLLIN);
    SAME(one(at, fd, 0), EPOLLIN);
    SAME(one(at, fd, 0), EPOLLIN);
    accepted(fd);
    SAME(one(at, fd, 0), 0);
    about(at, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT);
    connected("@epoll");
    SAME(one(at, fd, -1), EPOLLIN);
    connected("@epoll");
    SAME(one(at, fd, 0), 0);
    say(end, "to it");
    SAME(one(at, own, -1), EPOLLIN | EPOLLOUT);
    about(at, EPOLL_CTL_ADD, end, EPOLLIN | EPOLLRDHUP | EPOLLONESHOT);
    say(own, "and back");
    SAME(one(at, end, -1), EPOLLIN);
    close(own);
    SAME(one(at, end, 0), 0);
    about(at, EPOLL_CTL_MOD, end, EPOLLIN | EPOLLRDHUP);
    SAME(one(at, end, -1), EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR);
}

/* A server that waits for all of its clients at once. */
static int asks_twice(void *name) {
    int fd = connected(name);
    for (int i = 0; i < 2; i++) {
        say(fd, "question");
        SAME(read(fd, bytes, 100), 6);
    }
    return 0;
}

static void server(void) {
    int at = must(epoll_create1(0)), fd = listening("server", 1), left = CHILDREN;
    about(at, EPOLL_CTL_ADD, fd, EPOLLIN);
    for (int i = 0; i < CHILDREN; i++) child_of(asks_twice, "server");
    while (left > 0) {
        int count = must(epoll_wait(at, found, 8, -1));
        for (int i = 0; i < count; i++) {
            int which = found[i].data.fd;
            if (which == fd) {
                about(at, EPOLL_CTL_ADD, accepted(fd), EPOLLIN | EPOLLRDHUP);
            } else if (read(which, bytes, 100) > 0) {
                say(which, "answer");
            } else {
                close(which);
                left--;
            }
        }
    }
    for (int i = 0; i < CHILDREN; i++) SAME(reap(-1), 0);
}

/* A descriptor that is sent takes the socket out of the model, with the connections that wait there. */
static void passed(void) {
    int ends[2], got, fd = listening("@passed", 5), waiting = connected("@passed");
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
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
    pid_t child = child_of(comes_and_speaks, "@passed");
    say(accepted(got), "to you");
    SAME(read(waiting, bytes, 100), 6);
    SAME(read(accepted(fd), bytes, 100), 5);
    SAME(reap(child), 0);
}

/* Some of the two ends are left to the kernel, and the others are not. */
static void mixed(void) {
    int fd = listening("@mixed", 5), own = made(0), on = 1;
    must(setsockopt(own, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on));
    must(connects(own, "@mixed"));
    int other = connected("@mixed");
    say(own, "left");
    say(other, "known");
    SAME(read(accepted(fd), bytes, 100), 4);
    int end = accepted(fd);
    SAME(read(end, bytes, 100), 5);
    must(setsockopt(end, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on));
    say(end, "still");
    SAME(read(other, bytes, 100), 5);
    must(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on));
    other = connected("@mixed");
    say(accepted(fd), "there");
    SAME(read(other, bytes, 100), 5);
}

static void with_an_end(void) {
    int fd = listening("@timed", 0);
    struct timeval soon = {.tv_usec = 1000};
    must(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon));
    for (int i = 0; i < 2; i++) FAILS(accept(fd, NULL, NULL), EAGAIN);
    pid_t child = child_of(comes_and_speaks, "@timed");
    soon.tv_sec = 5;
    must(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon));
    SAME(read(accepted(fd), bytes, 100), 5);
    SAME(reap(child), 0);
    int own = made(0);
    must(setsockopt(own, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon));
    connected("@timed");
    FAILS(connects(own, "@timed"), EAGAIN);
    accepted(fd);
    must(connects(own, "@timed"));
}

static void nothing(int signal) { (void)signal; }

static int interrupts(void *with) {
    until_all_wait();
    kill(*(pid_t *)with, SIGUSR1);
    return 0;
}

static void interrupted(void) {
    struct sigaction action = {.sa_handler = nothing};
    must(sigaction(SIGUSR1, &action, NULL));
    int fd = listening("@signal", 0);
    pid_t own = getpid(), child = child_of(interrupts, &own);
    FAILS(accept(fd, NULL, NULL), EINTR);
    reap(child);
    connected("@signal");
    child = child_of(interrupts, &own);
    FAILS(connects(made(0), "@signal"), EINTR);
    reap(child);
    accepted(fd);
    connected("@signal");
}

/* Calls drawn by chance: where all are audited, the model is compared with the kernel at each. First stands an epoll
   instance, then those that listen, mostly, and then those that connect. */
enum { SOCKETS = 12, FIRST = 4 };
static int sockets[SOCKETS];
static const char *const names[] = {"@one", "two", "three"};

static int *listener(void) { return &sockets[1 + below(FIRST - 1)]; }
static int *stream(void) { return &sockets[FIRST + below(SOCKETS - FIRST)]; }
static int *any(void) { return &sockets[1 + below(SOCKETS - 1)]; }

static void replace(int *at, int fd) {
    if (fd < 0) return;
    close(*at);
    *at = fd;
}

static void one_call(void) {
    const char *name = names[below(3)];
    switch (below(16)) {
        case 0: {
            int *at = listener();
            if (below(2)) replace(at, made(SOCK_NONBLOCK));
            if (*name != '@') unlink(name);
            binds(*at, name);
            listen(*at, below(3));
            break;
        }
        case 1: listen(*any(), below(4)); break;
        case 2 ... 5: {
            int *at = stream();
            replace(at, made(SOCK_NONBLOCK));
            connects(*at, name);
            break;
        }
        case 6: connects(*any(), name); break;
        case 7 ... 9: {
            int *at = below(8) ? listener() : any();
            replace(stream(), accept4(*at, NULL, NULL, SOCK_NONBLOCK));
            break;
        }
        case 10: send(*stream(), bytes, (size_t)below(300), MSG_NOSIGNAL); break;
        case 11: recv(*stream(), bytes, (size_t)below(300), 0); break;
        case 12: events_of(*any()); break;
        case 13:
            if (below(3) == 0) shutdown(*any(), below(3));
            break;
        case 14: epoll_wait(sockets[0], found, 1 + below(8), 0); break;
        default: {
            int fd = *any();
            struct epoll_event event = {.events = EPOLLIN | (below(2) ? EPOLLET : 0) | (below(2) ? EPOLLOUT : 0)};
            event.data.fd = fd;
            epoll_ctl(sockets[0], below(2) ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
        }
    }
}

static void start(unsigned long seed) {
    dice = seed;
    sockets[0] = must(epoll_create1(0));
    for (int i = 1; i < SOCKETS; i++) sockets[i] = made(SOCK_NONBLOCK);
    for (int i = 0; i < 3; i++) {
        must(binds(sockets[1 + i], names[i]));
        must(listen(sockets[1 + i], i));
    }
}

/* Three that connect and two that accept, each as often as it comes out even, and some go away before they are accepted. */
static int accepts_six(void *with) {
    for (int i = 0; i < 6; i++) {
        int end = accepted(*(int *)with);
        if (below(3) == 0) until_all_wait();
        if (below(2)) close(end);
    }
    return 0;
}

static int connects_four(void *name) {
    for (int i = 0; i < 4; i++) {
        int fd = connected(name);
        if (below(3) == 0) until_all_wait();
        if (below(2)) close(fd);
    }
    return 0;
}

static void waiting_at_random(void) {
    for (int round = 0; round < 4; round++) {
        int fd = listening("@waiting", round % 3);
        pid_t children[5];
        for (int i = 0; i < 5; i++) {
            dice = 11 + 5 * round + i;
            children[i] = i < 2 ? child_of(accepts_six, &fd) : child_of(connects_four, "@waiting");
        }
        for (int i = 0; i < 5; i++) SAME(reap(children[i]), 0);
        close(fd);
    }
}

static void at_random(void) {
    for (unsigned long seed = 1; seed <= 5; seed++) {
        start(seed);
        for (int i = 0; i < 200; i++) one_call();
        for (int i = 0; i < SOCKETS; i++) close(sockets[i]);
        for (int i = 1; i < 3; i++) unlink(names[i]);
    }
}

static void together(void) {
    start(9);
    for (int process = 0; process < CHILDREN; process++) {
        if (must(fork()) > 0) continue;
        dice += (unsigned long)process;
        for (int i = 0; i < 120; i++) one_call();
        _exit(0);
    }
    while (wait(NULL) > 0) {}
}

/* A client for each of fifty questions, by a path and by an abstract name. */
static int asks_one_by_one(void *name) {
    for (int i = 0; i < 25; i++) {
        int fd = connected(name);
        say(fd, "question");
        SAME(read(fd, bytes, 100), 6);
        close(fd);
    }
    return 0;
}

static void answer_by(char *name) {
    int fd = listening(name, 0), on = 1;
    must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    pid_t child = child_of(asks_one_by_one, name);
    for (int i = 0; i < 25; i++) {
        int end = accepted(fd);
        struct ucred who;
        socklen_t len = sizeof who;
        must(getsockopt(end, SOL_SOCKET, SO_PEERCRED, &who, &len));
        SAME(who.pid, child);
        SAME(read(end, bytes, 100), 8);
        say(end, "answer");
        close(end);
    }
    SAME(reap(child), 0);
}

static void one_by_one(void) {
    answer_by("one_by_one");
    answer_by("@one_by_one");
}

static void never_comes(void) { accepted(listening("never", 5)); }

static int connects_twice(void *with) {
    close(*(int *)with);
    connected("never");
    connected("never");
    return 0;
}

static void never_accepted(void) {
    int fd = listening("never", 0);
    reap(child_of(connects_twice, &fd));
}

/* Its name is gone; who has found it by then still waits. */
static void nameless(void) {
    int fd = listening("never", 0);
    pid_t child = child_of(connects_twice, &fd);
    until_all_wait();
    must(unlink("never"));
    reap(child);
}

RUN_BOTH(CASE(errors), CASE(by_path), CASE(by_abstract), CASE(by_number), CASE(before_it_is_accepted), CASE(full),
         CASE(several_accept), CASE(closed), CASE(refused), CASE(another_of_that_name), CASE(shut), CASE(flags),
         CASE(by_poll), CASE(by_epoll), CASE(server), CASE(passed), CASE(mixed), CASE(with_an_end), CASE(interrupted),
         CASE(at_random), CASE(waiting_at_random), CASE(together), CASE(one_by_one), CASE(never_comes), CASE(never_accepted),
         CASE(nameless))
