/* File systems and roots of its own. */
#include "attack.h"

#include <sys/mount.h>
int main(void) {
    came_of("mount", mount("none", "/tmp", "tmpfs", 0, ""));
    came_of("umount", umount2("/proc", MNT_DETACH));
    came_of("remount", mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL));
    came_of("chroot", chroot("/tmp"));
    came_of("pivot_root", syscall(SYS_pivot_root, "/tmp", "/tmp"));
    came_of("open_tree", syscall(SYS_open_tree, -1, "/", 1));
    came_of("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
    came_of("move_mount", syscall(SYS_move_mount, -1, "/", -1, "/tmp", 0));
    came_of("mount_setattr", syscall(SYS_mount_setattr, -1, "/", 0, NULL, 0));
    came_of("open_by_handle_at", syscall(SYS_open_by_handle_at, -1, NULL, 0));
}
