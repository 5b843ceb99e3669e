/* What a pipe holds, when it makes its users wait, and what becomes of them. Each case ends with 0 where all was as the
   manual says. */
#include "cases.h"
#include <sys/ioctl.h>
#include <sys/uio.h>

#define SAME(one, other)                                                     \
    do {                                                                     \
        long a = (one), b = (other);                                         \
        if (a != b) {                                                        \
            fprintf(stderr, "line %d: %ld and not %ld\n", __LINE__, a, b);   \
            exit(1);                                                         \
        }                                                                    \
    } while (0)

static char bytes[1 << 17];

static long inside(int fd) {
    int count = 0;
    must(ioctl(fd, FIONREAD, &count));
    return count;
}

/* Time passes only when nobody else can run: those who wait do so by then. A sleep might end early, a time-out does not. */
static void until_all_wait(void) { poll(NULL, 0, 1); }

struct filling {
    int fd;
    size_t size;
};

static int fills(void *with) {
    struct filling *filling = with;
    for (int i = 0; i < 100; i++) must(write(filling->fd, bytes, filling->size));
    return 0;
}

static void check_full(size_t size, long expected) {
    int ends[2];
    must(pipe(ends));
    struct filling filling = {ends[1], size};
    pid_t pid = child_of(fills, &filling);
    until_all_wait();
    SAME(inside(ends[0]), expected);
    close(ends[1]);
    long sum = 0;
    for (ssize_t got; (got = must(read(ends[0], bytes, 5000))) > 0;) sum += got;
    SAME(sum, 100 * (long)size);
    SAME(reap(pid), 0);
    close(ends[0]);
}

static void full(void) {
    check_full(1000, 64000);
    check_full(3000, 48000);
    check_full(4096, 65536);
    check_full(4097, 45066);
}

static void does_not_wait(void) {
    int ends[2], on = 1;
    must(pipe(ends));
    must(ioctl(ends[0], FIONBIO, &on));
    must(fcntl(ends[1], F_SETFL, O_NONBLOCK));
    SAME(read(ends[0], bytes, 1), -1);
    SAME(errno, EAGAIN);
    for (size_t size = 300; size < 9000; size += 977) {
        while (write(ends[1], bytes, size) > 0) {
        }
        SAME(errno, EAGAIN);
        SAME(read(ends[0], bytes, 3 * size) > 0, 1);
        SAME(write(ends[1], bytes, 1) != 0, 1);
    }
    SAME(write(ends[1], bytes, 0), 0);
    while (read(ends[0], bytes, sizeof bytes) > 0) {
    }
    SAME(errno, EAGAIN);
    close(ends[1]);
    SAME(read(ends[0], bytes, 1), 0);
}

static void resized(void) {
    int ends[2];
    must(pipe(ends));
    SAME(fcntl(ends[0], F_SETPIPE_SZ, 4096), 4096);
    struct filling filling = {ends[1], 1500};
    pid_t pid = child_of(fills, &filling);
    until_all_wait();
    SAME(inside(ends[0]), 3000);
    SAME(fcntl(ends[0], F_SETPIPE_SZ, 8192), 8192);
    until_all_wait();
    SAME(inside(ends[0]), 6000);
    close(ends[1]);
    while (must(read(ends[0], bytes, 700)) > 0) {
    }
    SAME(reap(pid), 0);
}

static int writes_once(void *with) {
    write(((int *)with)[1], "x", 1);
    return 0;
}

static void no_reader(void) {
    int ends[2];
    must(pipe(ends));
    close(ends[0]);
    SAME(WTERMSIG(reap(child_of(writes_once, ends))), SIGPIPE);
    signal(SIGPIPE, SIG_IGN);
    SAME(write(ends[1], "x", 1), -1);
    SAME(errno, EPIPE);
    SAME(write(ends[1], "x", 0), 0);
    SAME(write(ends[1], bytes, 70000), -1);
}

/* The reader goes while a writer waits for room. */
static void reader_goes(void) {
    int ends[2];
    must(pipe(ends));
    struct filling filling = {ends[1], 4000};
    pid_t pid = must(fork());
    if (pid == 0) {
        close(ends[0]);
        _exit(fills(&filling));
    }
    until_all_wait();
    close(ends[0]);
    SAME(WTERMSIG(reap(pid)), SIGPIPE);
}

static char *volatile nowhere = (char *)8;
static char *volatile fixed = (char *)"read only";

static void bad_addresses(void) {
    int ends[2];
    must(pipe(ends));
    SAME(write(ends[1], nowhere, 4), -1);
    SAME(errno, EFAULT);
    must(write(ends[1], "kettle", 6));
    SAME(read(ends[0], nowhere, 4), -1);
    SAME(errno, EFAULT);
    SAME(read(ends[0], bytes, 64), 6);
    int others[2];
    must(pipe(others));
    must(write(others[1], "kettle", 6));
    SAME(read(others[0], fixed, 4), -1);
    SAME(read(others[0], bytes, 64), 6);
}

static void opened_again(void) {
    int ends[2];
    char path[64];
    must(pipe(ends));
    must(write(ends[1], "one", 3));
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[1]);
    int again = must(open(path, O_WRONLY));
    close(ends[1]);
    must(write(again, "two", 3));
    SAME(read(ends[0], bytes, 64), 6);
    close(again);
    SAME(read(ends[0], bytes, 64), 0);
}

static void vectors(void) {
    int ends[2];
    must(pipe(ends));
    struct iovec sent[3] = {{"ket", 3}, {"", 0}, {"tle", 3}};
    struct iovec got[3] = {{bytes, 2}, {bytes + 10, 1}, {bytes + 20, 50}};
    SAME(writev(ends[1], sent, 3), 6);
    SAME(readv(ends[0], got, 3), 6);
    SAME(memcmp(bytes, "ke", 2) || bytes[10] != 't' || memcmp(bytes + 20, "tle", 3), 0);
}

static int counts_alone(void *with) {
    char byte;
    int sum = 0;
    close(((int *)with)[1]);
    while (must(read(((int *)with)[0], &byte, 1)) > 0) sum++;
    return sum;
}

static void two_readers(void) {
    int ends[2];
    must(pipe(ends));
    pid_t one = child_of(counts_alone, ends), other = child_of(counts_alone, ends);
    for (int i = 0; i < 20; i++) must(write(ends[1], "x", 1));
    close(ends[1]);
    SAME(WEXITSTATUS(reap(one)) + WEXITSTATUS(reap(other)), 20);
}

static void *hears(void *with) {
    hear(*(int *)with);
    return NULL;
}

/* A write end that a dying process, a program that is replaced, and a thread's process hold. */
static void ends_close(void) {
    int ends[2];
    must(pipe2(ends, O_CLOEXEC));
    pid_t replaced = must(fork());
    if (replaced == 0) execl("/bin/true", "true", NULL);
    pid_t killed = must(fork());
    if (killed == 0) pause();
    close(ends[1]);
    pthread_t thread;
    SAME(pthread_create(&thread, NULL, hears, ends), 0);
    until_all_wait();
    must(kill(killed, SIGKILL));
    pthread_join(thread, NULL);
    SAME(reap(killed), SIGKILL);
    SAME(reap(replaced), 0);
}

static volatile sig_atomic_t alarms;
static void on_alarm(int signal) { alarms += signal == SIGALRM; }

/* Real time, or what the recorder makes of it, ends a wait. */
static void alarm_ends_a_read(void) {
    int ends[2];
    must(pipe(ends));
    struct sigaction action = {.sa_handler = on_alarm};
    must(sigaction(SIGALRM, &action, NULL));
    /* Again and again: one that comes before the read is lost on it. */
    struct itimerval soon = {.it_value = {.tv_usec = 1000}, .it_interval = {.tv_usec = 1000}};
    must(setitimer(ITIMER_REAL, &soon, NULL));
    SAME(read(ends[0], bytes, 1), -1);
    SAME(errno, EINTR);
    SAME(alarms > 0, 1);
}

static void waits_for_children(void) {
    struct sigaction action = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
    int ends[2];
    must(pipe(ends));
    pid_t one = child_of(writes_once, ends);
    SAME(waitpid(one + 77, NULL, 0), -1);
    SAME(errno, ECHILD);
    siginfo_t info;
    SAME(waitid(P_PID, one, &info, WEXITED | WNOWAIT), 0);
    SAME(waitpid(-1, NULL, 0), one);
    SAME(waitpid(-1, NULL, 0), -1);
    must(sigaction(SIGCHLD, &action, NULL));
    child_of(writes_once, ends);
    child_of(writes_once, ends);
    SAME(waitpid(-1, NULL, 0), -1);
    SAME(errno, ECHILD);
}

RUN(CASE(full), CASE(does_not_wait), CASE(resized), CASE(no_reader), CASE(reader_goes), CASE(bad_addresses),
    CASE(opened_again), CASE(vectors), CASE(two_readers), CASE(ends_close), CASE(alarm_ends_a_read),
    CASE(waits_for_children))
