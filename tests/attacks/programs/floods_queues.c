/* POSIX queues, each filled, until there is no more. */
#include "attack.h"

#include <mqueue.h>
int main(void) {
    static char block[8192];
    for (int i = 0; i < 100; i++) {
        char name[16];
        sprintf(name, "/q%d", i);
        struct mq_attr size = { .mq_maxmsg = 10, .mq_msgsize = sizeof block };
        mqd_t queue = mq_open(name, O_CREAT | O_RDWR | O_NONBLOCK, 0600, &size);
        if (queue == (mqd_t)-1) { printf("stopped by %s\n", strerrorname_np(errno)); return 0; }
        while (mq_send(queue, block, sizeof block, 0) == 0) {}
    }
    printf("100 queues\n");
}
