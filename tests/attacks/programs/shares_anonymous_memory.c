/* Shared anonymous memory, given away page by page to children that keep it. */
#include "attack.h"

int main(void) {
    for (int i = 0; i < 10; i++) {
        size_t size = 410 << 20;
        char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) return 1;
        memset(memory, 1, size);
        if (fork() == 0) for (;;) pause();
        munmap(memory, size);
    }
    printf("4 GiB\n");
}
