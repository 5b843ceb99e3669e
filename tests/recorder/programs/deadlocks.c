/* Programs in which everybody waits for somebody. */
#include "cases.h"

static void own_write_end(void) {
    int ends[2];
    must(pipe(ends));
    hear(ends[0]);
}

static int hears(void *ends) {
    hear(*(int *)ends);
    return 0;
}

static void child_waits_for_its_parent(void) {
    int ends[2];
    must(pipe(ends));
    reap(child_of(hears, ends));
}

static int opens_the_other_way(void *with) {
    (void)with;
    must(open("two", O_WRONLY));
    must(open("one", O_RDONLY));
    return 0;
}

static void fifos_cross(void) {
    must(mkfifo("one", 0600));
    must(mkfifo("two", 0600));
    child_of(opens_the_other_way, NULL);
    must(open("one", O_WRONLY));
    must(open("two", O_RDONLY));
}

static int fills(void *with) {
    int *pipes = with;
    static char bytes[100000];
    must(write(pipes[3], bytes, sizeof bytes));
    must(read(pipes[0], bytes, sizeof bytes));
    return 0;
}

static void both_write_first(void) {
    int pipes[4];
    must(pipe(pipes));
    must(pipe(pipes + 2));
    child_of(fills, pipes);
    int other_way[4] = {pipes[2], pipes[3], pipes[0], pipes[1]};
    fills(other_way);
}

static int pauses(void *with) {
    (void)with;
    pause();
    return 0;
}

static void vfork_child_pauses(void) {
    if (vfork() == 0) {
        pause();
        _exit(0);
    }
}

static int stops(void *with) {
    (void)with;
    raise(SIGSTOP);
    return 0;
}

static void waits_for_a_stopped_one(void) { reap(child_of(stops, NULL)); }

static void *joins_nobody(void *mutex) {
    pthread_mutex_lock(mutex);
    return NULL;
}

static void thread_wants_a_held_lock(void) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    pthread_t thread;
    pthread_create(&thread, NULL, joins_nobody, &mutex);
    pthread_join(thread, NULL);
}

static void nobody_posts(void) {
    sem_t *semaphore = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(sem_init(semaphore, 1, 0));
    pid_t pid = child_of(pauses, NULL);
    must(sem_wait(semaphore));
    reap(pid);
}

static void empty_queues(void) {
    char bytes[16];
    struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 16};
    mqd_t queue = must(mq_open("/empty", O_RDONLY | O_CREAT, 0600, &attributes));
    must(mq_receive(queue, bytes, sizeof bytes, NULL));
}

static void empty_sysv_queue(void) {
    long message[2];
    int id = must(msgget(IPC_PRIVATE, 0600));
    must(msgrcv(id, message, 8, 0, 0));
}

static void sysv_semaphore_is_down(void) {
    int id = must(semget(IPC_PRIVATE, 1, 0600));
    struct sembuf down = {.sem_op = -1};
    must(semop(id, &down, 1));
}

static void nobody_signals(void) {
    sigset_t one;
    int signal;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    must(sigprocmask(SIG_BLOCK, &one, NULL));
    sigwait(&one, &signal);
}

/* The child's signal has come, and the mask for the wait blocks it all the same. */
static void suspends_with_it_blocked(void) {
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    must(sigprocmask(SIG_BLOCK, &one, NULL));
    if (must(fork()) == 0) {
        must(kill(getppid(), SIGUSR1));
        _exit(0);
    }
    must(waitpid(-1, NULL, 0));
    sigsuspend(&one);
}

RUN(CASE(own_write_end), CASE(child_waits_for_its_parent), CASE(fifos_cross), CASE(both_write_first),
    CASE(vfork_child_pauses), CASE(waits_for_a_stopped_one), CASE(thread_wants_a_held_lock), CASE(nobody_posts),
    CASE(empty_queues), CASE(empty_sysv_queue), CASE(sysv_semaphore_is_down), CASE(nobody_signals),
    CASE(suspends_with_it_blocked))
