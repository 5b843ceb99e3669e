/* POSIX shared memory until there is no more. */
#include "attack.h"

int main(void) {
    static char block[1 << 20];
    int fd = shm_open("/full", O_CREAT | O_RDWR, 0600);
    for (;;) {
        if (lseek(fd, 0, SEEK_CUR) > 8 << 20) fd = shm_open("/more", O_CREAT | O_RDWR, 0600);
        if (write(fd, block, sizeof block) < 0) came_of("write", -1);
    }
}
