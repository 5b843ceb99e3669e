/* POSIX message queues. Each case ends with 0 where all was as the manual says; `generic_NAME` does the same on a queue
   that is left to the kernel. */
#include "cases.h"
#include "same.h"

enum { MOST = 3, LONGEST = 16 };

static mqd_t opened(const char *name, int flags) {
    struct mq_attr attributes = {.mq_maxmsg = MOST, .mq_msgsize = LONGEST};
    mqd_t queue = must(mq_open(name, flags | O_CREAT, 0600, &attributes));
    if (generic) {
        struct sigevent none = {.sigev_notify = SIGEV_NONE};
        must(mq_notify(queue, &none));
        must(mq_notify(queue, NULL));
    }
    return queue;
}

static mqd_t only_queue(int flags) {
    mqd_t queue = opened("/tasks", O_RDWR | flags);
    must(mq_unlink("/tasks"));
    return queue;
}

static int sends(mqd_t queue, int priority, int len) {
    char text[64];
    memset(text, 'a' + priority, sizeof text);
    return mq_send(queue, text, len, priority);
}

/* The length of what came, with its priority below. */
static int receives(mqd_t queue) {
    char text[LONGEST];
    unsigned priority;
    int got = mq_receive(queue, text, sizeof text, &priority);
    if (got < 0) return got;
    for (int i = 0; i < got; i++) SAME(text[i], 'a' + (int)priority);
    return got * 100 + (int)priority;
}

static void priorities(void) {
    mqd_t queue = only_queue(0);
    must(sends(queue, 1, 5));
    must(sends(queue, 7, 0));
    must(sends(queue, 1, 6));
    SAME(receives(queue), 7);
    must(sends(queue, 0, 16));
    SAME(receives(queue), 501);
    SAME(receives(queue), 601);
    char text[LONGEST];
    SAME(mq_receive(queue, text, sizeof text, NULL), 16);
}

static void errors(void) {
    mqd_t queue = only_queue(O_NONBLOCK);
    char text[LONGEST];
    FAILS(receives(queue), EAGAIN);
    FAILS(sends(queue, 1, 17), EMSGSIZE);
    FAILS(mq_receive(queue, text, LONGEST - 1, NULL), EMSGSIZE);
    FAILS(sends(queue, 32768, 1), EINVAL);
    for (int i = 0; i < MOST; i++) must(sends(queue, 1, i));
    FAILS(sends(queue, 1, 1), EAGAIN);
    FAILS(sends(queue, 1, 17), EMSGSIZE);
    struct mq_attr blocks = {0}, state;
    must(mq_setattr(queue, &blocks, &state));
    SAME(state.mq_flags, O_NONBLOCK);
    SAME(state.mq_curmsgs, MOST);
    struct timespec bad = {0, -1}, past = {1, 0};
    FAILS(mq_timedsend(queue, text, 1, 0, &bad), EINVAL);
    FAILS(mq_timedsend(queue, text, 1, 0, &past), ETIMEDOUT);
    for (int i = 0; i < MOST; i++) SAME(receives(queue), 100 * i + 1);
    struct timespec soon;
    for (int i = 0; i < 3; i++) {
        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_sec += 2;
        FAILS(mq_timedreceive(queue, text, sizeof text, NULL, &soon), ETIMEDOUT);
    }
    FAILS(mq_send(queue, (char *)8, 5, 0), EFAULT);
    must(sends(queue, 1, 1));
    FAILS(mq_receive(queue, (char *)8, LONGEST, NULL), EFAULT);
    mqd_t read_only = opened("/other", O_RDONLY), write_only = opened("/other", O_WRONLY);
    FAILS(sends(read_only, 1, 1), EBADF);
    FAILS(receives(write_only), EBADF);
    must(sends(write_only, 2, 2));
    SAME(receives(read_only), 202);
    must(mq_unlink("/other"));
}

static int receives_five(void *of) {
    int sum = 0;
    for (int i = 0; i < 5; i++) sum += must(receives(*(mqd_t *)of)) / 100;
    return sum;
}

static void hand_over(void) {
    mqd_t queue = only_queue(0);
    pid_t one = child_of(receives_five, &queue), other = child_of(receives_five, &queue);
    until_all_wait();
    for (int i = 0; i < 10; i++) must(sends(queue, i % 3, i));
    SAME((reap(one) + reap(other)) >> 8, 45);
}

static int sends_six(void *of) {
    for (int i = 0; i < 6; i++) must(sends(*(mqd_t *)of, 1, i));
    return 0;
}

static void full(void) {
    mqd_t queue = only_queue(0);
    pid_t one = child_of(sends_six, &queue), other = child_of(sends_six, &queue);
    until_all_wait();
    int sum = 0;
    for (int i = 0; i < 12; i++) sum += must(receives(queue)) / 100;
    SAME(sum, 30);
    SAME(reap(one), 0);
    SAME(reap(other), 0);
}

static int sends_later(void *of) {
    until_all_wait();
    return sends(*(mqd_t *)of, 3, 3);
}

static void polled(void) {
    mqd_t queue = only_queue(O_NONBLOCK);
    struct pollfd about = {.fd = queue, .events = POLLIN | POLLOUT};
    SAME(poll(&about, 1, 0), 1);
    SAME(about.revents, POLLOUT);
    about.events = POLLIN;
    SAME(poll(&about, 1, 0), 0);
    pid_t pid = child_of(sends_later, &queue);
    SAME(poll(&about, 1, -1), 1);
    SAME(about.revents, POLLIN);
    SAME(receives(queue), 303);
    SAME(reap(pid), 0);
    for (int i = 0; i < MOST; i++) must(sends(queue, 1, 1));
    about.events = POLLIN | POLLOUT;
    SAME(poll(&about, 1, -1), 1);
    SAME(about.revents, POLLIN);
}

static volatile sig_atomic_t notes;
static void notified(int signal) { notes += signal == SIGUSR1; }

static int receives_two(void *of) { return receives(*(mqd_t *)of) == 101 && receives(*(mqd_t *)of) == 201 ? 0 : 1; }

/* Who waits gets the message, and nobody is told of it. */
static void notices(void) {
    mqd_t queue = only_queue(0);
    signal(SIGUSR1, notified);
    pid_t pid = child_of(receives_two, &queue);
    until_all_wait();
    struct sigevent told = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    must(mq_notify(queue, &told));
    must(sends(queue, 1, 1));
    SAME(notes, 0);
    until_all_wait();
    must(sends(queue, 1, 2));
    SAME(reap(pid), 0);
    SAME(notes, 0);
    must(sends(queue, 1, 3));
    SAME(notes, 1);
    SAME(receives(queue), 301);
}

static int opens_and_sends(void *of) {
    (void)of;
    mqd_t queue = must(mq_open("/tasks", O_WRONLY));
    must(sends(queue, 4, 4));
    must(mq_close(queue));
    /* The same by its file. */
    int file = open("/dev/mqueue/tasks", O_WRONLY);
    if (file >= 0) must(sends(file, 5, 5));
    return file >= 0;
}

static void by_name(void) {
    mqd_t queue = opened("/tasks", O_RDONLY);
    int more = reap(child_of(opens_and_sends, NULL)) >> 8;
    must(mq_close(queue));
    queue = must(mq_open("/tasks", O_RDONLY));
    if (more) SAME(receives(queue), 505);
    SAME(receives(queue), 404);
    must(mq_unlink("/tasks"));
    mqd_t other = opened("/tasks", O_RDWR | O_NONBLOCK);
    must(sends(other, 1, 1));
    SAME(receives(other), 101);
    FAILS(receives(other), EAGAIN);
    must(mq_unlink("/tasks"));
}

static int closes_and_ends(void *of) {
    char byte;
    SAME(mq_receive(*(mqd_t *)of, &byte, 1, NULL), -1);
    return errno == EMSGSIZE ? 0 : 1;
}

static void removed_while_open(void) {
    mqd_t queue = only_queue(0);
    SAME(reap(child_of(closes_and_ends, &queue)), 0);
    pid_t pid = child_of(receives_five, &queue);
    for (int i = 0; i < 5; i++) must(sends(queue, 1, 1));
    SAME(reap(pid) >> 8, 5);
}

static void handled(int signal) { (void)signal; }

static int is_interrupted(void *of) {
    struct sigaction action = {.sa_handler = handled};
    must(sigaction(SIGUSR2, &action, NULL));
    FAILS(receives(*(mqd_t *)of), EINTR);
    return 0;
}

static void interrupted(void) {
    mqd_t queue = only_queue(0);
    pid_t pid = child_of(is_interrupted, &queue);
    until_all_wait();
    kill(pid, SIGUSR2);
    SAME(reap(pid), 0);
    must(sends(queue, 1, 2));
    SAME(receives(queue), 201);
}

/* Who waits already goes on waiting. */
static void nonblocking_later(void) {
    mqd_t queue = only_queue(0);
    pid_t pid = child_of(receives_two, &queue);
    until_all_wait();
    struct mq_attr not = {.mq_flags = O_NONBLOCK}, blocks = {0};
    must(mq_setattr(queue, &not, NULL));
    until_all_wait();
    FAILS(receives(queue), EAGAIN);
    must(mq_setattr(queue, &blocks, NULL));
    must(sends(queue, 1, 1));
    must(sends(queue, 1, 2));
    SAME(reap(pid), 0);
}

static int receives_nicely(void *of) {
    int *with = of;
    must(nice(with[1]));
    return must(receives(with[0])) / 100;
}

static int sends_nicely(void *of) {
    int *with = of;
    must(nice(with[1]));
    return sends(with[0], 1, with[1]);
}

/* The best priority is first, of equals the oldest. */
static void nicer(void) {
    mqd_t queue = only_queue(0);
    int with[4][2] = {{queue, 7}, {queue, 1}, {queue, 7}, {queue, 0}}, expected[4] = {3, 2, 4, 1};
    pid_t pids[4];
    for (int i = 0; i < 4; i++) {
        pids[i] = child_of(receives_nicely, with[i]);
        until_all_wait();
    }
    for (int i = 1; i <= 4; i++) must(sends(queue, 1, i));
    for (int i = 0; i < 4; i++) SAME(reap(pids[i]) >> 8, expected[i]);
    for (int i = 0; i < MOST; i++) must(sends(queue, 1, 16));
    for (int i = 0; i < 4; i++) {
        pids[i] = child_of(sends_nicely, with[i]);
        until_all_wait();
    }
    for (int i = 0; i < MOST; i++) SAME(receives(queue), 1601);
    SAME(receives(queue), 1);
    SAME(receives(queue), 101);
    SAME(receives(queue), 701);
    SAME(receives(queue), 701);
    for (int i = 0; i < 4; i++) SAME(reap(pids[i]), 0);
}

static int does_anything(void *of) {
    mqd_t queue = *(mqd_t *)of;
    char text[LONGEST + 1] = "some text";
    for (int i = 0; i < 40; i++) {
        unsigned priority = below(3);
        struct timespec soon;
        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_nsec += 1000 * below(4000);
        if (soon.tv_nsec >= 1000000000) soon.tv_sec++, soon.tv_nsec -= 1000000000;
        struct timespec *limit = below(3) ? &soon : NULL;
        int len = below(LONGEST + 2);
        if (below(2)) mq_timedsend(queue, text, len, priority, limit);
        else mq_timedreceive(queue, text, below(8) ? LONGEST : LONGEST - 1, below(2) ? &priority : NULL, limit);
    }
    return 0;
}

/* Others do what they like; whenever all of them wait, something changes. */
static void at_random(void) {
    for (int round = 0; round < 4; round++) {
        mqd_t queue = opened("/tasks", O_RDWR), looks = must(mq_open("/tasks", O_RDWR | O_NONBLOCK));
        must(mq_unlink("/tasks"));
        pid_t pids[3];
        for (int i = 0; i < 3; i++) {
            dice = 3 + 7 * round + i;
            pids[i] = child_of(does_anything, &queue);
        }
        dice = 55 + round;
        for (int left = 3, turns = 0; left > 0; turns++) {
            until_all_wait();
            while (left > 0 && waitpid(-1, NULL, WNOHANG) > 0) left--;
            if (turns == 20) kill(pids[round % 3], SIGKILL);
            char text[LONGEST];
            if (below(2)) mq_receive(looks, text, sizeof text, NULL);
            else sends(looks, below(3), below(LONGEST));
        }
        must(mq_close(queue));
        must(mq_close(looks));
    }
}

static int echoes(void *of) {
    for (int i = 0; i < 50; i++) {
        SAME(receives(((mqd_t *)of)[0]), 1001);
        must(sends(((mqd_t *)of)[1], 2, 10));
    }
    return 0;
}

/* There and back. */
static void echo(void) {
    mqd_t queues[2] = {only_queue(0), only_queue(0)};
    pid_t pid = child_of(echoes, queues);
    for (int i = 0; i < 50; i++) {
        must(sends(queues[0], 1, 10));
        SAME(receives(queues[1]), 1002);
    }
    SAME(reap(pid), 0);
}

RUN_BOTH(CASE(nicer), CASE(priorities), CASE(errors), CASE(hand_over), CASE(full), CASE(polled), CASE(notices), CASE(by_name),
         CASE(removed_while_open), CASE(interrupted), CASE(nonblocking_later), CASE(at_random), CASE(echo))
