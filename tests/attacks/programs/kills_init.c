/* Signals to pid 1, which belongs to the box. */
#include "attack.h"

int main(void) {
    kill(1, SIGKILL);
    kill(1, SIGSTOP);
    kill(1, SIGTERM);
    printf("still here\n");
}
