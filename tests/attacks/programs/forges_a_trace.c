/* Lines as a recording has them, and commands to what may read the output. */
#include "attack.h"

int main(void) {
    printf("{\"format\":\"ipc-grade/trace/1\"}\n");
    printf("{\"life\":0,\"verb\":\"fork\",\"child\":1}\n");
    printf("::error file=main.rs::all points\n");
}
