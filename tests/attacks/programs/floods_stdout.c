/* Output without an end. */
#include "attack.h"

int main(void) {
    static char block[65536];
        for (;;) write(1, block, sizeof block);
}
