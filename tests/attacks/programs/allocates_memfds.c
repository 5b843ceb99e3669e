/* The same by fallocate. */
#include "attack.h"

int main(void) {
    for (;;) {
        int fd = memfd_create("full", 0);
        if (fallocate(fd, 0, 0, 8 << 20) < 0) { came_of("fallocate", -1); return 1; }
    }
}
