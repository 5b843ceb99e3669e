/* Makes an object of each kind under a name that others use too, and leaves them all. */
#include "attack.h"
#include <mqueue.h>
#include <semaphore.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

int main(void) {
    int fd = shm_open("/ipc-grade-same", O_CREAT | O_EXCL | O_RDWR, 0600);
    came_of("shm", fd);
    ftruncate(fd, 4096);
    int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    *shared += 1;
    mqd_t queue = mq_open("/ipc-grade-same", O_CREAT | O_EXCL | O_RDWR, 0600, NULL);
    /* Without /dev/mqueue Landlock has no rule for queues. */
    if (!(queue == (mqd_t)-1 && errno == EACCES)) came_of("queue", queue);
    came_of("semaphore", sem_open("/ipc-grade-same", O_CREAT | O_EXCL, 0600, 1) == SEM_FAILED ? -1 : 0);
    came_of("fifo", mkfifo("same", 0600));
    came_of("segment", shmget(0x1267, 4096, IPC_CREAT | IPC_EXCL | 0600));
    came_of("set", semget(0x1267, 1, IPC_CREAT | IPC_EXCL | 0600));
    came_of("messages", msgget(0x1267, IPC_CREAT | IPC_EXCL | 0600));
    printf("%d\n", *shared);
}
