/* 4 GiB in ten processes, each below the limit of a process. */
#include "attack.h"

int main(void) {
    for (int i = 0; i < 10; i++) {
        if (fork() == 0) {
            size_t size = 410 << 20;
            char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (memory == MAP_FAILED) _exit(1);
            memset(memory, 1, size);
            for (;;) pause();
        }
    }
    while (wait(NULL) > 0) {}
}
