/* Shared memory, queues and semaphores, of both families. */
#include "cases.h"

static int attaches_and_stores(void *id) {
    char *memory = shmat(*(int *)id, NULL, 0);
    strcpy(memory, "stored");
    return must(shmdt(memory));
}

static void sysv_memory(void) {
    int id = must(shmget(0x5eed, 4096, IPC_CREAT | 0600));
    reap(child_of(attaches_and_stores, &id));
    char *memory = shmat(id, NULL, SHM_RDONLY);
    int same = strcmp(memory, "stored");
    must(shmctl(id, IPC_RMID, NULL));
    exit(same);
}

struct message {
    long type;
    char text[16];
};

static int sends(void *id) {
    struct message one = {7, "seven"}, two = {3, "three"};
    must(msgsnd(*(int *)id, &one, 5, 0));
    must(msgsnd(*(int *)id, &two, 5, 0));
    return 0;
}

static void sysv_queue(void) {
    int id = must(msgget(IPC_PRIVATE, 0600));
    pid_t pid = child_of(sends, &id);
    struct message message;
    must(msgrcv(id, &message, sizeof message.text, 3, 0));
    must(msgrcv(id, &message, sizeof message.text, 0, 0));
    reap(pid);
    must(msgctl(id, IPC_RMID, NULL));
}

static int goes_up(void *id) {
    struct sembuf up = {.sem_num = 1, .sem_op = 1};
    return must(semop(*(int *)id, &up, 1));
}

static void sysv_semaphores(void) {
    int id = must(semget(IPC_PRIVATE, 2, 0600));
    unsigned short values[2] = {1, 0};
    must(semctl(id, 0, SETALL, values));
    pid_t pid = child_of(goes_up, &id);
    struct sembuf down[2] = {{.sem_num = 0, .sem_op = -1}, {.sem_num = 1, .sem_op = -1}};
    must(semop(id, &down[0], 1));
    must(semop(id, &down[1], 1));
    reap(pid);
    must(semctl(id, 0, IPC_RMID));
}

static int takes_and_goes(void *id) {
    struct sembuf down = {.sem_op = -1, .sem_flg = SEM_UNDO};
    must(semop(*(int *)id, &down, 1));
    poll(NULL, 0, 1);
    return 0;
}

static int takes_after(void *id) {
    struct sembuf down = {.sem_op = -1};
    return must(semop(*(int *)id, &down, 1));
}

/* What one took with SEM_UNDO its end gives back to the other, who waits for it. */
static void sysv_undo(void) {
    int id = must(semget(IPC_PRIVATE, 1, 0600));
    must(semctl(id, 0, SETVAL, 1));
    pid_t one = child_of(takes_and_goes, &id), other = child_of(takes_after, &id);
    reap(one);
    reap(other);
    must(semctl(id, 0, IPC_RMID));
}

static int sends_with_priorities(void *with) {
    (void)with;
    mqd_t queue = must(mq_open("/work-queue", O_WRONLY));
    must(mq_send(queue, "low", 3, 1));
    must(mq_send(queue, "high", 4, 9));
    return 0;
}

static void posix_queue(void) {
    struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 16};
    mqd_t queue = must(mq_open("/work-queue", O_RDONLY | O_CREAT, 0600, &attributes));
    reap(child_of(sends_with_priorities, NULL));
    char bytes[16];
    unsigned priority;
    must(mq_receive(queue, bytes, sizeof bytes, &priority));
    must(mq_receive(queue, bytes, sizeof bytes, &priority));
    must(mq_unlink("/work-queue"));
}

static int posts(void *semaphore) { return must(sem_post(semaphore)); }

static void waits_for(sem_t *semaphore) {
    pid_t pid = child_of(posts, semaphore);
    must(sem_wait(semaphore));
    reap(pid);
}

static void named_semaphore(void) {
    sem_t *semaphore = sem_open("/turn", O_CREAT | O_EXCL, 0600, 0);
    if (semaphore == SEM_FAILED) exit(1);
    waits_for(semaphore);
    must(sem_unlink("/turn"));
}

static void named_semaphore_left_behind(void) {
    if (sem_open("/turn", O_CREAT, 0600, 1) == SEM_FAILED) exit(1);
}

static void unnamed_semaphore(void) {
    sem_t *semaphore = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(sem_init(semaphore, 1, 0));
    waits_for(semaphore);
}

struct shared {
    pthread_mutex_t mutex;
    int value;
};

static int takes_the_mutex(void *with) {
    struct shared *shared = with;
    int left = pthread_mutex_lock(&shared->mutex);
    if (left == EOWNERDEAD) pthread_mutex_consistent(&shared->mutex);
    shared->value++;
    pthread_mutex_unlock(&shared->mutex);
    return left == EOWNERDEAD;
}

static int dies_with_it(void *with) {
    struct shared *shared = with;
    pthread_mutex_lock(&shared->mutex);
    raise(SIGKILL);
    return 0;
}

/* The owner dies: the next one gets the mutex and is told. */
static void robust_mutex(void) {
    struct shared *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&shared->mutex, &attributes);
    reap(child_of(dies_with_it, shared));
    exit(WEXITSTATUS(reap(child_of(takes_the_mutex, shared))));
}

static void posix_memory(void) {
    int fd = must(shm_open("/board", O_CREAT | O_EXCL | O_RDWR, 0600));
    must(ftruncate(fd, 4096));
    int *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    memory[2] = 1234;
    must(shm_unlink("/board"));
}

RUN(CASE(sysv_memory), CASE(sysv_queue), CASE(sysv_semaphores), CASE(sysv_undo), CASE(posix_queue), CASE(named_semaphore),
    CASE(named_semaphore_left_behind), CASE(unnamed_semaphore), CASE(robust_mutex), CASE(posix_memory))
