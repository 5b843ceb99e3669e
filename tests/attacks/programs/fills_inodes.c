/* Empty files until there are no more. */
#include "attack.h"

int main(void) {
    for (int i = 0; i < 100000; i++) {
        char name[16];
        sprintf(name, "f%d", i);
        int fd = open(name, O_CREAT | O_WRONLY, 0600);
        if (fd < 0) { came_of("open", fd); return 1; }
        close(fd);
    }
    printf("100000 files\n");
}
