/* A filter of its own, by the older call: it would hide calls from the recorder. */
#include "attack.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
int main(void) {
    struct sock_filter fail = { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | 1 };
    struct sock_fprog filter = { 1, &fail };
    came_of("prctl", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));
    came_of("strict", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
}
