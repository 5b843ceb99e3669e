/* Writes of more than fits into a pipe, and than PIPE_BUF: what they return, and what a pipe holds meanwhile. Each case
   ends with 0 where all was as the manual says. `generic_NAME` is the same on a pipe that the recorder leaves to the
   kernel. */
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

enum { LONG = 300000, CAPACITY = 65536, PAGE = 4096 };

static char bytes[1 << 20];
static int generic;

static void a_pipe(int ends[2]) {
    int on = 1, off = 0;
    must(pipe(ends));
    if (generic) {
        must(ioctl(ends[0], FIOASYNC, &on));
        must(ioctl(ends[0], FIOASYNC, &off));
    }
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i / 251);
}

static long inside(int fd) {
    int count = 0;
    must(ioctl(fd, FIONREAD, &count));
    return count;
}

/* Time passes only when nobody else can run: those who wait do so by then. */
static void until_all_wait(void) { poll(NULL, 0, 1); }

/* Forks a writer of LONG bytes that expects `result`, and has no read end. */
static pid_t writer_of(int ends[2], long result) {
    pid_t pid = must(fork());
    if (pid == 0) {
        close(ends[0]);
        SAME(write(ends[1], bytes, LONG), result);
        exit(0);
    }
    return pid;
}

static void reads(int fd, long from, long to, size_t size) {
    static char got[CAPACITY];
    while (from < to) {
        size_t most = (size_t)(to - from) < size ? (size_t)(to - from) : size;
        ssize_t count = must(read(fd, got, most));
        if (count == 0) break;
        SAME(memcmp(got, bytes + from, count), 0);
        from += count;
    }
    SAME(from, to);
}

static void slow_reader(void) {
    int ends[2];
    a_pipe(ends);
    pid_t pid = writer_of(ends, LONG);
    close(ends[1]);
    reads(ends[0], 0, LONG, 1000);
    SAME(read(ends[0], bytes, 1), 0);
    SAME(reap(pid), 0);
}

static void quick_reader(void) {
    int ends[2];
    a_pipe(ends);
    pid_t pid = writer_of(ends, LONG);
    close(ends[1]);
    reads(ends[0], 0, LONG, CAPACITY);
    SAME(read(ends[0], bytes, 1), 0);
    SAME(reap(pid), 0);
}

static void page_by_page(void) {
    int ends[2];
    a_pipe(ends);
    pid_t pid = writer_of(ends, LONG);
    until_all_wait();
    SAME(inside(ends[0]), CAPACITY);
    reads(ends[0], 0, PAGE - 1, PAGE - 1);
    until_all_wait();
    SAME(inside(ends[0]), CAPACITY - PAGE + 1);
    reads(ends[0], PAGE - 1, PAGE, 1);
    until_all_wait();
    SAME(inside(ends[0]), CAPACITY);
    reads(ends[0], PAGE, LONG, 10000);
    SAME(reap(pid), 0);
}

/* What is no whole page goes into the last page that is there, if it fits; the rest waits. */
static void merges(void) {
    int ends[2];
    a_pipe(ends);
    must(write(ends[1], bytes, 15 * PAGE));
    must(write(ends[1], bytes + 15 * PAGE, 100));
    pid_t pid = must(fork());
    if (pid == 0) {
        SAME(write(ends[1], bytes + 15 * PAGE + 100, 3 * PAGE + 50), 3 * PAGE + 50);
        exit(0);
    }
    until_all_wait();
    SAME(inside(ends[0]), 15 * PAGE + 150);
    reads(ends[0], 0, 18 * PAGE + 150, 2 * PAGE);
    SAME(reap(pid), 0);
}

static int writes_letters(int fd, char letter) {
    memset(bytes, letter, LONG);
    SAME(write(fd, bytes, LONG), LONG);
    return 0;
}

static void two_writers(void) {
    int ends[2], sums[2] = {0};
    a_pipe(ends);
    pid_t pids[2];
    for (int i = 0; i < 2; i++) {
        pids[i] = must(fork());
        if (pids[i] == 0) _exit(writes_letters(ends[1], "ab"[i]));
    }
    close(ends[1]);
    char got[5000];
    for (ssize_t count; (count = must(read(ends[0], got, sizeof got))) > 0;)
        for (ssize_t i = 0; i < count; i++) sums[got[i] == 'b']++;
    SAME(sums[0], LONG);
    SAME(sums[1], LONG);
    SAME(reap(pids[0]) + reap(pids[1]), 0);
}

/* One of PIPE_BUF bytes may come into the midst of a longer one, and stays whole. */
static void small_among_large(void) {
    int ends[2];
    a_pipe(ends);
    pid_t large = must(fork());
    if (large == 0) _exit(writes_letters(ends[1], 'a'));
    pid_t small = must(fork());
    if (small == 0) {
        memset(bytes, 'b', PAGE);
        SAME(write(ends[1], bytes, PAGE), PAGE);
        _exit(0);
    }
    close(ends[1]);
    char got[3000];
    int before = 0, run = 0, runs = 0;
    for (ssize_t count; (count = must(read(ends[0], got, sizeof got))) > 0;)
        for (ssize_t i = 0; i < count; i++) {
            runs += got[i] == 'b' && before != 'b';
            run += got[i] == 'b';
            before = got[i];
        }
    SAME(runs, 1);
    SAME(run, PAGE);
    SAME(reap(large) + reap(small), 0);
}

static volatile sig_atomic_t caught;
static void catches(int signal) { caught = signal; }

/* A signal with a handler ends it, although it asks for calls to be restarted. */
static void signal_in_the_midst(void) {
    int ends[2];
    a_pipe(ends);
    struct sigaction action = {.sa_handler = catches, .sa_flags = SA_RESTART};
    must(sigaction(SIGUSR1, &action, NULL));
    pid_t pid = writer_of(ends, CAPACITY + 2 * PAGE);
    until_all_wait();
    reads(ends[0], 0, 10000, 10000);
    until_all_wait();
    must(kill(pid, SIGUSR1));
    SAME(reap(pid), 0);
    SAME(inside(ends[0]), CAPACITY + 2 * PAGE - 10000);
}

/* Before a byte is in it is only interrupted. */
static void signal_before_the_first(void) {
    int ends[2];
    a_pipe(ends);
    struct sigaction action = {.sa_handler = catches};
    must(sigaction(SIGUSR1, &action, NULL));
    must(write(ends[1], bytes, CAPACITY));
    pid_t pid = must(fork());
    if (pid == 0) {
        SAME(write(ends[1], bytes, LONG), -1);
        SAME(errno, EINTR);
        exit(0);
    }
    until_all_wait();
    must(kill(pid, SIGUSR1));
    SAME(reap(pid), 0);
}

static void signals_that_nobody_takes(void) {
    int ends[2];
    a_pipe(ends);
    signal(SIGUSR1, SIG_IGN);
    pid_t pid = writer_of(ends, LONG);
    until_all_wait();
    must(kill(pid, SIGUSR1));
    until_all_wait();
    must(kill(pid, SIGWINCH));
    reads(ends[0], 0, 100000, 5000);
    must(kill(pid, SIGUSR1));
    must(kill(pid, SIGURG));
    reads(ends[0], 100000, LONG, 5000);
    SAME(reap(pid), 0);
}

static void stopped_in_the_midst(void) {
    int ends[2];
    a_pipe(ends);
    pid_t pid = writer_of(ends, CAPACITY);
    until_all_wait();
    must(kill(pid, SIGSTOP));
    until_all_wait();
    must(kill(pid, SIGCONT));
    SAME(reap(pid), 0);
}

static void killed_in_the_midst(void) {
    int ends[2];
    a_pipe(ends);
    pid_t pid = writer_of(ends, -2);
    close(ends[1]);
    until_all_wait();
    reads(ends[0], 0, 10000, 10000);
    until_all_wait();
    must(kill(pid, SIGKILL));
    SAME(reap(pid), SIGKILL);
    reads(ends[0], 10000, CAPACITY + 2 * PAGE, 10000);
    SAME(read(ends[0], bytes, 1), 0);
}

static void ended_in_the_midst(void) {
    int ends[2];
    a_pipe(ends);
    pid_t pid = writer_of(ends, -2);
    until_all_wait();
    must(kill(pid, SIGTERM));
    SAME(reap(pid), SIGTERM);
}

static void reader_dies(void) {
    int ends[2];
    a_pipe(ends);
    signal(SIGPIPE, SIG_IGN);
    pid_t pid = must(fork());
    if (pid == 0) {
        close(ends[0]);
        SAME(write(ends[1], bytes, LONG), CAPACITY + 2 * PAGE);
        SAME(write(ends[1], bytes, LONG), -1);
        SAME(errno, EPIPE);
        exit(0);
    }
    until_all_wait();
    reads(ends[0], 0, 10000, 10000);
    until_all_wait();
    close(ends[0]);
    SAME(reap(pid), 0);
}

static void reader_dies_and_kills(void) {
    int ends[2];
    a_pipe(ends);
    pid_t pid = writer_of(ends, -2);
    until_all_wait();
    close(ends[0]);
    SAME(WTERMSIG(reap(pid)), SIGPIPE);
}

static void resized(void) {
    int ends[2];
    a_pipe(ends);
    SAME(fcntl(ends[0], F_SETPIPE_SZ, PAGE), PAGE);
    pid_t pid = writer_of(ends, LONG);
    until_all_wait();
    SAME(inside(ends[0]), PAGE);
    SAME(fcntl(ends[0], F_SETPIPE_SZ, 8 * PAGE), 8 * PAGE);
    /* The kernel wakes a writer when something was read (fs/pipe.c). */
    reads(ends[0], 0, PAGE, PAGE);
    until_all_wait();
    SAME(inside(ends[0]), 8 * PAGE);
    reads(ends[0], PAGE, LONG, 7000);
    SAME(reap(pid), 0);
}

static void does_not_wait(void) {
    int ends[2];
    a_pipe(ends);
    must(fcntl(ends[1], F_SETFL, O_NONBLOCK));
    SAME(write(ends[1], bytes, 100), 100);
    SAME(write(ends[1], bytes + 100, LONG), 15 * PAGE + LONG % PAGE);
    SAME(write(ends[1], bytes, LONG), -1);
    SAME(errno, EAGAIN);
    reads(ends[0], 0, 100 + 15 * PAGE + LONG % PAGE, 9000);
}

static void in_several_parts(void) {
    int ends[2];
    a_pipe(ends);
    pid_t pid = must(fork());
    if (pid == 0) {
        struct iovec parts[3] = {{bytes, 100}, {bytes + 100, 0}, {bytes + 100, LONG - 100}};
        SAME(writev(ends[1], parts, 3), LONG);
        exit(0);
    }
    reads(ends[0], 0, LONG, 3000);
    SAME(reap(pid), 0);
}

/* As many pages are full as if it were one; a signal leaves what is in. */
static void parts_in_the_midst(void) {
    int ends[2];
    a_pipe(ends);
    struct sigaction action = {.sa_handler = catches};
    must(sigaction(SIGUSR1, &action, NULL));
    pid_t pid = must(fork());
    if (pid == 0) {
        struct iovec parts[100];
        for (int i = 0; i < 100; i++) parts[i] = (struct iovec){bytes + 3000 * i, 3000};
        SAME(writev(ends[1], parts, 100), CAPACITY + 2 * PAGE);
        SAME((char *)parts[99].iov_base - bytes, 297000);
        exit(0);
    }
    until_all_wait();
    SAME(inside(ends[0]), CAPACITY);
    reads(ends[0], 0, 10000, 10000);
    until_all_wait();
    must(kill(pid, SIGUSR1));
    SAME(reap(pid), 0);
    reads(ends[0], 10000, CAPACITY + 2 * PAGE, 9000);
}

static void *writes_all(void *with) {
    SAME(write(*(int *)with, bytes, LONG), LONG);
    return NULL;
}

static void by_a_thread(void) {
    int ends[2];
    a_pipe(ends);
    pthread_t thread;
    SAME(pthread_create(&thread, NULL, writes_all, &ends[1]), 0);
    reads(ends[0], 0, LONG, 4096);
    SAME(pthread_join(thread, NULL), 0);
}

/* The bytes lie in memory that processes share. */
static void out_of_shared_memory(void) {
    int ends[2];
    a_pipe(ends);
    char *shared = mmap(NULL, LONG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memcpy(shared, bytes, LONG);
    pid_t pid = must(fork());
    if (pid == 0) {
        SAME(write(ends[1], shared, LONG), LONG);
        _exit(0);
    }
    close(ends[1]);
    reads(ends[0], 0, LONG, 20000);
    SAME(reap(pid), 0);
}

static void deadlock(void) {
    int ends[2];
    a_pipe(ends);
    write(ends[1], bytes, LONG);
}

#define BOTH(NAME)              \
    static void generic_##NAME(void) { \
        generic = 1;            \
        NAME();                 \
    }
BOTH(slow_reader)
BOTH(quick_reader)
BOTH(page_by_page)
BOTH(merges)
BOTH(signal_in_the_midst)
BOTH(signal_before_the_first)
BOTH(stopped_in_the_midst)
BOTH(killed_in_the_midst)
BOTH(ended_in_the_midst)
BOTH(reader_dies)
BOTH(reader_dies_and_kills)
BOTH(does_not_wait)
BOTH(in_several_parts)
BOTH(parts_in_the_midst)
BOTH(deadlock)

RUN(CASE(slow_reader), CASE(quick_reader), CASE(page_by_page), CASE(merges), CASE(two_writers), CASE(small_among_large),
    CASE(signal_in_the_midst), CASE(signal_before_the_first), CASE(signals_that_nobody_takes),
    CASE(stopped_in_the_midst), CASE(killed_in_the_midst), CASE(ended_in_the_midst), CASE(reader_dies),
    CASE(reader_dies_and_kills), CASE(resized), CASE(does_not_wait), CASE(in_several_parts), CASE(parts_in_the_midst), CASE(generic_parts_in_the_midst), CASE(by_a_thread),
    CASE(out_of_shared_memory), CASE(deadlock), CASE(generic_slow_reader), CASE(generic_quick_reader),
    CASE(generic_page_by_page), CASE(generic_merges), CASE(generic_signal_in_the_midst),
    CASE(generic_signal_before_the_first), CASE(generic_stopped_in_the_midst), CASE(generic_killed_in_the_midst),
    CASE(generic_ended_in_the_midst), CASE(generic_reader_dies), CASE(generic_reader_dies_and_kills),
    CASE(generic_does_not_wait), CASE(generic_in_several_parts), CASE(generic_deadlock))
