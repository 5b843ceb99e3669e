/* Processes, calls and signals around guarded memory. */
#include "cases.h"
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>

/* Calls that read from and write to it. */
static void calls(void) {
    char *m = shared_pages(8192);
    CHILD {
        int ends[2];
        CHECK(pipe(ends) == 0);
        strcpy(m, "hello");
        CHECK(write(ends[1], m, 6) == 6);
        CHECK(read(ends[0], m + 100, 6) == 6);
        CHECK(strcmp(m + 100, "hello") == 0);
        struct iovec *parts = (struct iovec *)(m + 200);
        parts[0] = (struct iovec){m, 3};
        parts[1] = (struct iovec){m + 3, 3};
        CHECK(writev(ends[1], parts, 2) == 6);
        struct iovec own[2] = {{m + 300, 2}, {m + 310, 4}};
        CHECK(readv(ends[0], own, 2) == 6);
        CHECK(memcmp(m + 300, "he", 2) == 0 && memcmp(m + 310, "llo", 4) == 0);
        CHECK(own[0].iov_base == m + 300 && own[1].iov_base == m + 310);
        CHECK(parts[0].iov_base == m);
        int *shared_ends = (int *)(m + 400);
        CHECK(pipe(shared_ends) == 0);
        CHECK(write(shared_ends[1], "x", 1) == 1);
        struct pollfd *polled = (struct pollfd *)(m + 420);
        *polled = (struct pollfd){.fd = shared_ends[0], .events = POLLIN};
        CHECK(poll(polled, 1, 0) == 1 && polled->revents == POLLIN);
        int pair[2];
        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
        struct msghdr message = {.msg_iov = own, .msg_iovlen = 2};
        CHECK(sendmsg(pair[0], &message, 0) == 6);
        CHECK(recv(pair[1], m + 500, 6, 0) == 6 && memcmp(m + 500, "hello", 6) == 0);
        CHECK(clock_gettime(CLOCK_MONOTONIC, (struct timespec *)(m + 600)) == 0);
        CHECK(((struct timespec *)(m + 600))->tv_sec != 0);
        CHECK(read(-1, m, 1) == -1 && errno == EBADF);
        /* A status in it, and a name. */
        pid_t pid = fork();
        if (pid == 0) _exit(3);
        CHECK(waitpid(pid, (int *)(m + 700), 0) == pid && *(int *)(m + 700) == 0x300);
        strcpy(m + 800, "/proc/self/maps");
        int fd = open(m + 800, O_RDONLY);
        CHECK(fd >= 0);
    }
}

/* Protection keys are said to be used up, as where the processor has none (pkey_alloc(2)). */
static void no_keys(void) { CHECK(syscall(SYS_pkey_alloc, 0, 0) == -1 && errno == ENOSPC); }

static void *uname_of(struct utsname *name) { return uname(name) == 0 ? name : NULL; }

/* Calls that the recorder otherwise lets pass. */
static void calls_unseen(void) {
    char *m = shared_pages(1 << 16), own[200];
    CHILD {
        CHECK(getcwd(own, sizeof own) != NULL);
        CHECK(getcwd(m, 4096) == m && strcmp(m, own) == 0);
        strcpy(m, "/proc/self");
        struct stat *seen = (struct stat *)(m + 4096);
        CHECK(stat(m, seen) == 0 && S_ISDIR(seen->st_mode));
        CHECK(fstat(1, seen) == 0);
        CHECK(access(m, R_OK) == 0);
        CHECK(readlink(m, m + 100, 100) > 0 && atoi(m + 100) == (int)syscall(SYS_getpid));
        CHECK(uname((struct utsname *)(m + 8192)) == 0 && strcmp(((struct utsname *)(m + 8192))->sysname, "Linux") == 0);
        CHECK(getrusage(RUSAGE_SELF, (struct rusage *)(m + 4096)) == 0);
        CHECK(clock_getres(CLOCK_MONOTONIC, (struct timespec *)(m + 600)) == 0);
        CHECK(getrlimit(RLIMIT_NOFILE, (struct rlimit *)(m + 700)) == 0 && ((struct rlimit *)(m + 700))->rlim_max > 0);
        CHECK(prctl(PR_GET_NAME, m + 800) == 0 && m[800] != 0);
        CHECK(madvise(m, 4096, MADV_NORMAL) == 0 && msync(m, 4096, MS_SYNC) == 0);
        CHECK(prctl(PR_SET_NAME, m) == 0);
        /* In another thread too. */
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, (void *(*)(void *))uname_of, m + 12288) == 0);
        CHECK(pthread_join(thread, NULL) == 0 && strcmp(m + 12288, "Linux") == 0);
        /* What the program forbade itself, it may not. */
        CHECK(mprotect(m + 8192, 4096, PROT_READ) == 0);
        CHECK(uname((struct utsname *)(m + 8192)) == -1 && errno == EFAULT);
        CHECK(munmap(m, 1 << 16) == 0);
        CHECK(getcwd(m, 4096) == NULL && errno == EFAULT);
        char *p = mmap(m, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(p == m && getcwd(p, 4096) == p && strcmp(p, own) == 0);
    }
}

static long futex(int *word, int op, int value) { return syscall(SYS_futex, word, op, value, NULL, NULL, 0); }

/* A wait that another process ends. */
static void futexes(void) {
    int *m = shared_pages(4096);
    pid_t pid = fork();
    if (pid == 0) {
        while (__sync_val_compare_and_swap(&m[0], 1, 1) == 0) futex(&m[0], FUTEX_WAIT, 0);
        _exit(__sync_val_compare_and_swap(&m[0], 1, 1) == 1 ? 0 : 1);
    }
    __sync_fetch_and_add(&m[0], 1);
    futex(&m[0], FUTEX_WAKE, 1);
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void fork_in_fork(void) {
    volatile int *m = shared_pages(4096);
    CHILD {
        m[0] = 1;
        CHILD {
            m[1] = m[0] + 1;
            CHILD { m[2] = m[1] + 1; }
        }
    }
    CHECK(m[2] == 3);
}

static sigjmp_buf back;
static volatile sig_atomic_t faults;
static void *volatile where;

static void on_fault(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    faults++;
    where = info->si_addr;
    siglongjmp(back, 1);
}

static void catch_faults(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
}

/* The program's own faults arrive, and only those. */
static void own_faults(void) {
    volatile int *m = shared_pages(4096);
    CHILD {
        catch_faults();
        m[0] = 1;
        if (sigsetjmp(back, 1) == 0) *(volatile int *)8 = 1;
        CHECK(faults == 1 && where == (void *)8);
        m[0]++;
        CHECK(m[0] == 2 && faults == 1);
        /* What it forbids itself is its own fault too. */
        CHECK(mprotect((void *)m, 4096, PROT_READ) == 0);
        CHECK(m[0] == 2);
        if (sigsetjmp(back, 1) == 0) m[0] = 9;
        CHECK(faults == 2 && where == (void *)m);
        CHECK(mprotect((void *)m, 4096, PROT_NONE) == 0);
        int got = 0;
        if (sigsetjmp(back, 1) == 0) got = m[0];
        CHECK(faults == 3 && got == 0);
        CHECK(mprotect((void *)m, 4096, PROT_READ | PROT_WRITE) == 0);
        m[0] = 3;
        CHECK(m[0] == 3 && faults == 3);
    }
    CHECK(m[0] == 3);
}

static volatile int *in_handler;

static void touches(int signal) {
    (void)signal;
    (*in_handler)++;
}

/* SIGSEGV masked, ignored, and masked by a handler: disposition and mask stay as they are. */
static void masked_faults(void) {
    volatile int *m = shared_pages(4096);
    CHILD {
        sigset_t set, now;
        sigemptyset(&set);
        sigaddset(&set, SIGSEGV);
        catch_faults();
        CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
        m[0] = 1;
        m[0]++;
        CHECK(sigprocmask(SIG_SETMASK, NULL, &now) == 0 && sigismember(&now, SIGSEGV));
        CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
        if (sigsetjmp(back, 1) == 0) *(volatile int *)8 = 1;
        CHECK(faults == 1);
        in_handler = m;
        struct sigaction action = {.sa_handler = touches}, kept;
        sigfillset(&action.sa_mask);
        CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
        raise(SIGUSR1);
        CHECK(m[0] == 3);
        CHECK(sigaction(SIGSEGV, NULL, &kept) == 0 && kept.sa_sigaction == on_fault);
        CHECK(sigprocmask(SIG_SETMASK, NULL, &now) == 0 && !sigismember(&now, SIGSEGV));
        signal(SIGSEGV, SIG_IGN);
        m[0] = 4;
        CHECK(sigaction(SIGSEGV, NULL, &kept) == 0 && kept.sa_handler == SIG_IGN);
    }
    CHECK(m[0] == 4);
}

/* Unmapped while guarded, in part and whole; and something else mapped there. */
static void unmapped(void) {
    char *m = shared_pages(3 * 4096);
    CHILD {
        catch_faults();
        m[0] = 1, m[4096] = 2, m[8192] = 3;
        CHECK(munmap(m + 4096, 4096) == 0);
        CHECK(m[0] == 1 && m[8192] == 3);
        if (sigsetjmp(back, 1) == 0) m[4096] = 9;
        CHECK(faults == 1 && where == m + 4096);
        char *own = mmap(m + 8192, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        CHECK(own == m + 8192 && own[0] == 0);
        own[0] = 7;
        char *moved = mremap(m, 4096, 8192, MREMAP_MAYMOVE);
        CHECK(moved != MAP_FAILED && moved[0] == 1);
        moved[1] = 5;
    }
    CHECK(m[0] == 1 && m[1] == 5 && m[4096] == 2 && m[8192] == 3);
}

/* System V: the second process attaches while the first sleeps; the count of attachments is what they made. */
static void attached(void) {
    int id = shmget(IPC_PRIVATE, 8192, IPC_CREAT | 0600), ends[2];
    struct shmid_ds about;
    volatile int *m = shmat(id, NULL, 0);
    CHECK(m != (void *)-1 && pipe(ends) == 0);
    CHECK(shmctl(id, IPC_STAT, &about) == 0 && about.shm_nattch == 1);
    CHILD {
        CHECK(shmctl(id, IPC_STAT, &about) == 0 && about.shm_nattch == 2);
        volatile int *again = shmat(id, NULL, 0);
        CHECK(again != m);
        CHECK(shmctl(id, IPC_STAT, &about) == 0 && about.shm_nattch == 3);
        m[0] = 4;
        CHECK(again[0] == 4);
        CHECK(shmdt((void *)m) == 0);
        CHECK(shmctl(id, IPC_STAT, &about) == 0 && about.shm_nattch == 2);
        again[1] = 5;
        CHECK(shmdt((void *)again) == 0);
        CHECK(shmctl(id, IPC_STAT, &about) == 0 && about.shm_nattch == 1);
    }
    CHECK(m[0] == 4 && m[1] == 5);
    CHECK(shmdt((void *)m) == 0);
    CHECK(shmctl(id, IPC_STAT, &about) == 0 && about.shm_nattch == 0);
    CHECK(shmctl(id, IPC_RMID, NULL) == 0);
}

/* An object with a name, mapped by both after the fork. */
static void named(void) {
    int ends[2];
    char byte;
    CHECK(pipe(ends) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = shm_open("/named", O_CREAT | O_RDWR, 0600);
        CHECK(ftruncate(fd, 4096) == 0);
        volatile int *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        m[0] = 41;
        CHECK(write(ends[1], "x", 1) == 1);
        /* Asleep when the other maps it. */
        CHECK(kill(getpid(), SIGSTOP) == 0);
        m[0]++;
        _exit(0);
    }
    CHECK(read(ends[0], &byte, 1) == 1);
    int fd = shm_open("/named", O_RDWR, 0), status;
    volatile int *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(m[0] == 41);
    CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    CHECK(kill(pid, SIGCONT) == 0);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(m[0] == 42);
    CHECK(shm_unlink("/named") == 0);
}

struct locked {
    pthread_mutex_t mutex;
    int value;
};

/* The owner is killed while another waits. */
static void robust(void) {
    struct locked *m = shared_pages(4096);
    pthread_mutexattr_t how;
    pthread_mutexattr_init(&how);
    pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&m->mutex, &how);
    int held[2], status;
    char byte;
    CHECK(pipe(held) == 0);
    pid_t owner = fork();
    if (owner == 0) {
        CHECK(pthread_mutex_lock(&m->mutex) == 0);
        CHECK(write(held[1], "x", 1) == 1);
        for (;;) pause();
    }
    CHECK(read(held[0], &byte, 1) == 1);
    pid_t waiter = fork();
    if (waiter == 0) {
        CHECK(pthread_mutex_lock(&m->mutex) == EOWNERDEAD);
        CHECK(pthread_mutex_consistent(&m->mutex) == 0);
        m->value++;
        CHECK(pthread_mutex_unlock(&m->mutex) == 0);
        _exit(0);
    }
    nanosleep(&(struct timespec){1, 0}, NULL);
    CHECK(kill(owner, SIGKILL) == 0);
    CHECK(waitpid(owner, &status, 0) == owner && WIFSIGNALED(status));
    CHECK(waitpid(waiter, &status, 0) == waiter && status == 0);
    CHECK(m->value == 1);
}

static void *counts(void *with) {
    volatile int *m = with;
    for (int i = 0; i < 10; i++) __sync_fetch_and_add(m, 1);
    return NULL;
}

static void threads(void) {
    int *m = shared_pages(4096);
    CHILD {
        pthread_t one, two;
        CHECK(pthread_create(&one, NULL, counts, m) == 0 && pthread_create(&two, NULL, counts, m) == 0);
        CHECK(pthread_join(one, NULL) == 0 && pthread_join(two, NULL) == 0);
        CHECK(__sync_fetch_and_add(m, 0) == 20);
    }
}

/* A program is executed with a mapping, by fork and by vfork; and what it is comes out of guarded memory. */
static void executed(void) {
    char *m = shared_pages(4096);
    CHILD {
        strcpy(m, "/bin/true");
        char **args = (char **)(m + 64);
        args[0] = m, args[1] = NULL;
        CHILD { CHECK(execv(m, args) == 0); }
        pid_t pid = vfork();
        if (pid == 0) {
            execv(m, args);
            _exit(1);
        }
        int status;
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
        CHECK(strcmp(m, "/bin/true") == 0);
    }
}

/* The object is shorter than its mapping. */
static void beyond(void) {
    int fd = memfd_create("short", 0);
    CHECK(ftruncate(fd, 4096) == 0);
    volatile char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHILD {
        struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
        CHECK(sigaction(SIGBUS, &action, NULL) == 0);
        m[4095] = 1;
        if (sigsetjmp(back, 1) == 0) m[4096] = 1;
        CHECK(faults == 1 && where == (void *)(m + 4096));
    }
    CHECK(m[4095] == 1);
}

/* It waits by looking. */
static void waits_by_looking(void) {
    volatile int *m = shared_pages(4096);
    pid_t pid = fork();
    if (pid == 0) {
        while (m[0] == 0) {}
        m[1] = 5;
        _exit(0);
    }
    while (m[2] < 40) m[2]++;
    m[0] = 1;
    while (m[1] == 0) {}
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void too_many(void) {
    volatile int *m = shared_pages(4096);
    CHILD {
        for (int i = 0; i < 60000; i++) m[0]++;
    }
    CHECK(m[0] == 60000);
}

RUN(CASE(no_keys), CASE(calls), CASE(calls_unseen), CASE(futexes), CASE(fork_in_fork), CASE(own_faults), CASE(masked_faults), CASE(unmapped),
    CASE(attached), CASE(named), CASE(robust), CASE(threads), CASE(executed), CASE(beyond),
    CASE(waits_by_looking), CASE(too_many))
