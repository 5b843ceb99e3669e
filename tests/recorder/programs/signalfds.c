/* Signals behind descriptors. Each case ends with 0 where all was as the manual says; `generic_NAME` does the same on
   descriptors that the recorder leaves to the kernel. */
#include "cases.h"
#include "same.h"
#include <sys/epoll.h>
#include <sys/select.h>

enum { HOUR = 3600 };

static sigset_t set_of(int one, int other) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, one);
    sigaddset(&set, other);
    return set;
}

static int takes(int one, int other, int flags) {
    sigset_t set = set_of(one, other);
    must(sigprocmask(SIG_BLOCK, &set, NULL));
    int fd = must(signalfd(-1, &set, flags));
    /* Nobody knows what comes of that, but the kernel. */
    if (generic) FAILS(tee(fd, fd, 1, 0), EINVAL);
    return fd;
}

static int taken(int fd) {
    struct signalfd_siginfo info;
    SAME(read(fd, &info, sizeof info), sizeof info);
    return (int)info.ssi_signo;
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

static void what_is_there(void) {
    int fd = takes(SIGUSR1, SIGUSR2, SFD_NONBLOCK);
    struct signalfd_siginfo infos[3];
    FAILS(read(fd, infos, sizeof *infos), EAGAIN);
    FAILS(write(fd, infos, sizeof *infos), EINVAL);
    SAME(events_of(fd), 0);
    raise(SIGUSR2);
    raise(SIGUSR2);
    kill(getpid(), SIGUSR1);
    FAILS(read(fd, infos, sizeof *infos - 1), EINVAL);
    SAME(events_of(fd), POLLIN);
    SAME(read(fd, infos, sizeof infos), 2 * sizeof *infos);
    SAME(infos[0].ssi_signo + infos[1].ssi_signo, SIGUSR1 + SIGUSR2);
    SAME(events_of(fd), 0);
    /* Another one is not for it. */
    sigset_t others = set_of(SIGRTMIN, SIGRTMIN);
    must(sigprocmask(SIG_BLOCK, &others, NULL));
    kill(getpid(), SIGRTMIN);
    FAILS(read(fd, infos, sizeof *infos), EAGAIN);
    kill(getpid(), SIGRTMIN);
    must(signalfd(fd, &others, 0));
    SAME(taken(fd), SIGRTMIN);
    SAME(taken(fd), SIGRTMIN);
    FAILS(read(fd, infos, sizeof *infos), EAGAIN);
}

static void reads_wait(void) {
    int fd = takes(SIGUSR1, SIGCHLD, 0), back[2];
    must(pipe(back));
    int parent = getpid(), child = must(fork());
    if (child == 0) {
        until_all_wait();
        must(kill(parent, SIGUSR1));
        hear(back[0]);
        /* Its own, of which the parent hears nothing. */
        must(kill(getpid(), SIGUSR1));
        SAME(taken(fd), SIGUSR1);
        until_all_wait();
        _exit(0);
    }
    SAME(taken(fd), SIGUSR1);
    say(back[1], "x");
    SAME(taken(fd), SIGCHLD);
    ends_well(child);
}

static void of_an_alarm(void) {
    int fd = takes(SIGALRM, SIGALRM, 0);
    for (int i = 0; i < 2; i++) {
        alarm(HOUR);
        SAME(taken(fd), SIGALRM);
    }
}

static int descriptor;

static void *waits(void *signal) {
    SAME(taken(descriptor), (int)(long)signal);
    return NULL;
}

/* What is sent to a thread no other reads. */
static void of_a_thread(void) {
    pthread_t thread;
    descriptor = takes(SIGUSR1, SIGUSR2, 0);
    must(pthread_create(&thread, NULL, waits, (void *)(long)SIGUSR1));
    until_all_wait();
    must(pthread_kill(thread, SIGUSR1));
    must(pthread_kill(pthread_self(), SIGUSR2));
    pthread_join(thread, NULL);
    SAME(taken(descriptor), SIGUSR2);
}

static void two_wait(void) {
    pthread_t threads[2];
    descriptor = takes(SIGUSR1, SIGUSR2, 0);
    for (int i = 0; i < 2; i++) must(pthread_create(&threads[i], NULL, waits, (void *)(long)SIGUSR1));
    for (int i = 0; i < 2; i++) {
        until_all_wait();
        must(kill(getpid(), SIGUSR1));
    }
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
}

static void watched(void) {
    int fd = takes(SIGUSR1, SIGUSR2, 0), pair[2];
    must(pipe(pair));
    int parent = getpid(), child = must(fork());
    if (child == 0) {
        for (int i = 0; i < 3; i++) {
            until_all_wait();
            must(kill(parent, SIGUSR1));
        }
        until_all_wait();
        must(write(pair[1], "x", 1));
        _exit(0);
    }
    struct pollfd two[] = {{.fd = pair[0], .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    for (int i = 0; i < 2; i++) {
        SAME(poll(two, 2, i == 0 ? -1 : HOUR * 1000), 1);
        SAME(two[0].revents, 0);
        SAME(two[1].revents, POLLIN);
        SAME(taken(fd), SIGUSR1);
    }
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    SAME(select(fd + 1, &set, NULL, NULL, NULL), 1);
    SAME(taken(fd), SIGUSR1);
    SAME(poll(two, 2, -1), 1);
    SAME(two[0].revents, POLLIN);
    SAME(poll(&two[1], 1, HOUR * 1000), 0);
    ends_well(child);
}

static void instances(void) {
    int fd = takes(SIGUSR1, SIGUSR2, 0), epoll = must(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN};
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
    SAME(epoll_wait(epoll, &event, 1, 0), 0);
    int parent = getpid(), child = must(fork());
    if (child == 0) {
        until_all_wait();
        must(kill(parent, SIGUSR2));
        _exit(0);
    }
    SAME(epoll_wait(epoll, &event, 1, -1), 1);
    SAME(taken(fd), SIGUSR2);
    SAME(epoll_wait(epoll, &event, 1, HOUR * 1000), 0);
    ends_well(child);
}

static void handler(int number) { (void)number; }

static void interrupted(void) {
    int fd = takes(SIGUSR1, SIGUSR2, 0);
    struct signalfd_siginfo info;
    struct sigaction action = {.sa_handler = handler};
    must(sigaction(SIGALRM, &action, NULL));
    alarm(HOUR);
    FAILS(read(fd, &info, sizeof info), EINTR);
}

/* Of a queue's message nobody sees that it sends a signal. */
static void of_a_queue(void) {
    int fd = takes(SIGUSR1, SIGUSR2, 0);
    mqd_t queue = must(mq_open("/tasks", O_RDWR | O_CREAT, 0600, NULL));
    must(mq_unlink("/tasks"));
    must(mq_notify(queue, &(struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1}));
    int child = must(fork());
    if (child == 0) {
        until_all_wait();
        must(mq_send(queue, "x", 1, 0));
        _exit(0);
    }
    SAME(taken(fd), SIGUSR1);
    must(mq_notify(queue, &(struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2}));
    must(mq_receive(queue, (char[8192]){0}, 8192, NULL));
    ends_well(child);
    child = must(fork());
    if (child == 0) {
        until_all_wait();
        must(mq_send(queue, "x", 1, 0));
        _exit(0);
    }
    SAME(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1), 1);
    SAME(taken(fd), SIGUSR2);
    ends_well(child);
}

/* A child that is stopped and goes on is told of too. */
static void of_a_stopped_child(void) {
    int fd = takes(SIGCHLD, SIGUSR1, 0), status, child = must(fork());
    if (child == 0) {
        until_all_wait();
        raise(SIGSTOP);
        _exit(0);
    }
    SAME(taken(fd), SIGCHLD);
    SAME(waitpid(child, &status, WUNTRACED), child);
    SAME(WIFSTOPPED(status), 1);
    must(kill(child, SIGCONT));
    SAME(taken(fd), SIGCHLD);
    ends_well(child);
}

/* One that is pending for the thread and for its process is there twice. */
static void twice(void) {
    int fd = takes(SIGUSR1, SIGUSR2, 0);
    must(kill(getpid(), SIGUSR1));
    must(pthread_kill(pthread_self(), SIGUSR1));
    SAME(events_of(fd), POLLIN);
    SAME(taken(fd), SIGUSR1);
    SAME(events_of(fd), POLLIN);
    SAME(taken(fd), SIGUSR1);
    SAME(events_of(fd), 0);
}

static void echo(void) {
    int fd = takes(SIGUSR1, SIGUSR2, 0), parent = getpid(), child = must(fork());
    for (int i = 0; i < 150; i++) {
        if (child == 0) SAME(taken(fd), SIGUSR1);
        must(kill(child == 0 ? parent : child, child == 0 ? SIGUSR2 : SIGUSR1));
        if (child != 0) SAME(taken(fd), SIGUSR2);
    }
    if (child == 0) _exit(0);
    ends_well(child);
}

static void never(void) { taken(takes(SIGUSR1, SIGUSR2, 0)); }

RUN_BOTH(CASE(what_is_there), CASE(reads_wait), CASE(of_an_alarm), CASE(of_a_thread), CASE(two_wait), CASE(watched),
         CASE(instances), CASE(interrupted), CASE(of_a_queue), CASE(of_a_stopped_child), CASE(twice), CASE(echo), CASE(never))
