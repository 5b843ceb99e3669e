/* Signals, standard and real-time. */
#include "cases.h"

static volatile sig_atomic_t taken;

static void take(int signal) {
    (void)signal;
    taken++;
}

static void on(int signal, int flags) {
    struct sigaction action = {.sa_handler = take, .sa_flags = flags};
    must(sigaction(signal, &action, NULL));
}

/* Real-time signals queue: three are three, and the lowest comes first. */
static void realtime_is_queued(void) {
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGRTMIN + 1);
    sigaddset(&both, SIGRTMIN + 3);
    must(sigprocmask(SIG_BLOCK, &both, NULL));
    on(SIGRTMIN + 3, 0);
    on(SIGRTMIN + 1, 0);
    union sigval value = {.sival_int = 7};
    must(sigqueue(getpid(), SIGRTMIN + 3, value));
    must(sigqueue(getpid(), SIGRTMIN + 3, value));
    must(sigqueue(getpid(), SIGRTMIN + 1, value));
    must(sigprocmask(SIG_UNBLOCK, &both, NULL));
    exit(taken);
}

static int dies_of_realtime(void *with) {
    (void)with;
    raise(SIGRTMIN + 3);
    return 0;
}

static void realtime_kills(void) {
    int status = reap(child_of(dies_of_realtime, NULL));
    exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGRTMIN + 3 ? 0 : 1);
}

static void realtime_kills_the_first(void) { raise(SIGRTMAX); }

static int signals_its_parent(void *signal) {
    must(kill(getppid(), *(int *)signal));
    return 0;
}

static void sigsuspend_waits(void) {
    int signal = SIGUSR1;
    sigset_t one, none;
    sigemptyset(&none);
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    must(sigprocmask(SIG_BLOCK, &one, NULL));
    on(SIGUSR1, 0);
    pid_t pid = child_of(signals_its_parent, &signal);
    sigsuspend(&none);
    reap(pid);
}

static void *waits_for_it(void *set) {
    int signal;
    sigwait(set, &signal);
    return NULL;
}

static void sigwait_in_a_thread(void) {
    static sigset_t one;
    int signal = SIGRTMIN;
    sigemptyset(&one);
    sigaddset(&one, signal);
    must(sigprocmask(SIG_BLOCK, &one, NULL));
    pthread_t thread;
    pthread_create(&thread, NULL, waits_for_it, &one);
    reap(child_of(signals_its_parent, &signal));
    pthread_join(thread, NULL);
}

static void signalfd_is_read(void) {
    int signal = SIGTERM;
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, signal);
    must(sigprocmask(SIG_BLOCK, &one, NULL));
    int fd = must(signalfd(-1, &one, 0));
    pid_t pid = child_of(signals_its_parent, &signal);
    struct signalfd_siginfo info;
    must(read(fd, &info, sizeof info));
    reap(pid);
}

static int writes_after_a_signal(void *with) {
    int *pipe = with;
    must(kill(getppid(), SIGUSR1));
    say(pipe[1], "word");
    return 0;
}

static void reads_with(int flags) {
    int ends[2];
    must(pipe(ends));
    on(SIGUSR1, flags);
    pid_t pid = child_of(writes_after_a_signal, ends);
    char bytes[8];
    if (read(ends[0], bytes, sizeof bytes) < 0) {
        if (errno != EINTR || flags != 0) exit(1);
        hear(ends[0]);
    }
    reap(pid);
}

static void read_is_interrupted(void) { reads_with(0); }

static void read_is_restarted(void) { reads_with(SA_RESTART); }

static void a_broken_pipe_kills(void) {
    int ends[2];
    must(pipe(ends));
    close(ends[0]);
    write(ends[1], "x", 1);
}

static int pauses(void *with) {
    (void)with;
    pause();
    return 0;
}

static void a_group_is_killed(void) {
    pid_t one = child_of(pauses, NULL), two;
    must(setpgid(one, one));
    two = child_of(pauses, NULL);
    must(setpgid(two, one));
    must(kill(-one, SIGTERM));
    reap(one);
    reap(two);
}

static void a_timer_wakes(void) {
    on(SIGALRM, 0);
    struct itimerval soon = {.it_value = {.tv_usec = 1000}};
    must(setitimer(ITIMER_REAL, &soon, NULL));
    while (taken == 0) pause();
}

static void a_handler_within_a_handler(void) {
    struct sigaction outer = {.sa_handler = take};
    must(sigaction(SIGUSR2, &outer, NULL));
    on(SIGUSR1, SA_NODEFER);
    raise(SIGUSR1);
    raise(SIGUSR2);
    exit(taken);
}

static int ends(void *with) {
    (void)with;
    return 0;
}

static int posts(void *with) {
    struct sembuf up = {1, 1, 0};
    pid_t other = child_of(ends, NULL);
    reap(other);
    return semop(*(int *)with, &up, 1);
}

/* A child ends meanwhile: SIGCHLD is ignored, and wakes nobody. */
static void an_ignored_signal_interrupts_nothing(void) {
    int set = must(semget(IPC_PRIVATE, 2, 0600));
    struct sembuf down = {1, -1, 0};
    child_of(ends, NULL);
    child_of(posts, &set);
    must(semop(set, &down, 1));
    must(semctl(set, 0, IPC_RMID));
    reap(-1);
    reap(-1);
}

/* The same while a handler is there for it. */
static void a_handled_signal_interrupts(void) {
    int set = must(semget(IPC_PRIVATE, 1, 0600));
    struct sembuf down = {0, -1, 0};
    on(SIGCHLD, SA_RESTART);
    child_of(ends, NULL);
    if (semop(set, &down, 1) == 0 || errno != EINTR) exit(1);
    must(semctl(set, 0, IPC_RMID));
    reap(-1);
}

RUN(CASE(an_ignored_signal_interrupts_nothing), CASE(a_handled_signal_interrupts), CASE(realtime_is_queued), CASE(realtime_kills), CASE(realtime_kills_the_first), CASE(sigsuspend_waits),
    CASE(sigwait_in_a_thread), CASE(signalfd_is_read), CASE(read_is_interrupted), CASE(read_is_restarted),
    CASE(a_broken_pipe_kills), CASE(a_group_is_killed), CASE(a_timer_wakes), CASE(a_handler_within_a_handler))
