/* 4 GiB in one process. */
#include "attack.h"

int main(void) {
    size_t step = 64 << 20;
    for (int i = 0; i < 64; i++) {
        char *memory = mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) return 1;
        memset(memory, 1, step);
    }
    printf("4 GiB\n");
}
