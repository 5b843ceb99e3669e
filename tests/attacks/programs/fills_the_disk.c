/* Files until there is no more. */
#include "attack.h"

int main(void) {
    static char block[1 << 20];
    for (int i = 0;; i++) {
        char name[16];
        sprintf(name, "f%d", i);
        int fd = open(name, O_CREAT | O_WRONLY, 0600);
        for (int j = 0; j < 8; j++) write(fd, block, sizeof block);
        close(fd);
    }
}
