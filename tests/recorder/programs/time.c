/* Waits that end: an hour each, which passes at once. Each case looks at its own results and ends with 0. */
#include "cases.h"

#include <linux/futex.h>
#include <linux/time_types.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/timerfd.h>
#include <time.h>

#define HOUR 3600

static volatile sig_atomic_t alarms;
static siginfo_t last;

static void count(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    alarms++;
    last = *info;
}

static void on(int signal, int flags) {
    struct sigaction action = {.sa_sigaction = count, .sa_flags = flags | SA_SIGINFO};
    must(sigaction(signal, &action, NULL));
}

static void want(int true_, int line) {
    if (!true_) {
        fprintf(stderr, "line %d: errno %d, %d alarms\n", line, errno, (int)alarms);
        exit(1);
    }
}
#define WANT(...) want((__VA_ARGS__), __LINE__)
#define FAILS(call, error) (errno = 0, (call) == -1 && errno == (error))

static double now(clockid_t clock) {
    struct timespec time;
    must(clock_gettime(clock, &time));
    return time.tv_sec + time.tv_nsec / 1e9;
}

static double since;
static void start(void) { since = now(CLOCK_MONOTONIC); }
/* Each look at the clock moves it a little. */
static int took(double seconds) {
    double passed = now(CLOCK_MONOTONIC) - since;
    if (passed < seconds || passed > seconds + 0.01) fprintf(stderr, "%f passed\n", passed);
    return passed >= seconds && passed < seconds + 0.01;
}

static const struct timespec hour = {.tv_sec = HOUR};
static struct timespec in_an_hour(clockid_t clock) {
    struct timespec time;
    must(clock_gettime(clock, &time));
    time.tv_sec += HOUR;
    return time;
}

static int *a_pipe(void) {
    static int ends[2];
    must(pipe(ends));
    return ends;
}

static void polls(void) {
    struct pollfd one = {.fd = a_pipe()[0], .events = POLLIN};
    start();
    WANT(poll(&one, 1, HOUR * 1000) == 0);
    WANT(took(HOUR));
    start();
    WANT(poll(&one, 1, 0) == 0);
    WANT(took(0));
    struct timespec time = hour;
    WANT(ppoll(&one, 1, &time, NULL) == 0);
    WANT(took(HOUR));
}

static void polls_and_is_woken(void) {
    int *ends = a_pipe();
    if (must(fork()) == 0) {
        sleep(HOUR / 2);
        say(ends[1], "x");
        _exit(0);
    }
    struct pollfd one = {.fd = ends[0], .events = POLLIN};
    start();
    WANT(poll(&one, 1, HOUR * 1000) == 1);
    WANT(took(HOUR / 2));
    wait(NULL);
}

static void selects(void) {
    int *ends = a_pipe();
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    start();
    struct timeval time = {.tv_sec = HOUR, .tv_usec = 5};
    WANT(select(ends[0] + 1, &set, NULL, NULL, &time) == 0);
    WANT(took(HOUR) && time.tv_sec == 0 && time.tv_usec == 0);
    if (must(fork()) == 0) {
        sleep(HOUR);
        say(ends[1], "x");
        _exit(0);
    }
    FD_SET(ends[0], &set);
    time.tv_sec = 3 * HOUR;
    WANT(select(ends[0] + 1, &set, NULL, NULL, &time) == 1);
    WANT(time.tv_sec == 2 * HOUR || time.tv_sec == 2 * HOUR - 1);
    start();
    FD_ZERO(&set);
    WANT(pselect(1, &set, NULL, NULL, &hour, NULL) == 0);
    WANT(took(HOUR));
    wait(NULL);
}

static void epolls(void) {
    int epoll = must(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN};
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, a_pipe()[0], &event));
    start();
    WANT(epoll_wait(epoll, &event, 1, HOUR * 1000) == 0);
    WANT(took(HOUR));
    WANT(syscall(SYS_epoll_pwait2, epoll, &event, 1, &hour, NULL, 8) == 0);
    WANT(took(2 * HOUR));
    WANT(epoll_wait(epoll, &event, 1, 0) == 0);
    WANT(took(2 * HOUR));
}

static void futexes(void) {
    static int word = 1;
    start();
    WANT(FAILS(syscall(SYS_futex, &word, FUTEX_WAIT, 1, &hour), ETIMEDOUT));
    WANT(took(HOUR));
    WANT(FAILS(syscall(SYS_futex, &word, FUTEX_WAIT, 2, &hour), EAGAIN));
    struct timespec until = in_an_hour(CLOCK_MONOTONIC);
    WANT(FAILS(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 1, &until, NULL, -1), ETIMEDOUT));
    WANT(took(2 * HOUR));
    until = in_an_hour(CLOCK_REALTIME);
    int real = FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME;
    WANT(FAILS(syscall(SYS_futex, &word, real, 1, &until, NULL, -1), ETIMEDOUT));
    WANT(took(3 * HOUR));
    /* A time that has passed ends the wait at once. */
    until.tv_sec -= 2 * HOUR;
    WANT(FAILS(syscall(SYS_futex, &word, real, 1, &until, NULL, -1), ETIMEDOUT));
    WANT(took(3 * HOUR));
    until.tv_nsec = -1;
    WANT(FAILS(syscall(SYS_futex, &word, real, 1, &until, NULL, -1), EINVAL));
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    pthread_mutex_lock(&mutex);
    until = in_an_hour(CLOCK_REALTIME);
    WANT(pthread_cond_timedwait(&cond, &mutex, &until) == ETIMEDOUT);
    WANT(took(4 * HOUR));
    until = in_an_hour(CLOCK_REALTIME);
    WANT(pthread_mutex_timedlock(&mutex, &until) == ETIMEDOUT);
    WANT(took(5 * HOUR));
    sem_t semaphore;
    sem_init(&semaphore, 0, 0);
    until = in_an_hour(CLOCK_REALTIME);
    WANT(FAILS(sem_timedwait(&semaphore, &until), ETIMEDOUT));
    WANT(took(6 * HOUR));
}

static void waits_for_several_futexes(void) {
    static unsigned word = 1;
    struct { unsigned long value, address; unsigned flags, reserved; } one = {1, (unsigned long)&word, 2, 0};
    start();
    struct timespec until = in_an_hour(CLOCK_MONOTONIC);
    WANT(FAILS(syscall(449, &one, 1, 0, &until, CLOCK_MONOTONIC), ETIMEDOUT));
    WANT(took(HOUR));
}

static void queues(void) {
    struct mq_attr small = {.mq_maxmsg = 1, .mq_msgsize = 8};
    mqd_t queue = must(mq_open("/hour", O_CREAT | O_RDWR, 0600, &small));
    must(mq_unlink("/hour"));
    char room[8];
    start();
    struct timespec until = in_an_hour(CLOCK_REALTIME);
    WANT(FAILS(mq_timedreceive(queue, room, 8, NULL, &until), ETIMEDOUT));
    WANT(took(HOUR));
    must(mq_timedsend(queue, "one", 3, 0, &until));
    until = in_an_hour(CLOCK_REALTIME);
    WANT(FAILS(mq_timedsend(queue, "two", 3, 0, &until), ETIMEDOUT));
    WANT(took(2 * HOUR));
    WANT(mq_timedreceive(queue, room, 8, NULL, &until) == 3);
}

static void semaphores(void) {
    int set = must(semget(IPC_PRIVATE, 1, 0600));
    struct sembuf down = {.sem_op = -1};
    start();
    WANT(FAILS(semtimedop(set, &down, 1, &hour), EAGAIN));
    WANT(took(HOUR));
    must(semctl(set, 0, IPC_RMID));
}

static void signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    start();
    WANT(FAILS(sigtimedwait(&set, NULL, &hour), EAGAIN));
    WANT(took(HOUR));
    raise(SIGUSR1);
    WANT(sigtimedwait(&set, NULL, &hour) == SIGUSR1);
    WANT(took(HOUR));
}

static void sockets(void) {
    int ends[2];
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    struct timeval time = {.tv_sec = HOUR}, told = {0};
    socklen_t length = sizeof told;
    must(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time));
    must(getsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &told, &length));
    WANT(told.tv_sec == HOUR && length == sizeof told);
    char byte;
    start();
    WANT(FAILS(recv(ends[0], &byte, 1, 0), EAGAIN));
    WANT(took(HOUR));
    WANT(FAILS(recv(ends[0], &byte, 1, MSG_DONTWAIT), EAGAIN));
    WANT(took(HOUR));
    say(ends[1], "x");
    WANT(read(ends[0], &byte, 1) == 1);
}

static void arguments_come_back(void) {
    struct pollfd one = {.fd = -1};
    long timeout, fds;
    __asm__ volatile("syscall" : "=d"(timeout), "=S"(fds) : "a"(SYS_poll), "D"(&one), "S"(1L), "d"(60000L) : "rcx", "r11", "memory");
    WANT(timeout == 60000 && fds == 1);
}

static void sleeps(void) {
    start();
    WANT(sleep(HOUR) == 0);
    struct timespec until = in_an_hour(CLOCK_MONOTONIC);
    WANT(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == 0);
    WANT(took(2 * HOUR));
    on(SIGALRM, 0);
    alarm(HOUR);
    WANT(sleep(10 * HOUR) == 9 * HOUR);
    WANT(took(3 * HOUR) && alarms == 1);
    struct timespec left;
    struct timespec ten = {.tv_sec = 10 * HOUR};
    alarm(HOUR);
    WANT(FAILS(nanosleep(&ten, &left), EINTR));
    WANT(left.tv_sec == 9 * HOUR - 1 || left.tv_sec == 9 * HOUR);
}

static void an_alarm(void) {
    on(SIGALRM, 0);
    start();
    WANT(alarm(2 * HOUR) == 0);
    WANT(alarm(HOUR) == 2 * HOUR);
    WANT(pause() == -1 && errno == EINTR && alarms == 1);
    WANT(took(HOUR) && last.si_code == SI_KERNEL);
    alarm(HOUR);
    WANT(alarm(0) == HOUR && alarm(0) == 0);
}

static void an_alarm_kills(void) {
    alarm(HOUR);
    pause();
}

static void an_alarm_interrupts(void) {
    on(SIGALRM, 0);
    char byte;
    int *ends = a_pipe();
    alarm(HOUR);
    WANT(FAILS(read(ends[0], &byte, 1), EINTR));
    struct pollfd one = {.fd = ends[0], .events = POLLIN};
    alarm(HOUR);
    start();
    WANT(FAILS(poll(&one, 1, 2 * HOUR * 1000), EINTR));
    WANT(took(HOUR));
    static int word = 1;
    on(SIGALRM, SA_RESTART);
    alarm(HOUR);
    /* With an end a futex is not restarted, SA_RESTART or not. */
    struct timespec two = {.tv_sec = 2 * HOUR};
    WANT(FAILS(syscall(SYS_futex, &word, FUTEX_WAIT, 1, &two), EINTR));
    WANT(took(2 * HOUR));
    WANT(FAILS(syscall(SYS_futex, &word, FUTEX_WAIT, 1, &two), ETIMEDOUT));
    WANT(took(4 * HOUR));
}

static void an_interval(void) {
    on(SIGALRM, 0);
    struct itimerval every = {.it_value = {.tv_sec = HOUR}, .it_interval = {.tv_sec = 60}}, old;
    start();
    must(setitimer(ITIMER_REAL, &every, NULL));
    must(getitimer(ITIMER_REAL, &old));
    WANT(old.it_value.tv_sec >= HOUR - 1 && old.it_interval.tv_sec == 60);
    while (alarms < 3) pause();
    WANT(took(HOUR + 120));
    struct itimerval none = {0};
    must(setitimer(ITIMER_REAL, &none, &old));
    WANT(old.it_value.tv_sec == 59 && old.it_interval.tv_sec == 60);
    WANT(FAILS(setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {.tv_usec = 1000000}}, NULL), EINVAL));
}

static timer_t a_timer(int way, int signal) {
    timer_t timer;
    struct sigevent event = {.sigev_notify = way, .sigev_signo = signal, .sigev_value = {.sival_int = 42}};
    must(timer_create(CLOCK_MONOTONIC, &event, &timer));
    return timer;
}

static void a_posix_timer(void) {
    on(SIGRTMIN, 0);
    timer_t timer = a_timer(SIGEV_SIGNAL, SIGRTMIN);
    struct itimerspec once = {.it_value = hour}, left;
    start();
    must(timer_settime(timer, 0, &once, NULL));
    must(timer_gettime(timer, &left));
    WANT(left.it_value.tv_sec == HOUR - 1 || left.it_value.tv_sec == HOUR);
    pause();
    WANT(took(HOUR) && alarms == 1 && last.si_code == SI_TIMER && last.si_value.sival_int == 42);
    once.it_value = in_an_hour(CLOCK_MONOTONIC);
    must(timer_settime(timer, TIMER_ABSTIME, &once, NULL));
    pause();
    WANT(took(2 * HOUR) && alarms == 2);
    must(timer_settime(timer, 0, &(struct itimerspec){.it_value = hour}, NULL));
    must(timer_delete(timer));
    WANT(FAILS(timer_settime(timer, 0, &once, NULL), EINVAL));
}

static void a_timer_is_overrun(void) {
    on(SIGRTMIN, 0);
    timer_t timer = a_timer(SIGEV_SIGNAL, SIGRTMIN);
    struct itimerspec every = {.it_value = hour, .it_interval = hour};
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, &old);
    must(timer_settime(timer, 0, &every, NULL));
    sleep(4 * HOUR + 60);
    WANT(alarms == 0);
    sigprocmask(SIG_SETMASK, &old, NULL);
    WANT(alarms == 1 && last.si_overrun == 3 && timer_getoverrun(timer) == 3);
    pause();
    WANT(alarms == 2 && last.si_overrun == 0 && timer_getoverrun(timer) == 0);
}

static volatile int told;
static void by_a_thread(union sigval value) { told = value.sival_int; }

static void a_timer_calls_a_function(void) {
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = by_a_thread, .sigev_value = {.sival_int = 42}};
    must(timer_create(CLOCK_REALTIME, &event, &timer));
    must(timer_settime(timer, 0, &(struct itimerspec){.it_value = hour}, NULL));
    sleep(2 * HOUR);
    WANT(told == 42);
}

static void a_silent_timer(void) {
    timer_t timer = a_timer(SIGEV_NONE, 0);
    struct itimerspec once = {.it_value = {.tv_sec = 3 * HOUR}}, left;
    must(timer_settime(timer, 0, &once, NULL));
    sleep(HOUR);
    must(timer_gettime(timer, &left));
    WANT(left.it_value.tv_sec >= 2 * HOUR - 1 && left.it_value.tv_sec <= 2 * HOUR);
    sleep(3 * HOUR);
    must(timer_gettime(timer, &left));
    WANT(left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0);
}

static void a_timer_descriptor(void) {
    int timer = must(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
    struct itimerspec every = {.it_value = hour, .it_interval = hour}, left;
    start();
    must(timerfd_settime(timer, 0, &every, NULL));
    unsigned long count = 0;
    WANT(FAILS(read(timer, &count, 8), EAGAIN));
    must(timerfd_gettime(timer, &left));
    WANT(left.it_value.tv_sec >= HOUR - 1 && left.it_interval.tv_sec == HOUR);
    struct pollfd one = {.fd = timer, .events = POLLIN};
    WANT(poll(&one, 1, -1) == 1);
    WANT(took(HOUR));
    WANT(read(timer, &count, 8) == 8 && count == 1);
    sleep(3 * HOUR + 60);
    int copy = dup(timer);
    WANT(read(copy, &count, 8) == 8 && count == 3);
    WANT(FAILS(read(timer, &count, 8), EAGAIN));
    int epoll = must(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN};
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event));
    WANT(epoll_wait(epoll, &event, 1, HOUR * 1000) == 1);
    must(timerfd_settime(timer, 0, &(struct itimerspec){0}, NULL));
    WANT(epoll_wait(epoll, &event, 1, HOUR * 1000) == 0);
}

static void a_timer_descriptor_is_inherited(void) {
    int timer = must(timerfd_create(CLOCK_REALTIME, 0));
    must(timerfd_settime(timer, 0, &(struct itimerspec){.it_value = hour}, NULL));
    unsigned long count = 0;
    if (must(fork()) == 0) _exit(read(timer, &count, 8) == 8 && count == 1 ? 0 : 1);
    WANT(reap(-1) == 0);
    must(timerfd_settime(timer, TFD_TIMER_ABSTIME, &(struct itimerspec){.it_value = in_an_hour(CLOCK_REALTIME)}, NULL));
    WANT(read(timer, &count, 8) == 8 && count == 1);
}

/* The alarm stays over an exec and is no child's. */
static void an_alarm_survives_exec(void) {
    alarm(HOUR);
    if (must(fork()) == 0) _exit(alarm(0) == 0 ? 0 : 1);
    WANT(reap(-1) == 0);
    execl("/proc/self/exe", "time", "an_alarm_kills_without_being_set", NULL);
}

static void an_alarm_kills_without_being_set(void) { pause(); }

static void a_blocked_alarm_wakes_nobody(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct itimerval every = {.it_value = {.tv_sec = HOUR}, .it_interval = {.tv_sec = HOUR}};
    must(setitimer(ITIMER_REAL, &every, NULL));
    hear(a_pipe()[0]);
}

static void computes_until_an_alarm(void) {
    on(SIGALRM, 0);
    alarm(HOUR);
    while (alarms == 0) {}
}

static void waits_until_a_clock_says_so(void) {
    double begin = now(CLOCK_MONOTONIC);
    while (now(CLOCK_MONOTONIC) - begin < 0.05) {}
}

static void in_the_order_of_their_ends(void) {
    int *ends = a_pipe();
    for (int i = 3; i > 0; i--)
        if (must(fork()) == 0) {
            sleep(i * HOUR);
            say(ends[1], (const char *[]){"", "one ", "two ", "three "}[i]);
            _exit(0);
        }
    while (wait(NULL) > 0) {}
    char bytes[64] = {0};
    must(read(ends[0], bytes, sizeof bytes));
    WANT(strcmp(bytes, "one two three ") == 0);
}

/* The parent believes that a second is enough. */
static void sleep_as_synchronisation(void) {
    int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (must(fork()) == 0) {
        struct timespec work = {.tv_nsec = 1000000};
        nanosleep(&work, NULL);
        *shared = 1;
        _exit(0);
    }
    sleep(1);
    int seen = *shared;
    wait(NULL);
    exit(seen == 1 ? 0 : 7);
}

/* It sleeps for nobody, and waits for its child in the right way. */
static void a_sleep_that_orders_nothing(void) {
    int *ends = a_pipe();
    if (must(fork()) == 0) {
        sleep(1);
        say(ends[1], "x");
        _exit(0);
    }
    sleep(2);
    struct pollfd one = {.fd = ends[0], .events = POLLIN};
    WANT(poll(&one, 1, 5000) == 1);
    wait(NULL);
}

/* Looks whether it is done every now and then. */
static void polls_by_sleeping(void) {
    int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (must(fork()) == 0) {
        for (int i = 0; i < 20; i++) usleep(1000);
        *shared = 1;
        _exit(0);
    }
    while (*(volatile int *)shared == 0) usleep(100);
    wait(NULL);
}

RUN(CASE(polls), CASE(polls_and_is_woken), CASE(selects), CASE(epolls), CASE(futexes), CASE(waits_for_several_futexes),
    CASE(queues), CASE(semaphores), CASE(signals), CASE(sockets), CASE(arguments_come_back), CASE(sleeps),
    CASE(an_alarm), CASE(an_alarm_kills), CASE(an_alarm_interrupts), CASE(an_interval), CASE(a_posix_timer),
    CASE(a_timer_is_overrun), CASE(a_timer_calls_a_function), CASE(a_silent_timer), CASE(a_timer_descriptor),
    CASE(a_timer_descriptor_is_inherited), CASE(an_alarm_survives_exec), CASE(an_alarm_kills_without_being_set),
    CASE(a_blocked_alarm_wakes_nobody), CASE(computes_until_an_alarm), CASE(waits_until_a_clock_says_so),
    CASE(in_the_order_of_their_ends), CASE(sleep_as_synchronisation), CASE(a_sleep_that_orders_nothing),
    CASE(polls_by_sleeping))
