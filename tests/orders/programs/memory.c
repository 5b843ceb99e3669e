/* Races in memory that processes share, with no call in the window, and their corrected twins; and programs that are
 * right in each of the ways in which C keeps processes apart. PROGRAM CASE ends with status 0 where it went well. */
#include "cases.h"

enum { TIMES = 3 };

struct shared {
    sem_t turn;
    pthread_mutex_t lock;
    volatile int value;
    volatile int flag;
    volatile int taken;
};

static struct shared *memory(void) {
    void *pages = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) exit(99);
    return pages;
}

static void shared_lock(pthread_mutex_t *lock, int robust) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (robust) pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (pthread_mutex_init(lock, &attributes) != 0) exit(99);
}

/* Two children do the same. */
static void both(int (*run)(void *), struct shared *m) {
    pid_t one = child_of(run, m), two = child_of(run, m);
    if (reap(one) != 0 || reap(two) != 0) exit(1);
}

static void comes_to(int value, int wanted) { exit(value == wanted ? 0 : 1); }

/* A load and a store, and between them another's (M004). */
static int adds(void *with) {
    struct shared *m = with;
    for (int i = 0; i < TIMES; i++) m->value += 1;
    return 0;
}

static void counter(void) {
    struct shared *m = memory();
    both(adds, m);
    comes_to(m->value, 2 * TIMES);
}

static int adds_in_turn(void *with) {
    struct shared *m = with;
    for (int i = 0; i < TIMES; i++) {
        must(sem_wait(&m->turn));
        m->value += 1;
        must(sem_post(&m->turn));
    }
    return 0;
}

static void counter_mended(void) {
    struct shared *m = memory();
    must(sem_init(&m->turn, 1, 1));
    both(adds_in_turn, m);
    comes_to(m->value, 2 * TIMES);
}

/* Both find the flag down and raise it (M003). */
static int takes(void *with) {
    struct shared *m = with;
    if (m->flag == 0) {
        m->flag = 1;
        __atomic_fetch_add(&m->taken, 1, __ATOMIC_SEQ_CST);
    }
    return 0;
}

static void check_then_act(void) {
    struct shared *m = memory();
    both(takes, m);
    comes_to(m->taken, 1);
}

static int takes_at_once(void *with) {
    struct shared *m = with;
    if (__atomic_exchange_n(&m->flag, 1, __ATOMIC_SEQ_CST) == 0) __atomic_fetch_add(&m->taken, 1, __ATOMIC_SEQ_CST);
    return 0;
}

static void check_then_act_mended(void) {
    struct shared *m = memory();
    both(takes_at_once, m);
    comes_to(m->taken, 1);
}

/* The parent believes that a second is enough for its child. */
static int stores_after_work(void *with) {
    struct shared *m = with;
    struct timespec work = {.tv_nsec = 1000000};
    nanosleep(&work, NULL);
    m->value = 42;
    return 0;
}

static void sleep_synchronises(void) {
    struct shared *m = memory();
    pid_t pid = child_of(stores_after_work, m);
    sleep(1);
    int seen = m->value;
    reap(pid);
    comes_to(seen, 42);
}

static void sleep_synchronises_mended(void) {
    struct shared *m = memory();
    reap(child_of(stores_after_work, m));
    sleep(1);
    comes_to(m->value, 42);
}

/* The second unlock opens what the other holds by then. */
static int unlocks_twice(void *with) {
    struct shared *m = with;
    for (int i = 0; i < TIMES; i++) {
        pthread_mutex_lock(&m->lock);
        m->value += 1;
        pthread_mutex_unlock(&m->lock);
        pthread_mutex_unlock(&m->lock);
    }
    return 0;
}

static void double_unlock(void) {
    struct shared *m = memory();
    shared_lock(&m->lock, 0);
    both(unlocks_twice, m);
    comes_to(m->value, 2 * TIMES);
}

static int unlocks_once(void *with) {
    struct shared *m = with;
    for (int i = 0; i < TIMES; i++) {
        /* A robust lock may come from one who died; here nobody does. */
        if (pthread_mutex_lock(&m->lock) != 0) return 1;
        m->value += 1;
        if (pthread_mutex_unlock(&m->lock) != 0) return 1;
    }
    return 0;
}

static void double_unlock_mended(void) {
    struct shared *m = memory();
    shared_lock(&m->lock, 0);
    both(unlocks_once, m);
    comes_to(m->value, 2 * TIMES);
}

static void robust_lock(void) {
    struct shared *m = memory();
    shared_lock(&m->lock, 1);
    both(unlocks_once, m);
    comes_to(m->value, 2 * TIMES);
}

/* Says when the value is there. */
static int produces(void *with) {
    struct shared *m = with;
    m->value = 42;
    must(sem_post(&m->turn));
    return 0;
}

static void consumes(int at_first) {
    struct shared *m = memory();
    must(sem_init(&m->turn, 1, at_first));
    pid_t pid = child_of(produces, m);
    must(sem_wait(&m->turn));
    int seen = m->value;
    reap(pid);
    comes_to(seen, 42);
}

/* The semaphore is up before anybody has posted it. */
static void starts_at_one(void) { consumes(1); }

static void starts_at_one_mended(void) { consumes(0); }

/* A flag that is released and acquired carries the value. */
static int publishes(void *with) {
    struct shared *m = with;
    m->value = 42;
    __atomic_store_n(&m->flag, 1, __ATOMIC_RELEASE);
    return 0;
}

static void release_and_acquire(void) {
    struct shared *m = memory();
    pid_t pid = child_of(publishes, m);
    while (__atomic_load_n(&m->flag, __ATOMIC_ACQUIRE) == 0) sched_yield();
    int seen = m->value;
    reap(pid);
    comes_to(seen, 42);
}

static int adds_atomically(void *with) {
    struct shared *m = with;
    for (int i = 0; i < TIMES; i++) __atomic_fetch_add(&m->value, 1, __ATOMIC_SEQ_CST);
    return 0;
}

static void atomics(void) {
    struct shared *m = memory();
    both(adds_atomically, m);
    comes_to(m->value, 2 * TIMES);
}

RUN(CASE(counter), CASE(counter_mended), CASE(check_then_act), CASE(check_then_act_mended), CASE(sleep_synchronises),
    CASE(sleep_synchronises_mended), CASE(double_unlock), CASE(double_unlock_mended), CASE(robust_lock),
    CASE(starts_at_one), CASE(starts_at_one_mended), CASE(release_and_acquire), CASE(atomics))
