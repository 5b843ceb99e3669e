/* Looks for descriptors that somebody forgot to close. */
#include "attack.h"

int main(void) {
    for (int fd = 3; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0) printf("descriptor %d\n", fd);
    printf("looked\n");
}
