/* Descriptors without an end. */
#include "attack.h"

int main(void) {
    for (int i = 0; i < 10000; i++)
        if (open("/dev/null", O_RDONLY) < 0) { came_of("open", -1); return 1; }
    printf("10000 descriptors\n");
}
