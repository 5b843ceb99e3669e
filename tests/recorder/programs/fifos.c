/* FIFOs: whose ends are open, and what is in them. Each case ends with 0 where all was as the manual says. */
#include "cases.h"

#define SAME(one, other)                                                     \
    do {                                                                     \
        long a = (one), b = (other);                                         \
        if (a != b) {                                                        \
            fprintf(stderr, "line %d: %ld and not %ld\n", __LINE__, a, b);   \
            exit(1);                                                         \
        }                                                                    \
    } while (0)

static char bytes[1 << 18];

/* Time passes only when nobody else can run: those who wait do so by then. */
static void until_all_wait(void) { poll(NULL, 0, 1); }

static int opened(int flags) { return must(open("names", flags)); }

static int asks(void *with) {
    (void)with;
    int there = opened(O_WRONLY), back = must(open("answers", O_RDONLY));
    for (int i = 0; i < 50; i++) {
        must(write(there, bytes, 1 + 100 * i));
        SAME(read(back, bytes, sizeof bytes), 3 + i);
    }
    close(there);
    SAME(read(back, bytes, 1), 0);
    return 0;
}

static void there_and_back(void) {
    must(mkfifo("names", 0600));
    must(mkfifo("answers", 0600));
    pid_t pid = child_of(asks, NULL);
    int there = opened(O_RDONLY), back = must(open("answers", O_WRONLY));
    for (int i = 0; i < 50; i++) {
        SAME(read(there, bytes, sizeof bytes), 1 + 100 * i);
        must(write(back, bytes, 3 + i));
    }
    SAME(read(there, bytes, 1), 0);
    close(back);
    SAME(reap(pid), 0);
}

static int writes_thrice(void *with) {
    (void)with;
    for (int i = 0; i < 3; i++) {
        int fd = opened(O_WRONLY);
        must(write(fd, "kettle", 6));
        close(fd);
        until_all_wait();
    }
    return 0;
}

/* The end comes each time that the last writer has gone, and another may open it again. */
static void opened_again(void) {
    must(mkfifo("names", 0600));
    pid_t pid = child_of(writes_thrice, NULL);
    for (int i = 0; i < 3; i++) {
        int fd = opened(O_RDONLY);
        SAME(read(fd, bytes, 100), 6);
        SAME(read(fd, bytes, 100), 0);
        close(fd);
    }
    SAME(reap(pid), 0);
}

static void without_waiting(void) {
    must(mkfifo("names", 0600));
    SAME(open("names", O_WRONLY | O_NONBLOCK), -1);
    SAME(errno, ENXIO);
    int in = opened(O_RDONLY | O_NONBLOCK);
    SAME(read(in, bytes, 1), 0);
    int out = opened(O_WRONLY | O_NONBLOCK);
    SAME(read(in, bytes, 1), -1);
    SAME(errno, EAGAIN);
    SAME(write(out, bytes, sizeof bytes), 65536);
    SAME(write(out, bytes, 1), -1);
    close(out);
    SAME(read(in, bytes, sizeof bytes), 65536);
    SAME(read(in, bytes, 1), 0);
}

static int writes_and_goes(void *with) {
    must(write(*(int *)with, "x", 1));
    return 0;
}

/* Open for both, it never ends; what is in it goes with the last that has it open. */
static void for_both(void) {
    must(mkfifo("names", 0600));
    int both = opened(O_RDWR);
    pid_t pid = child_of(writes_and_goes, &both);
    SAME(read(both, bytes, 10), 1);
    SAME(reap(pid), 0);
    must(write(both, "lost", 4));
    close(both);
    both = opened(O_RDWR | O_NONBLOCK);
    SAME(read(both, bytes, 10), -1);
    SAME(errno, EAGAIN);
}

static int opens_to_write(void *with) {
    (void)with;
    must(write(opened(O_WRONLY), "new", 3));
    return 0;
}

/* One that waits in open keeps what is in it. */
static void kept_by_one_that_opens(void) {
    must(mkfifo("names", 0600));
    int in = opened(O_RDONLY | O_NONBLOCK), out = opened(O_WRONLY);
    must(write(out, "old", 3));
    close(in);
    pid_t pid = child_of(opens_to_write, NULL);
    until_all_wait();
    close(out);
    in = opened(O_RDONLY);
    SAME(read(in, bytes, 3), 3);
    SAME(memcmp(bytes, "old", 3), 0);
    SAME(read(in, bytes, 3), 3);
    SAME(reap(pid), 0);
}

static int reader(void *with) {
    (void)with;
    int fd = opened(O_RDONLY);
    SAME(read(fd, bytes, 10), 10);
    return 0;
}

static void the_reader_goes(void) {
    must(mkfifo("names", 0600));
    signal(SIGPIPE, SIG_IGN);
    pid_t pid = child_of(reader, NULL);
    int out = opened(O_WRONLY);
    SAME(write(out, bytes, sizeof bytes), 65536);
    SAME(write(out, bytes, 1), -1);
    SAME(errno, EPIPE);
    SAME(reap(pid), 0);
}

static int reads_all(void *with) {
    (void)with;
    int fd = opened(O_RDONLY), sum = 0;
    for (ssize_t got; (got = must(read(fd, bytes, 3000))) > 0;) sum += got;
    SAME(sum, 2 * (int)sizeof bytes);
    return 0;
}

static void much(void) {
    must(mkfifo("names", 0600));
    pid_t pid = child_of(reads_all, NULL);
    int out = opened(O_WRONLY);
    SAME(write(out, bytes, sizeof bytes), sizeof bytes);
    SAME(write(out, bytes, sizeof bytes), sizeof bytes);
    close(out);
    SAME(reap(pid), 0);
}

RUN(CASE(there_and_back), CASE(opened_again), CASE(without_waiting), CASE(for_both), CASE(kept_by_one_that_opens),
    CASE(the_reader_goes), CASE(much))
