/* A double fork and a session of its own: it wants to outlive its parents. */
#include "attack.h"

int main(void) {
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            setsid();
            chdir("/");
            for (;;) pause();
        }
        _exit(0);
    }
    wait(NULL);
    printf("left\n");
}
