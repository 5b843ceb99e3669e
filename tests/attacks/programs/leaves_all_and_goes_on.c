/* Makes an object of each kind below a name of its own and by no name at all, starts a daemon, tells what the kernel
   called them, and goes on for ever. */
#include "attack.h"
#include <mqueue.h>
#include <semaphore.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

int main(int argc, char **argv) {
    char name[128], said[128], there[160];
    key_t key = argc > 2 ? atoi(argv[2]) : 0;
    snprintf(name, sizeof name, "/%s", argv[1]);
    int fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
    ftruncate(fd, 4096);
    mq_open(name, O_CREAT | O_RDWR, 0600, NULL);
    sem_open(name, O_CREAT, 0600, 1);
    mkdir("shut", 0700);
    close(open("shut/file", O_CREAT | O_WRONLY, 0600));
    chmod("shut", 0);
    int length = snprintf(said, sizeof said, "shm %d\nshm %d\nsem %d\nsem %d\nmsg %d\nmsg %d\n",
        shmget(key, 4096, IPC_CREAT | 0600), shmget(IPC_PRIVATE, 4096, 0600), semget(key, 1, IPC_CREAT | 0600),
        semget(IPC_PRIVATE, 1, 0600), msgget(key, IPC_CREAT | 0600), msgget(IPC_PRIVATE, 0600));
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            setsid();
            chdir("/");
            for (;;) pause();
        }
        _exit(0);
    }
    wait(NULL);
    snprintf(there, sizeof there, "%s-made", name);
    fd = shm_open(there, O_CREAT | O_EXCL | O_RDWR, 0644);
    write(fd, said, length);
    /* It is whole now. */
    fchmod(fd, 0444);
    for (;;) continue;
}
