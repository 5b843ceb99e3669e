/* Semaphores, locks, condition variables and barriers, which make no system call where nobody has to wait. */
#include "cases.h"
#include <setjmp.h>
#include <time.h>

struct shared {
    sem_t first, second;
    pthread_mutex_t one, other;
    pthread_cond_t changed;
    pthread_rwlock_t board;
    pthread_barrier_t gate;
    int value;
};

static struct shared *memory(void) {
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void between_processes(pthread_mutex_t *mutex, int type, int robust) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, type);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (robust) pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(mutex, &attributes);
}

/* Nobody waits. */
static void hundred_rounds(void) {
    struct shared *shared = memory();
    must(sem_init(&shared->first, 1, 0));
    for (int i = 0; i < 100; i++) {
        must(sem_post(&shared->first));
        must(sem_wait(&shared->first));
    }
    must(sem_destroy(&shared->first));
}

static int answers(void *with) {
    struct shared *shared = with;
    for (int i = 0; i < 2; i++) {
        must(sem_wait(&shared->first));
        shared->value++;
        must(sem_post(&shared->second));
    }
    return 0;
}

static void ping_pong(void) {
    struct shared *shared = memory();
    must(sem_init(&shared->first, 1, 0));
    must(sem_init(&shared->second, 1, 0));
    pid_t pid = child_of(answers, shared);
    for (int i = 0; i < 2; i++) {
        must(sem_post(&shared->first));
        must(sem_wait(&shared->second));
    }
    reap(pid);
}

static int opens_and_waits(void *with) {
    (void)with;
    sem_t *turn = sem_open("/turn", 0);
    if (turn == SEM_FAILED) exit(1);
    must(sem_wait(turn));
    must(sem_wait(turn));
    return 0;
}

static void named(void) {
    sem_t *turn = sem_open("/turn", O_CREAT | O_EXCL, 0600, 1);
    if (turn == SEM_FAILED) exit(1);
    pid_t pid = child_of(opens_and_waits, NULL);
    must(sem_post(turn));
    reap(pid);
    must(sem_close(turn));
    must(sem_unlink("/turn"));
}

static int locks_once(void *with) {
    struct shared *shared = with;
    pthread_mutex_lock(&shared->one);
    shared->value++;
    pthread_mutex_unlock(&shared->one);
    return 0;
}

static void mutex(void) {
    struct shared *shared = memory();
    between_processes(&shared->one, PTHREAD_MUTEX_DEFAULT, 0);
    pid_t one = child_of(locks_once, shared), other = child_of(locks_once, shared);
    reap(one);
    reap(other);
}

static int dies_with_it(void *with) {
    struct shared *shared = with;
    pthread_mutex_lock(&shared->one);
    raise(SIGKILL);
    return 0;
}

static void robust(void) {
    struct shared *shared = memory();
    between_processes(&shared->one, PTHREAD_MUTEX_DEFAULT, 1);
    reap(child_of(dies_with_it, shared));
    if (pthread_mutex_lock(&shared->one) != EOWNERDEAD) exit(1);
    pthread_mutex_consistent(&shared->one);
    pthread_mutex_unlock(&shared->one);
}

static void *changes(void *with) {
    struct shared *shared = with;
    pthread_mutex_lock(&shared->one);
    shared->value = 1;
    pthread_cond_signal(&shared->changed);
    pthread_mutex_unlock(&shared->one);
    return NULL;
}

/* All in private memory, between threads. */
static void condition(void) {
    static struct shared own = {.one = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    pthread_t thread;
    pthread_mutex_lock(&own.one);
    pthread_create(&thread, NULL, changes, &own);
    while (!own.value) pthread_cond_wait(&own.changed, &own.one);
    pthread_mutex_unlock(&own.one);
    pthread_join(thread, NULL);
}

static int reads(void *with) {
    struct shared *shared = with;
    pthread_rwlock_rdlock(&shared->board);
    pthread_rwlock_unlock(&shared->board);
    return 0;
}

static void read_write(void) {
    struct shared *shared = memory();
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_rwlock_init(&shared->board, &attributes);
    pthread_rwlock_wrlock(&shared->board);
    pthread_rwlock_unlock(&shared->board);
    reap(child_of(reads, shared));
    reap(child_of(reads, shared));
    pthread_rwlock_wrlock(&shared->board);
    pthread_rwlock_unlock(&shared->board);
}

static int comes(void *with) {
    struct shared *shared = with;
    pthread_barrier_wait(&shared->gate);
    return 0;
}

static void barrier(void) {
    struct shared *shared = memory();
    pthread_barrierattr_t attributes;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->gate, &attributes, 2);
    pid_t pid = child_of(comes, shared);
    pthread_barrier_wait(&shared->gate);
    reap(pid);
}

/* Each of these fails, in its own way. */
static void failures(void) {
    struct shared *shared = memory();
    must(sem_init(&shared->first, 1, 0));
    if (sem_trywait(&shared->first) != -1 || errno != EAGAIN) exit(1);
    struct timespec past = {0};
    if (sem_timedwait(&shared->first, &past) != -1 || errno != ETIMEDOUT) exit(2);
    between_processes(&shared->one, PTHREAD_MUTEX_ERRORCHECK, 0);
    if (pthread_mutex_unlock(&shared->one) != EPERM) exit(3);
    pthread_mutex_lock(&shared->one);
    if (pthread_mutex_lock(&shared->one) != EDEADLK) exit(4);
    if (pthread_mutex_trylock(&shared->one) != EBUSY) exit(5);
    pthread_mutex_unlock(&shared->one);
}

static int unlocks(void *with) {
    struct shared *shared = with;
    return pthread_mutex_unlock(&shared->one) != EPERM;
}

/* A child unlocks what its parent has locked: an error, and the parent has it as before. */
static void unlocked_by_another(void) {
    struct shared *shared = memory();
    between_processes(&shared->one, PTHREAD_MUTEX_ERRORCHECK, 0);
    pthread_mutex_lock(&shared->one);
    int status = reap(child_of(unlocks, shared));
    pthread_mutex_unlock(&shared->one);
    exit(WEXITSTATUS(status));
}

static int locks_its_copy(void *with) {
    pthread_mutex_t *mutex = with;
    return pthread_mutex_trylock(mutex) != EBUSY || pthread_mutex_unlock(mutex) || pthread_mutex_lock(mutex);
}

/* A child has the lock that its parent held, as a copy. */
static void fork_with_a_held_lock(void) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    int status = reap(child_of(locks_its_copy, &mutex));
    pthread_mutex_unlock(&mutex);
    exit(WEXITSTATUS(status));
}

/* The same program anew: breakpoints are planted once more. */
static void exec(void) {
    sem_t own;
    must(sem_init(&own, 0, 1));
    must(sem_wait(&own));
    execl("/proc/self/exe", "locks", "two_rounds", NULL);
}

static void two_rounds(void) {
    sem_t own;
    must(sem_init(&own, 0, 0));
    for (int i = 0; i < 2; i++) {
        must(sem_post(&own));
        must(sem_wait(&own));
    }
}

static struct shared *handlers;

static void posts(int signal) {
    (void)signal;
    sem_post(&handlers->first);
}

/* A handler posts what its own thread waits for: one call of the thread inside of another. */
static void handler_posts(void) {
    handlers = memory();
    must(sem_init(&handlers->first, 1, 0));
    struct sigaction action = {.sa_handler = posts, .sa_flags = SA_RESTART};
    must(sigaction(SIGUSR1, &action, NULL));
    pid_t parent = getpid();
    pid_t pid = must(fork());
    if (pid == 0) {
        kill(parent, SIGUSR1);
        _exit(0);
    }
    while (sem_wait(&handlers->first) == -1) {
    }
    reap(pid);
}

static sigjmp_buf out;

static void jumps(int signal) {
    (void)signal;
    siglongjmp(out, 1);
}

/* The wait is left by a jump; the next one, from the same place of the stack, is another. */
static void left_by_a_jump(void) {
    struct shared *shared = memory();
    must(sem_init(&shared->first, 1, 0));
    struct sigaction action = {.sa_handler = jumps};
    must(sigaction(SIGUSR1, &action, NULL));
    pid_t parent = getpid();
    pid_t pid = must(fork());
    if (pid == 0) {
        kill(parent, SIGUSR1);
        _exit(0);
    }
    if (sigsetjmp(out, 1)) must(sem_post(&shared->first));
    must(sem_wait(&shared->first));
    reap(pid);
}

static void unlocks_again(void *mutex) { pthread_mutex_unlock(mutex); }

static void *waits_for_ever(void *with) {
    struct shared *shared = with;
    pthread_mutex_lock(&shared->one);
    pthread_cleanup_push(unlocks_again, &shared->one);
    sem_post(&shared->first);
    for (;;) pthread_cond_wait(&shared->changed, &shared->one);
    pthread_cleanup_pop(1);
    return NULL;
}

/* A thread is cancelled while it waits for a condition: it has the mutex again when its cleanup runs. */
static void cancelled(void) {
    static struct shared own = {.one = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    must(sem_init(&own.first, 0, 0));
    pthread_t thread;
    pthread_create(&thread, NULL, waits_for_ever, &own);
    must(sem_wait(&own.first));
    pthread_mutex_lock(&own.one);
    pthread_mutex_unlock(&own.one);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    pthread_mutex_lock(&own.one);
    pthread_mutex_unlock(&own.one);
}

static int takes_both(pthread_mutex_t *one, pthread_mutex_t *other, sem_t *mine, sem_t *its) {
    pthread_mutex_lock(one);
    must(sem_post(mine));
    must(sem_wait(its));
    pthread_mutex_lock(other);
    return 0;
}

static int the_other_way_round(void *with) {
    struct shared *shared = with;
    return takes_both(&shared->other, &shared->one, &shared->second, &shared->first);
}

static void two_lock_orders(void) {
    struct shared *shared = memory();
    must(sem_init(&shared->first, 1, 0));
    must(sem_init(&shared->second, 1, 0));
    between_processes(&shared->one, PTHREAD_MUTEX_DEFAULT, 0);
    between_processes(&shared->other, PTHREAD_MUTEX_DEFAULT, 0);
    pid_t pid = child_of(the_other_way_round, shared);
    takes_both(&shared->one, &shared->other, &shared->first, &shared->second);
    reap(pid);
}

/* A page at this address, or at any; zeros are a lock that nobody has (PTHREAD_MUTEX_INITIALIZER). */
static void *page(void *at, int flags) {
    void *page = mmap(at, 4096, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);
    if (at != NULL && page != at) exit(97);
    return page;
}

/* What comes to lie where something lay is something else. */
static void mapped_anew(void) {
    pthread_mutex_t *lock = page(NULL, MAP_PRIVATE);
    pthread_mutex_lock(lock);
    munmap(lock, 4096);
    pthread_mutex_lock(page(lock, MAP_PRIVATE));
    pthread_mutex_lock(page(lock, MAP_PRIVATE | MAP_FIXED));
    /* Beside it nothing changes. */
    munmap((char *)lock + 4096, 4096);
    munmap((char *)lock - 4096, 4096);
    pthread_mutex_unlock(lock);
}

static void shared_and_then_private(void) {
    pthread_mutex_t *lock = page(NULL, MAP_SHARED);
    between_processes(lock, PTHREAD_MUTEX_DEFAULT, 0);
    pthread_mutex_lock(lock);
    munmap(lock, 4096);
    pthread_mutex_lock(page(lock, MAP_PRIVATE));
    munmap(lock, 4096);
    int segment = must(shmget(IPC_PRIVATE, 4096, 0600));
    if (shmat(segment, lock, 0) != lock) exit(97);
    must(shmctl(segment, IPC_RMID, NULL));
    between_processes(lock, PTHREAD_MUTEX_DEFAULT, 0);
    must(shmdt(lock));
    pthread_mutex_lock(page(lock, MAP_PRIVATE));
    munmap(lock, 4096);
    pthread_spinlock_t *spins = page(lock, MAP_SHARED);
    pthread_spin_init(spins, PTHREAD_PROCESS_SHARED);
    munmap(lock, 4096);
    spins = page(lock, MAP_SHARED);
    pthread_spin_init(spins, PTHREAD_PROCESS_SHARED);
}

static void spin(void) {
    pthread_spinlock_t *lock = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_spin_init(lock, PTHREAD_PROCESS_SHARED);
    pthread_spin_lock(lock);
    lock[1] = 7;
    pthread_spin_unlock(lock);
}

static int tells_its_parent(void *with) {
    (void)with;
    return must(kill(getppid(), SIGUSR1));
}

static int told[2];

static void writes(int signal) {
    (void)signal;
    must(write(told[1], "!", 1));
}

static void allocates(int signal) {
    (void)signal;
    void *volatile some = malloc(100);
    free(some);
    must(write(told[1], "!", 1));
}

static void prints(int signal) {
    (void)signal;
    fprintf(stderr, "signal\n");
    must(write(told[1], "!", 1));
}

static void locks(int signal) {
    (void)signal;
    pthread_mutex_lock(&handlers->one);
    pthread_mutex_unlock(&handlers->one);
    must(write(told[1], "!", 1));
}

static void handled_by(void (*handler)(int)) {
    handlers = memory();
    between_processes(&handlers->one, PTHREAD_MUTEX_DEFAULT, 0);
    must(pipe(told));
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    must(sigaction(SIGUSR1, &action, NULL));
    pid_t pid = child_of(tells_its_parent, NULL);
    char byte;
    must(read(told[0], &byte, 1));
    reap(pid);
    /* Outside of the handler all of this is fine. */
    free(malloc(100));
    fprintf(stderr, "done\n");
}

static void handler_writes(void) { handled_by(writes); }

static void handler_allocates(void) { handled_by(allocates); }

static void handler_prints(void) { handled_by(prints); }

static void handler_locks(void) { handled_by(locks); }

RUN(CASE(hundred_rounds), CASE(ping_pong), CASE(named), CASE(mutex), CASE(robust), CASE(condition), CASE(read_write),
    CASE(barrier), CASE(failures), CASE(unlocked_by_another), CASE(fork_with_a_held_lock), CASE(exec), CASE(two_rounds),
    CASE(handler_posts), CASE(left_by_a_jump), CASE(cancelled), CASE(two_lock_orders), CASE(mapped_anew), CASE(shared_and_then_private), CASE(spin), CASE(handler_writes),
    CASE(handler_allocates), CASE(handler_prints), CASE(handler_locks))
