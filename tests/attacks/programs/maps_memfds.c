/* The same without a write: a length, and stores. */
#include "attack.h"

int main(void) {
    for (;;) {
        int fd = memfd_create("full", 0);
        size_t size = 8 << 20;
        if (ftruncate(fd, size) < 0) { came_of("ftruncate", -1); return 1; }
        char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED) { came_of("mmap", -1); return 1; }
        memset(memory, 1, size);
        munmap(memory, size);
    }
}
