/* Two processes at one counter or flag, with no call in the window. */
#include "cases.h"

enum { TIMES = 10 };

static void counter(void) {
    volatile int *m = shared_pages(4096);
    for (int i = 0; i < 2; i++)
        if (fork() == 0) {
            for (int k = 0; k < TIMES; k++) *m += 1;
            _exit(0);
        }
    while (wait(NULL) > 0) {}
    dprintf(1, "%d\n", *m);
}

/* In one instruction. */
static void increment(void) {
    volatile int *m = shared_pages(4096);
    for (int i = 0; i < 2; i++)
        if (fork() == 0) {
            for (int k = 0; k < TIMES; k++) __asm__ volatile("incl (%0)" : : "r"(m) : "memory", "cc");
            _exit(0);
        }
    while (wait(NULL) > 0) {}
    dprintf(1, "%d\n", *m);
}

/* Whoever finds the seat free takes it. */
static void check_then_act(void) {
    volatile int *m = shared_pages(4096);
    for (int i = 0; i < 2; i++)
        if (fork() == 0) {
            if (m[0] == 0) {
                m[0] = 1;
                __sync_fetch_and_add(&m[1], 1);
            }
            _exit(0);
        }
    while (wait(NULL) > 0) {}
    dprintf(1, "%d\n", m[1]);
}

static void atomic_counter(void) {
    int *m = shared_pages(4096);
    for (int i = 0; i < 2; i++)
        if (fork() == 0) {
            for (int k = 0; k < TIMES; k++) __sync_fetch_and_add(m, 1);
            _exit(0);
        }
    while (wait(NULL) > 0) {}
    dprintf(1, "%d\n", *m);
}

static void semaphore_counter(void) {
    struct {
        sem_t turn;
        volatile int value;
    } *m = shared_pages(4096);
    CHECK(sem_init(&m->turn, 1, 1) == 0);
    for (int i = 0; i < 2; i++)
        if (fork() == 0) {
            for (int k = 0; k < TIMES; k++) {
                CHECK(sem_wait(&m->turn) == 0);
                m->value += 1;
                CHECK(sem_post(&m->turn) == 0);
            }
            _exit(0);
        }
    while (wait(NULL) > 0) {}
    dprintf(1, "%d\n", m->value);
}

static void spin_counter(void) {
    struct {
        pthread_spinlock_t lock;
        volatile int value;
    } *m = shared_pages(4096);
    CHECK(pthread_spin_init(&m->lock, PTHREAD_PROCESS_SHARED) == 0);
    for (int i = 0; i < 2; i++)
        if (fork() == 0) {
            for (int k = 0; k < TIMES; k++) {
                CHECK(pthread_spin_lock(&m->lock) == 0);
                m->value += 1;
                CHECK(pthread_spin_unlock(&m->lock) == 0);
            }
            _exit(0);
        }
    while (wait(NULL) > 0) {}
    dprintf(1, "%d\n", m->value);
}

RUN(CASE(counter), CASE(increment), CASE(check_then_act), CASE(atomic_counter), CASE(semaphore_counter),
    CASE(spin_counter))
