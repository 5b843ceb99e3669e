/* SIGSTOP to every process that it can reach, and then it waits for one of them. */
#include "attack.h"

int main(void) {
    if (fork() == 0) for (;;) pause();
    came_of("stop everybody", kill(-1, SIGSTOP));
    wait(NULL);
}
