/* System V semaphores and message queues. Each case ends with 0 where all was as the manual says; `generic_NAME` does the
   same on objects that are left to the kernel. */
#include "cases.h"
#include "same.h"

union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
};

static int set_of(int count) {
    int set = must(semget(IPC_PRIVATE, count, 0600));
    if (generic) {
        struct semid_ds state;
        must(semctl(set, 0, IPC_STAT, (union semun){.buf = &state}));
        must(semctl(set, 0, IPC_SET, (union semun){.buf = &state}));
    }
    return set;
}

static int queue(void) {
    int queue = must(msgget(IPC_PRIVATE, 0600));
    if (generic) {
        struct msqid_ds state;
        must(msgctl(queue, IPC_STAT, &state));
        must(msgctl(queue, IPC_SET, &state));
    }
    return queue;
}

static int op(int set, int number, int change, int flags) {
    struct sembuf one = {number, change, flags};
    return semop(set, &one, 1);
}

static int value(int set, int number) { return must(semctl(set, number, GETVAL)); }
static void set_value(int set, int number, int to) { must(semctl(set, number, SETVAL, (union semun){.val = to})); }

static int takes(void *set) { return op(*(int *)set, 0, -1, 0); }

static int takes_in_turn(void *of) {
    int set = *(int *)of;
    for (int i = 0; i < 5; i++) {
        must(op(set, 0, -1, SEM_UNDO));
        must(op(set, 1, 1, 0));
        must(op(set, 0, 1, SEM_UNDO));
    }
    return 0;
}

/* A lock that is handed over: who comes first has it first. */
static void hand_over(void) {
    int set = set_of(2);
    pid_t pids[3];
    for (int i = 0; i < 3; i++) pids[i] = child_of(takes_in_turn, &set);
    must(op(set, 0, 1, 0));
    struct sembuf all = {1, -15, 0};
    must(semop(set, &all, 1));
    for (int i = 0; i < 3; i++) SAME(reap(pids[i]), 0);
    SAME(value(set, 0), 1);
    must(semctl(set, 0, IPC_RMID));
}

static int takes_both(void *of) {
    struct sembuf both[] = {{0, -1, 0}, {1, -2, 0}};
    return semop(*(int *)of, both, 2);
}

static void several_at_once(void) {
    int set = set_of(2);
    pid_t pid = child_of(takes_both, &set);
    until_all_wait();
    must(op(set, 0, 1, 0));
    must(op(set, 1, 1, 0));
    SAME(value(set, 0), 1);
    struct sembuf nowait[] = {{0, -1, 0}, {1, -2, IPC_NOWAIT}};
    FAILS(semop(set, nowait, 2), EAGAIN);
    must(op(set, 1, 1, 0));
    SAME(reap(pid), 0);
    SAME(value(set, 0), 0);
    SAME(value(set, 1), 0);
    /* Each sees what those before it have done. */
    struct sembuf up_down[] = {{0, 2, 0}, {0, -1, 0}, {0, -1, 0}, {0, 0, 0}, {1, 3, 0}};
    must(semop(set, up_down, 5));
    SAME(value(set, 1), 3);
    must(semctl(set, 0, IPC_RMID));
}

static int waits_for_zero(void *of) { return op(*(int *)of, 0, 0, 0); }

static void for_zero(void) {
    int set = set_of(1);
    must(op(set, 0, 0, 0));
    set_value(set, 0, 2);
    FAILS(op(set, 0, 0, IPC_NOWAIT), EAGAIN);
    pid_t one = child_of(waits_for_zero, &set), other = child_of(waits_for_zero, &set);
    until_all_wait();
    must(op(set, 0, -1, 0));
    until_all_wait();
    SAME(waitpid(-1, NULL, WNOHANG), 0);
    must(op(set, 0, -1, 0));
    SAME(reap(one), 0);
    SAME(reap(other), 0);
    must(semctl(set, 0, IPC_RMID));
}

static int locks_by_zero(void *of) {
    for (int i = 0; i < 4; i++) {
        struct sembuf lock[] = {{0, 0, 0}, {0, 1, SEM_UNDO}};
        must(semop(*(int *)of, lock, 2));
        must(op(*(int *)of, 0, -1, SEM_UNDO));
    }
    return 0;
}

/* 0 is free, 1 is taken. */
static void lock_by_zero(void) {
    int set = set_of(1);
    pid_t one = child_of(locks_by_zero, &set), other = child_of(locks_by_zero, &set);
    SAME(reap(one), 0);
    SAME(reap(other), 0);
    SAME(value(set, 0), 0);
    must(semctl(set, 0, IPC_RMID));
}

static int takes_and_ends(void *of) {
    must(op(*(int *)of, 0, -1, SEM_UNDO));
    until_all_wait();
    return 0;
}

static int takes_and_waits(void *of) {
    must(op(*(int *)of, 0, -1, SEM_UNDO));
    pause();
    return 0;
}

static int takes_back(void *of) { return op(*(int *)of, 0, 1, SEM_UNDO); }

static void given_back(void) {
    int set = set_of(1);
    set_value(set, 0, 1);
    pid_t one = child_of(takes_and_ends, &set);
    until_all_wait();
    pid_t next = child_of(takes, &set);
    SAME(reap(one), 0);
    SAME(reap(next), 0);
    SAME(value(set, 0), 0);
    set_value(set, 0, 1);
    one = child_of(takes_and_waits, &set);
    next = child_of(takes, &set);
    until_all_wait();
    kill(one, SIGKILL);
    reap(one);
    /* Whoever of the two came first. */
    if (waitpid(next, NULL, WNOHANG) == 0) must(op(set, 0, 1, 0)), reap(next);
    set_value(set, 0, 0);
    one = child_of(takes_back, &set);
    SAME(reap(one), 0);
    SAME(value(set, 0), 0);
    /* What is set is not given back. */
    must(op(set, 0, 2, SEM_UNDO));
    one = child_of(takes_and_ends, &set);
    until_all_wait();
    set_value(set, 0, 5);
    SAME(reap(one), 0);
    SAME(value(set, 0), 5);
    must(semctl(set, 0, IPC_RMID));
}

static void *takes_in_a_thread(void *of) {
    must(op(*(int *)of, 0, -1, SEM_UNDO));
    return NULL;
}

static int takes_by_threads(void *of) {
    pthread_t thread;
    pthread_create(&thread, NULL, takes_in_a_thread, of);
    pthread_join(thread, NULL);
    SAME(value(*(int *)of, 0), 1);
    must(op(*(int *)of, 0, -1, SEM_UNDO));
    return 0;
}

static void threads_share(void) {
    int set = set_of(1);
    set_value(set, 0, 2);
    SAME(reap(child_of(takes_by_threads, &set)), 0);
    SAME(value(set, 0), 2);
    must(semctl(set, 0, IPC_RMID));
}

static int is_removed(void *of) {
    FAILS(op(*(int *)of, 0, -1, 0), EIDRM);
    return 0;
}

static void removed(void) {
    int set = set_of(1);
    pid_t one = child_of(is_removed, &set), other = child_of(is_removed, &set);
    until_all_wait();
    must(semctl(set, 0, IPC_RMID));
    SAME(reap(one), 0);
    SAME(reap(other), 0);
    FAILS(op(set, 0, 1, 0), EINVAL);
}

static void how_many_wait(void) {
    int set = set_of(2);
    pid_t one = child_of(takes, &set), other = child_of(takes, &set);
    until_all_wait();
    SAME(must(semctl(set, 0, GETNCNT)), 2);
    SAME(must(semctl(set, 0, GETZCNT)), 0);
    must(op(set, 0, 2, 0));
    SAME(reap(one), 0);
    SAME(reap(other), 0);
    must(semctl(set, 0, IPC_RMID));
}

static void errors(void) {
    int set = set_of(2);
    FAILS(op(set, 2, 1, 0), EFBIG);
    must(op(set, 1, 32767, 0));
    FAILS(op(set, 1, 1, 0), ERANGE);
    FAILS(op(set, 0, -1, IPC_NOWAIT), EAGAIN);
    FAILS(semop(set, NULL, 1), EFAULT);
    FAILS(semop(set, NULL, 0), EINVAL);
    FAILS(op(-1, 0, 1, 0), EINVAL);
    struct sembuf down = {0, -1, 0};
    struct timespec none = {0, 0}, bad = {0, -1}, soon = {0, 1000000};
    FAILS(semtimedop(set, &down, 1, &none), EAGAIN);
    FAILS(semtimedop(set, &down, 1, &bad), EINVAL);
    for (int i = 0; i < 3; i++) FAILS(semtimedop(set, &down, 1, &soon), EAGAIN);
    must(op(set, 0, 1, 0));
    must(semtimedop(set, &down, 1, &soon));
    must(semctl(set, 0, SETALL, (union semun){.array = (unsigned short[]){4, 5}}));
    SAME(value(set, 0), 4);
    SAME(value(set, 1), 5);
    must(semctl(set, 0, IPC_RMID));
    /* Its owner may not use it. */
    set = must(semget(IPC_PRIVATE, 1, 0));
    if (geteuid() != 0) FAILS(op(set, 0, 1, 0), EACCES);
    must(semctl(set, 0, IPC_RMID));
}

static void handled(int signal) { (void)signal; }

static int is_interrupted(void *of) {
    struct sigaction action = {.sa_handler = handled, .sa_flags = SA_RESTART};
    must(sigaction(SIGUSR1, &action, NULL));
    FAILS(op(*(int *)of, 0, -1, 0), EINTR);
    return 0;
}

static void interrupted(void) {
    int set = set_of(1);
    pid_t pid = child_of(is_interrupted, &set);
    until_all_wait();
    kill(pid, SIGUSR1);
    SAME(reap(pid), 0);
    must(op(set, 0, 1, 0));
    SAME(reap(child_of(takes, &set)), 0);
    must(semctl(set, 0, IPC_RMID));
}

struct message {
    long type;
    char text[8192];
};

static int sends(int queue, long type, int len, int flags) {
    struct message message = {.type = type};
    memset(message.text, 'a' + (int)(type % 26), sizeof message.text);
    return msgsnd(queue, &message, len, flags);
}

/* The type that came, with its length above. */
static long receives(int queue, long type, int room, int flags) {
    struct message message;
    long got = msgrcv(queue, &message, room, type, flags);
    if (got < 0) return got;
    for (int i = 0; i < got; i++) SAME(message.text[i], 'a' + message.type % 26);
    return got * 100 + message.type;
}

static void types(void) {
    int to = queue();
    for (long type = 5; type > 0; type--) must(sends(to, type, 10 + (int)type, 0));
    must(sends(to, 2, 0, 0));
    SAME(receives(to, 3, 100, 0), 1303);
    SAME(receives(to, -4, 100, 0), 1101);
    SAME(receives(to, -4, 100, 0), 1202);
    SAME(receives(to, -4, 100, 0), 2);
    SAME(receives(to, 5, 100, MSG_EXCEPT), 1404);
    FAILS(receives(to, 5, 100, MSG_EXCEPT | IPC_NOWAIT), ENOMSG);
    FAILS(receives(to, 0, 14, 0), E2BIG);
    SAME(receives(to, 0, 14, MSG_NOERROR), 1405);
    FAILS(receives(to, 0, 14, IPC_NOWAIT), ENOMSG);
    FAILS(sends(to, 0, 1, 0), EINVAL);
    FAILS(sends(to, 1, 8193, 0), EINVAL);
    FAILS(msgsnd(to, NULL, 1, 0), EFAULT);
    must(msgctl(to, IPC_RMID, NULL));
}

static int sends_ten(void *of) {
    for (int i = 0; i < 10; i++) must(sends(*(int *)of, 1 + i % 3, 4000, 0));
    return 0;
}

static void full(void) {
    int to = queue();
    pid_t pid = child_of(sends_ten, &to);
    until_all_wait();
    FAILS(sends(to, 1, 4000, IPC_NOWAIT), EAGAIN);
    must(sends(to, 9, 10, IPC_NOWAIT));
    for (int i = 0; i < 10; i++) SAME(receives(to, 1 + i % 3, 5000, 0), 400001 + i % 3);
    SAME(reap(pid), 0);
    SAME(receives(to, 0, 5000, 0), 1009);
    must(msgctl(to, IPC_RMID, NULL));
}

static int sends_large(void *of) {
    int *with = of;
    return sends(with[0], with[1], with[2], 0) == 0 ? 0 : errno;
}

/* Room for one of three: who has it is the quickest, and the others wait on. */
static void senders_race(void) {
    int to = queue(), seen = 0;
    int with[3][3] = {{to, 1, 8000}, {to, 2, 7000}, {to, 3, 8000}};
    pid_t pids[3];
    must(sends(to, 9, 8192, 0));
    must(sends(to, 9, 8192, 0));
    for (int i = 0; i < 3; i++) {
        pids[i] = child_of(sends_large, with[i]);
        until_all_wait();
    }
    must(receives(to, 9, 8192, 0));
    for (int i = 0; i < 4; i++) {
        until_all_wait();
        if (i < 3) FAILS(sends(to, 5, 8192, IPC_NOWAIT), EAGAIN);
        long type = must(receives(to, 0, 8192, 0)) % 100;
        seen |= 1 << type;
    }
    SAME(seen, 1 << 9 | 1 << 1 | 1 << 2 | 1 << 3);
    for (int i = 0; i < 3; i++) SAME(reap(pids[i]), 0);
    must(msgctl(to, IPC_RMID, NULL));
}

/* Those who have been woken and did not go on yet have sent, or hear that it was removed. */
static void senders_lose_their_queue(void) {
    int to = queue();
    int with[2][3] = {{to, 1, 8000}, {to, 2, 7000}};
    pid_t pids[2];
    must(sends(to, 9, 8192, 0));
    must(sends(to, 9, 8192, 0));
    for (int i = 0; i < 2; i++) pids[i] = child_of(sends_large, with[i]);
    until_all_wait();
    must(receives(to, 9, 8192, 0));
    must(msgctl(to, IPC_RMID, NULL));
    int failed = 0;
    for (int i = 0; i < 2; i++) {
        int status = reap(pids[i]) >> 8;
        SAME(status == 0 || status == EIDRM, 1);
        failed += status == EIDRM;
    }
    SAME(failed > 0, 1);
}

static int sends_at_random(void *of) {
    for (int i = 0; i < 12; i++) must(sends(*(int *)of, 1 + below(4), below(4) ? 3000 + below(5000) : below(40), 0));
    return 0;
}

static void senders_at_random(void) {
    for (int round = 0; round < 4; round++) {
        int to = queue(), there = 0;
        for (int i = 0; i < 3; i++) {
            dice = 7 + 13 * round + i;
            child_of(sends_at_random, &to);
        }
        for (dice = 33 + round; there < 36; there++) {
            if (below(2)) until_all_wait();
            must(receives(to, below(3) ? 0 : -4, 8192, 0));
        }
        for (int i = 0; i < 3; i++) SAME(reap(-1), 0);
        must(msgctl(to, IPC_RMID, NULL));
    }
}

struct wanted {
    int queue, type, room;
    long expected;
};

static int receives_wanted(void *with) {
    struct wanted *wanted = with;
    long got = receives(wanted->queue, wanted->type, wanted->room, 0);
    return got == (wanted->expected < 0 ? -1 : wanted->expected) && (got >= 0 || errno == -wanted->expected) ? 0 : 1;
}

static void waiters(void) {
    int to = queue();
    struct wanted all[] = {{to, 4, 100, 1004}, {to, 3, 5, -E2BIG}, {to, -3, 100, 1003}, {to, 0, 100, 804}};
    pid_t pids[4];
    for (int i = 0; i < 4; i++) {
        pids[i] = child_of(receives_wanted, &all[i]);
        until_all_wait();
    }
    must(sends(to, 3, 10, 0));
    must(sends(to, 4, 10, 0));
    must(sends(to, 4, 8, 0));
    for (int i = 0; i < 4; i++) SAME(reap(pids[i]), 0);
    must(msgctl(to, IPC_RMID, NULL));
}

static int queue_is_removed(void *of) {
    FAILS(receives(*(int *)of, 7, 10, 0), EIDRM);
    return 0;
}

static void queue_removed(void) {
    int to = queue();
    pid_t pid = child_of(queue_is_removed, &to);
    until_all_wait();
    must(msgctl(to, IPC_RMID, NULL));
    SAME(reap(pid), 0);
    FAILS(sends(to, 1, 1, 0), EINVAL);
}

static int receives_late(void *of) {
    until_all_wait();
    until_all_wait();
    SAME(receives(*(int *)of, 0, 100, 0), 10001);
    return 0;
}

/* A smaller queue is another queue. */
static void resized(void) {
    int to = queue();
    must(sends(to, 1, 100, 0));
    pid_t pid = child_of(receives_late, &to);
    struct msqid_ds state;
    must(msgctl(to, IPC_STAT, &state));
    SAME(state.msg_qnum, 1);
    state.msg_qbytes = 120;
    must(msgctl(to, IPC_SET, &state));
    FAILS(sends(to, 2, 50, IPC_NOWAIT), EAGAIN);
    must(sends(to, 2, 50, 0));
    SAME(reap(pid), 0);
    SAME(receives(to, 0, 100, 0), 5002);
    must(msgctl(to, IPC_RMID, NULL));
}

static int into_nothing(void *of) {
    FAILS(msgrcv(*(int *)of, (void *)8, 100, 0, 0), EFAULT);
    return 0;
}

static void bad_addresses(void) {
    int to = queue();
    pid_t pid = child_of(into_nothing, &to);
    until_all_wait();
    /* The message is lost (msgrcv(2) says nothing of it). */
    must(sends(to, 1, 10, 0));
    SAME(reap(pid), 0);
    FAILS(receives(to, 0, 100, IPC_NOWAIT), ENOMSG);
    must(sends(to, 1, 10, 0));
    FAILS(msgrcv(to, (void *)8, 100, 0, 0), EFAULT);
    must(msgctl(to, IPC_RMID, NULL));
}

enum { SEMAPHORES = 3, WORKERS = 3, STEPS = 30 };

static int operates_at_random(void *of) {
    int set = *(int *)of;
    for (int i = 0; i < STEPS; i++) {
        struct sembuf some[3];
        int count = 1 + below(3) * below(2);
        for (int j = 0; j < count; j++) {
            int flags = (below(4) ? 0 : IPC_NOWAIT) | (below(3) ? 0 : SEM_UNDO);
            some[j] = (struct sembuf){below(SEMAPHORES), below(5) - 2, flags};
        }
        /* Some can never be made: all end some time. */
        struct timespec some_time = {0, 1000 * (1 + below(8000))};
        semtimedop(set, some, count, &some_time);
    }
    return 0;
}

/* Others do what they like; whenever all of them wait, something changes. */
static void semaphores_at_random(void) {
    for (int round = 0; round < 3; round++) {
        int set = set_of(SEMAPHORES);
        pid_t pids[WORKERS];
        for (int i = 0; i < WORKERS; i++) {
            dice = 1 + 17 * round + i;
            pids[i] = child_of(operates_at_random, &set);
        }
        dice = 99 + round;
        for (int left = WORKERS, turns = 0; left > 0; turns++) {
            until_all_wait();
            while (left > 0 && waitpid(-1, NULL, WNOHANG) > 0) left--;
            if (turns == 30) kill(pids[round % WORKERS], SIGKILL);
            switch (below(4)) {
            case 0: set_value(set, below(SEMAPHORES), below(4)); break;
            case 1: op(set, below(SEMAPHORES), 1 + below(2), IPC_NOWAIT); break;
            case 2: op(set, below(SEMAPHORES), -1 - below(2), IPC_NOWAIT); break;
            default: must(semctl(set, 0, SETALL, (union semun){.array = (unsigned short[]){below(3), below(3), 0}}));
            }
        }
        must(semctl(set, 0, IPC_RMID));
    }
}

static int sends_and_receives(void *of) {
    int to = *(int *)of;
    for (int i = 0; i < STEPS; i++) {
        /* One alone waits for room: of several the kernel lets go on whom it likes. */
        int nowait = below(3) && dice % 2 ? IPC_NOWAIT : 0;
        if (below(2)) {
            int len = below(8) ? below(40) : 3000 + below(5000);
            sends(to, 1 + below(4), len, getpid() % 2 ? nowait : IPC_NOWAIT);
        } else {
            int flags = nowait | (below(3) ? 0 : MSG_NOERROR) | (below(5) ? 0 : MSG_EXCEPT);
            receives(to, below(9) - 4, below(4) ? 8192 : below(30), flags);
        }
    }
    return 0;
}

static void queues_at_random(void) {
    for (int round = 0; round < 4; round++) {
        int to = queue();
        for (int i = 0; i < WORKERS; i++) {
            dice = 5 + 31 * round + i;
            child_of(sends_and_receives, &to);
        }
        dice = 77 + round;
        for (int left = WORKERS; left > 0;) {
            until_all_wait();
            while (left > 0 && waitpid(-1, NULL, WNOHANG) > 0) left--;
            if (below(2)) receives(to, 0, 8192, IPC_NOWAIT);
            else sends(to, 1 + below(4), below(20), IPC_NOWAIT);
        }
        must(msgctl(to, IPC_RMID, NULL));
    }
}

static int answers(void *of) {
    for (int i = 0; i < 50; i++) {
        must(op(of ? *(int *)of : 0, 0, -1, 0));
        must(op(*(int *)of, 1, 1, 0));
    }
    return 0;
}

/* Two semaphores, back and forth. */
static void ping_pong(void) {
    int set = set_of(2);
    pid_t pid = child_of(answers, &set);
    for (int i = 0; i < 50; i++) {
        must(op(set, 0, 1, 0));
        must(op(set, 1, -1, 0));
    }
    SAME(reap(pid), 0);
    must(semctl(set, 0, IPC_RMID));
}

static int echoes(void *of) {
    for (int i = 0; i < 50; i++) {
        SAME(receives(*(int *)of, 1, 10, 0), 1001);
        must(sends(*(int *)of, 2, 10, 0));
    }
    return 0;
}

/* Two types of message, back and forth. */
static void echo(void) {
    int to = queue();
    pid_t pid = child_of(echoes, &to);
    for (int i = 0; i < 50; i++) {
        must(sends(to, 1, 10, 0));
        SAME(receives(to, 2, 10, 0), 1002);
    }
    SAME(reap(pid), 0);
    must(msgctl(to, IPC_RMID, NULL));
}

RUN_BOTH(CASE(hand_over), CASE(several_at_once), CASE(for_zero), CASE(lock_by_zero), CASE(given_back), CASE(threads_share),
         CASE(removed), CASE(how_many_wait), CASE(errors), CASE(interrupted), CASE(types), CASE(full), CASE(waiters),
         CASE(queue_removed), CASE(resized), CASE(bad_addresses), CASE(semaphores_at_random), CASE(queues_at_random),
         CASE(ping_pong), CASE(echo), CASE(senders_race), CASE(senders_lose_their_queue), CASE(senders_at_random))
