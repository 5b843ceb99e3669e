/* Calls of the kernel that no exercise needs and that attacks are made of. */
#include "attack.h"

int main(void) {
    char room[256] = "";
    came_of("io_uring_setup", syscall(SYS_io_uring_setup, 4, room));
    came_of("keyctl", syscall(SYS_keyctl, 0, -3, 1));
    came_of("add_key", syscall(SYS_add_key, "user", "mine", "x", 1, -3));
    came_of("request_key", syscall(SYS_request_key, "user", "mine", NULL, -3));
    came_of("userfaultfd", syscall(SYS_userfaultfd, 0));
    came_of("bpf", syscall(SYS_bpf, 0, room, sizeof room));
    came_of("perf_event_open", syscall(SYS_perf_event_open, room, 0, -1, -1, 0));
    came_of("memfd_secret", syscall(SYS_memfd_secret, 0));
    came_of("kcmp", syscall(SYS_kcmp, getpid(), getppid(), 0, 0, 0));
    came_of("fanotify_init", syscall(SYS_fanotify_init, 0, 0));
    came_of("process_madvise", syscall(SYS_process_madvise, -1, NULL, 0, 0, 0));
    came_of("syslog", syscall(SYS_syslog, 3, room, sizeof room));
    came_of("modify_ldt", syscall(SYS_modify_ldt, 0, room, sizeof room));
    came_of("personality", syscall(SYS_personality, 0x0400000));
    came_of("seccomp", syscall(SYS_seccomp, 2, 0, NULL));
    came_of("a call of the future", syscall(1000));
}
