/* Programs that are right in some orders and wrong in others, and their corrected twins. PROGRAM CASE ends with status 0
 * where it went well; it ends otherwise, or hangs, where it went wrong. */
#include <limits.h>
#include <sys/file.h>

#include "../../recorder/programs/cases.h"

static volatile sig_atomic_t flag;

static void set_flag(int signal) {
    (void)signal;
    flag++;
}

static void on(int signal, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler};
    must(sigaction(signal, &action, NULL));
}

static void ends_of(int ends[2]) { must(pipe(ends)); }

/* The wakeup is lost where the signal comes between the look at the flag and the sleep (S005). */
static int wakes_parent(void *with) {
    (void)with;
    must(kill(getppid(), SIGUSR1));
    return 0;
}

static void lost_wakeup(void) {
    on(SIGUSR1, set_flag);
    pid_t pid = child_of(wakes_parent, NULL);
    while (!flag) pause();
    reap(pid);
}

static void lost_wakeup_mended(void) {
    sigset_t one, before;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    must(sigprocmask(SIG_BLOCK, &one, &before));
    on(SIGUSR1, set_flag);
    pid_t pid = child_of(wakes_parent, NULL);
    while (!flag) sigsuspend(&before);
    reap(pid);
}

/* The child installs its handler too late for a parent that does not wait until it has (S001). */
static int catches(void *said) {
    on(SIGUSR1, set_flag);
    if (said) say(*(int *)said, "ready");
    while (!flag) poll(NULL, 0, -1);
    return 0;
}

static void signal_before_handler(void) {
    pid_t pid = child_of(catches, NULL);
    int ends[2];
    ends_of(ends);
    say(ends[1], "something to do meanwhile");
    hear(ends[0]);
    must(kill(pid, SIGUSR1));
    exit(reap(pid) == 0 ? 0 : 1);
}

static int catches_masked(void *said) {
    sigset_t none;
    sigemptyset(&none);
    on(SIGUSR1, set_flag);
    say(*(int *)said, "ready");
    while (!flag) sigsuspend(&none);
    return 0;
}

static void signal_before_handler_mended(void) {
    int ends[2];
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    must(sigprocmask(SIG_BLOCK, &one, NULL));
    ends_of(ends);
    pid_t pid = child_of(catches_masked, &ends[1]);
    hear(ends[0]);
    must(kill(pid, SIGUSR1));
    exit(reap(pid) == 0 ? 0 : 1);
}

/* The reader opens the file before the writer has made it. */
static int writes_file(void *said) {
    int fd = must(open("result.part", O_CREAT | O_WRONLY, 0600));
    say(fd, "42");
    must(close(fd));
    must(rename("result.part", "result"));
    if (said) say(*(int *)said, "done");
    return 0;
}

static int reads_file(void) {
    int fd = open("result", O_RDONLY);
    char text[8] = "";
    int got = fd < 0 ? -1 : (int)read(fd, text, sizeof text);
    return got == 2 ? 0 : 1;
}

static void reader_before_writer(void) {
    int ends[2];
    ends_of(ends);
    pid_t pid = child_of(writes_file, NULL);
    /* Long enough on most days. */
    for (int i = 0; i < 4; i++) {
        say(ends[1], "busy");
        hear(ends[0]);
    }
    int status = reads_file();
    reap(pid);
    exit(status);
}

static void reader_before_writer_mended(void) {
    int ends[2];
    ends_of(ends);
    pid_t pid = child_of(writes_file, &ends[1]);
    hear(ends[0]);
    int status = reads_file();
    reap(pid);
    exit(status);
}

/* Two children read lines from one pipe; the first is taken to be the first child's. */
static int reads_four(void *end) {
    char text[4];
    must(read(*(int *)end, text, sizeof text));
    return memcmp(text, "one\n", 4) == 0 ? 1 : 2;
}

static void two_readers(void) {
    int ends[2];
    ends_of(ends);
    pid_t first = child_of(reads_four, &ends[0]), second = child_of(reads_four, &ends[0]);
    say(ends[1], "one\ntwo\n");
    int one = WEXITSTATUS(reap(first)), two = WEXITSTATUS(reap(second));
    exit(one == 1 && two == 2 ? 0 : 1);
}

static void two_readers_mended(void) {
    int one[2], two[2];
    ends_of(one);
    ends_of(two);
    pid_t first = child_of(reads_four, &one[0]), second = child_of(reads_four, &two[0]);
    say(one[1], "one\n");
    say(two[1], "two\n");
    exit(WEXITSTATUS(reap(first)) == 1 && WEXITSTATUS(reap(second)) == 2 ? 0 : 1);
}

/* Two children write to one pipe: up to PIPE_BUF bytes stay together, more need not (pipe(7)). */
#define LARGE 40000
#define PIECE 4096
static size_t length;
static int shared_end;

static int writes_block(void *letter) {
    char *block = malloc(length);
    memset(block, *(char *)letter, length);
    /* In pieces, as stdio would write it. */
    for (size_t done = 0; done < length;) {
        size_t rest = length - done;
        done += must(write(shared_end, block + done, rest < PIECE ? rest : PIECE));
    }
    return 0;
}

static void two_writers(size_t each, int count) {
    int ends[2];
    ends_of(ends);
    length = each;
    shared_end = ends[1];
    pid_t a = child_of(writes_block, "a"), b = child_of(writes_block, "b");
    must(close(ends[1]));
    char *all = malloc(2 * each);
    size_t got = 0;
    for (ssize_t n; (n = must(read(ends[0], all + got, 2 * each - got))) > 0;) got += n;
    reap(a);
    reap(b);
    int changes = 0;
    for (size_t i = 1; i < got; i++) changes += all[i] != all[i - 1];
    exit(got == 2 * each && changes <= count ? 0 : 1);
}

static void writes_interleave(void) { two_writers(LARGE, 1); }

static void writes_interleave_mended(void) { two_writers(PIPE_BUF, 1); }

/* One wait for each SIGCHLD: two that merge leave a zombie, and the last wait is never made (S004). */
static volatile sig_atomic_t reaped;

static void reaps_one(int signal) {
    (void)signal;
    if (waitpid(-1, NULL, WNOHANG) > 0) reaped++;
}

static void reaps_all(int signal) {
    (void)signal;
    while (waitpid(-1, NULL, WNOHANG) > 0) reaped++;
}

static int does_nothing(void *with) {
    (void)with;
    return 0;
}

static void with_handler(void (*handler)(int)) {
    sigset_t one, before;
    sigemptyset(&one);
    sigaddset(&one, SIGCHLD);
    must(sigprocmask(SIG_BLOCK, &one, &before));
    on(SIGCHLD, handler);
    child_of(does_nothing, NULL);
    child_of(does_nothing, NULL);
    while (reaped < 2) sigsuspend(&before);
}

static void sigchld_merges(void) {
    /* Between two forks the first child ends only now and then before the second. */
    int ends[2];
    ends_of(ends);
    on(SIGCHLD, reaps_one);
    for (int i = 0; i < 2; i++) {
        child_of(does_nothing, NULL);
        say(ends[1], "x");
        hear(ends[0]);
    }
    for (int i = 0; i < 3 && reaped < 2; i++) poll(NULL, 0, 1000);
    exit(reaped == 2 ? 0 : 1);
}

static void sigchld_merges_mended(void) { with_handler(reaps_all); }

/* Takes a ticket if there is one; between the look and the taking a call lets the other in. */
static int takes(const char *lock) {
    int fd = must(open("tickets", O_RDWR)), taken = 0;
    if (lock) must(flock(fd, LOCK_EX));
    char left = '0';
    must(pread(fd, &left, 1, 0));
    if (left > '0') {
        left--;
        must(pwrite(fd, &left, 1, 0));
        taken = 1;
    }
    if (lock) must(flock(fd, LOCK_UN));
    return taken;
}

static int takes_one(void *lock) { return takes(lock); }

static void tickets(const char *lock) {
    int fd = must(open("tickets", O_CREAT | O_RDWR, 0600));
    must(pwrite(fd, "1", 1, 0));
    pid_t a = child_of(takes_one, (void *)lock), b = child_of(takes_one, (void *)lock);
    int taken = WEXITSTATUS(reap(a)) + WEXITSTATUS(reap(b));
    exit(taken == 1 ? 0 : 1);
}

static void check_then_act(void) { tickets(NULL); }

static void check_then_act_mended(void) { tickets("locked"); }

static int posts(void *full) {
    for (int i = 0; i < 3; i++) must(sem_post(full));
    return 0;
}

/* The child may end, and its SIGCHLD be pending, while the parent stands at the beginning of sem_wait. */
static void ends_before_the_wait(void) {
    sem_t *full = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(sem_init(full, 1, 0));
    pid_t child = child_of(posts, full);
    for (int i = 0; i < 3; i++) must(sem_wait(full));
    exit(WEXITSTATUS(reap(child)));
}

RUN(CASE(ends_before_the_wait), CASE(lost_wakeup), CASE(lost_wakeup_mended), CASE(signal_before_handler), CASE(signal_before_handler_mended),
    CASE(reader_before_writer), CASE(reader_before_writer_mended), CASE(two_readers), CASE(two_readers_mended),
    CASE(writes_interleave), CASE(writes_interleave_mended), CASE(sigchld_merges), CASE(sigchld_merges_mended),
    CASE(check_then_act), CASE(check_then_act_mended))
