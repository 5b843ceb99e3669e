/* Computes without an end. */
#include "attack.h"

int main(void) {
    for (volatile unsigned long i = 0;; i++) {}
}
