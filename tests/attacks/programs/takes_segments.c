/* 4 GiB of System V shared memory, a segment of 64 MiB at a time. */
#include "attack.h"

#include <sys/shm.h>
int main(void) {
    for (int i = 0; i < 64; i++) {
        int id = shmget(IPC_PRIVATE, 64 << 20, IPC_CREAT | 0600);
        if (id < 0) { came_of("shmget", id); return 1; }
        char *memory = shmat(id, NULL, 0);
        if (memory == (void *)-1) { came_of("shmat", -1); return 1; }
        memset(memory, 1, 64 << 20);
        shmdt(memory);
    }
    printf("4 GiB\n");
}
